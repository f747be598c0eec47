"""Asynchronous score distillation (ASD, ScaleDreamer, arXiv:2407.02040).

B views.
"""

from typing import Annotated

import torch
from jaxtyping import Float, Int
from torch import Tensor

from ...options.option_range import OptionRange
from ..denoiser import Denoiser
from .declaration import GuidanceMethod


def asd_gradient(
    denoiser: Denoiser,
    latents: Float[Tensor, "B ..."],
    timesteps: Int[Tensor, "B"],
    noise: Float[Tensor, "B ..."],
    *,
    shift_ratio: Annotated[float, OptionRange(0, 1)] = 0.1,
    is_shift_random: bool = True,
    generator: torch.Generator,
    first_timestep: int,
) -> Float[Tensor, "B ..."]:
    """e^s(x_t; y, t) - e(x_u; y, u) with u = t + d above t and the same noise in x_t and x_u.

    The prior at a later timestep stands in for VSD's learned score, which predicts the noise in renders better than the
    prior does at t. Cost: 2 evaluations a view at t, 1 at u.

    Args:
        shift_ratio: d is at most this share of the way from the lowest timestep to t.
        is_shift_random: d is drawn uniformly; else the largest.
        generator: of that draw; the views of a group share theirs.
        first_timestep: the lowest timestep.
    """
    shift = shift_ratio * (timesteps - first_timestep).clamp(min=0)
    if is_shift_random:
        drawn = torch.rand(len(timesteps) // denoiser.views_per_group, generator=generator)
        shift = shift * drawn.repeat_interleave(denoiser.views_per_group).to(shift.device)
    later = (timesteps + shift.long()).clamp(max=len(denoiser.schedule) - 1)
    at_t, at_later = (denoiser.schedule.add_noise(latents, noise, at) for at in (timesteps, later))
    return denoiser.guided(at_t, timesteps) - denoiser.conditional(at_later, later)


ASD = GuidanceMethod(
    name="asd",
    gradient=asd_gradient,
    summary="e^s(x_t) - e(x_u; y), u = t + d, d up to 0.1 (t - t_min)",
    paper="ScaleDreamer, arXiv:2407.02040",
    cost="3",
)
