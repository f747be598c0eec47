"""The networks of the small priors, in the classes of the real ones, and their folders in diffusers layout."""

import copy
import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn

from .tokenizer import MAX_TOKENS, build_tokenizer


@dataclass(frozen=True)
class NetworkSizes:
    """Channels and layers. The defaults, as fp16, are 40 MB for both priors together."""

    image_size: int = 64
    """Pixels. With three levels in the autoencoder latents are 16 x 16 x 4, a quarter: an eighth loses the eyes."""
    vae_channels: tuple[int, ...] = (16, 32, 64)
    vae_layers: int = 1
    unet_channels: tuple[int, ...] = (64, 128, 160)
    """At 16, 8 and 4 latent pixels. Attention from the second level on: at the first one it took a third of a step."""
    unet_layers: int = 1
    text_channels: int = 128
    text_layers: int = 3
    head_channels: int = 64
    """Of one attention head; on a CPU twice as many heads of half the size cost a quarter of a step."""

    @property
    def latent_size(self) -> int:
        return self.image_size // 2 ** (len(self.vae_channels) - 1)


FIRST_FADING_STEP = 980
"""From here on the noise schedule is not Stable Diffusion's: what is left of the image falls to nothing. Distillation
ends here (`max_step_fraction` is 0.98)."""
_LEAST_SIGNAL = 2.0**-12
"""Of the last step; with 0 the solvers that take its logarithm would fail."""
_FIRST_LOG_VARIANCE = -6.0

DEFAULT_SIZES = NetworkSizes()


def build_autoencoder(sizes: NetworkSizes, seed: int) -> nn.Module:
    """diffusers' AutoencoderKL with random weights."""
    from diffusers import AutoencoderKL

    levels = len(sizes.vae_channels)
    with seeded(seed):
        vae = AutoencoderKL(
            in_channels=3,
            out_channels=3,
            latent_channels=4,
            block_out_channels=sizes.vae_channels,
            down_block_types=("DownEncoderBlock2D",) * levels,
            up_block_types=("UpDecoderBlock2D",) * levels,
            layers_per_block=sizes.vae_layers,
            norm_num_groups=_norm_groups(sizes.vae_channels),
            sample_size=sizes.image_size,
            scaling_factor=1.0,
        )
    # Otherwise the posterior's noise starts as large as 1 and its mean near 0: colors take hundreds of steps to appear.
    with torch.no_grad():
        vae.quant_conv.bias[4:] = _FIRST_LOG_VARIANCE
    return vae


def build_text_encoder(sizes: NetworkSizes, seed: int) -> nn.Module:
    """transformers' CLIPTextModel with random weights, for `build_tokenizer`'s vocabulary."""
    from transformers import CLIPTextModel

    heads = max(1, sizes.text_channels // sizes.head_channels)
    with seeded(seed):
        return CLIPTextModel(clip_text_config(sizes.text_channels, sizes.text_layers, heads))


def clip_text_config(channels: int, layers: int, heads: int) -> object:
    """transformers' CLIPTextConfig for `build_tokenizer`'s vocabulary; its projection keeps the width."""
    from transformers import CLIPTextConfig

    tokenizer = build_tokenizer()
    return CLIPTextConfig(
        vocab_size=len(tokenizer),
        hidden_size=channels,
        intermediate_size=4 * channels,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        max_position_embeddings=MAX_TOKENS,
        projection_dim=channels,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )


def build_unet(sizes: NetworkSizes, seed: int, takes_cameras: bool) -> nn.Module:
    """diffusers' UNet2DConditionModel with random weights; MVDream's takes cameras as a projected class embedding."""
    from diffusers import UNet2DConditionModel

    levels = len(sizes.unet_channels)
    cameras = {"class_embed_type": "projection", "projection_class_embeddings_input_dim": 16} if takes_cameras else {}
    with seeded(seed):
        return UNet2DConditionModel(
            sample_size=sizes.latent_size,
            in_channels=4,
            out_channels=4,
            layers_per_block=sizes.unet_layers,
            block_out_channels=sizes.unet_channels,
            down_block_types=("DownBlock2D", *("CrossAttnDownBlock2D",) * (levels - 1)),
            up_block_types=(*("CrossAttnUpBlock2D",) * (levels - 1), "UpBlock2D"),
            cross_attention_dim=sizes.text_channels,
            # diffusers' name for the number of heads
            attention_head_dim=tuple(max(1, channels // sizes.head_channels) for channels in sizes.unet_channels),
            use_linear_projection=True,
            norm_num_groups=_norm_groups(sizes.unet_channels),
            **cameras,
        )


def build_scheduler() -> object:
    """Stable Diffusion's noise schedule up to where distillation ends, then down to pure noise; v-prediction.

    Stable Diffusion's own last step keeps 7 % of the image, whose mean brightness shows through the noise: generation,
    which starts from nothing but noise, then draws gray grounds and dull colors (arXiv:2305.08891).
    """
    from diffusers import DDIMScheduler

    return DDIMScheduler(
        trained_betas=_betas().tolist(),
        clip_sample=False,
        set_alpha_to_one=False,
        timestep_spacing="trailing",
        steps_offset=1,  # of no effect here, but pipelines warn without it
        prediction_type="v_prediction",
    )


def _betas() -> np.ndarray:
    """1000 of them, float64."""
    signal = np.sqrt(np.cumprod(1 - np.linspace(0.00085**0.5, 0.012**0.5, 1000) ** 2))
    signal[FIRST_FADING_STEP:] *= np.linspace(1, 0, 1000 - FIRST_FADING_STEP)
    signal[-1] = _LEAST_SIGNAL
    return 1 - np.square(signal / np.append(1, signal[:-1]))


def _norm_groups(channels: tuple[int, ...]) -> int:
    """Eight channels a group. With one or two, as 32 groups would have here, the norm takes the colors away."""
    return max(1, min(channels) // 8)


def save_prior(folder: Path, vae: nn.Module, text_encoder: nn.Module, unet: nn.Module) -> None:
    """A StableDiffusionPipeline folder with fp16 safetensors, put in place as a whole."""
    from diffusers import StableDiffusionPipeline

    halves = [copy.deepcopy(network).cpu().half() for network in (vae, text_encoder, unet)]
    pipeline = StableDiffusionPipeline(
        vae=halves[0],
        text_encoder=halves[1],
        tokenizer=build_tokenizer(),
        unet=halves[2],
        scheduler=build_scheduler(),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    with placed_whole(folder) as fresh:
        pipeline.save_pretrained(fresh, safe_serialization=True)
        in_single_precision(fresh / "text_encoder")


def in_single_precision(text_encoder: Path) -> None:
    """Makes a saved text encoder compute in float32 unless told otherwise.

    transformers 5 computes in the precision that the configuration names, diffusers in float32 unless told: a plain
    from_pretrained would mix the two.
    """
    config = json.loads((text_encoder / "config.json").read_text())
    named = "dtype" if "dtype" in config else "torch_dtype"
    (text_encoder / "config.json").write_text(json.dumps(config | {named: "float32"}, indent=2) + "\n")


@contextmanager
def placed_whole(folder: Path) -> Iterator[Path]:
    """A folder to write to, which takes the place of `folder` when all is written."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    fresh, old = folder.with_name(f".{folder.name}.partial"), folder.with_name(f".{folder.name}.old")
    shutil.rmtree(fresh, ignore_errors=True)
    shutil.rmtree(old, ignore_errors=True)
    yield fresh
    if folder.exists():
        folder.rename(old)
    fresh.rename(folder)
    shutil.rmtree(old, ignore_errors=True)


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Libraries that initialize from torch's global generator do so from `seed`; afterwards it is as it was before."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield
