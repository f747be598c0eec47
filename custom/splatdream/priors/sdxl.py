"""Stable Diffusion XL base, and whatever has its layout, as a prior, through diffusers."""

from collections.abc import Iterator, Mapping, Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from .base import Views
from .cached_texts import tokens_of
from .clip_texts import load_text_encoder
from .condition_cache import ConditionCache
from .latent_diffusion import LatentDiffusionPrior, NetworkOptions
from .loras import Lora, add_to_network, add_to_text_encoder
from .model_files import Hub, ModelFiles, locate_model
from .noise_process import VariancePreserving
from .sd3_context import clip_outputs
from .sd3_texts import SD3_TEXT_PARTS, PooledTextCondition, PooledTexts, load_clip_with_projection
from .stable_diffusion import load_autoencoder, load_network, load_schedule, pixels_per_latent

SDXL_TEXT_PARTS = SD3_TEXT_PARTS
SDXL_PARTS = ("unet", "vae", *SDXL_TEXT_PARTS, "scheduler")
_ENCODERS = ("text_encoder", "text_encoder_2")
_NUM_SIZES = 6
"""Numbers that the network is told of an image: its original size, the place of its crop, its size."""


class StableDiffusionXLPrior(LatentDiffusionPrior):
    """Latent diffusion told two texts' encodings and sizes (arXiv:2307.01952)."""

    def _denoise(
        self,
        noisy_latents: Float[Tensor, "B 4 h w"],
        timesteps: Int[Tensor, "B"],
        condition: PooledTextCondition,
        views: Views,
    ) -> Float[Tensor, "B 4 h w"]:
        device, dtype = noisy_latents.device, noisy_latents.dtype
        told = {
            "text_embeds": condition.pooled_on(device, dtype),
            "time_ids": self._sizes(device, dtype).expand(len(noisy_latents), -1),
        }
        embeddings = condition.embeddings_on(device, dtype)
        return self.network(noisy_latents, timesteps, encoder_hidden_states=embeddings, added_cond_kwargs=told).sample

    def _sizes(self, device: torch.device, dtype: torch.dtype) -> Float[Tensor, "6"]:
        """An image that was as large as those of the training, or larger, whole, and of the size that is looked at.

        Small originals were blurry pictures, and the network knows (sec. 2.2).
        """
        original = max(self.image_size, self.network.config.sample_size * pixels_per_latent(self.vae))
        # Filled on the device: a tensor of numbers of the host would be waited for.
        sizes = torch.zeros(_NUM_SIZES, device=device, dtype=dtype)
        sizes[:2] = original
        sizes[4:] = self.image_size
        return sizes

    @property
    def _vae_dtype(self) -> torch.dtype:
        """The published autoencoder overflows in float16, and says so; repaired ones say that they do not."""
        must_rise = self._dtype == torch.float16 and self.vae.config.force_upcast
        return torch.float32 if must_rise else self._dtype


class SdxlTexts(PooledTexts):
    """Two CLIP encoders side by side, the second's pooled text besides; the empty text is zeros, as it was trained."""

    def __init__(self, files: ModelFiles, cache: ConditionCache | None = None, loras: Sequence[Lora] = ()) -> None:
        super().__init__("sdxl-text", files, SDXL_TEXT_PARTS, cache, loras)

    @torch.no_grad()
    def _run(self, texts: list[str]) -> Iterator[Mapping[str, Tensor]]:
        (first_tokenizer, first), (second_tokenizer, second) = (
            load_text_encoder(self._files),
            load_clip_with_projection(self._files, "_2"),
        )
        for encoder, part in zip((first, second), _ENCODERS, strict=True):
            add_to_text_encoder(encoder, self._loras, part)
        for text in texts:
            outputs = first(tokens_of(first_tokenizer, text).input_ids, output_hidden_states=True)
            states, pooled = clip_outputs(second, tokens_of(second_tokenizer, text).input_ids)
            embeddings = torch.cat([outputs.hidden_states[-2], states], dim=-1)
            is_told = 1.0 if text else 0.0
            yield {"embeddings": is_told * embeddings[0], "pooled": is_told * pooled[0]}


def load_sdxl(
    model: str = "sdxl",
    revision: str | None = None,
    is_offline: bool = False,
    image_size: int = 0,
    options: NetworkOptions = NetworkOptions(),  # noqa: B008 - frozen
    text_cache: ConditionCache | None = None,
    hub: Hub | None = None,
    loras: Sequence[Lora] = (),
) -> StableDiffusionXLPrior:
    """The prior of a folder in diffusers layout, a short name, or a hub id; see `locate_model`.

    Args:
        image_size: side in pixels at which images are looked at; 0 for the one that the model was trained on.
        loras: files to add to the weights.

    Raises:
        FileNotFoundError: no copy was found, or it lacks a part; the message says what to do.
        ValueError: what was found is not Stable Diffusion XL base, or a LoRA file is for another network.
    """
    files = locate_model(model, SDXL_PARTS, revision, is_offline, options.prefers_half, hub).as_folder()
    unet, vae = _load_denoiser(files), load_autoencoder(files)
    schedule, prediction_type = _load_schedule(files, vae)
    add_to_network(unet, loras, _ENCODERS)
    return StableDiffusionXLPrior(
        files=files,
        network=unet,
        time_embedding=unet.time_embedding,
        vae=vae,
        texts=SdxlTexts(files, text_cache, loras),
        schedule=schedule,
        prediction_type=prediction_type,
        image_size=image_size or unet.config.sample_size * pixels_per_latent(vae),
        options=options,
        loras=loras,
    )


def _load_denoiser(files: ModelFiles) -> nn.Module:
    from diffusers import UNet2DConditionModel
    from transformers import CLIPTextConfig

    with files.reading("unet"):
        config = UNet2DConditionModel.load_config(files.path, subfolder="unet", local_files_only=True)
    told = config.get("addition_embed_type")
    if told != "text_time":
        raise ValueError(
            f"the network in {files.path} is not Stable Diffusion XL's (addition_embed_type={told}); "
            "for Stable Diffusion 1 and 2 set guidance.prior_type: splatdream-stable-diffusion-prior"
        )
    unet = load_network(files, UNet2DConditionModel, "unet")
    pooled = unet.config.projection_class_embeddings_input_dim - _NUM_SIZES * unet.config.addition_time_embed_dim
    with files.reading("text_encoder_2"):
        texts = CLIPTextConfig.from_pretrained(files.path, subfolder="text_encoder_2", local_files_only=True)
    width = texts.projection_dim
    if unet.config.in_channels != unet.config.out_channels or pooled != width:
        raise ValueError(
            f"the network in {files.path} is no text-to-image model: it takes {unet.config.in_channels} channels and "
            f"is told {unet.config.projection_class_embeddings_input_dim} numbers of text and sizes, where XL base is "
            f"told {width + _NUM_SIZES * unet.config.addition_time_embed_dim}; refiners, inpainting and editing "
            "networks are not supported, take Stable Diffusion XL base"
        )
    return unet


def _load_schedule(files: ModelFiles, vae: nn.Module) -> tuple[VariancePreserving, str]:
    if vae.config.latents_mean is not None:
        raise ValueError(
            f"the latents of {files.path} are shifted by channel (latents_mean), as Playground 2.5's are; take Stable "
            "Diffusion XL base, or a model trained from it"
        )
    return load_schedule(files)
