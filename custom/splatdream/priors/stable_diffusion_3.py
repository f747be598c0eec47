"""Stable Diffusion 3 and 3.5, and whatever has their layout, as a prior, through diffusers."""

from jaxtyping import Float, Int
from torch import Tensor

from ..storage.device_copies import sent
from .base import Views
from .condition_cache import ConditionCache
from .flow_models import checked_side, load_flow, load_transformer
from .latent_diffusion import LatentDiffusionPrior, NetworkOptions
from .model_files import Hub, locate_model
from .repeated_token import count_last_token
from .sd3_context import NUM_T5_TOKENS
from .sd3_texts import SD3_TEXT_PARTS, T5_PARTS, PooledTextCondition, Sd3Texts
from .stable_diffusion import load_autoencoder, pixels_per_latent

SD3_PARTS = ("transformer", "vae", *SD3_TEXT_PARTS, "scheduler")


class StableDiffusion3Prior(LatentDiffusionPrior):
    """A rectified flow of latents by a transformer over image and text tokens (arXiv:2403.03206)."""

    def _denoise(
        self,
        noisy_latents: Float[Tensor, "B c h w"],
        timesteps: Int[Tensor, "B"],
        condition: PooledTextCondition,
        views: Views,
    ) -> Float[Tensor, "B c h w"]:
        device, dtype = noisy_latents.device, noisy_latents.dtype
        return self.network(
            noisy_latents,
            encoder_hidden_states=condition.embeddings_on(device, dtype),
            pooled_projections=condition.pooled_on(device, dtype),
            timestep=1000 * sent(self.schedule.levels, device)[timesteps],
        ).sample


def load_stable_diffusion_3(
    model: str = "sd3",
    revision: str | None = None,
    is_offline: bool = False,
    uses_t5: bool = False,
    image_size: int = 0,
    options: NetworkOptions = NetworkOptions(),  # noqa: B008 - frozen
    text_cache: ConditionCache | None = None,
    hub: Hub | None = None,
) -> StableDiffusion3Prior:
    """The prior of a folder in diffusers layout, a short name, or a hub id; see `locate_model`.

    Args:
        uses_t5: read texts with T5, too, which takes 19 GB of main memory while a text is encoded.
        image_size: side in pixels at which images are looked at; 0 for the one that the model was trained on.

    Raises:
        FileNotFoundError: no copy was found, or it lacks a part; the message says what to do.
        ValueError: the folder holds a network of another kind.
    """
    parts = SD3_PARTS + (T5_PARTS if uses_t5 else ())
    files = locate_model(model, parts, revision, is_offline, options.prefers_half, hub).as_folder()
    transformer, vae = load_transformer(files, "SD3Transformer2DModel"), load_autoencoder(files)
    config, latent_size = transformer.config, pixels_per_latent(vae)
    side = image_size or config.sample_size * latent_size
    if not uses_t5:
        count_last_token(transformer, NUM_T5_TOKENS)
    return StableDiffusion3Prior(
        files=files,
        network=transformer,
        time_embedding=transformer.time_text_embed.timestep_embedder,
        vae=vae,
        texts=Sd3Texts(files, config.joint_attention_dim, uses_t5, text_cache),
        schedule=load_flow(files),
        prediction_type="v_prediction",
        image_size=checked_side(side, config.patch_size * latent_size, config.pos_embed_max_size),
        options=options,
    )
