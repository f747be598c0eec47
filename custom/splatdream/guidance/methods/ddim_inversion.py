"""DDIM inversion: from an image up to noise along the deterministic path (DDIM, arXiv:2010.02502, sigma = 0).

B views, each with its own target timestep.
"""

from collections.abc import Callable
from itertools import pairwise

import torch
from jaxtyping import Float, Int
from torch import Tensor

from ...priors.noise_process import NoiseProcess
from ...storage.device_copies import sent
from ..denoiser import Denoiser

Predictor = Callable[[Denoiser, Tensor, Tensor], Tensor]
"""(denoiser of the views that move, their noisy latents, their timesteps) -> predicted noise."""


def ddim_step(
    schedule: NoiseProcess,
    noisy_latents: Float[Tensor, "B ..."],
    predicted_noise: Float[Tensor, "B ..."],
    timesteps: Int[Tensor, "B"],
    next_timesteps: Int[Tensor, "B"],
) -> Float[Tensor, "B ..."]:
    """The implied clean image, noised again with the same noise: a' x_0 + s' eps. Toward either end of the path."""
    clean = schedule.clean_from_noise(noisy_latents, predicted_noise, timesteps)
    return schedule.add_noise(clean, predicted_noise, next_timesteps)


def inversion_levels(targets: Int[Tensor, "B"], interval: int) -> Int[Tensor, "L B"]:
    """Timesteps 0, interval, 2 interval, ... of every view until its target, where it stays while others go on."""
    if interval < 1:
        raise ValueError(f"the interval of DDIM inversion is {interval} timesteps; it must be at least 1")
    num_steps = -(-int(targets.max()) // interval)
    grid = interval * torch.arange(num_steps + 1, device=targets.device)
    return torch.minimum(grid[:, None], targets[None])


def invert(
    denoiser: Denoiser,
    predict: Predictor,
    latents: Float[Tensor, "B ..."],
    noise: Float[Tensor, "B ..."],
    levels: Int[Tensor, "L B"],
    eta: float = 0.0,
    generator: torch.Generator | None = None,
) -> Float[Tensor, "B ..."]:
    """The latents at the last level.

    The path starts at timestep 0, where a network expects a trace of noise: a_0 x + s_0 noise. A view is evaluated once
    for each step in which its level rises.

    Args:
        eta: share of DDPM's noise that is added at every step (arXiv:2010.02502, sec. 4.1).
        generator: of that noise; not needed for eta 0.
    """
    noisy = denoiser.schedule.add_noise(latents, noise, levels[0])
    for current, following in pairwise(levels):
        chosen = (following > current).nonzero()[:, 0]
        if len(chosen) == 0:
            continue
        moving, start, end = sent(chosen, latents.device), current[chosen], following[chosen]
        predicted = predict(denoiser.among(chosen), noisy[moving], start)
        moved = ddim_step(denoiser.schedule, noisy[moving], predicted, start, end)
        if eta > 0:
            fresh = sent(torch.randn(moved.shape, generator=generator), moved.device, moved.dtype)
            moved = moved + eta * _ddpm_deviation(denoiser.schedule, start, end, moved) * fresh
        noisy = noisy.index_copy(0, moving, moved)
    return noisy


def _ddpm_deviation(schedule: NoiseProcess, start: Tensor, end: Tensor, like: Tensor) -> Tensor:
    """Standard deviation of DDPM's reverse step from `end` to `start`."""
    _, sigma = schedule.signal_and_noise_scales(start, like)
    _, sigma_end = schedule.signal_and_noise_scales(end, like)
    return sigma / sigma_end * schedule.added_variance(start, end, like).clamp(min=0).sqrt()
