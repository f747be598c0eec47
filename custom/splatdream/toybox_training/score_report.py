"""Generates images with a prior's folder and scores them: plain captions, and dressed ones never trained on."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from ..cameras.batch import CameraBatch, orbit_cameras
from ..cameras.random_streams import generator_for
from ..export.contact_sheet import contact_sheet
from ..priors.mvdream_unet import attend_across_views, camera_embedding_input
from ..priors.repeated_token import count_last_token
from ..priors.sd3_context import NUM_T5_TOKENS
from ..storage.images import write_png
from ..storage.progress_bar import ProgressBar
from ..toybox.vocabulary import VIEW_WORDS, ToyboxCaption
from .captions import MULTIVIEW_SUFFIX, dressed_captions, plain_captions
from .flow_training import FlowTexts
from .image_bank import VIEWS_PER_GROUP
from .sampling import embed_texts, sample_flow_images, sample_images
from .scoring import EVERYTHING, ScoreGrid, Wanted, judge, summary

_BATCH = 32
_SHOWN = 4
"""Captions of each kind in the picture."""


@dataclass(frozen=True)
class ScoreOptions:
    """How much is generated."""

    num_captions: int = 44
    """Of each kind; each is generated in four views."""
    num_steps: int = 25
    guidance_scale: float = 3.0
    seed: int = 0
    device: str = "cpu"


def score_prior(
    folder: Path,
    options: ScoreOptions = ScoreOptions(),
    grid: ScoreGrid = EVERYTHING,
    picture: Path | None = None,
) -> dict[str, object]:
    """The summary of `trained` (plain) and `held_out` (dressed) captions; plain values, ready for JSON.

    Args:
        picture: a PNG with the four views of some captions of either kind.

    Raises:
        FileNotFoundError: there is no such folder.
    """
    if not any((folder / network).exists() for network in ("unet", "transformer")):
        raise FileNotFoundError(f"{folder} is no folder of a prior; `splatdream toybox train sd` makes one")
    generate, kind = _generator_of(folder, options)
    is_multiview = kind == "mvdream"
    result: dict[str, object] = {
        "kind": kind,
        "guidance_scale": options.guidance_scale,
        "sampling_steps": options.num_steps,
        "seed": options.seed,
    }
    shown: list[Float[Tensor, "N 3 H W"]] = []
    labels: list[str] = []
    for name, captions in (("trained", plain_captions()), ("held_out", dressed_captions(held_out=True))):
        order = torch.randperm(len(captions), generator=generator_for(options.seed, f"score-{name}", 0))
        chosen = [captions[place] for place in order[: options.num_captions].tolist()]
        wanted = _wanted_views(chosen, is_multiview)
        firsts = ProgressBar(range(0, len(wanted), _BATCH), desc=f"drawing {name}", unit="batch")
        images = torch.cat([generate(wanted[row : row + _BATCH], row) for row in firsts])
        result[name] = summary(judge(images, wanted, grid))
        labels += [str(caption) for caption in chosen[:_SHOWN]]
        shown.append(images[: len(chosen[:_SHOWN]) * VIEWS_PER_GROUP])
    if picture is not None:
        columns = [f"{90 * view} degrees" for view in range(VIEWS_PER_GROUP)] if is_multiview else list(VIEW_WORDS)
        tiles = torch.cat(shown).movedim(1, -1).unflatten(0, (len(labels), VIEWS_PER_GROUP))
        title = f"{folder.name}, guidance scale {options.guidance_scale:g}, seed {options.seed}"
        write_png(picture, contact_sheet(tiles, labels, columns, title, zoom=2))
    return result


def _wanted_views(captions: list[ToyboxCaption], is_multiview: bool) -> list[Wanted]:
    if is_multiview:
        return [Wanted(caption, 90.0 * view) for caption in captions for view in range(VIEWS_PER_GROUP)]
    return [Wanted(replace(caption, view_word=word)) for caption in captions for word in VIEW_WORDS]


_Generator = Callable[[list[Wanted], int], Float[Tensor, "N 3 H W"]]


def _generator_of(folder: Path, options: ScoreOptions) -> tuple[_Generator, str]:
    """Draws what is wanted, from noise of a number; and the kind of prior."""
    if (folder / "transformer").exists():
        return _flow_generator(folder, options), "flow"
    from diffusers import StableDiffusionPipeline

    pipeline = _pipeline(StableDiffusionPipeline, folder, options)
    is_multiview = pipeline.unet.config.class_embed_type == "projection"
    if is_multiview:
        attend_across_views(pipeline.unet, VIEWS_PER_GROUP)

    @torch.no_grad()
    def generate(wanted: list[Wanted], first: int) -> Float[Tensor, "N 3 H W"]:
        texts = [f"{want.caption}{MULTIVIEW_SUFFIX if is_multiview else ''}" for want in wanted]
        embeddings = embed_texts(pipeline.text_encoder, pipeline.tokenizer, ["", *texts])
        cameras = camera_embedding_input(_cameras(wanted).c2w).to(options.device) if is_multiview else None
        generator = generator_for(options.seed, "score-noise", first)
        return sample_images(
            pipeline.unet,
            pipeline.vae,
            pipeline.scheduler,
            embeddings[1:],
            embeddings[:1],
            generator,
            cameras,
            options.num_steps,
            options.guidance_scale,
        ).cpu()

    return generate, "mvdream" if is_multiview else "sd"


def _flow_generator(folder: Path, options: ScoreOptions) -> _Generator:
    from diffusers import StableDiffusion3Pipeline

    pipeline = _pipeline(StableDiffusion3Pipeline, folder, options, text_encoder_3=None, tokenizer_3=None)
    texts_of = FlowTexts(pipeline.text_encoder, pipeline.tokenizer)
    count_last_token(pipeline.transformer, NUM_T5_TOKENS)

    @torch.no_grad()
    def generate(wanted: list[Wanted], first: int) -> Float[Tensor, "N 3 H W"]:
        texts = ["", *(str(want.caption) for want in wanted)]
        context, pooled = texts_of.embed(pipeline.text_encoder_2, texts)
        generator = generator_for(options.seed, "score-noise", first)
        return sample_flow_images(
            pipeline.transformer,
            pipeline.vae,
            pipeline.scheduler,
            context,
            pooled,
            generator,
            options.num_steps,
            options.guidance_scale,
        ).cpu()

    return generate


def _pipeline(pipeline_type: type, folder: Path, options: ScoreOptions, **without: None) -> object:
    pipeline = pipeline_type.from_pretrained(folder, local_files_only=True, **without)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline.to(options.device, torch.float32)


def _cameras(wanted: list[Wanted]) -> CameraBatch:
    return orbit_cameras([20.0] * len(wanted), [want.azimuth_deg for want in wanted])
