"""Results whose verdict is known because they are put together for it, and how measures are calibrated by them.

They are cut from toybox objects and shown by the toybox's own ray tracer. B cameras, K wedges.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from ..cameras.batch import CameraBatch
from ..cameras.conventions import wrap_degrees
from ..cameras.random_streams import generator_for
from ..toybox.objects import build_scene
from ..toybox.ray_tracer import trace, trace_surface
from ..toybox.scene import Scene
from ..toybox.vocabulary import COLORS, FACED_OBJECTS, FRONTLESS_OBJECTS, ToyboxCaption
from .ground_truth import RenderFunction, seen_from

_SUPERSAMPLING = 2
_BLURRED_SIZE = 16
_FADED_CONTRAST = 0.8


def true_object(scene: Scene) -> RenderFunction:
    """The object as it is."""
    return wedges(scene, 1)


def turned(render: RenderFunction, turn_deg: float) -> RenderFunction:
    """The result turned by `turn_deg` about the vertical axis, its light with it."""
    return lambda cameras: render(seen_from(cameras, -turn_deg))


def collapsed(render: RenderFunction, shown_deg: float = 0.0) -> RenderFunction:
    """Shows on every side what the result shows at one azimuth: a picture that turns with the viewer."""

    def show(cameras: CameraBatch) -> tuple[Float[Tensor, "B H W 3"], Float[Tensor, "B H W 1"]]:
        views = [
            render(seen_from(cameras[[i]], shown_deg - float(cameras.azimuth_deg[i]))) for i in range(len(cameras))
        ]
        return torch.cat([rgb for rgb, _ in views]), torch.cat([alpha for _, alpha in views])

    return show


def faded(render: RenderFunction) -> RenderFunction:
    """Blurred to 16 x 16 pixels and paler by a fifth, as distilled results are."""

    def show(cameras: CameraBatch) -> tuple[Float[Tensor, "B H W 3"], Float[Tensor, "B H W 1"]]:
        rgb, alpha = render(cameras)
        return 1 - _FADED_CONTRAST * (1 - _blurred(rgb)), _blurred(alpha)

    return show


def _blurred(images: Float[Tensor, "B H W C"]) -> Float[Tensor, "B H W C"]:
    small = torch.nn.functional.adaptive_avg_pool2d(images.movedim(-1, 1), _BLURRED_SIZE)
    return torch.nn.functional.interpolate(small, size=images.shape[1:3], mode="bicubic").clamp(0, 1).movedim(1, -1)


def wedges(scene: Scene, count: int, kept_deg: float = 0.0) -> RenderFunction:
    """The same wedge of the object `count` times round the vertical axis.

    Two wedges round azimuth 0 are the front half and its half-turned copy, an object with a face on either side; three
    have three faces. Two wedges round azimuth 180 are two backs: no face.

    Args:
        kept_deg: the azimuth of the object in the middle of the wedge, which the result shows at azimuth 0.
    """

    def show(cameras: CameraBatch) -> tuple[Float[Tensor, "B H W 3"], Float[Tensor, "B H W 1"]]:
        fine = cameras.resized(_SUPERSAMPLING * cameras.width, _SUPERSAMPLING * cameras.height)
        layers = [
            _layer(scene, seen_from(fine, kept_deg - 360 * k / count), kept_deg, 180 / count) for k in range(count)
        ]
        rgba, depths = (torch.stack(parts) for parts in zip(*layers, strict=True))
        nearest = depths.argmin(dim=0)
        chosen = rgba.gather(0, nearest[None, ..., None].expand(1, *rgba.shape[1:]))[0]
        pixels = torch.nn.functional.avg_pool2d(chosen.movedim(-1, 1), _SUPERSAMPLING).movedim(1, -1)
        alpha = pixels[..., 3:]
        return pixels[..., :3] + 1 - alpha, alpha

    return show


def _layer(
    scene: Scene, cameras: CameraBatch, kept_deg: float, half_width_deg: float
) -> tuple[Float[Tensor, "B H W 4"], Float[Tensor, "B H W"]]:
    """One copy of the object, and depths by which the nearest copy wins: inside of its wedge before outside."""
    depths, _ = trace_surface(scene, cameras)
    directions = cameras.ray_directions
    along_axis = -torch.einsum("bhwi,bi->bhw", directions, cameras.c2w[:, :3, 2])
    points = cameras.positions[:, None, None] + (depths / along_axis)[..., None] * directions
    azimuth_deg = torch.rad2deg(torch.atan2(points[..., 1], points[..., 0]))
    is_outside = wrap_degrees(azimuth_deg - kept_deg).abs() > half_width_deg
    far = float(cameras.distances.max()) * 10
    order = depths + far * is_outside
    return trace(scene, cameras, supersampling=1), torch.where(depths > 0, order, math.inf)


TRUE = "true"
VERDICTS = {
    TRUE: "ok",
    "two faces": "repeated",
    "three faces": "repeated",
    "two backs": "faceless",
    "one front": "collapsed",
    "no front": "frontless",
}
"""The right verdict of each kind of case."""
_BUILDERS: dict[str, Callable[[Scene], RenderFunction]] = {
    TRUE: true_object,
    "two faces": lambda scene: wedges(scene, 2),
    "three faces": lambda scene: wedges(scene, 3),
    "two backs": lambda scene: wedges(scene, 2, kept_deg=180.0),
    "one front": lambda scene: collapsed(true_object(scene)),
}


@dataclass(frozen=True)
class Case:
    """One constructed result."""

    kind: str
    caption: ToyboxCaption
    turn_deg: float
    """By which it is turned, so that no measure can rest on where fronts usually are."""
    is_faded: bool = False

    @property
    def key(self) -> str:
        return f"{self.caption}: {self.kind}{', faded' if self.is_faded else ''}"

    @property
    def truth(self) -> None:
        """By construction its kind is the truth; the yaw map is not asked."""
        return None

    def render_function(self) -> RenderFunction:
        build = _BUILDERS.get(self.kind, true_object)
        render = turned(build(build_scene(self.caption)), self.turn_deg)
        return faded(render) if self.is_faded else render


def calibration_cases() -> Iterator[Case]:
    """Every faced object in all kinds and every object without a front, first sharp, then faded in another color."""
    colors = list(COLORS)
    for is_faded in (False, True):
        for index, name in enumerate((*FACED_OBJECTS, *FRONTLESS_OBJECTS)):
            caption = ToyboxCaption(name, colors[(index + 3 * is_faded) % len(colors)])
            generator = generator_for(0, "calibration-turn", index * len(colors) + is_faded)
            turn_deg = 360 * float(torch.rand((), generator=generator))
            kinds = _BUILDERS if name in FACED_OBJECTS else ("no front",)
            for kind in kinds:
                yield Case(kind, caption, turn_deg, is_faded)
