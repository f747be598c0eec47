"""A Zero-1-to-3 kept as changes of a finished Stable Diffusion, and made whole again.

A folder of changes holds unet/pytorch_lora_weights.safetensors, low-rank changes in diffusers' layout,
unet/whole_weights.safetensors, tensors that replace their namesakes, image_encoder and cc_projection. Autoencoder and
noise schedule are the lender's.
"""

import json
import shutil
from pathlib import Path

import torch
from torch import nn

from .loras import Lora, add_to_network

LOW_RANK_FILE = "unet/pytorch_lora_weights.safetensors"
WHOLE_FILE = "unet/whole_weights.safetensors"


def with_picture_channels(unet: nn.Module) -> nn.Module:
    """The same text-to-image denoiser with twice the input channels; the new ones, a picture's, say nothing yet."""
    from diffusers import UNet2DConditionModel

    wide = UNet2DConditionModel.from_config({**unet.config, "in_channels": 2 * unet.config.in_channels})
    state = unet.state_dict()
    state["conv_in.weight"] = torch.cat([state["conv_in.weight"], torch.zeros_like(state["conv_in.weight"])], dim=1)
    wide.load_state_dict(state)
    return wide


def make_whole(changes: Path, lender: Path, target: Path) -> None:
    """Writes what `load_zero123` reads, fp16: the lender with the changes.

    Args:
        lender: the Stable Diffusion, a folder in diffusers layout.
        target: an empty folder, or none yet.

    Raises:
        ValueError: the changes are of another network.
    """
    from diffusers import UNet2DConditionModel
    from safetensors.torch import load_file

    unet = with_picture_channels(
        UNet2DConditionModel.from_pretrained(lender, subfolder="unet", local_files_only=True).float()
    )
    add_to_network(unet, [Lora(changes / LOW_RANK_FILE, 1.0)], ())
    whole = {name: tensor.float() for name, tensor in load_file(changes / WHOLE_FILE).items()}
    unknown = unet.load_state_dict(whole, strict=False).unexpected_keys
    if unknown:
        raise ValueError(f"{changes / WHOLE_FILE} holds '{unknown[0]}', which the network of {lender} does not have")
    unet.half().save_pretrained(target / "unet")
    for part in ("vae", "scheduler"):
        shutil.copytree(lender / part, target / part)
    for part in ("image_encoder", "cc_projection"):
        shutil.copytree(changes / part, target / part)


def projection_config(in_channels: int, out_channels: int) -> str:
    """What the pipeline's own class of the camera's projection is built from."""
    return json.dumps({"_class_name": "CCProjection", "in_channel": in_channels, "out_channel": out_channels}) + "\n"
