"""The Stable Diffusion family (1.5, 2.1-base, 2.1, and whatever has their layout) as a prior, through diffusers."""

from jaxtyping import Float, Int
from torch import Tensor, nn

from .base import Views
from .clip_texts import ClipTexts, TextCondition
from .condition_cache import ConditionCache
from .latent_diffusion import LatentDiffusionPrior, NetworkOptions
from .model_files import STABLE_DIFFUSION_PARTS, Hub, ModelFiles, locate_model
from .noise_process import VariancePreserving


class StableDiffusionPrior(LatentDiffusionPrior):
    """Latent diffusion (arXiv:2112.10752); every view is looked at alone and its camera is not known."""

    def _denoise(
        self,
        noisy_latents: Float[Tensor, "B 4 h w"],
        timesteps: Int[Tensor, "B"],
        condition: TextCondition,
        views: Views,
    ) -> Float[Tensor, "B 4 h w"]:
        embeddings = condition.embeddings_on(noisy_latents.device, noisy_latents.dtype)
        return self.network(noisy_latents, timesteps, encoder_hidden_states=embeddings).sample


def load_stable_diffusion(
    model: str = "sd21-base",
    revision: str | None = None,
    is_offline: bool = False,
    image_size: int = 0,
    options: NetworkOptions = NetworkOptions(),  # noqa: B008 - frozen
    text_cache: ConditionCache | None = None,
    hub: Hub | None = None,
) -> StableDiffusionPrior:
    """The prior of a folder in diffusers layout, a short name, or a hub id; see `locate_model`.

    Args:
        revision: commit, tag or branch on the hub; None for the newest.
        image_size: side in pixels at which images are looked at; 0 for the one that the model was trained on.

    Raises:
        FileNotFoundError: no copy was found; the message says what to do.
        ValueError: the folder holds a network of another kind.
    """
    files = locate_model(model, STABLE_DIFFUSION_PARTS, revision, is_offline, options.prefers_half, hub)
    unet, vae = load_denoiser(files), load_autoencoder(files)
    schedule, prediction_type = load_schedule(files)
    return StableDiffusionPrior(
        files=files,
        network=unet,
        time_embedding=unet.time_embedding,
        vae=vae,
        texts=ClipTexts(files, text_cache),
        schedule=schedule,
        prediction_type=prediction_type,
        image_size=image_size or unet.config.sample_size * pixels_per_latent(vae),
        options=options,
    )


def load_denoiser(files: ModelFiles) -> nn.Module:
    """diffusers' UNet of a folder in diffusers layout.

    Raises:
        ValueError: the network takes more than latents, a timestep and texts (inpainting, depth, SDXL, ...).
    """
    from diffusers import UNet2DConditionModel

    with files.reading("unet"):
        unet = UNet2DConditionModel.from_pretrained(
            files.path, subfolder="unet", variant=files.variant("unet"), local_files_only=True
        )
    if unet.config.in_channels != unet.config.out_channels or unet.config.addition_embed_type is not None:
        raise ValueError(
            f"the network in {files.path} is no text-to-image model of the Stable Diffusion 1 or 2 family: it takes "
            f"{unet.config.in_channels} channels, addition_embed_type={unet.config.addition_embed_type}"
        )
    return unet


def load_autoencoder(files: ModelFiles) -> nn.Module:
    """diffusers' AutoencoderKL of a folder in diffusers layout."""
    from diffusers import AutoencoderKL

    with files.reading("vae"):
        return AutoencoderKL.from_pretrained(
            files.path, subfolder="vae", variant=files.variant("vae"), local_files_only=True
        )


def load_schedule(files: ModelFiles) -> tuple[VariancePreserving, str]:
    """The noise schedule and what the network predicts, from the folder's scheduler configuration."""
    from diffusers import DDPMScheduler

    with files.reading("scheduler"):
        scheduler = DDPMScheduler.from_pretrained(files.path, subfolder="scheduler", local_files_only=True)
        levels = scheduler.alphas_cumprod.float()
        if len(levels) < 2 or not ((levels > 0) & (levels <= 1)).all():
            raise ValueError(f"{len(levels)} noise levels, not all of them above 0 and at most 1")
        return VariancePreserving(levels), scheduler.config.prediction_type


def pixels_per_latent(vae: nn.Module) -> int:
    """How many pixels a side of one latent stands for: 8 for Stable Diffusion."""
    return 2 ** (len(vae.config.block_out_channels) - 1)
