"""What a system may ask of a guidance besides its losses, and how a guidance that knows nothing of it is asked."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import torch
from jaxtyping import Float
from torch import Tensor

from ..cameras.batch import CameraBatch
from ..host import BaseObject, Updateable, find
from ..options.option_range import check_fields
from ..priors.base import Condition, Views
from ..prompts.view_prompts import ViewPrompts, from_upstream
from .step import GuidedStep, StepSettings


class AnyGuidance(Updateable):
    """What a system asks of a guidance besides its losses. It learns nothing and keeps nothing, unless it says so."""

    reads_surface = False
    """Whether it is called with `depth` and `opacity` of the renders, too."""

    def prompts(self, processor: Callable[[], object]) -> object:
        """What to call it with as `prompt_utils`: what the prompt processor of a run says."""
        return processor()

    def manifest(self) -> dict[str, object]:
        """What identifies its prior in a run manifest."""
        return {}

    def state_dict(self) -> dict[str, object]:
        """What a checkpoint needs: tensors and plain types."""
        return {}

    def load_state_dict(self, state: Mapping[str, object]) -> None:
        """The opposite of `state_dict`."""

    def step_pictures(
        self,
        rgb: Float[Tensor, "B H W 3"],
        prompt_utils: object,
        background_color: Float[Tensor, "B 3"] | None = None,
        **batch: object,
    ) -> Mapping[str, Float[Tensor, "B h w 3"]]:
        """What its prior makes of rendered views, by name, for whoever watches; none unless it says so.

        The run does not notice: nothing is counted, and every draw has a generator of its own.
        """
        return {}

    def trainable_parameters(self, device: torch.device | str | None = None) -> list[dict[str, object]]:
        """Groups for the run's one optimizer.

        Args:
            device: where the run computes; the optimizer's state is restored to where its parameters are.
        """
        return []


class PriorGuidance(AnyGuidance, BaseObject):
    """A guidance of this package: it asks a diffusion prior, and is called as threestudio calls its guidances."""

    @dataclass
    class Config(BaseObject.Config):
        prior_type: str = "splatdream-closed-form-prior"
        """Registered name of the diffusion prior."""
        prior: dict = field(default_factory=dict)
        """Configuration of the prior."""
        seed: int = 0
        """Seed of timesteps and noise; `${seed}` in a YAML."""

    cfg: Config

    reads_source = False
    """Whether it moves away from source texts."""

    def configure(self) -> None:
        """Refuses what is beyond its range, then builds the prior."""
        self._check()
        self._prior = find(self.cfg.prior_type)(self.cfg.prior)()
        self._encoded: tuple[ViewPrompts, Condition] | None = None
        self.update_step(0, 0)

    def prompts(self, processor: Callable[[], object]) -> ViewPrompts:
        """See `AnyGuidance`; what threestudio's processors know is carried over, as far as it is read here.

        Raises:
            ValueError: the prior cannot read a text; the processor asks for Perp-Neg, which is a setting of the
                guidance here; a source text is missing, or without effect.
        """
        prompts = self._view_prompts(processor(), getattr(getattr(processor, "cfg", None), "negative_prompt", ""))
        if self.reads_source and not prompts.source_modifier:
            raise ValueError(
                "guidance.method sds_bridge moves away from a source text, and there is none; set "
                "prompt_processor.source_modifier, e.g. 'oversaturated, smooth, blurry, noisy'"
            )
        if prompts.source_modifier and not self.reads_source:
            raise ValueError(
                f"prompt_processor.source_modifier {prompts.source_modifier!r} has no effect on this guidance; "
                "leave it out, or set guidance.method: sds_bridge"
            )
        if not self._prior.reads_texts and prompts.negative_prompt:
            raise ValueError(
                f"prompt_processor.negative_prompt {prompts.negative_prompt!r} has no effect: "
                f"{type(self._prior).__name__} reads no texts; leave it out"
            )
        self._encode(prompts)  # now: what the prior cannot read must not cost a run's beginning
        return prompts

    def _view_prompts(self, prompt_utils: object, negative_prompt: str = "") -> ViewPrompts:
        if isinstance(prompt_utils, ViewPrompts):
            return prompt_utils
        if getattr(prompt_utils, "use_perp_neg", False) and not getattr(self.cfg, "perp_neg", 0):
            raise ValueError(
                "prompt_processor.use_perp_neg has no effect: Perp-Neg is a setting of the guidance here; "
                "set guidance.perp_neg: 1.0 (splatdream-guidance), or use_perp_neg: false"
            )
        return from_upstream(prompt_utils, negative_prompt)

    def _check(self) -> None:
        check_fields("guidance", self.cfg, self.Config)

    def manifest(self) -> dict[str, object]:
        """The prior's; its settings stand in the configuration."""
        return self._prior.manifest()

    def _guided_step(
        self,
        latents: Float[Tensor, "B ..."],
        prompt_utils: object,
        background_color: Float[Tensor, "B 3"] | None,
        batch: Mapping[str, object],
        number: int,
        settings: StepSettings,
    ) -> GuidedStep:
        """
        Args:
            prompt_utils: `ViewPrompts`, or the output of one of threestudio's prompt processors.
            background_color: what is behind the object of each view; white when it is not told.
            batch: the rest of threestudio's batch; the cameras are read from it.
        """
        prompts, condition = self._encode(prompt_utils)
        background = latents.new_ones(len(latents), 3) if background_color is None else background_color
        views = Views(CameraBatch.from_batch(batch), background)
        return GuidedStep(self._prior, prompts, condition, views, latents.detach(), number, settings)

    def _encode(self, prompt_utils: object) -> tuple[ViewPrompts, Condition]:
        """Texts are encoded when they first come in, and kept for as long as equal prompts follow."""
        # threestudio's own systems bring a new object for every step.
        prompts = self._view_prompts(prompt_utils)
        if self._encoded is None or self._encoded[0] != prompts:
            texts = prompts.with_suffix(self._prior.prompt_suffix).texts
            self._encoded = (prompts, self._prior.encode_texts(texts))
        return self._encoded


class ForeignGuidance(AnyGuidance):
    """A guidance of the host or of another plugin: its calls and updates pass through.

    If it is an `nn.Module` it is no part of the system's: a resumed run builds the guidance after weights are read.
    """

    def __init__(self, guidance: Callable[..., dict[str, object]]) -> None:
        self.guidance = guidance

    def __call__(self, *args: object, **kwargs: object) -> dict[str, object]:
        return self.guidance(*args, **kwargs)


def adopted(guidance: Callable[..., dict[str, object]]) -> AnyGuidance:
    """Any guidance, whoever made it, as a system may ask it."""
    return guidance if isinstance(guidance, AnyGuidance) else ForeignGuidance(guidance)
