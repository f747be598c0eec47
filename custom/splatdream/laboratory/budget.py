"""How long a run may be."""

from dataclasses import dataclass

BUDGETS = ("steps", "evaluations", "seconds")
"""What a budget may count: optimizer steps, images through the denoiser, or seconds of optimization on this machine."""


@dataclass(frozen=True)
class Budget:
    """Raises ValueError where it is not positive."""

    kind: str
    """One of `BUDGETS`."""
    amount: int

    def __post_init__(self) -> None:
        if type(self.amount) is not int or self.amount < 1:
            raise ValueError(f"the budget {self.amount} {self.kind} must be a whole number of at least 1")

    def __str__(self) -> str:
        return f"{self.amount:,} {self.kind}"
