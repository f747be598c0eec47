"""The networks of the small Zero-1-to-3: a finished text-to-image denoiser with low-rank changes, and what is new.

The denoiser takes four more channels, the picture's latents. A text's place is taken by one token of a small CLIP
vision encoder and the camera.
"""

import copy
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from ..priors.zero123_changes import LOW_RANK_FILE, WHOLE_FILE, projection_config
from ..priors.zero123_conditioning import NUM_CAMERA_NUMBERS
from .networks import placed_whole, seeded

_LOW_RANK = (
    r".*(attn1\.to_q|attn1\.to_k|to_v|to_out\.0|proj_in|proj_out|net\.0\.proj|net\.2|conv1|conv2|conv|conv_shortcut|"
    r"time_emb_proj|linear_1|linear_2)"
)
"""Layers that get low-rank changes: all but the first and last, and the queries of one token, which choose nothing."""


@dataclass(frozen=True)
class Zero123Sizes:
    """The defaults, as fp16, are under 3 MB for all that is not the text-to-image model's."""

    rank: int = 12
    vision_channels: int = 128
    vision_layers: int = 2
    patch_size: int = 8
    """Pixels of a side."""


def build_image_encoder(sizes: Zero123Sizes, image_size: int, text_channels: int, seed: int) -> nn.Module:
    """transformers' CLIPVisionModelWithProjection with random weights."""
    from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

    config = CLIPVisionConfig(
        hidden_size=sizes.vision_channels,
        intermediate_size=4 * sizes.vision_channels,
        num_hidden_layers=sizes.vision_layers,
        num_attention_heads=max(1, sizes.vision_channels // 64),
        image_size=image_size,
        patch_size=sizes.patch_size,
        projection_dim=text_channels,
    )
    with seeded(seed):
        return CLIPVisionModelWithProjection(config)


def build_camera_projection(text_channels: int, seed: int) -> nn.Module:
    """A linear layer that at first passes the picture's embedding on, as in the original."""
    with seeded(seed):
        projection = nn.Linear(text_channels + NUM_CAMERA_NUMBERS, text_channels)
    with torch.no_grad():
        nn.init.eye_(projection.weight[:, :text_channels])
        nn.init.zeros_(projection.bias)
    return projection


def with_low_rank_changes(unet: nn.Module, rank: int, seed: int) -> nn.Module:
    """What is trained: low-rank changes, every bias and norm, and the first and last layers."""
    from peft import LoraConfig

    unet.requires_grad_(False)
    with seeded(seed):
        unet.add_adapter(LoraConfig(r=rank, lora_alpha=rank, target_modules=_LOW_RANK))
    for name, weight in unet.named_parameters():
        if weight.ndim == 1 or name.startswith(("conv_in", "conv_out")):
            weight.requires_grad_(True)
    return unet


def save_changes(folder: Path, unet: nn.Module, image_encoder: nn.Module, cc_projection: nn.Module) -> None:
    """fp16 files of what was trained, put in place as a whole: the low-rank changes in diffusers' layout."""
    from diffusers import StableDiffusionPipeline
    from peft.utils import get_peft_model_state_dict
    from safetensors.torch import save_file

    low_rank = {name: _half(weight) for name, weight in get_peft_model_state_dict(unet).items()}
    whole = {
        name.replace(".base_layer", ""): _half(weight)
        for name, weight in unet.named_parameters()
        if weight.ndim == 1 or name.startswith(("conv_in", "conv_out"))
    }
    with placed_whole(folder) as fresh:
        for part in ("unet", "cc_projection"):
            (fresh / part).mkdir(parents=True)
        # diffusers names the file.
        StableDiffusionPipeline.save_lora_weights((fresh / LOW_RANK_FILE).parent, unet_lora_layers=low_rank)
        save_file(whole, fresh / WHOLE_FILE)
        copy.deepcopy(image_encoder).cpu().half().save_pretrained(fresh / "image_encoder")
        state = {f"projection.{name}": _half(weight) for name, weight in cc_projection.state_dict().items()}
        save_file(state, fresh / "cc_projection" / "diffusion_pytorch_model.safetensors")
        config = projection_config(cc_projection.in_features, cc_projection.out_features)
        (fresh / "cc_projection" / "config.json").write_text(config)


def _half(weight: torch.Tensor) -> torch.Tensor:
    return weight.detach().cpu().half().contiguous()
