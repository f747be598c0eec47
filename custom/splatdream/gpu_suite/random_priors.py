"""Priors of the real sizes, or tiny, with random weights and random texts: nothing is downloaded."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import torch
from diffusers import AutoencoderKL, SD3Transformer2DModel, UNet2DConditionModel
from torch import nn

from ..priors.clip_texts import ClipTexts
from ..priors.latent_diffusion import LatentDiffusionPrior, NetworkOptions
from ..priors.model_files import ModelFiles
from ..priors.mvdream import MVDreamPrior
from ..priors.noise_process import RectifiedFlow, VariancePreserving
from ..priors.repeated_token import count_last_token
from ..priors.sd3_context import NUM_T5_TOKENS
from ..priors.sd3_texts import PooledTexts
from ..priors.sdxl import StableDiffusionXLPrior
from ..priors.stable_diffusion import StableDiffusionPrior, pixels_per_latent
from ..priors.stable_diffusion_3 import StableDiffusion3Prior

_TINY_UNET = {
    "layers_per_block": 1,
    "block_out_channels": (32, 64),
    "down_block_types": ("CrossAttnDownBlock2D", "DownBlock2D"),
    "up_block_types": ("UpBlock2D", "CrossAttnUpBlock2D"),
    "cross_attention_dim": 32,
    "attention_head_dim": (2, 4),
    "use_linear_projection": True,
}
_REAL_UNET = {
    "layers_per_block": 2,
    "block_out_channels": (320, 640, 1280, 1280),
    "down_block_types": (*("CrossAttnDownBlock2D",) * 3, "DownBlock2D"),
    "up_block_types": ("UpBlock2D", *("CrossAttnUpBlock2D",) * 3),
    "cross_attention_dim": 1024,
    "attention_head_dim": (5, 10, 20, 20),
    "use_linear_projection": True,
}
_CAMERA = {"class_embed_type": "projection", "projection_class_embeddings_input_dim": 16}
_REAL_SDXL = {
    "block_out_channels": (320, 640, 1280),
    "down_block_types": ("DownBlock2D", *("CrossAttnDownBlock2D",) * 2),
    "up_block_types": (*("CrossAttnUpBlock2D",) * 2, "UpBlock2D"),
    "transformer_layers_per_block": (1, 2, 10),
    "attention_head_dim": (5, 10, 20),
    "cross_attention_dim": 2048,
    "use_linear_projection": True,
    "addition_embed_type": "text_time",
    "addition_time_embed_dim": 256,
    "projection_class_embeddings_input_dim": 1280 + 6 * 256,
}
_TINY_SDXL = _TINY_UNET | {
    "addition_embed_type": "text_time",
    "addition_time_embed_dim": 8,
    "projection_class_embeddings_input_dim": 16 + 6 * 8,
}
_REAL_SD3 = {
    "sample_size": 128,
    "num_layers": 24,
    "attention_head_dim": 64,
    "num_attention_heads": 24,
    "joint_attention_dim": 4096,
    "caption_projection_dim": 1536,
    "pooled_projection_dim": 2048,
    "pos_embed_max_size": 192,
}
_TINY_SD3 = {
    "sample_size": 8,
    "num_layers": 2,
    "attention_head_dim": 8,
    "num_attention_heads": 2,
    "joint_attention_dim": 64,
    "caption_projection_dim": 16,
    "pooled_projection_dim": 32,
    "pos_embed_max_size": 8,
}
_TINY_SIZE = 64
"""Pixels."""


class _RandomEncoders:
    """Stand in for the text encoders, which no step runs."""

    revision = "random"
    _cache = None

    def __init__(self, **shapes: tuple[int, ...]) -> None:
        """`shapes`: by name, of what is made of a text."""
        self._shapes = shapes

    def _run(self, texts: list[str]) -> Iterator[Mapping[str, torch.Tensor]]:
        generator = torch.Generator().manual_seed(0)
        for _ in texts:
            yield {name: torch.randn(shape, generator=generator) for name, shape in self._shapes.items()}


class _RandomTexts(_RandomEncoders, ClipTexts):
    """Tokens."""


class _RandomPooledTexts(_RandomEncoders, PooledTexts):
    """Tokens, and a pooled text."""


def build_prior(
    kind: str, image_size: int, is_tiny: bool, options: NetworkOptions, device: torch.device
) -> LatentDiffusionPrior:
    """
    Args:
        kind: "stable-diffusion" (2.1), "mvdream", "sdxl" or "sd3" (medium).
        image_size: pixels a side, unless `is_tiny`.
        device: where the weights are made; on a GPU that takes seconds.
    """
    torch.manual_seed(0)  # diffusers initializes from the global generator
    side = _TINY_SIZE if is_tiny else image_size
    with device:
        network, vae = _sd3_networks(is_tiny) if kind == "sd3" else _unet_networks(kind, side, is_tiny)
    shared = {"network": network, **_shared(vae, side, options)}
    if kind == "sd3":
        count_last_token(network, NUM_T5_TOKENS)
        # CLIP's tokens, and the one of zeros that is counted for T5's.
        shape = {"embeddings": (78, network.config.joint_attention_dim)}
        return StableDiffusion3Prior(
            time_embedding=network.time_text_embed.timestep_embedder,
            texts=_RandomPooledTexts(**shape, pooled=(network.config.pooled_projection_dim,)),
            schedule=RectifiedFlow.shifted(3.0, 1000),
            prediction_type="v_prediction",
            **shared,
        )
    shared |= {
        "time_embedding": network.time_embedding,
        "schedule": VariancePreserving.scaled_linear(),
        "prediction_type": "epsilon",
    }
    shape = {"embeddings": (77, network.config.cross_attention_dim)}
    if kind == "sdxl":
        told = network.config.projection_class_embeddings_input_dim - 6 * network.config.addition_time_embed_dim
        return StableDiffusionXLPrior(texts=_RandomPooledTexts(**shape, pooled=(told,)), **shared)
    if kind == "mvdream":
        return MVDreamPrior(texts=_RandomTexts(**shape), views_per_group=4, prompt_suffix=", 3d asset", **shared)
    return StableDiffusionPrior(texts=_RandomTexts(**shape), **shared)


def _unet_networks(kind: str, side: int, is_tiny: bool) -> tuple[UNet2DConditionModel, AutoencoderKL]:
    is_xl = kind == "sdxl"
    vae = _autoencoder(is_tiny, scaling_factor=0.13025 if is_xl else 0.18215, force_upcast=is_xl)
    shapes = (_REAL_SDXL, _TINY_SDXL) if is_xl else (_REAL_UNET, _TINY_UNET)
    camera = _CAMERA if kind == "mvdream" else {}
    return UNet2DConditionModel(sample_size=side // pixels_per_latent(vae), **shapes[is_tiny], **camera), vae


def _sd3_networks(is_tiny: bool) -> tuple[SD3Transformer2DModel, AutoencoderKL]:
    unquantized = {"use_quant_conv": False, "use_post_quant_conv": False}
    vae = _autoencoder(is_tiny, latent_channels=16, scaling_factor=1.5305, shift_factor=0.0609, **unquantized)
    shape = _TINY_SD3 if is_tiny else _REAL_SD3
    return SD3Transformer2DModel(patch_size=2, in_channels=16, out_channels=16, **shape), vae


def _shared(vae: nn.Module, side: int, options: NetworkOptions) -> dict[str, object]:
    files = ModelFiles(name="random", model_id="random", revision=None, path=Path("."), parts=())
    return {"files": files, "vae": vae, "image_size": side, "options": options}


def _autoencoder(is_tiny: bool, latent_channels: int = 4, **config: object) -> AutoencoderKL:
    return AutoencoderKL(
        latent_channels=latent_channels,
        block_out_channels=(32, 32, 32, 64) if is_tiny else (128, 256, 512, 512),
        layers_per_block=1 if is_tiny else 2,
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        **config,
    )
