"""FLUX.1-schnell, and whatever has its layout, as a prior, through diffusers."""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from ..storage.device_copies import sent
from .base import Views
from .condition_cache import ConditionCache
from .flow_models import checked_side, load_flow, load_transformer
from .latent_diffusion import LatentDiffusionPrior, NetworkOptions
from .model_files import Hub, locate_model
from .sd3_texts import FLUX_TEXT_PARTS, FluxTexts, PooledTextCondition
from .stable_diffusion import load_autoencoder, pixels_per_latent

FLUX_PARTS = ("transformer", "vae", *FLUX_TEXT_PARTS, "scheduler")
IMAGE_SIZE = 1024
"""Side in pixels of the images that it was published for; the files do not say."""


class FluxPrior(LatentDiffusionPrior):
    """A rectified flow of latents in squares of two by two, one token each."""

    def _denoise(
        self,
        noisy_latents: Float[Tensor, "B c h w"],
        timesteps: Int[Tensor, "B"],
        condition: PooledTextCondition,
        views: Views,
    ) -> Float[Tensor, "B c h w"]:
        device, dtype = noisy_latents.device, noisy_latents.dtype
        texts = condition.embeddings_on(device, dtype)
        height, width = (side // 2 for side in noisy_latents.shape[-2:])
        rows, columns = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
        places = torch.stack([torch.zeros_like(rows), rows, columns], dim=-1).flatten(0, 1)
        tokens = self.network(
            hidden_states=packed(noisy_latents),
            encoder_hidden_states=texts,
            pooled_projections=condition.pooled_on(device, dtype),
            timestep=sent(self.schedule.levels, device)[timesteps].to(dtype),
            img_ids=sent(places, device, dtype),
            txt_ids=torch.zeros(texts.shape[1], 3, device=device, dtype=dtype),
        ).sample
        return unpacked(tokens, height, width)


def packed(latents: Float[Tensor, "B c h w"]) -> Float[Tensor, "B N 4*c"]:
    """Squares of two by two latents, row by row; channels first, then the rows and columns of a square."""
    squares = latents.unflatten(3, (-1, 2)).unflatten(2, (-1, 2))
    return squares.permute(0, 2, 4, 1, 3, 5).flatten(3).flatten(1, 2)


def unpacked(tokens: Float[Tensor, "B N _"], height: int, width: int) -> Float[Tensor, "B c h w"]:
    """The inverse of `packed` for that many squares."""
    squares = tokens.unflatten(2, (-1, 2, 2)).unflatten(1, (height, width))
    return squares.permute(0, 3, 1, 4, 2, 5).flatten(4).flatten(2, 3)


def load_flux(
    model: str = "flux-schnell",
    revision: str | None = None,
    is_offline: bool = False,
    image_size: int = 0,
    options: NetworkOptions = NetworkOptions(),  # noqa: B008 - frozen
    text_cache: ConditionCache | None = None,
    hub: Hub | None = None,
) -> FluxPrior:
    """The prior of a folder in diffusers layout, a short name, or a hub id; see `locate_model`.

    Args:
        image_size: side in pixels at which images are looked at, 0 for 1024.

    Raises:
        FileNotFoundError: no copy was found, or it lacks a part; the message says what to do.
        ValueError: the folder holds a network of another kind, or one that takes its guidance as an input.
    """
    files = locate_model(model, FLUX_PARTS, revision, is_offline, options.prefers_half, hub).as_folder()
    schedule = load_flow(files)
    transformer, vae = load_transformer(files, "FluxTransformer2DModel"), load_autoencoder(files)
    if transformer.config.guidance_embeds:
        raise ValueError(
            f"the network in {files.path} takes its guidance scale as an input, as FLUX.1-dev does, and has no "
            "unconditional prediction to start from; take FLUX.1-schnell"
        )
    return FluxPrior(
        files=files,
        network=transformer,
        time_embedding=transformer.time_text_embed.timestep_embedder,
        vae=vae,
        texts=FluxTexts(files, text_cache),
        schedule=schedule,
        prediction_type="v_prediction",
        image_size=checked_side(image_size or IMAGE_SIZE, 2 * pixels_per_latent(vae)),
        options=options,
    )
