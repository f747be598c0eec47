"""What the trainings minimize.

B images.
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

EDGE_WEIGHT = 0.5
KL_WEIGHT = 1e-6


def autoencoder_loss(
    vae: nn.Module, images: Float[Tensor, "B 3 H W"], noise: Float[Tensor, "B 4 h w"]
) -> Float[Tensor, ""]:
    """Mean absolute error of the pixels and of the differences of neighbors, plus a whisper of KL (LDM, sec. 3.1).

    The differences take the place of a perceptual loss, whose network would be a download: without them edges blur.
    """
    posterior = vae.encode(images).latent_dist
    decoded = vae.decode(posterior.mean + posterior.std * noise).sample.float()
    pixels = (decoded - images).abs().mean()
    across = (decoded.diff(dim=-1) - images.diff(dim=-1)).abs().mean()
    down = (decoded.diff(dim=-2) - images.diff(dim=-2)).abs().mean()
    return pixels + EDGE_WEIGHT * (across + down) + KL_WEIGHT * posterior.kl().float().mean()


def velocity_loss(
    unet: nn.Module,
    alphas_cumprod: Float[Tensor, "T"],
    latents: Float[Tensor, "B 4 h w"],
    embeddings: Float[Tensor, "B L C"],
    timesteps: Int[Tensor, "B"],
    noise: Float[Tensor, "B 4 h w"],
    cameras: Float[Tensor, "B 16"] | None = None,
) -> Float[Tensor, ""]:
    """Squared error of v = a * noise - s * latents at z_t = a * latents + s * noise (arXiv:2202.00512, app. D)."""
    a = alphas_cumprod[timesteps].sqrt()[:, None, None, None]
    s = (1 - alphas_cumprod[timesteps]).sqrt()[:, None, None, None]
    extra = {} if cameras is None else {"class_labels": cameras}
    predicted = unet(a * latents + s * noise, timesteps, encoder_hidden_states=embeddings, **extra).sample
    return nn.functional.mse_loss(predicted.float(), a * noise - s * latents)


def timesteps_for(count: int, groups_of: int, num_timesteps: int, generator: torch.Generator) -> Int[Tensor, "B"]:
    """Uniform and stratified over the batch, the views of one group alike."""
    groups = count // groups_of
    places = (torch.arange(groups) + torch.rand(groups, generator=generator)) / groups
    return (places * num_timesteps).long().clamp(max=num_timesteps - 1).repeat_interleave(groups_of)
