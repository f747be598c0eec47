"""Images of some views drawn from a prior, as its own pipeline would draw them: DDIM with classifier-free guidance.

B views.
"""

from dataclasses import dataclass
from typing import Annotated

import torch
from jaxtyping import Float
from torch import Tensor

from ..cameras.batch import CameraBatch
from ..options.option_range import OptionRange
from ..priors.base import DiffusionPrior, Views
from ..prompts.view_prompts import ViewPrompts
from .denoised_target import denoise, denoising_levels
from .denoiser import EvaluationCounter
from .step import GuidedStep, StepSettings


@dataclass(frozen=True)
class SamplingOptions:
    num_steps: Annotated[int, OptionRange(1, 1000)] = 50
    """Steps from noise to images; each is one evaluation a view, or two under guidance."""
    guidance_scale: Annotated[float, OptionRange(0)] = 3.0
    """s in unconditional + s (conditional - unconditional); 1 is no guidance."""
    guidance_rescale: Annotated[float, OptionRange(0, 1)] = 0.0
    """See `classifier_free.rescale`."""


@torch.no_grad()
def sample_views(
    prior: DiffusionPrior,
    prompts: ViewPrompts,
    cameras: CameraBatch,
    background: Float[Tensor, "B 3"],
    options: SamplingOptions,
    seed: int,
) -> tuple[Float[Tensor, "B H W 3"], int]:
    """Images in [0, 1] of the size that the prior decodes to, and the denoiser evaluations that they cost.

    Consecutive views form the groups of a multi-view prior, which are drawn one after another.

    Raises:
        ValueError: the views do not divide into the prior's groups, or it cannot read the prompt.
    """
    num_views, per_group = len(cameras), prior.views_per_group
    if num_views % per_group:
        raise ValueError(f"{num_views} views do not divide into groups of {per_group}, which this prior draws at once")
    texts = prompts.with_suffix(prior.prompt_suffix).texts
    condition = prior.encode_texts(texts)
    levels = denoising_levels(len(prior.schedule) - 1, options.num_steps)
    settings = StepSettings(guidance_scale=options.guidance_scale, guidance_rescale=options.guidance_rescale, seed=seed)
    counter, images = EvaluationCounter(), []
    for first in range(0, num_views, per_group):
        rows = slice(first, first + per_group)
        views = Views(cameras[rows], background[rows])
        nothing = prior.encode_images(background[rows, None, None].expand(-1, cameras.height, cameras.width, 3))
        step = GuidedStep(
            prior, prompts, condition, views, torch.zeros_like(nothing), first // per_group, settings, counter
        )
        images.append(prior.decode_latents(denoise(step.denoiser(), step.latents, step.noise(), levels)))
    return torch.cat(images).float().clamp(0, 1), counter.count
