"""What the trainings minimize.

B images.
"""

from collections.abc import Callable

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from ..priors.noise_process import NoiseProcess

SQUARE_WEIGHT = 2.0
"""Of the squared error. The absolute error alone has little to say about hue while most pixels are a white ground."""
EDGE_WEIGHT = 0.5
KL_WEIGHT = 1e-6
GUIDED_STEPS = 1000
"""So long, with falling weight, three channels of the latents are drawn to the mean colors under them: otherwise the
autoencoder learns light and dark first and draws brown silhouettes for as many steps."""


def autoencoder_loss(
    vae: nn.Module, images: Float[Tensor, "B 3 H W"], noise: Float[Tensor, "B 4 h w"], step: int
) -> Float[Tensor, ""]:
    """Errors of the pixels and of the differences of neighbors, plus a whisper of KL (LDM, sec. 3.1).

    The differences take the place of a perceptual loss, whose network would be a download: without them edges blur.
    """
    posterior = vae.encode(images).latent_dist
    decoded = vae.decode(posterior.mean + posterior.std * noise).sample.float()
    error = decoded - images
    pixels = error.abs().mean() + SQUARE_WEIGHT * error.square().mean()
    edges = error.diff(dim=-1).abs().mean() + error.diff(dim=-2).abs().mean()
    colors = nn.functional.adaptive_avg_pool2d(images, noise.shape[-2:])
    guide = max(0.0, 1 - step / GUIDED_STEPS) * (posterior.mean[:, :3].float() - colors).square().mean()
    return pixels + EDGE_WEIGHT * edges + KL_WEIGHT * posterior.kl().float().mean() + guide


def velocity_loss(
    predict: Callable[[Float[Tensor, "B 4 h w"], Int[Tensor, "B"]], Float[Tensor, "B 4 h w"]],
    process: NoiseProcess,
    latents: Float[Tensor, "B 4 h w"],
    timesteps: Int[Tensor, "B"],
    noise: Float[Tensor, "B 4 h w"],
) -> Float[Tensor, ""]:
    """Squared error of the velocity at the noised latents; for rectified flow that is flow matching.

    Args:
        predict: the network's velocity at noisy latents and timesteps.
    """
    predicted = predict(process.add_noise(latents, noise, timesteps), timesteps)
    return nn.functional.mse_loss(predicted.float(), process.velocity(latents, noise, timesteps))


def timesteps_for(count: int, groups_of: int, num_timesteps: int, generator: torch.Generator) -> Int[Tensor, "B"]:
    """Uniform and stratified over the batch, the views of one group alike."""
    groups = count // groups_of
    places = (torch.arange(groups) + torch.rand(groups, generator=generator)) / groups
    return (places * num_timesteps).long().clamp(max=num_timesteps - 1).repeat_interleave(groups_of)
