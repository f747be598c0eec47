"""Numbers about a result whose true object is known: how close it is, as it stands and after the best turn.

B cameras. The true object is a toybox scene, the result anything that can be rendered.
"""

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from ..cameras.batch import CameraBatch, orbit_cameras
from ..cameras.conventions import wrap_degrees
from ..toybox.objects import build_scene
from ..toybox.ray_tracer import composite, trace
from ..toybox.scene import Scene
from ..toybox.vocabulary import FACED_OBJECTS, OBJECTS, ToyboxCaption, parse_caption
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
    scene = build_scene(parsed)
    cameras = held_out_cameras(distance, fovy_deg, size)
    rgb, alpha = render_function(cameras)
    rgb, alpha = rgb.float().cpu(), alpha.float().cpu()
    turn_deg = _best_turn_deg(rgb, scene, cameras)
    truth = torch.stack([_on_white(scene, _ring(e, distance, fovy_deg, size)) for e in _YAW_MAP_ELEVATION_DEG])
    elevation_deg = _YAW_MAP_ELEVATION_DEG[_YAW_MAP_ROW]
    sides = render_function(_ring(elevation_deg, distance, fovy_deg, size))[0].float().cpu()
    has_front = parsed.object_name in FACED_OBJECTS
    return GroundTruthReport(
        caption=caption,
        raw=_agreement(rgb, alpha, scene, cameras),
        turned=_agreement(rgb, alpha, scene, seen_from(cameras, turn_deg)),
        turn_deg=turn_deg,
        recognition=recognize(sides, truth[_YAW_MAP_ROW], _other_objects(parsed, distance, fovy_deg, size)),
        yaw_map=yaw_map(sides, truth, _YAW_MAP_ROW, has_front),
    )


@functools.lru_cache(maxsize=2)
def _other_objects(caption: ToyboxCaption, distance: float, fovy_deg: float, size: int) -> Float[Tensor, "O A H W 3"]:
    """Every other object that wears the same, from all round."""
    ring = _ring(_YAW_MAP_ELEVATION_DEG[_YAW_MAP_ROW], distance, fovy_deg, size)
    names = FACED_OBJECTS if caption.accessory else OBJECTS
    others = [replace(caption, object_name=name) for name in names if name != caption.object_name]
    return torch.stack([_on_white(build_scene(other), ring) for other in others])


def _agreement(
    rgb: Float[Tensor, "B H W 3"], alpha: Float[Tensor, "B H W 1"], scene: Scene, cameras: CameraBatch
) -> ImageAgreement:
    rgba = trace(scene, cameras)
    truth = composite(rgba, torch.ones(len(cameras), 3))
    return ImageAgreement(
        psnr=float(psnr(rgb, truth).mean()),
        ssim=float(ssim(rgb, truth).mean()),
        silhouette_iou=float(silhouette_iou(alpha, rgba[..., 3:]).mean()),
    )


def _best_turn_deg(rgb: Float[Tensor, "B H W 3"], scene: Scene, cameras: CameraBatch) -> float:
    """Every 15 degrees, then finer near the best; 0 is among them, so that turning never loses."""
    best, reach = 0.0, 180.0
    for step in _SEARCH_STEPS_DEG:
        turns = best + torch.arange(-reach, reach + step / 2, step)
        quality = [float(psnr(rgb, _on_white(scene, seen_from(cameras, float(turn)))).mean()) for turn in turns]
        best, reach = float(turns[int(np.argmax(quality))]), step
    return float(wrap_degrees(torch.tensor(best)))


def _ring(elevation_deg: float, distance: float, fovy_deg: float, size: int) -> CameraBatch:
    azimuth = torch.arange(_NUM_YAW_VIEWS) * (360.0 / _NUM_YAW_VIEWS)
    return orbit_cameras(torch.full_like(azimuth, elevation_deg), azimuth, distance, fovy_deg, size, size)


def _on_white(scene: Scene, cameras: CameraBatch) -> Float[Tensor, "B H W 3"]:
    return composite(trace(scene, cameras), torch.ones(len(cameras), 3))


def seen_from(cameras: CameraBatch, turn_deg: float) -> CameraBatch:
    """The cameras after a turn about the vertical axis: what they see, light included, is the object turned back."""
    turn = torch.eye(4)
    turn[:3, :3] = _rotation_about_z(turn_deg)
    return replace(cameras, c2w=turn @ cameras.c2w, azimuth_deg=wrap_degrees(cameras.azimuth_deg + turn_deg))


def _rotation_about_z(turn_deg: float) -> Float[Tensor, "3 3"]:
    cosine, sine = math.cos(math.radians(turn_deg)), math.sin(math.radians(turn_deg))
    return torch.tensor([[cosine, -sine, 0.0], [sine, cosine, 0.0], [0.0, 0.0, 1.0]])
