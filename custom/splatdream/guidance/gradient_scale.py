"""One constant per run that brings the guidance gradient to unit size.

Methods differ in the size of their gradient by orders of magnitude. After this scaling, densification thresholds and
regularizer weights mean the same for every method. A constant, not a running mean: dividing by the current size would
densify a constant share for ever, converged or not.
"""

from dataclasses import dataclass, field
from statistics import median

from jaxtyping import Float
from torch import Tensor


@dataclass
class GradientScale:
    """The reciprocal of the median root-mean-square of the gradient over the first `num_steps` steps, then frozen."""

    num_steps: int = 100
    """Steps that are measured. Until they are over, the median of what has been seen so far is used."""
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
