"""Guidance on images instead of Gaussians: the quickest way to see what a method does.

N images, one a camera, are optimized by Adam as the renders of a run would be, without a renderer between.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from jaxtyping import Float
from torch import Tensor

from ..cameras.batch import CameraBatch
from ..cameras.random_streams import generator_for
from ..priors.base import DiffusionPrior, Views
from ..prompts.view_prompts import ViewPrompts
from .denoiser import EvaluationCounter
from .methods.registry import METHODS, guidance_method
from .reward import RewardedDraws
from .step import GuidedStep, StepSettings


@dataclass(frozen=True)
class PlaygroundRun:
    """What became of the images under one method."""

    method: str
    images: Float[Tensor, "N H W 3"]
    """In [0, 1]."""
    evaluations: float
    """Denoiser evaluations an image and step; for VSD and ESD without those of a learned score."""
    seconds: float


@dataclass(frozen=True)
class PlaygroundSettings(StepSettings):
    """The same for every method, so that only the method differs."""

    num_steps: int = 200
    """Optimizer steps."""
    learning_rate: float = 0.03
    """Adam's, in latent units."""
    start_deviation: float = 0.3
    """Standard deviation, in latent units, of the noise around gray that the images start from."""


def play(
    prior: DiffusionPrior,
    prompts: ViewPrompts,
    cameras: CameraBatch,
    methods: Sequence[str] = tuple(METHODS),
    settings: PlaygroundSettings = PlaygroundSettings(),
    method_options: Mapping[str, Mapping[str, float]] | None = None,
    report: Callable[[PlaygroundRun], None] | None = None,
    rewarded: RewardedDraws | None = None,
) -> list[PlaygroundRun]:
    """Every method on the same start, the same noise and the same timesteps.

    What VSD and ESD learn is known here: the score of the N images, those with the same text being one camera.

    Args:
        method_options: options of a method, by its name.
        report: called after each method.
        rewarded: how draws of the noise are chosen by a reward; None takes the first.
    """
    runs = []
    for method in methods:
        options = dict((method_options or {}).get(method, {}))
        guidance_method(method).check_options(options)
        runs.append(_run(prior, prompts, cameras, method, settings, options, rewarded))
        if report is not None:
            report(runs[-1])
    return runs


def _run(
    prior: DiffusionPrior,
    prompts: ViewPrompts,
    cameras: CameraBatch,
    method: str,
    settings: PlaygroundSettings,
    options: Mapping[str, float],
    rewarded: RewardedDraws | None,
) -> PlaygroundRun:
    started = time.perf_counter()
    declared, counter = guidance_method(method), EvaluationCounter()
    views, condition = Views(cameras, torch.ones(len(cameras), 3)), prior.encode_texts(prompts.texts)
    latents = _start(prior, cameras, settings)
    optimizer = torch.optim.Adam([latents], lr=settings.learning_rate, betas=(0.9, 0.99))
    learner = None if declared.stand_in else declared.make_learner(prior, settings.seed, options)
    for group in [] if learner is None else learner.parameter_groups():
        optimizer.add_param_group(group)
    options = {name: options[name] for name in declared.gradient_options if name in options}
    for number in range(settings.num_steps):
        step = GuidedStep(prior, prompts, condition, views, latents.detach(), number, settings, counter)
        optimizer.zero_grad()
        supplied = declared.stand_in(step) if declared.stand_in else {}
        if learner is not None:
            supplied = learner.supplied(step)
            sum(learner.losses(step).values()).backward()
        gradient_of = partial(declared.weighted_gradient, options=options, supplied=supplied)
        latents.grad = gradient_of(step) if rewarded is None else rewarded.gradient(step, gradient_of)
        optimizer.step()
    return PlaygroundRun(
        method=method,
        images=_decode(prior, latents),
        evaluations=counter.count / (len(latents) * settings.num_steps),
        seconds=time.perf_counter() - started,
    )


@torch.no_grad()
def _start(prior: DiffusionPrior, cameras: CameraBatch, settings: PlaygroundSettings) -> Tensor:
    """Gray images with noise, the same for every method."""
    gray = prior.encode_images(torch.full((len(cameras), cameras.height, cameras.width, 3), 0.5))
    noise = torch.randn(gray.shape, generator=generator_for(settings.seed, "start", 0)).to(gray)
    return (gray + settings.start_deviation * noise).requires_grad_(True)


@torch.no_grad()
def _decode(prior: DiffusionPrior, latents: Tensor) -> Tensor:
    return prior.decode_latents(latents).cpu()
