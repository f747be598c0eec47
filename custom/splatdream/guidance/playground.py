"""Guidance on images instead of Gaussians: the quickest way to see what a method does.

N images, one a camera, are optimized by Adam as the renders of a run would be, without a renderer between.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from ..cameras.batch import CameraBatch
from ..cameras.random_streams import generator_for
from ..priors.base import DiffusionPrior, Views
from ..prompts.view_prompts import ViewPrompts
from .denoiser import Denoiser, EvaluationCounter
from .methods.exact_particles import ExactParticles
from .methods.registry import METHODS, check_options, guidance_method, needs
from .timesteps import sample_timesteps, timestep_range
from .weighting import timestep_weights


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
class PlaygroundSettings:
    """The same for every method, so that only the method differs."""

    num_steps: int = 200
    """Optimizer steps."""
    learning_rate: float = 0.03
    """Adam's, in latent units."""
    guidance_scale: float = 1.0
    """s in unconditional + s (conditional - unconditional)."""
    perp_neg: float = 0.0
    """Strength of Perp-Neg; 0 is off."""
    weighting: str = "sigma_squared"
    """w(t), see WEIGHTINGS."""
    min_step_fraction: float = 0.02
    """Lowest timestep as a fraction of the schedule."""
    max_step_fraction: float = 0.98
    """Highest timestep, likewise."""
    start_deviation: float = 0.3
    """Standard deviation, in latent units, of the noise around gray that the images start from."""
    seed: int = 0


def play(
    prior: DiffusionPrior,
    prompts: ViewPrompts,
    cameras: CameraBatch,
    methods: Sequence[str] = tuple(METHODS),
    settings: PlaygroundSettings = PlaygroundSettings(),
    method_options: Mapping[str, Mapping[str, float]] | None = None,
    report: Callable[[PlaygroundRun], None] | None = None,
    device: torch.device | str = "cpu",
) -> list[PlaygroundRun]:
    """Every method on the same start, the same noise and the same timesteps.

    The score that VSD and ESD subtract is the exact one of the N images, those with the same text being one camera.

    Args:
        method_options: options of a method, by its name.
        report: called after each method.
        device: where the images are; network priors follow them.
    """
    runs = []
    for method in methods:
        options = dict((method_options or {}).get(method, {}))
        check_options(method, options)
        runs.append(_run(prior, prompts, cameras, method, settings, options, device))
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
    device: torch.device | str,
) -> PlaygroundRun:
    started = time.perf_counter()
    gradient_of, counter = guidance_method(method), EvaluationCounter()
    rows, views = prompts.rows(cameras), Views(cameras, torch.ones(len(cameras), 3))
    terms = prompts.perp_neg_terms(cameras).scaled(settings.perp_neg) if settings.perp_neg > 0 else None
    denoiser = Denoiser(
        prior,
        prior.encode_texts(prompts.texts),
        rows,
        prompts.negative_rows(cameras),
        views,
        settings.guidance_scale,
        prompts.empty_rows(cameras),
        terms,
        counter=counter,
    )
    latents = _start(prior, cameras, settings, device)
    optimizer = torch.optim.Adam([latents], lr=settings.learning_rate, betas=(0.9, 0.99))
    first, last = timestep_range(settings.min_step_fraction, settings.max_step_fraction, len(prior.schedule))
    for step in range(settings.num_steps):
        timesteps = sample_timesteps(
            first, last, len(latents), prior.views_per_group, generator_for(settings.seed, "timesteps", step)
        )
        noise = torch.randn(latents.shape, generator=generator_for(settings.seed, "noise", step))
        timesteps, noise = timesteps.to(device), noise.to(device)
        current = latents.detach()
        supplied: dict[str, object] = {}
        if needs(gradient_of, "generator"):
            supplied["generator"] = generator_for(settings.seed, "method", step)
        if needs(gradient_of, "particles"):
            supplied["particles"] = ExactParticles(prior.schedule, current, seen_from=rows)
        weights = timestep_weights(settings.weighting, prior.schedule, timesteps, current)
        latents.grad = weights * gradient_of(denoiser, current, timesteps, noise, **options, **supplied)
        optimizer.step()
    return PlaygroundRun(
        method=method,
        images=_decode(prior, latents),
        evaluations=counter.count / (len(latents) * settings.num_steps),
        seconds=time.perf_counter() - started,
    )


@torch.no_grad()
def _start(
    prior: DiffusionPrior, cameras: CameraBatch, settings: PlaygroundSettings, device: torch.device | str
) -> Tensor:
    """Gray images with noise, the same for every method."""
    gray = prior.encode_images(torch.full((len(cameras), cameras.height, cameras.width, 3), 0.5, device=device))
    noise = torch.randn(gray.shape, generator=generator_for(settings.seed, "start", 0)).to(gray)
    return (gray + settings.start_deviation * noise).requires_grad_(True)


@torch.no_grad()
def _decode(prior: DiffusionPrior, latents: Tensor) -> Tensor:
    return prior.decode_latents(latents).cpu()
