"""Views of a toybox object as a photographer with a tripod would bring them home: evenly round it, with cameras.

B views.
"""

import math

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from ..cameras.batch import CameraBatch, orbit_cameras
from ..cameras.conventions import wrap_degrees
from .objects import build_scene
from .ray_tracer import trace
from .vocabulary import parse_caption

_GOLDEN_ANGLE_DEG = 180 * (3 - math.sqrt(5))
_ELEVATIONS_DEG = (-10.0, 60.0)


def spiral_cameras(num_views: int, size: int, start_deg: float = 0.0) -> CameraBatch:
    """From below the horizon to above, each a golden angle further round.

    Args:
        start_deg: azimuth of the first.
    """
    index = torch.arange(num_views, dtype=torch.float32)
    low, high = _ELEVATIONS_DEG
    elevation = low + (high - low) * (index + 0.5) / num_views
    return orbit_cameras(elevation, wrap_degrees(start_deg + index * _GOLDEN_ANGLE_DEG), width=size, height=size)


def photographed(prompt: str, cameras: CameraBatch) -> UInt8[Tensor, "B height width 4"]:
    """The object, not premultiplied, as PNG files hold it.

    Raises:
        ValueError: the prompt is not the toybox's.
    """
    rgba = trace(build_scene(parse_caption(prompt).without_view), cameras)
    straight: Float[Tensor, "B height width 3"] = rgba[..., :3] / rgba[..., 3:].clamp_min(1e-6)
    return (255 * torch.cat([straight, rgba[..., 3:]], dim=-1)).round().clamp(0, 255).to(torch.uint8)
