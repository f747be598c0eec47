"""The way of a guidance gradient to the Gaussians: bounded, brought to unit size, and dressed as a loss.

B views.
"""

from dataclasses import dataclass, field
from statistics import median

from jaxtyping import Float
from torch import Tensor


def clip_gradient(gradient: Float[Tensor, "B ..."], limit: float) -> Float[Tensor, "B ..."]:
    """Every element within +-limit (D-SDS, arXiv:2303.15413: a limit that rises during the run); 0 is no limit.

    The limit is one of the weighted gradient w(t) (prediction - noise), before it is scaled for the run.
    """
    if limit < 0:
        raise ValueError(f"gradient_clip {limit} must not be negative; 0 switches it off")
    return gradient.clamp(-limit, limit) if limit > 0 else gradient


@dataclass
class GradientScale:
    """The reciprocal of the median root-mean-square of the gradient over the first `num_steps` steps, then frozen.

    Methods differ in the size of their gradient by orders of magnitude. After this scaling, densification thresholds
    and regularizer weights mean the same for every method. A constant, not a running mean: dividing by the current size
    would densify a constant share for ever, converged or not.
    """

    num_steps: int = 100
    """Steps that are measured; 0 leaves gradients as they are. Until they are over, the median so far is used."""
    measured: list[float] = field(default_factory=list)
    """Root-mean-square of the gradient at each measured step."""

    @property
    def is_frozen(self) -> bool:
        return len(self.measured) >= self.num_steps

    def update(self, gradient: Float[Tensor, "B ..."]) -> float:
        """Measures the gradient of a step (unless frozen) and returns the factor to multiply it by."""
        if not self.is_frozen:
            rms = gradient.double().square().mean().sqrt().item()
            # A gradient of exactly zero says nothing about the method's scale.
            if rms > 0.0:
                self.measured.append(rms)
        return 1.0 / median(self.measured) if self.measured else 1.0

    def state_dict(self) -> dict[str, list[float]]:
        """Plain types, for a checkpoint."""
        return {"measured": list(self.measured)}

    def load_state_dict(self, state: dict[str, list[float]]) -> None:
        self.measured = list(state["measured"])


def distillation_loss(latents: Float[Tensor, "B ..."], gradient: Float[Tensor, "B ..."]) -> Float[Tensor, ""]:
    """A scalar whose derivative with respect to `latents` is `gradient` divided by the number of latent elements.

    It is half the mean square distance to the detached target latents - gradient. The mean over elements makes sizes
    comparable between resolutions; the mean over views makes them comparable between batch sizes.
    """
    target = (latents - gradient).detach()
    return 0.5 * (latents - target).square().mean()
