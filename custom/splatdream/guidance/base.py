"""How a guidance that keeps nothing of its own is asked what a system asks."""

from collections.abc import Mapping

import torch

from ..host import Updateable
from .guidance import Guidance


class ForeignGuidance(Updateable):
    """Its calls and updates pass through, and it has nothing to keep."""

    def __init__(self, guidance: object) -> None:
        self.guidance = guidance

    def __call__(self, *args: object, **kwargs: object) -> dict[str, object]:
        return self.guidance(*args, **kwargs)

    def manifest(self) -> dict[str, object]:
        return getattr(self.guidance, "manifest", dict)()

    def state_dict(self) -> dict[str, object]:
        return {}

    def load_state_dict(self, state: Mapping[str, object]) -> None:
        """Nothing was kept."""

    def trainable_parameters(self, device: torch.device | str | None = None) -> list[dict[str, object]]:
        return []


def adopted(guidance: object) -> Guidance | ForeignGuidance:
    """Any guidance with what a system asks of it."""
    return guidance if isinstance(guidance, Guidance) else ForeignGuidance(guidance)
