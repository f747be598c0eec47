"""How large a pixel is in the world."""

import math
from typing import Any

# Names of the distance and of the vertical field of view: ours, and those of threestudio's data modules.
_RANGES = (("distance_range", "fovy_range_deg"), ("camera_distance_range", "fovy_range"))


def pixel_size(distance: float, fovy_deg: float, height: int) -> float:
    """World units per pixel at the origin, for cameras that orbit it."""
    return 2 * distance * math.tan(math.radians(fovy_deg) / 2) / height


def training_pixel_size(cfg: Any) -> float:
    """World units per pixel of the views that a data module ends its training with, in the middle of their ranges.

    Args:
        cfg: configuration of the data module, one of ours or of threestudio's; 0 is the answer for any other.
    """
    for distances, fields_of_view in _RANGES:
        if hasattr(cfg, distances):
            height = cfg.height if isinstance(cfg.height, int) else cfg.height[-1]
            return pixel_size(_mean(getattr(cfg, distances)), _mean(getattr(cfg, fields_of_view)), height)
    return 0.0


def _mean(values: Any) -> float:
    return sum(values) / len(values)
