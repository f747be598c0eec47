"""The way of a guidance gradient to the Gaussians: bounded, brought to unit size, and dressed as a loss.

B views.
"""

import math

import torch
from jaxtyping import Bool, Float
from torch import Tensor


def clip_gradient(gradient: Float[Tensor, "B ..."], limit: float) -> Float[Tensor, "B ..."]:
    """Every element within +-limit (D-SDS, arXiv:2303.15413: a limit that rises during the run); 0 is no limit.

    The limit is one of the weighted gradient w(t) (prediction - noise), before it is scaled for the run.
    """
    if limit < 0:
        raise ValueError(f"gradient_clip {limit} must not be negative; 0 switches it off")
    return gradient.clamp(-limit, limit) if limit > 0 else gradient


class FiniteGradients:
    """Replaces what is not finite by 0 and counts it, on the device: the host looks at the counts now and then.

    Half precision overflows now and then; when it does nothing else any more, the run is lost.
    """

    patience = 20
    """Steps in a row with values that are not finite after which a run ends."""

    def __init__(self) -> None:
        self.values = torch.zeros((), dtype=torch.long)
        """How many were replaced so far."""
        self.in_step = torch.zeros((), dtype=torch.bool)
        """Whether any was in this step."""
        self._in_a_row = torch.zeros((), dtype=torch.long)
        self._steps = 0

    def begin_step(self, number: int) -> None:
        """
        Raises:
            RuntimeError: the last `patience` steps all had values that are not finite; asked once in as many steps.
        """
        self._in_a_row = (self._in_a_row + 1) * self.in_step
        self.in_step = torch.zeros_like(self.in_step)
        if self._steps % self.patience == 0 and int(self._in_a_row) >= self.patience:
            raise RuntimeError(
                f"the guidance gradient was not finite in any of the {int(self._in_a_row)} steps before step {number} "
                f"({int(self.values)} values since the run began or was resumed); set guidance.prior.dtype to bfloat16 "
                "or float32, or lower guidance.guidance_scale, and resume from the last checkpoint"
            )
        self._steps += 1

    def __call__(self, gradient: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
        """The gradient with 0 in place of what is not finite."""
        # Where the host need not wait for it. A sum is finite where all terms are, or it overflowed.
        if gradient.device.type == "cpu" and math.isfinite(gradient.sum()):
            return gradient
        is_finite = gradient.isfinite()
        self.values = self.values.to(gradient.device) + (~is_finite).sum()
        self.in_step = self.in_step.to(gradient.device) | ~is_finite.all()
        self._in_a_row = self._in_a_row.to(gradient.device)
        return torch.where(is_finite, gradient, torch.zeros_like(gradient))


class GradientScale:
    """The reciprocal of the median root-mean-square of the gradient over the first `num_steps` steps, then frozen.

    Methods differ in the size of their gradient by orders of magnitude. After this scaling, densification thresholds
    and regularizer weights mean the same for every method. A constant, not a running mean: dividing by the current size
    would densify a constant share for ever, converged or not. Sizes stay on the device until they are all there.
    """

    def __init__(self, num_steps: int = 100) -> None:
        """`num_steps`: that are measured, at least 1. Until they are over, the median so far is used."""
        self.num_steps = num_steps
        self._calls = 0
        self.load_state_dict({"measured": []})

    @property
    def is_frozen(self) -> bool:
        return self._frozen is not None

    def update(self, gradient: Float[Tensor, "B ..."], is_valid: Bool[Tensor, ""] | None = None) -> Tensor | float:
        """Measures the gradient of a step (unless frozen) and returns the factor to multiply it by.

        Args:
            is_valid: False leaves this step out.
        """
        if self.is_frozen:
            return self._frozen
        rms = gradient.double().square().mean().sqrt()
        # A gradient of exactly zero says nothing about the method's scale.
        is_measured = rms > 0 if is_valid is None else (rms > 0) & is_valid
        sizes, count = self._sizes.to(rms.device), self._count.to(rms.device)
        is_next = (torch.arange(self.num_steps, device=rms.device) == count) & is_measured
        self._sizes = torch.where(is_next, rms, sizes)
        self._count = (count + is_measured).clamp(max=self.num_steps)
        self._calls += 1
        scale = self._scale()
        if self._calls % self.num_steps == 0 and int(self._count) == self.num_steps:
            self._frozen = float(scale)
        return scale

    def state_dict(self) -> dict[str, list[float]]:
        """Plain types, for a checkpoint."""
        return {"measured": self._sizes[: int(self._count)].tolist()}

    def load_state_dict(self, state: dict[str, list[float]]) -> None:
        measured = torch.tensor(state["measured"][: self.num_steps], dtype=torch.float64)
        self._count = torch.tensor(len(measured))
        # Infinite where nothing is measured yet, so that sorting leaves it at the end.
        self._sizes = torch.nn.functional.pad(measured, (0, self.num_steps - len(measured)), value=torch.inf)
        self._frozen = float(self._scale()) if len(measured) == self.num_steps else None

    def _scale(self) -> Float[Tensor, ""]:
        """Of the median of what is measured; 1 as long as nothing is."""
        middle = torch.stack([(self._count - 1).clamp(min=0) // 2, self._count // 2]).clamp(max=self.num_steps - 1)
        low, high = self._sizes.sort().values[middle]
        median = torch.where(self._count % 2 == 1, low, (low + high) / 2)
        return torch.where(self._count > 0, 1.0 / median, torch.ones_like(median))


def distillation_loss(latents: Float[Tensor, "B ..."], gradient: Float[Tensor, "B ..."]) -> Float[Tensor, ""]:
    """A scalar whose derivative with respect to `latents` is `gradient` divided by the number of latent elements.

    It is half the mean square distance to the detached target latents - gradient. The mean over elements makes sizes
    comparable between resolutions; the mean over views makes them comparable between batch sizes.
    """
    target = (latents - gradient).detach()
    return 0.5 * (latents - target).square().mean()
