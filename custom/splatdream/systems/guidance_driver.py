"""A run's guidance: building it, asking it, its losses, its cost, its place in a checkpoint."""

from collections.abc import Callable, Iterable, Mapping
from itertools import chain
from typing import Any

import torch
from torch import Tensor

from ..guidance.base import AnyGuidance, adopted
from ..guidance.methods.registry import METHODS
from ..host import Updateable, find

_GUIDANCE_LOSSES = ("sds", "denoise", "l1", "dssim", "vsd", "lora", "sdi", "train", "sd")
"""What names of losses begin with in our guidances, and in threestudio's (loss_train_phi, ...), apart from learners."""


class GuidanceDriver(Updateable):
    """Part of a system. `build` comes with training only: test and export need neither a prior nor its memory.

    Args:
        weights: `system.loss`: a number or a schedule for each `lambda_<name>`.
        at_step: the value of a schedule now.
    """

    def __init__(self, weights: Mapping[str, Any], at_step: Callable[[Any], float]) -> None:
        # Asking a configuration for a key that it lacks is slow, and every step asks for all.
        self._weights = {name: weights[name] for name in weights}
        self._at_step = at_step
        self._restored: dict[str, Any] | None = None
        self.guidance: AnyGuidance | None = None
        self.num_evaluations = 0
        """Of the denoiser, so far."""

    def check_weights(self, regularizers: Iterable[str]) -> None:
        """A weight that no loss answers to would be silently without effect.

        Raises:
            ValueError: there is one that belongs neither to a guidance nor to a regularizer.
        """
        known = {f"lambda_{name}" for name in regularizers}
        learners = [method.learner for method in METHODS.values() if method.learner is not None]
        guiding = tuple(f"lambda_{name}" for name in (*_GUIDANCE_LOSSES, *chain(*(one.loss_names for one in learners))))
        for key in self._weights:
            if key not in known and not key.startswith(guiding):
                raise ValueError(
                    f"system.loss.{key} belongs to no loss; regularizers are {', '.join(sorted(known))}, "
                    f"guidance losses start with {' or '.join(dict.fromkeys(guiding))}"
                )

    def weight(self, name: str) -> float:
        """Of a loss at this step; 0 where none is given."""
        weight = self._weights.get(f"lambda_{name}", 0.0)
        return weight if isinstance(weight, int | float) else self._at_step(weight)

    def prepare(self, cfg: Any) -> None:
        """Builds prompts and guidance from a system's configuration, once."""
        if self.guidance is not None:
            return
        self.prompt_processor = find(cfg.prompt_processor_type)(cfg.prompt_processor)
        self.guidance = adopted(find(cfg.guidance_type)(cfg.guidance))
        self._prompts = self.guidance.prompts(self.prompt_processor)

    def build(self, cfg: Any, device: torch.device) -> list[dict[str, object]]:
        """Makes it ready to be asked; returns parameter groups of what it learns."""
        self.prepare(cfg)
        if self._restored is not None:
            self.guidance.load_state_dict(self._restored)
        return self.guidance.trainable_parameters(device)

    def ask(self, rendered: Mapping[str, Tensor], batch: Mapping[str, Any]) -> dict[str, Any]:
        """What the guidance says of rendered views: `loss_*`, and numbers to log."""
        surface = {}
        if self.guidance.reads_surface:
            surface = {"depth": rendered["comp_depth"], "opacity": rendered["opacity"]}
        guided = self.guidance(
            rendered["comp_rgb"],
            self._prompts,
            background_color=_background(rendered),
            **batch,
            **surface,
            rgb_as_latents=False,
        )
        self.num_evaluations += int(guided.get("denoiser_evaluations", 0))
        return guided

    @torch.no_grad()
    def pictures(self, rendered: Mapping[str, Tensor], batch: Mapping[str, Any]) -> Mapping[str, Tensor]:
        """What the prior makes of rendered views (`AnyGuidance.step_pictures`)."""
        rgb = rendered["comp_rgb"].detach()
        return self.guidance.step_pictures(rgb, self._prompts, background_color=_background(rendered), **batch)

    def loss(self, guided: Mapping[str, Any]) -> Tensor:
        """The weighted sum of the guidance's losses; works with any guidance that returns `loss_*`."""
        losses = {name.removeprefix("loss_"): loss for name, loss in guided.items() if name.startswith("loss_")}
        total: Tensor | float = 0.0
        for name, loss in losses.items():
            if f"lambda_{name}" not in self._weights:
                raise ValueError(f"the guidance returns loss_{name}; give it a weight: system.loss.lambda_{name}")
            total = total + self.weight(name) * loss
        return torch.as_tensor(total)

    def manifest(self) -> dict[str, object]:
        """What identifies the prior."""
        return self.guidance.manifest()

    def state_dict(self) -> dict[str, object]:
        """Tensors and plain types only: checkpoints are loaded with weights_only=True."""
        return {"guidance": self.guidance.state_dict(), "denoiser_evaluations": self.num_evaluations}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """May come before `build`, as it does when a run is resumed."""
        self._restored = state["guidance"]
        self.num_evaluations = state["denoiser_evaluations"]


def _background(rendered: Mapping[str, Tensor]) -> Tensor:
    """[B, 3]: backgrounds that are one color a view, as the priors want to know them, are their own mean."""
    return rendered["comp_rgb_bg"].detach().mean(dim=(1, 2))
