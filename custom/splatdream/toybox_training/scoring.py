"""How often generated images show what their text says: compared with the nearest true image.

First all objects in all colors, undressed, over a grid of directions. Of images whose text has a hat or a scarf, the
nearest of these are compared again dressed as the text says, and the winner in all other hats and scarves, from
directions closer together: a small turn changes as many pixels as a scarf. Distances are squared differences of small
images, the candidate standing in front of the ground that the generated image has at its border.
N images, M candidates.
"""

from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from ..cameras.batch import CameraBatch, orbit_cameras
from ..toybox.objects import build_scene
from ..toybox.ray_tracer import trace
from ..toybox.vocabulary import ACCESSORIES, COLORS, FACED_OBJECTS, OBJECTS, ToyboxCaption
from .captions import view_words

AZIMUTH_TOLERANCE_DEG = 45.0
_NUM_DRESSED = 32
"""So many of the nearest undressed candidates are compared again with what the text says that they wear."""


@dataclass(frozen=True)
class ScoreGrid:
    """What the generated images are compared with."""

    size: int = 32
    """Pixels at which images are compared."""
    num_azimuths: int = 24
    elevations_deg: tuple[float, ...] = (-5.0, 15.0, 35.0, 55.0, 75.0)
    objects: tuple[str, ...] = OBJECTS
    colors: tuple[str, ...] = tuple(COLORS)

    def cameras(self) -> CameraBatch:
        """One in every direction of the grid."""
        azimuths = [360 * place / self.num_azimuths - 180 for place in range(self.num_azimuths)]
        elevations = [elevation for elevation in self.elevations_deg for _ in azimuths]
        return orbit_cameras(elevations, azimuths * len(self.elevations_deg), width=self.size, height=self.size)

    def directions_around(self, elevation_deg: float, azimuth_deg: float) -> list[tuple[float, float]]:
        """Elevations and azimuths in the cell of one of the grid's directions, a quarter of its sides apart."""
        low, high = min(self.elevations_deg), max(self.elevations_deg)
        height, width = (high - low) / max(1, len(self.elevations_deg) - 1), 360 / self.num_azimuths
        shares = (-0.375, -0.125, 0.125, 0.375)
        return [(elevation_deg + up * height, azimuth_deg + left * width) for up in shares for left in shares]


EVERYTHING = ScoreGrid()


@dataclass(frozen=True)
class Wanted:
    """What a generated image should show."""

    caption: ToyboxCaption
    """Its view word, where there is one, is what the view is judged by."""
    azimuth_deg: float | None = None
    """For multi-view priors: where the camera stood."""


@dataclass(frozen=True)
class Verdict:
    """About one image; None where there is nothing to be right about."""

    object_is_right: bool
    color_is_right: bool
    accessory_is_right: bool | None
    view_is_right: bool | None


def judge(images: Float[Tensor, "N 3 H W"], wanted: list[Wanted], grid: ScoreGrid = EVERYTHING) -> list[Verdict]:
    """One verdict an image, in order."""
    if len(images) != len(wanted):
        raise ValueError(f"{len(images)} images need as many captions, got {len(wanted)}")
    small = torch.nn.functional.interpolate(
        images.float().cpu(), size=(grid.size, grid.size), mode="bilinear", antialias=True, align_corners=False
    )
    grounds = _border_colors(small)
    verdicts = []
    for row, (want, seen) in enumerate(zip(wanted, _nearest_undressed(small, grounds, grid), strict=True)):
        nearest = seen[0]
        if want.caption.accessory is not None:
            nearest = _nearest_dressed(small[row : row + 1], grounds[row : row + 1], want.caption, seen, grid)
        verdicts.append(_verdict(want, nearest))
    return verdicts


def summary(verdicts: list[Verdict]) -> dict[str, float | int | None]:
    """Shares in [0, 1] of what was right; None where nothing was asked."""

    def share(answers: list[bool | None]) -> float | None:
        given = [answer for answer in answers if answer is not None]
        return sum(given) / len(given) if given else None

    return {
        "images": len(verdicts),
        "object": share([verdict.object_is_right for verdict in verdicts]),
        "color": share([verdict.color_is_right for verdict in verdicts]),
        "object_and_color": share([verdict.object_is_right and verdict.color_is_right for verdict in verdicts]),
        "accessory": share([verdict.accessory_is_right for verdict in verdicts]),
        "view": share([verdict.view_is_right for verdict in verdicts]),
    }


@dataclass(frozen=True)
class _Seen:
    """What an image may show, and from where."""

    caption: ToyboxCaption
    elevation_deg: float
    azimuth_deg: float


def _nearest_undressed(
    images: Float[Tensor, "N 3 size size"], grounds: Float[Tensor, "N 3"], grid: ScoreGrid
) -> list[list[_Seen]]:
    """The nearest undressed candidates of every image, the very nearest first."""
    cameras = grid.cameras()
    captions = [ToyboxCaption(name, color) for name in grid.objects for color in grid.colors]
    best, places = torch.empty(len(images), 0), torch.empty(len(images), 0, dtype=torch.long)
    for first, caption in zip(range(0, len(captions) * len(cameras), len(cameras)), captions, strict=True):
        distances = _squared_distances(images, grounds, trace(build_scene(caption), cameras).movedim(-1, 1))
        best = torch.cat([best, distances], dim=1)
        places = torch.cat([places, torch.arange(first, first + len(cameras)).expand(len(images), -1)], dim=1)
        best, order = best.topk(min(_NUM_DRESSED, best.shape[1]), largest=False)
        places = places.gather(1, order)
    return [
        [
            _Seen(
                captions[place // len(cameras)],
                float(cameras.elevation_deg[place % len(cameras)]),
                float(cameras.azimuth_deg[place % len(cameras)]),
            )
            for place in row
        ]
        for row in places.tolist()
    ]


def _nearest_dressed(
    image: Float[Tensor, "1 3 size size"],
    ground: Float[Tensor, "1 3"],
    text: ToyboxCaption,
    undressed: list[_Seen],
    grid: ScoreGrid,
) -> _Seen:
    """The nearest of the candidates in what the text says, then its body in whatever comes nearest."""
    dressed = [
        replace(seen, caption=replace(seen.caption, accessory=text.accessory, accessory_color=text.accessory_color))
        for seen in undressed
        if seen.caption.object_name in FACED_OBJECTS
    ]
    if not dressed:
        return undressed[0]
    body = dressed[_nearest_of(image, ground, dressed, grid.size)]
    worn = [(None, None), *((accessory, color) for accessory in ACCESSORIES for color in grid.colors)]
    candidates = [
        _Seen(replace(body.caption, accessory=accessory, accessory_color=color), elevation, azimuth)
        for accessory, color in worn
        if color != body.caption.color
        for elevation, azimuth in grid.directions_around(body.elevation_deg, body.azimuth_deg)
    ]
    return candidates[_nearest_of(image, ground, candidates, grid.size)]


def _nearest_of(
    image: Float[Tensor, "1 3 size size"], ground: Float[Tensor, "1 3"], candidates: list[_Seen], size: int
) -> int:
    """The place of the candidate that comes nearest."""
    rgba = torch.empty(len(candidates), 4, size, size)
    rows_of: dict[ToyboxCaption, list[int]] = {}
    for row, seen in enumerate(candidates):
        rows_of.setdefault(seen.caption, []).append(row)
    for caption, rows in rows_of.items():
        elevations = [candidates[row].elevation_deg for row in rows]
        azimuths = [candidates[row].azimuth_deg for row in rows]
        cameras = orbit_cameras(elevations, azimuths, width=size, height=size)
        rgba[rows] = trace(build_scene(caption), cameras).movedim(-1, 1)
    return int(_squared_distances(image, ground, rgba).argmin())


def _verdict(want: Wanted, nearest: _Seen) -> Verdict:
    cameras = orbit_cameras([nearest.elevation_deg], [nearest.azimuth_deg])
    (word,) = view_words(cameras)
    return Verdict(
        object_is_right=nearest.caption.object_name == want.caption.object_name,
        color_is_right=nearest.caption.color == want.caption.color,
        accessory_is_right=_is_dressed_alike(nearest.caption, want.caption),
        view_is_right=_is_seen_alike(want, nearest.azimuth_deg, word),
    )


def _squared_distances(
    images: Float[Tensor, "N 3 size size"], grounds: Float[Tensor, "N 3"], rgba: Float[Tensor, "M 4 size size"]
) -> Float[Tensor, "N M"]:
    """|image - (rgb + (1 - alpha) ground)|^2, expanded so that no [N, M, pixels] tensor is made."""
    # With d = image - ground and c = rgb - alpha ground: |d - c|^2 = |d|^2 - 2 d.(rgb - alpha g) + |rgb - alpha g|^2.
    difference = images - grounds[:, :, None, None]
    rgb, alpha = rgba[:, :3], rgba[:, 3]
    cross = difference.flatten(1) @ rgb.flatten(1).T
    cross -= torch.einsum("nchw,nc->nhw", difference, grounds).flatten(1) @ alpha.flatten(1).T
    mixed = grounds @ torch.einsum("mchw,mhw->mc", rgb, alpha).T
    squares = rgb.square().sum((1, 2, 3)) - 2 * mixed
    squares = squares + grounds.square().sum(1, keepdim=True) * alpha.square().sum((1, 2))
    return difference.square().sum((1, 2, 3))[:, None] - 2 * cross + squares


def _border_colors(images: Float[Tensor, "N 3 size size"]) -> Float[Tensor, "N 3"]:
    """The median of the outermost pixels."""
    border = torch.cat([images[:, :, 0], images[:, :, -1], images[:, :, :, 0], images[:, :, :, -1]], dim=2)
    return border.median(dim=2).values


def _is_dressed_alike(nearest: ToyboxCaption, wanted: ToyboxCaption) -> bool | None:
    if wanted.accessory is None:
        return None
    return (nearest.accessory, nearest.accessory_color) == (wanted.accessory, wanted.accessory_color)


def _is_seen_alike(want: Wanted, azimuth_deg: float, word: str) -> bool | None:
    if want.caption.object_name not in FACED_OBJECTS:
        return None
    if want.azimuth_deg is not None:
        return abs((azimuth_deg - want.azimuth_deg + 180) % 360 - 180) <= AZIMUTH_TOLERANCE_DEG
    return None if want.caption.view_word is None else word == want.caption.view_word
