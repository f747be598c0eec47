"""A method that learns, as somebody would add one: this file, and `METHODS[TOY.name] = TOY`, is all that it takes."""

from typing import Annotated

import torch
from splatdream.guidance.methods.declaration import GuidanceMethod
from splatdream.guidance.methods.learner import Learner
from splatdream.options.option_range import OptionRange
from torch import nn


class MeanColor(Learner):
    """Learns the mean color of the latents that it sees."""

    loss_names = ("mean_color",)

    def __init__(self, prior, seed, *, rate: Annotated[float, OptionRange(0)] = 0.1):
        super().__init__()
        self.learning_rate = rate
        self.color = nn.Parameter(torch.zeros(3, 1, 1))

    def supplied(self, step):
        return {"color": self.color.detach()}

    def losses(self, step):
        return {"loss_mean_color": (step.latents - self.color).square().mean()}


def away_from_gray(denoiser, latents, timesteps, noise, *, strength: Annotated[float, OptionRange(0)] = 1.0, color):
    """SDS, and away from the color that is common to all."""
    noisy_latents = denoiser.schedule.add_noise(latents, noise, timesteps)
    return denoiser.guided(noisy_latents, timesteps) - noise - strength * (latents - color)


TOY = GuidanceMethod(
    name="toy",
    gradient=away_from_gray,
    summary="e^s(x_t) - eps - k (x - mean)",
    paper="none",
    cost="2",
    learner=MeanColor,
)
