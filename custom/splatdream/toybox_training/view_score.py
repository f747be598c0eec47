"""How well a small Zero-1-to-3 knows an object from one picture: other views of objects that were never shown.

N pictures, V views of each.
"""

from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float, Int
from torch import Tensor

from ..cameras.batch import CameraBatch
from ..cameras.random_streams import generator_for
from ..export.contact_sheet import contact_sheet
from ..priors.zero123 import load_parts
from ..priors.zero123_conditioning import camera_tokens, clip_pixels, relative_cameras
from ..storage.images import write_png
from .captions import dressed_captions, training_captions
from .image_bank import ImageBank, object_bank
from .networks import build_scheduler
from .sampling import sample_other_views

_SHEET_OBJECTS = 6


@dataclass(frozen=True)
class ViewScoreOptions:
    """What is asked."""

    num_objects: int = 44
    """Held-out captions, spread evenly over all of them."""
    num_views: int = 4
    """Of each object, besides the picture."""
    guidance_scale: float = 3.0
    device: str = "cpu"
    num_shown_views: int = 12
    """Of each object of the training, for the nearest one."""
    num_shown_dressed: int = len(dressed_captions(held_out=False))
    """Objects of the training in a hat or a scarf; every plain one is there."""


def score_views(folder: Path, options: ViewScoreOptions, picture: Path | None = None) -> dict[str, float | int]:
    """PSNR in dB, means over all views: of what the model draws, and of two answers that know no geometry.

    `mean_image`: the mean of all training images. `nearest_training_view`: the training image that comes nearest to the
    picture says which object it is, and of that object's training views the one from nearest to the wanted camera is
    shown.

    Args:
        folder: a Zero-1-to-3 in diffusers layout.
        picture: draws some of the images there.
    """
    parts = load_parts(str(folder))
    side = parts.unet.config.sample_size * 2 ** (len(parts.vae.config.block_out_channels) - 1)
    held_out = dressed_captions(held_out=True)
    captions = held_out[:: max(1, len(held_out) // options.num_objects)][: options.num_objects]
    bank = object_bank(captions, options.num_views + 1, side, seed=1)
    shown = object_bank(training_captions(options.num_shown_dressed, 0), options.num_shown_views, side, seed=0)
    rows = torch.arange(len(bank)).unflatten(0, (len(captions), -1))
    pictures, wanted = rows[:, :1].expand(-1, options.num_views).flatten(), rows[:, 1:].flatten()
    drawn = _drawn(parts, bank, pictures, wanted, options)
    truth = _unit(bank, wanted)
    nearest = nearest_training_views(bank, pictures, wanted, shown, options.num_shown_views)
    if picture is not None:
        _draw(picture, bank, pictures, drawn, truth, options.num_views)
    mean = torch.stack([_unit(shown, part).sum(0) for part in torch.arange(len(shown)).split(512)]).sum(0) / len(shown)
    return {
        "views": len(wanted),
        "psnr": psnr(drawn, truth),
        "mean_image": psnr(mean.expand_as(truth), truth),
        "nearest_training_view": psnr(nearest, truth),
    }


def psnr(images: Float[Tensor, "N 3 H W"], truth: Float[Tensor, "N 3 H W"]) -> float:
    """The mean over images, dB."""
    return float((-10 * (images - truth).square().mean((1, 2, 3)).clamp(min=1e-10).log10()).mean())


def _drawn(
    parts: object, bank: ImageBank, pictures: Int[Tensor, "N"], wanted: Int[Tensor, "N"], options: ViewScoreOptions
) -> Float[Tensor, "N 3 H W"]:
    for network in (parts.unet, parts.vae, parts.image_encoder, parts.projection):
        network.to(options.device).eval().requires_grad_(False)
    images = []
    for number, (seen, asked) in enumerate(zip(pictures.split(64), wanted.split(64), strict=True)):
        pixels = bank.images(seen).to(options.device)
        embeddings = parts.image_encoder(clip_pixels(pixels, parts.image_encoder.config.image_size)).image_embeds
        cameras = relative_cameras(bank.cameras[asked], bank.cameras[seen]).to(options.device)
        images.append(
            sample_other_views(
                parts.unet,
                parts.vae,
                build_scheduler(),
                camera_tokens(parts.projection, embeddings, cameras),
                parts.vae.encode(pixels).latent_dist.mean,
                generator_for(0, "other views", number),
                guidance_scale=options.guidance_scale,
            )
        )
    return torch.cat(images).cpu()


def nearest_training_views(
    bank: ImageBank, pictures: Int[Tensor, "N"], wanted: Int[Tensor, "N"], shown: ImageBank, num_views: int
) -> Float[Tensor, "N 3 H W"]:
    """What a memory of the training would show: see `score_views`.

    Args:
        bank: of what is asked, with rows of the pictures and of the wanted views.
        shown: the training, so many consecutive views of each object.
    """
    seen = _unit(bank, pictures).flatten(1)
    best, objects = torch.full((len(seen),), float("inf")), torch.zeros(len(seen), dtype=torch.long)
    for part in torch.arange(len(shown)).split(1024):
        distances, places = torch.cdist(seen, _unit(shown, part).flatten(1)).min(1)
        objects = torch.where(distances < best, part[places] // num_views, objects)
        best = torch.minimum(best, distances)
    candidates = objects[:, None] * num_views + torch.arange(num_views)
    alike = (_directions(bank.cameras[wanted])[:, None] * _directions(shown.cameras)[candidates]).sum(-1)
    return _unit(shown, candidates.gather(1, alike.argmax(1, keepdim=True))[:, 0])


def _directions(cameras: CameraBatch) -> Float[Tensor, "N 3"]:
    return torch.nn.functional.normalize(cameras.positions, dim=-1)


def _unit(bank: ImageBank, rows: Int[Tensor, "N"]) -> Float[Tensor, "N 3 H W"]:
    return bank.images(rows) / 2 + 0.5


def _draw(path: Path, bank: ImageBank, pictures: Tensor, drawn: Tensor, truth: Tensor, num_views: int) -> None:
    """The pictures, what was drawn of them, and below that the truth."""
    count = min(_SHEET_OBJECTS, len(pictures) // num_views)
    seen = _unit(bank, pictures).unflatten(0, (-1, num_views))[:count, :1]
    rows = [torch.cat([seen, images.unflatten(0, (-1, num_views))[:count]], dim=1) for images in (drawn, truth)]
    grid = torch.stack(rows, dim=1).flatten(0, 1).movedim(2, -1)
    labels = [text for row in pictures[::num_views][:count].tolist() for text in (str(bank.captions[row]), "true")]
    write_png(path, contact_sheet(grid, labels, ["picture", *["another view"] * num_views], "", zoom=2))
