"""What a prior makes of one step, as pictures for whoever watches a run.

B views, ... the shape of one latent.
"""

from collections.abc import Mapping

import torch
from jaxtyping import Float
from torch import Tensor

from .step import GuidedStep


@torch.no_grad()
def step_pictures(step: GuidedStep) -> Mapping[str, Float[Tensor, "B h w 3"]]:
    """`noisy`: the views with the step's noise at its timesteps. `denoised`: the x_0 that the guided prediction of that
    noise implies, which methods pull toward, each in its own way.

    Methods with paths of their own (ISM, SDI, SDS-Bridge) look elsewhere, too: this is the step's one draw of noise.
    """
    timesteps, schedule = step.timesteps(), step.prior.schedule
    noisy = schedule.add_noise(step.latents, step.noise(), timesteps)
    predicted = step.denoiser().guided(noisy, timesteps)
    denoised = schedule.clean_from_noise(noisy, predicted, timesteps)
    return {"noisy": step.prior.decode_latents(noisy), "denoised": step.prior.decode_latents(denoised)}
