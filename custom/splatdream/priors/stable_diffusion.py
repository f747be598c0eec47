"""The Stable Diffusion family (1.5, 2.1-base, 2.1, and whatever has their layout) as a prior, through diffusers."""

from collections.abc import Sequence

from jaxtyping import Float, Int
from torch import Tensor, nn

from .base import Views
from .clip_texts import ClipTexts, TextCondition
from .condition_cache import ConditionCache
from .latent_diffusion import LatentDiffusionPrior, NetworkOptions
from .loras import Lora, add_to_network
from .model_files import Hub, ModelFiles
from .network_files import read_network
from .noise_process import VariancePreserving
from .single_file import locate_folder_or_file, network_of


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
    loras: Sequence[Lora] = (),
    base: str = "",
) -> StableDiffusionPrior:
    """The prior of a folder in diffusers layout, one .safetensors file, a short name, or a hub id.

    Args:
        revision: commit, tag or branch on the hub; None for the newest.
        image_size: side in pixels at which images are looked at; 0 for the one that the model was trained on.
        loras: files to add to the weights.
        base: the model that one file was trained from; empty for the usual one, see `locate_folder_or_file`.

    Raises:
        FileNotFoundError: no copy was found; the message says what to do.
        ValueError: the folder holds a network of another kind, or a LoRA file is for another network.
    """
    files = locate_folder_or_file(model, base, revision, is_offline, options.prefers_half, hub)
    unet, vae = load_denoiser(files), load_autoencoder(files)
    schedule, prediction_type = load_schedule(files)
    add_to_network(unet, loras, ["text_encoder"])
    return StableDiffusionPrior(
        files=files,
        network=unet,
        time_embedding=unet.time_embedding,
        vae=vae,
        texts=ClipTexts(files, text_cache, loras),
        schedule=schedule,
        prediction_type=prediction_type,
        image_size=image_size or unet.config.sample_size * pixels_per_latent(vae),
        options=options,
        loras=loras,
    )


def load_denoiser(files: ModelFiles) -> nn.Module:
    """diffusers' UNet of a folder in diffusers layout, or of one file.

    Raises:
        ValueError: the network takes more than latents, a timestep and texts (inpainting, depth, SDXL, ...).
    """
    from diffusers import UNet2DConditionModel

    unet = load_network(files, UNet2DConditionModel, "unet")
    if unet.config.in_channels != unet.config.out_channels or unet.config.addition_embed_type is not None:
        raise ValueError(
            f"the network in {files.path} is no text-to-image model of the Stable Diffusion 1 or 2 family: it takes "
            f"{unet.config.in_channels} channels, addition_embed_type={unet.config.addition_embed_type}; "
            "for Stable Diffusion XL set guidance.prior_type: splatdream-sdxl-prior"
        )
    return unet


def load_autoencoder(files: ModelFiles) -> nn.Module:
    """diffusers' AutoencoderKL, likewise."""
    from diffusers import AutoencoderKL

    return load_network(files, AutoencoderKL, "vae")


def load_schedule(files: ModelFiles) -> tuple[VariancePreserving, str]:
    """The noise schedule and what the network predicts, from the folder's scheduler configuration."""
    from diffusers import DDPMScheduler

    with files.reading("scheduler"):
        scheduler = DDPMScheduler.from_pretrained(files.configurations, subfolder="scheduler", local_files_only=True)
        levels = scheduler.alphas_cumprod.float()
        if len(levels) < 2 or not ((levels > 0) & (levels <= 1)).all():
            raise ValueError(f"{len(levels)} noise levels, not all of them above 0 and at most 1")
        return VariancePreserving(levels), scheduler.config.prediction_type


def load_network(files: ModelFiles, network_type: type, part: str) -> nn.Module:
    """diffusers' network of that type, of a folder or of one file."""
    if files.path.is_file():
        return network_of(files, network_type, part)
    return read_network(files, network_type, part)


def pixels_per_latent(vae: nn.Module) -> int:
    """How many pixels a side of one latent stands for: 8 for Stable Diffusion."""
    return 2 ** (len(vae.config.block_out_channels) - 1)
