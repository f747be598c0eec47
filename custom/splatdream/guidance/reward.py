"""Which of several draws of the noise to follow: those that end in images a reward likes (RewardSDS, arXiv:2503.09601).

A modifier of every method. B views, n draws of a view's noise.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from jaxtyping import Float, Int
from torch import Tensor

from .denoiser import Denoiser
from .methods.ddim_inversion import ddim_step, inversion_levels
from .step import GuidedStep

Reward = Callable[[Tensor, Sequence[str]], Tensor]
"""(images [B, H, W, 3] in [0, 1], the prompt of each) -> reward [B]; larger is better."""


def _best(rewards: Tensor) -> Tensor:
    return (torch.arange(len(rewards), device=rewards.device) == 0)[:, None].to(rewards).expand_as(rewards)


def _softmax(rewards: Tensor) -> Tensor:
    return rewards.softmax(dim=0)


def _min_max(rewards: Tensor) -> Tensor:
    """0.9 times the mean of the two best minus 0.1 times the mean of the two worst."""
    weights = torch.zeros_like(rewards)
    weights[:2], weights[-2:] = 0.45, -0.05
    return weights


STRATEGIES: Mapping[str, tuple[Callable[[Tensor], Tensor], int]] = {
    "best": (_best, 2),
    "softmax": (_softmax, 2),
    "min_max": (_min_max, 4),
}
"""(rewards [n, B], the best first) -> weights [n, B], and the smallest n above 1."""


@dataclass(frozen=True)
class RewardedDraws:
    """How many draws of the noise a step makes, and how they are weighed."""

    reward: Reward
    num_draws: int
    strategy: str = "min_max"
    """A name of STRATEGIES."""
    denoising_steps: int = 15
    """From the top of the schedule to the images that are rewarded; fewer from a lower timestep."""
    guidance_scale: float = 7.5
    """Of these steps."""

    def gradient(self, step: GuidedStep, gradient_of: Callable[[GuidedStep], Tensor]) -> Float[Tensor, "B ..."]:
        """The weighted sum of the gradients that the draws give; draws without weight are not asked for one.

        Cost: n * 2 ceil(denoising_steps t / T) evaluations a view for the rewards, and the method's for each draw used.

        Args:
            gradient_of: the method's gradient of a step, for the noise of that step.
        """
        noises = torch.stack([step.noise(draw) for draw in range(self.num_draws)])
        rewards = torch.stack([self._rewards(step, noise) for noise in noises])
        rewards, order = rewards.sort(dim=0, descending=True)
        weights, views = STRATEGIES[self.strategy][0](rewards), torch.arange(len(step.latents))
        total = torch.zeros_like(step.latents)
        for weight, chosen in zip(weights, order, strict=True):
            if weight.any():
                gradient = gradient_of(step.with_noise(noises[chosen, views]))
                total = total + weight.to(gradient).reshape(-1, *[1] * (gradient.ndim - 1)) * gradient
        return total

    @torch.no_grad()
    def _rewards(self, step: GuidedStep, noise: Float[Tensor, "B ..."]) -> Float[Tensor, "B"]:
        """Of the images that denoising the noised latents ends in; the views of a group share their mean."""
        prior, timesteps = step.prior, step.timesteps()
        noisy = prior.schedule.add_noise(step.latents, noise, timesteps)
        clean = denoise_fully(step.denoiser(), noisy, timesteps, self.denoising_steps, self.guidance_scale)
        images = prior.decode_latents(clean).clamp(0, 1)
        rewards = self.reward(images, [step.prompts.prompt] * len(images)).to(clean.device)
        if rewards.shape != (len(images),):
            raise ValueError(
                f"guidance.reward_type gives a tensor of shape {tuple(rewards.shape)} for {len(images)} images; "
                "a reward is one number an image"
            )
        return rewards.reshape(-1, prior.views_per_group).mean(dim=1).repeat_interleave(prior.views_per_group)


def denoise_fully(
    denoiser: Denoiser,
    noisy_latents: Float[Tensor, "B ..."],
    timesteps: Int[Tensor, "B"],
    num_steps: int,
    guidance_scale: float,
) -> Float[Tensor, "B ..."]:
    """The clean latents at the end of DDIM's path down, each view from its own timestep.

    Args:
        num_steps: from the top of the schedule; a view takes its share of them, at least one.
    """
    levels = inversion_levels(timesteps.cpu(), -(-len(denoiser.schedule) // num_steps)).flip(0)
    noisy, clean = noisy_latents, noisy_latents
    for current, following in pairwise(levels):
        chosen = (following < current).nonzero()[:, 0]
        moving, start, end = (rows.to(noisy.device) for rows in (chosen, current[chosen], following[chosen]))
        predicted = denoiser.among(chosen).guided(noisy[moving], start, guidance_scale)
        clean = clean.index_copy(0, moving, denoiser.schedule.clean_from_noise(noisy[moving], predicted, start))
        moved = ddim_step(denoiser.schedule, noisy[moving], predicted, start, end)
        noisy = noisy.index_copy(0, moving, moved)
    return clean
