"""Which way each view of a result seems to look, asked of a diffusion prior: which view text denoises it best.

A diffusion classifier (arXiv:2303.16203) over the texts "X, front view", "X, side view" and "X, back view".
N views at equally spaced azimuths, once round; V = 3 texts in the order of `DIRECTIONS`; S noises.
"""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from ..cameras.batch import CameraBatch
from ..cameras.random_streams import generator_for
from ..priors.base import DiffusionPrior, Views
from ..prompts.directions import ViewDirection, describe_view
from .front_arcs import FrontArcs, front_arcs, smoothed

DIRECTIONS = (ViewDirection.FRONT, ViewDirection.SIDE, ViewDirection.BACK)
FRONT_PROBABILITY = 0.5
"""A view whose smoothed p(front) is above this belongs to a front arc."""
_FRONT_WIDTH_DEG = 90.0
"""Of a true front: "front view" means within 45 degrees of it."""
_TIME_RANGE = (0.5, 0.85)
"""Of the schedule. With the packaged prior, 0.15 to 0.5 tells two faces from one with an AUC of 0.7, this with 1."""
_BATCH = 16


@dataclass(frozen=True)
class ViewLikelihood:
    """How errors become probabilities, fitted to views of known objects."""

    biases: tuple[float, float, float] = (0.0, 0.0, 0.0)
    """Subtracted from the errors of the texts: the prior's fondness for a word, whatever it sees."""
    temperature: float = 1e-2
    """By which errors are divided."""


@dataclass(frozen=True)
class FrontMeasures:
    """What p(front) says round the circle. All of it is free of where the result's front is."""

    peak: float
    """Largest p(front): small without any face."""
    second: float
    """Largest p(front) at least 90 degrees from the middle of the strongest front: large with two faces, three, or one
    that reaches round."""
    least: float
    """Smallest p(front)."""
    excess: float
    """Share of views whose likeliest word is front, less the quarter of the circle that shows a true one."""
    information: float
    """Mutual information of azimuth and view word over log 3: 0 if all sides look alike, or are ambiguous."""
    confidence: float
    """Mean probability of the likeliest word."""
    arcs: FrontArcs


@torch.no_grad()
def view_errors(
    prior: DiffusionPrior,
    images: Float[Tensor, "N H W 3"],
    cameras: CameraBatch,
    prompt: str,
    num_noises: int = 4,
    seed: int = 0,
) -> Float[Tensor, "S V N"]:
    """Mean squared error of the predicted noise for every noise, text and view; no guidance.

    The noises and their timesteps are the same for every text and view, so that differences are paired: most of the
    variance of an error is common to all texts. Costs S V N evaluations of the denoiser.

    Raises:
        ValueError: there is no noise, or the prior cannot read the prompt.
    """
    if num_noises < 1:
        raise ValueError(f"the number of noises is {num_noises}, but must be at least 1")
    texts = [describe_view(prompt, direction) + prior.prompt_suffix for direction in DIRECTIONS]
    condition = prior.encode_texts(texts)
    latents = prior.encode_images(images)
    views = Views(cameras, torch.ones(len(cameras), 3).to(latents))
    timesteps = spread_timesteps(len(prior.schedule), num_noises)
    errors = torch.empty(num_noises, len(DIRECTIONS), len(images))
    for index, timestep in enumerate(timesteps):
        noise = torch.randn(latents.shape[1:], generator=generator_for(seed, "evaluation", index)).to(latents)
        for text in range(len(DIRECTIONS)):
            for rows in torch.arange(len(images)).split(_BATCH):
                clean = latents[rows.to(latents.device)]
                times = timestep.expand(len(rows))
                noisy = prior.schedule.add_noise(clean, noise.expand_as(clean), times)
                predicted = prior.predict_noise(noisy, times, condition[torch.full_like(rows, text)], views[rows])
                errors[index, text, rows] = (predicted - noise).square().flatten(1).mean(dim=1).float().cpu()
    return errors


def spread_timesteps(num_timesteps: int, count: int) -> Int[Tensor, "count"]:
    """The middles of as many equal parts of the range in which texts and images both matter."""
    low, high = (limit * (num_timesteps - 1) for limit in _TIME_RANGE)
    return (low + (high - low) * (torch.arange(count) + 0.5) / count).round().long()


def view_posterior(
    errors: Float[Tensor, "S V N"], likelihood: ViewLikelihood = ViewLikelihood()
) -> Float[Tensor, "V N"]:
    """p(text | view) = softmax over texts of -(E - b) / tau, E the mean over the noises."""
    biases = torch.tensor(likelihood.biases)[:, None]
    return torch.softmax(-(errors.mean(dim=0) - biases) / likelihood.temperature, dim=0)


def front_measures(posterior: Float[Tensor, "V N"]) -> FrontMeasures:
    """The measures of p(front) after circular smoothing; those of all words without."""
    front = smoothed(posterior[0])
    num_views = len(front)
    # Not the highest view: of a plateau that is its first view, and its last one would be far from it.
    middle = smoothed(posterior[0], _FRONT_WIDTH_DEG).argmax()
    offset = (torch.arange(num_views) - middle).remainder(num_views)
    away_deg = torch.minimum(offset, num_views - offset) * (360 / num_views)
    words = posterior.argmax(dim=0)
    entropy = _entropy(posterior.mean(dim=1)) - _entropy(posterior).mean()
    return FrontMeasures(
        peak=float(front.max()),
        second=float(front[away_deg >= _FRONT_WIDTH_DEG - 1e-3].max()),
        least=float(front.min()),
        excess=float((words == 0).float().mean()) - 0.25,
        information=float(entropy) / math.log(len(DIRECTIONS)),
        confidence=float(posterior.amax(dim=0).mean()),
        arcs=front_arcs(front > FRONT_PROBABILITY),
    )


def _entropy(probabilities: Float[Tensor, "V ..."]) -> Float[Tensor, "..."]:
    return -torch.special.xlogy(probabilities, probabilities).sum(dim=0)
