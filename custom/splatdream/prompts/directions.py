"""View directions: which word describes what a camera sees, and how it is put. The only file that knows the phrases.

B cameras.
"""

from dataclasses import dataclass
from enum import IntEnum

import torch
from jaxtyping import Float, Int
from torch import Tensor

from ..cameras.conventions import wrap_degrees


class ViewDirection(IntEnum):
    """The four directions, numbered as threestudio numbers them."""

    SIDE = 0
    FRONT = 1
    BACK = 2
    OVERHEAD = 3


@dataclass(frozen=True)
class ViewThresholds:
    """Degrees. A later rule wins: side, front, back, overhead (threestudio's order)."""

    front_deg: float = 45.0
    """Front where the azimuth is within this of 0."""
    back_deg: float = 45.0
    """Back where the azimuth is within this of 180."""
    overhead_deg: float = 60.0
    """Overhead where the elevation is above this."""

    def __post_init__(self) -> None:
        for name, limit in (("front", self.front_deg), ("back", self.back_deg)):
            if not 0 <= limit <= 180:
                raise ValueError(f"{name}_threshold_deg is {limit:g}, but must be 0 to 180; the default is 45")
        if self.front_deg + self.back_deg > 180:
            raise ValueError(
                f"front_threshold_deg {self.front_deg:g} and back_threshold_deg {self.back_deg:g} overlap; "
                "they must add up to at most 180"
            )
        if not -90 <= self.overhead_deg <= 90:
            raise ValueError(
                f"overhead_threshold_deg is {self.overhead_deg:g}, but must be -90 to 90; the default is 60"
            )


def classify_views(
    elevation_deg: Float[Tensor, "B"],
    azimuth_deg: Float[Tensor, "B"],
    thresholds: ViewThresholds = ViewThresholds(),
) -> Int[Tensor, "B"]:
    """The `ViewDirection` of every camera."""
    azimuth = wrap_degrees(azimuth_deg)
    directions = torch.full_like(azimuth, ViewDirection.SIDE, dtype=torch.long)
    directions[azimuth.abs() < thresholds.front_deg] = ViewDirection.FRONT
    directions[azimuth.abs() > 180.0 - thresholds.back_deg] = ViewDirection.BACK
    directions[elevation_deg > thresholds.overhead_deg] = ViewDirection.OVERHEAD
    return directions


_WORDINGS = {"suffix": "{prompt}, {word} view", "prefix": "{word} view of {prompt}"}


def describe_view(prompt: str, direction: ViewDirection, style: str = "suffix") -> str:
    """The prompt with its view word.

    Args:
        style: "suffix" ("a cat, front view"; DreamFusion, arXiv:2209.14988, sec. 3.2) or "prefix"
            ("front view of a cat").
    """
    if style not in _WORDINGS:
        raise ValueError(f"view wording {style!r} is unknown; choose one of {', '.join(_WORDINGS)}")
    # threestudio's phrase
    is_backside = style == "prefix" and direction is ViewDirection.BACK
    word = "backside" if is_backside else ViewDirection(direction).name.lower()
    return _WORDINGS[style].format(prompt=prompt, word=word)
