"""Whether four sides of a result are sides of one object, asked of a multi-view prior: are they where cameras say?

A multi-view prior predicts the noise of the four views together, each with its camera. True cameras explain the sides
of a true object better than permuted ones do; of an object with two faces, or none, hardly (after ID-Pose,
arXiv:2306.17140). Four views a quarter turn apart; S noises.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from ..cameras.batch import CameraBatch, orbit_cameras
from ..cameras.random_streams import generator_for
from ..priors.base import DiffusionPrior, Views
from .view_posterior import spread_timesteps

NUM_SIDES = 4
# Up to a cyclic shift, which is a turn of the whole, these are all the other orders of four.
_WRONG_ORDERS = ((0, 1, 3, 2), (0, 2, 1, 3), (0, 2, 3, 1), (0, 3, 1, 2), (0, 3, 2, 1))
_NUM_TURNS = 12
"""A prior may have learned where fronts are; a result may be turned. The best of so many turns counts."""


@dataclass(frozen=True)
class CameraGap:
    """Errors are means of squared differences of noise."""

    true_error: float
    """With the cameras in their order, after the best turn."""
    wrong_error: float
    """Mean over the wrong orders."""
    turn_deg: float
    """Of the cameras, where they explain the views best."""

    @property
    def gap(self) -> float:
        """1 - true / wrong: near 0 when the order of the cameras makes no difference."""
        return 1 - self.true_error / self.wrong_error


@torch.no_grad()
def camera_gap(
    prior: DiffusionPrior,
    images: Float[Tensor, "4 H W 3"],
    cameras: CameraBatch,
    prompt: str,
    num_noises: int = 2,
    seed: int = 0,
) -> CameraGap:
    """The gap between the cameras in their order and in the five others, none of which is a turn.

    Costs 4 (12 + 5) S evaluations of the denoiser.

    Args:
        cameras: of the images, a quarter turn apart in the order of their azimuths.

    Raises:
        ValueError: the prior does not look at groups of four views.
    """
    if prior.views_per_group != NUM_SIDES or len(images) != NUM_SIDES:
        raise ValueError(
            f"the camera gap needs {NUM_SIDES} views and a prior for groups of {NUM_SIDES}, "
            f"got {len(images)} views and groups of {prior.views_per_group}"
        )
    latents = prior.encode_images(images)
    condition = prior.encode_texts([prompt + prior.prompt_suffix] * NUM_SIDES)
    noises = [
        torch.randn(latents.shape, generator=generator_for(seed, "camera-gap", index)).to(latents)
        for index in range(num_noises)
    ]
    timesteps = spread_timesteps(len(prior.schedule), num_noises)

    def error(chosen: CameraBatch) -> float:
        views = Views(chosen, torch.ones(NUM_SIDES, 3).to(latents))
        errors = []
        for noise, timestep in zip(noises, timesteps, strict=True):
            times = timestep.expand(NUM_SIDES)
            noisy = prior.schedule.add_noise(latents, noise, times)
            errors.append((prior.predict_noise(noisy, times, condition, views) - noise).square().mean())
        return float(torch.stack(errors).mean())

    turns = [360 / _NUM_TURNS * index for index in range(_NUM_TURNS)]
    by_turn = [error(_turned(cameras, turn)) for turn in turns]
    best = min(range(_NUM_TURNS), key=by_turn.__getitem__)
    right = _turned(cameras, turns[best])
    wrong = [error(right[list(order)]) for order in _WRONG_ORDERS]
    return CameraGap(by_turn[best], sum(wrong) / len(wrong), turns[best])


def _turned(cameras: CameraBatch, turn_deg: float) -> CameraBatch:
    return orbit_cameras(
        cameras.elevation_deg,
        cameras.azimuth_deg + turn_deg,
        float(cameras.distances[0]),
        float(torch.rad2deg(cameras.fovy_rad[0])),
        cameras.width,
        cameras.height,
    )
