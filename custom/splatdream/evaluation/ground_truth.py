"""Numbers about a result whose true object is known: how close it is, as it stands and after the best turn.

B cameras. The true object is a toybox scene, the result anything that can be rendered.
"""

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from ..cameras.batch import CameraBatch, orbit_cameras
from ..cameras.conventions import wrap_degrees
from ..toybox.objects import build_scene
from ..toybox.ray_tracer import composite, trace
from ..toybox.vocabulary import FACED_OBJECTS, OBJECTS, ToyboxCaption, parse_caption
from .appearance import appearance
from .given_views import LARGEST_ANGLE_DEG, GivenViews
from .image_metrics import psnr, silhouette_iou, ssim
from .recognition import Recognition, recognize
from .yaw_map import YawMap, yaw_map

RenderFunction = Callable[[CameraBatch], tuple[Float[Tensor, "B H W 3"], Float[Tensor, "B H W 1"]]]
"""Cameras to colors on white, in [0, 1], and coverage."""

UNRECOGNIZABLE = "unrecognizable"
NUM_HELD_OUT = 16
_HELD_OUT_ELEVATION_DEG = (-10.0, 45.0)
_YAW_MAP_ELEVATION_DEG = (-10.0, 15.0, 45.0, 75.0)
_YAW_MAP_ROW = 1
_NUM_YAW_VIEWS = 24
_SEARCH_STEPS_DEG = (15.0, 5.0, 1.0)


@dataclass(frozen=True)
class ImageAgreement:
    """Means over the held-out cameras."""

    psnr: float
    """Decibels, on white."""
    ssim: float
    silhouette_iou: float


@dataclass(frozen=True)
class GroundTruthReport:
    """One result against its true object."""

    caption: str
    raw: ImageAgreement
    """As the result stands."""
    turned: ImageAgreement
    """After the turn about the vertical axis that gives the best mean PSNR."""
    turn_deg: float
    """The true azimuth that the result shows at azimuth 0, in [-180, 180)."""
    recognition: Recognition
    yaw_map: YawMap
    saturation_excess: float
    """Of covered pixels, less that of the true object after the turn: positive where colors are exaggerated."""

    @property
    def label(self) -> str:
        """The yaw map's class in words, or "unrecognizable" where its matches mean nothing."""
        return self.yaw_map.label.value if self.recognition.is_recognizable else UNRECOGNIZABLE


def held_out_cameras(distance: float = 2.5, fovy_deg: float = 49.1, size: int = 64) -> CameraBatch:
    """Cameras that no grid of evaluation or training views contains: a golden-angle spiral over the sphere."""
    index = torch.arange(NUM_HELD_OUT, dtype=torch.float32)
    azimuth = wrap_degrees(7.0 + index * 180 * (3 - math.sqrt(5)))
    low, high = _HELD_OUT_ELEVATION_DEG
    return orbit_cameras(low + (high - low) * (index + 0.5) / NUM_HELD_OUT, azimuth, distance, fovy_deg, size, size)


@torch.no_grad()
def evaluate_against_toybox(
    render_function: RenderFunction,
    caption: str,
    distance: float = 2.5,
    fovy_deg: float = 49.1,
    size: int = 64,
) -> GroundTruthReport:
    """Compare a result with the captioned object.

    A result that shows at azimuth a what the object shows at a + turn is the object, turned by -turn about the
    vertical axis. It is compared with the truth seen from a + turn, light included: light is part of toybox images.

    Args:
        render_function: renders the result.
        caption: as for the toybox's prompts; a view word is ignored.

    Raises:
        ValueError: the caption is not the toybox's.
    """
    parsed = parse_caption(caption).without_view
    optics = _Optics(distance, fovy_deg, size)
    rgb, alpha = render_function(held_out_cameras(*optics))
    sides = render_function(_ring(_YAW_MAP_ELEVATION_DEG[_YAW_MAP_ROW], optics))[0]

    def true_views(turn_deg: float) -> Float[Tensor, "B H W 4"]:
        return _true_views(parsed, turn_deg, optics)

    return _compared(caption, rgb.float().cpu(), alpha.float().cpu(), true_views, sides.float().cpu(), optics)


@torch.no_grad()
def evaluate_views_against_toybox(given: GivenViews, caption: str, size: int = 64) -> GroundTruthReport | None:
    """Likewise of given views, by their own cameras; the yaw map takes the nearest of them. None where there is no view
    near a camera of its ring.

    Raises:
        ValueError: the caption is not the toybox's.
    """
    parsed, optics = parse_caption(caption).without_view, _Optics(2.5, 49.1, size)
    ring = _ring(_YAW_MAP_ELEVATION_DEG[_YAW_MAP_ROW], optics)
    if float(given.angles_deg(ring).max()) > LARGEST_ANGLE_DEG:
        return None
    compared = given[torch.arange(0, len(given.rgb), math.ceil(len(given.rgb) / NUM_HELD_OUT))]

    @functools.cache
    def true_views(turn_deg: float) -> Float[Tensor, "B H W 4"]:
        return trace(build_scene(parsed), seen_from(compared.cameras, turn_deg))

    return _compared(caption, compared.rgb, compared.alpha, true_views, given.rgb[given.nearest(ring)], optics)


def _compared(
    caption: str,
    rgb: Float[Tensor, "B H W 3"],
    alpha: Float[Tensor, "B H W 1"],
    true_views: Callable[[float], Float[Tensor, "B H W 4"]],
    sides: Float[Tensor, "N H W 3"],
    optics: "_Optics",
) -> GroundTruthReport:
    """
    Args:
        true_views: by the same cameras, of the object after a turn in degrees.
        sides: once round.
    """
    parsed = parse_caption(caption).without_view
    turn_deg = _best_turn_deg(rgb, true_views)
    turned, truth = true_views(turn_deg), _true_rings(parsed, optics)
    true_saturation = appearance(_on_white(turned), turned[..., 3:]).saturation
    return GroundTruthReport(
        caption=caption,
        raw=_agreement(rgb, alpha, true_views(0.0)),
        turned=_agreement(rgb, alpha, turned),
        turn_deg=turn_deg,
        recognition=recognize(sides, truth[_YAW_MAP_ROW], _other_objects(parsed, optics)),
        yaw_map=yaw_map(sides, truth, _YAW_MAP_ROW, parsed.object_name in FACED_OBJECTS),
        saturation_excess=appearance(rgb, alpha).saturation - true_saturation,
    )


class _Optics(NamedTuple):
    distance: float
    fovy_deg: float
    size: int


# What is true of an object is kept, since a study looks at many results of one prompt in a row.
@functools.lru_cache(maxsize=64)
def _true_views(caption: ToyboxCaption, turn_deg: float, optics: _Optics) -> Float[Tensor, "B H W 4"]:
    """The turned object by the held-out cameras, premultiplied."""
    return trace(build_scene(caption), seen_from(held_out_cameras(*optics), turn_deg))


@functools.lru_cache(maxsize=2)
def _true_rings(caption: ToyboxCaption, optics: _Optics) -> Float[Tensor, "E A H W 3"]:
    return torch.stack([_all_round(caption, elevation_deg, optics) for elevation_deg in _YAW_MAP_ELEVATION_DEG])


@functools.lru_cache(maxsize=2)
def _other_objects(caption: ToyboxCaption, optics: _Optics) -> Float[Tensor, "O A H W 3"]:
    """Every other object that wears the same, from all round."""
    names = FACED_OBJECTS if caption.accessory else OBJECTS
    others = [replace(caption, object_name=name) for name in names if name != caption.object_name]
    return torch.stack([_all_round(other, _YAW_MAP_ELEVATION_DEG[_YAW_MAP_ROW], optics) for other in others])


def _all_round(caption: ToyboxCaption, elevation_deg: float, optics: _Optics) -> Float[Tensor, "A H W 3"]:
    return _on_white(trace(build_scene(caption), _ring(elevation_deg, optics)))


def _agreement(
    rgb: Float[Tensor, "B H W 3"], alpha: Float[Tensor, "B H W 1"], rgba: Float[Tensor, "B H W 4"]
) -> ImageAgreement:
    truth = _on_white(rgba)
    return ImageAgreement(
        psnr=float(psnr(rgb, truth).mean()),
        ssim=float(ssim(rgb, truth).mean()),
        silhouette_iou=float(silhouette_iou(alpha, rgba[..., 3:]).mean()),
    )


def _best_turn_deg(rgb: Float[Tensor, "B H W 3"], true_views: Callable[[float], Float[Tensor, "B H W 4"]]) -> float:
    """Every 15 degrees, then finer near the best; 0 is among them, so that turning never loses."""
    best, reach = 0.0, 180.0
    for step in _SEARCH_STEPS_DEG:
        turns = (best + torch.arange(-reach, reach + step / 2, step)).tolist()
        quality = [float(psnr(rgb, _on_white(true_views(turn))).mean()) for turn in turns]
        best, reach = turns[int(np.argmax(quality))], step
    return float(wrap_degrees(torch.tensor(best)))


def _ring(elevation_deg: float, optics: _Optics) -> CameraBatch:
    azimuth = torch.arange(_NUM_YAW_VIEWS) * (360.0 / _NUM_YAW_VIEWS)
    return orbit_cameras(
        torch.full_like(azimuth, elevation_deg), azimuth, optics.distance, optics.fovy_deg, optics.size, optics.size
    )


def _on_white(rgba: Float[Tensor, "B H W 4"]) -> Float[Tensor, "B H W 3"]:
    return composite(rgba, torch.ones(len(rgba), 3))


def seen_from(cameras: CameraBatch, turn_deg: float) -> CameraBatch:
    """The cameras after a turn about the vertical axis: what they see, light included, is the object turned back."""
    turn = torch.eye(4)
    turn[:3, :3] = _rotation_about_z(turn_deg)
    return replace(cameras, c2w=turn @ cameras.c2w, azimuth_deg=wrap_degrees(cameras.azimuth_deg + turn_deg))


def _rotation_about_z(turn_deg: float) -> Float[Tensor, "3 3"]:
    cosine, sine = math.cos(math.radians(turn_deg)), math.sin(math.radians(turn_deg))
    return torch.tensor([[cosine, -sine, 0.0], [sine, cosine, 0.0], [0.0, 0.0, 1.0]])
