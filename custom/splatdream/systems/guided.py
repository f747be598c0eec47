"""What every system that asks a guidance shares: building it, its losses, its cost, its place in a checkpoint."""

from collections.abc import Mapping

import torch
from torch import Tensor

from ..gaussians.optimizer_groups import make_adam
from ..guidance.base import adopted
from ..host import find
from .stage_timer import StageTimer


class GuidanceMixin:
    """For a system whose `geometry` has `params()` and `learning_rates(epoch, step)`."""

    def _begin_guidance(self) -> None:
        for key in ("optimizer", "scheduler"):
            if self.cfg[key]:
                raise ValueError(f"system.{key} is not read: learning rates and their schedules are in system.geometry")
        self._timer = StageTimer()
        self._denoiser_evaluations = 0
        self._restored_guidance: dict[str, object] | None = None
        if not hasattr(self, "progress"):
            self.progress: dict[str, object] = {}

    def configure_optimizers(self) -> torch.optim.Optimizer:
        # Guidance is built here, not in configure(): validation, test and export need neither a prior nor its memory.
        self.prompt_processor = find(self.cfg.prompt_processor_type)(self.cfg.prompt_processor)
        self.guidance = adopted(find(self.cfg.guidance_type)(self.cfg.guidance))
        self._prompts = self.guidance.prompts(self.prompt_processor)
        # One optimizer: Lightning counts its steps, and two would make every schedule run twice as fast.
        optimizer = make_adam(self.geometry.params(), self.geometry.learning_rates(0, 0))
        if self._restored_guidance is not None:
            self.guidance.load_state_dict(self._restored_guidance)
        for group in self.guidance.trainable_parameters(self.device):
            optimizer.add_param_group(group)
        return optimizer

    def _ask_guidance(self, rendered: Mapping[str, Tensor], batch: Mapping[str, Tensor | int]) -> dict[str, object]:
        """What the guidance says of rendered views: `loss_*`, and numbers to log."""
        return self.guidance(
            rendered["comp_rgb"],
            self._prompts,
            # Backgrounds that are one color a view, as the priors want to know them, are their own mean.
            background_color=rendered["comp_rgb_bg"].detach().mean(dim=(1, 2)),
            **batch,
            rgb_as_latents=False,
        )

    def _guidance_loss(self, guided: Mapping[str, object]) -> Tensor:
        """The weighted sum of the guidance's losses; works with any guidance that returns `loss_*`."""
        total = torch.zeros((), device=self.device)
        for name, value in guided.items():
            if not name.startswith("loss_"):
                continue
            weight = f"lambda_{name.removeprefix('loss_')}"
            if weight not in self.cfg.loss:
                raise ValueError(f"the guidance returns {name}; give it a weight: system.loss.{weight}")
            total = total + self.C(self.cfg.loss[weight]) * value
        return total

    def _guidance_checkpoint(self) -> dict[str, object]:
        """Tensors and plain types only: checkpoints are loaded with weights_only=True."""
        return {
            "guidance": self.guidance.state_dict(),
            "denoiser_evaluations": self._denoiser_evaluations,
            "seconds_by_stage": self._timer.seconds(),
        }

    def _load_guidance_checkpoint(self, state: Mapping[str, object]) -> None:
        self._restored_guidance = state["guidance"]
        self._denoiser_evaluations = state["denoiser_evaluations"]
        self._timer.load(state["seconds_by_stage"])

    def _report(self, guided: Mapping[str, object], loss: Tensor, **sizes: int) -> None:
        """Numbers for the loggers and the progress bar. Tensors stay where they are: reading one waits for the GPU.

        Args:
            sizes: how large the asset is, e.g. gaussians=4000.
        """
        self._denoiser_evaluations += int(guided.get("denoiser_evaluations", 0))
        numbers = {f"train/{name}": value for name, value in guided.items() if _is_scalar(value)}
        numbers |= {
            "train/loss": loss,
            "train/denoiser_evaluations_total": self._denoiser_evaluations,
            **{f"train/num_{name}": number for name, number in sizes.items()},
            **{f"seconds/{name}": seconds for name, seconds in self._timer.seconds().items()},
        }
        # Lightning averages what it logs, which integers do not take.
        as_logged = {
            name: value.detach() if isinstance(value, Tensor) else float(value) for name, value in numbers.items()
        }
        self.log_dict(as_logged)
        self.progress.update(sizes, evaluations=self._denoiser_evaluations)
        if self.true_global_step % self.trainer.log_every_n_steps == 0:
            self.progress["loss"] = f"{float(loss.detach()):.3g}"


def _is_scalar(value: object) -> bool:
    return isinstance(value, int | float) or (isinstance(value, Tensor) and value.numel() == 1)
