"""How often generated images show what their text says: compared with the nearest true image.

Candidates are all objects in all colors, dressed as the text says, over a grid of directions; for dressed texts also
the right object in all other hats and scarves. Distances are squared differences of small images, the candidate
standing in front of the ground that the generated image has at its border.
N images, M candidates.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from ..cameras.batch import orbit_cameras
from ..toybox.objects import build_scene
from ..toybox.ray_tracer import trace
from ..toybox.vocabulary import ACCESSORIES, COLORS, FACED_OBJECTS, OBJECTS, ToyboxCaption
from .captions import view_words

AZIMUTH_TOLERANCE_DEG = 45.0


@dataclass(frozen=True)
class ScoreGrid:
    """What the generated images are compared with."""

    size: int = 32
    """Pixels at which images are compared."""
    num_azimuths: int = 24
    elevations_deg: tuple[float, ...] = (-5.0, 15.0, 35.0, 55.0, 75.0)
    objects: tuple[str, ...] = OBJECTS
    colors: tuple[str, ...] = tuple(COLORS)


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
    """A lower bound: of true images between the grid's directions only about two thirds are told right, since a small
    turn changes as many pixels as a scarf. Object and color are told right in all."""
    view_is_right: bool | None
    nearest: ToyboxCaption
    nearest_azimuth_deg: float
    nearest_view: str


def judge(images: Float[Tensor, "N 3 H W"], wanted: list[Wanted], grid: ScoreGrid = EVERYTHING) -> list[Verdict]:
    """One verdict an image, in order. Images with the same accessory are compared together."""
    if len(images) != len(wanted):
        raise ValueError(f"{len(images)} images need as many captions, got {len(wanted)}")
    small = torch.nn.functional.interpolate(
        images.float().cpu(), size=(grid.size, grid.size), mode="bilinear", antialias=True, align_corners=False
    )
    verdicts: list[Verdict | None] = [None] * len(wanted)
    dresses = dict.fromkeys((want.caption.accessory, want.caption.accessory_color) for want in wanted)
    for dress in dresses:
        mine = [
            row for row, want in enumerate(wanted) if (want.caption.accessory, want.caption.accessory_color) == dress
        ]
        captions = [ToyboxCaption(name, color, *dress) for name in grid.objects for color in grid.colors]
        if dress[0] is not None:
            bodies = dict.fromkeys((wanted[row].caption.object_name, wanted[row].caption.color) for row in mine)
            captions += [
                ToyboxCaption(*body, *other) for body in bodies for other in _other_dresses(dress, grid.colors)
            ]
        for row, verdict in zip(
            mine, _nearest(small[mine], [wanted[row] for row in mine], captions, grid), strict=True
        ):
            verdicts[row] = verdict
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


def _other_dresses(dress: tuple[str, str], colors: tuple[str, ...]) -> list[tuple[str | None, str | None]]:
    others = [(accessory, color) for accessory in ACCESSORIES for color in colors if (accessory, color) != dress]
    return [(None, None), *others]


def _nearest(
    images: Float[Tensor, "N 3 size size"], wanted: list[Wanted], captions: list[ToyboxCaption], grid: ScoreGrid
) -> list[Verdict]:
    azimuths = [360 * place / grid.num_azimuths - 180 for place in range(grid.num_azimuths)]
    cameras = orbit_cameras(
        [elevation for elevation in grid.elevations_deg for _ in azimuths],
        azimuths * len(grid.elevations_deg),
        width=grid.size,
        height=grid.size,
    )
    words = view_words(cameras)
    grounds = _border_colors(images)
    best = torch.full((len(images),), float("inf"))
    winners = torch.zeros(len(images), 2, dtype=torch.long)
    for place, caption in enumerate(captions):
        rgba = trace(build_scene(caption), cameras).movedim(-1, 1)
        distances = _squared_distances(images, grounds, rgba)
        found, view = distances.min(dim=1)
        closer = found < best
        best = torch.where(closer, found, best)
        winners[closer] = torch.stack([torch.full_like(view, place), view], dim=1)[closer]
    verdicts = []
    for want, (place, view) in zip(wanted, winners.tolist(), strict=True):
        nearest, azimuth = captions[place], float(cameras.azimuth_deg[view])
        verdicts.append(
            Verdict(
                object_is_right=nearest.object_name == want.caption.object_name,
                color_is_right=nearest.color == want.caption.color,
                accessory_is_right=_is_dressed_alike(nearest, want.caption),
                view_is_right=_is_seen_alike(want, azimuth, words[view]),
                nearest=nearest,
                nearest_azimuth_deg=azimuth,
                nearest_view=words[view],
            )
        )
    return verdicts


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
