"""Tiny pipelines in one file, by the names of the code that Stable Diffusion was first published with."""

import re
from pathlib import Path

from diffusers import StableDiffusionPipeline
from safetensors.torch import save_file

_RESNET = {
    "norm1": "in_layers.0",
    "conv1": "in_layers.2",
    "time_emb_proj": "emb_layers.1",
    "norm2": "out_layers.0",
    "conv2": "out_layers.3",
    "conv_shortcut": "skip_connection",
}
# Of tiny_models' denoiser: two levels of one layer.
_DENOISER = {
    "time_embedding.linear_1": "time_embed.0",
    "time_embedding.linear_2": "time_embed.2",
    "conv_in": "input_blocks.0.0",
    "down_blocks.0.resnets.0": "input_blocks.1.0",
    "down_blocks.0.attentions.0": "input_blocks.1.1",
    "down_blocks.0.downsamplers.0.conv": "input_blocks.2.0.op",
    "down_blocks.1.resnets.0": "input_blocks.3.0",
    "mid_block.resnets.0": "middle_block.0",
    "mid_block.attentions.0": "middle_block.1",
    "mid_block.resnets.1": "middle_block.2",
    "up_blocks.0.resnets.0": "output_blocks.0.0",
    "up_blocks.0.resnets.1": "output_blocks.1.0",
    "up_blocks.0.upsamplers.0.conv": "output_blocks.1.1.conv",
    "up_blocks.1.resnets.0": "output_blocks.2.0",
    "up_blocks.1.attentions.0": "output_blocks.2.1",
    "up_blocks.1.resnets.1": "output_blocks.3.0",
    "up_blocks.1.attentions.1": "output_blocks.3.1",
    "conv_norm_out": "out.0",
    "conv_out": "out.2",
}
_ATTENTION = {"group_norm": "norm", "to_q": "q", "to_k": "k", "to_v": "v", "to_out.0": "proj_out"}


def save_single_file(pipeline: StableDiffusionPipeline, file: Path) -> Path:
    """The weights of one of `tiny_models`' pipelines in the layout of the published .safetensors files."""
    tensors = {f"model.diffusion_model.{_of_denoiser(name)}": x for name, x in pipeline.unet.state_dict().items()}
    for name, tensor in pipeline.vae.state_dict().items():
        is_matrix = "attentions" in name and tensor.ndim == 2
        tensors[f"first_stage_model.{_of_autoencoder(name)}"] = tensor[..., None, None] if is_matrix else tensor
    for name, tensor in pipeline.text_encoder.state_dict().items():
        tensors[f"cond_stage_model.transformer.text_model.{name.removeprefix('text_model.')}"] = tensor
    save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, file)
    return file


def _of_denoiser(name: str) -> str:
    place = next(each for each in _DENOISER if name.startswith(f"{each}."))
    rest = name.removeprefix(f"{place}.")
    if "resnets" in place:
        layer, _, kind = rest.rpartition(".")
        rest = f"{_RESNET[layer]}.{kind}"
    return f"{_DENOISER[place]}.{rest}"


def _of_autoencoder(name: str) -> str:
    name = re.sub(r"down_blocks\.(\d)\.resnets", r"down.\1.block", name)
    name = re.sub(r"down_blocks\.(\d)\.downsamplers\.0", r"down.\1.downsample", name)
    name = re.sub(r"up_blocks\.(\d)\.resnets", lambda match: f"up.{2 - int(match[1])}.block", name)
    name = re.sub(r"up_blocks\.(\d)\.upsamplers\.0", lambda match: f"up.{2 - int(match[1])}.upsample", name)
    name = re.sub(r"mid_block\.resnets\.(\d)", lambda match: f"mid.block_{int(match[1]) + 1}", name)
    if "mid_block.attentions.0" in name:
        layer = name.partition("attentions.0.")[2].rpartition(".")[0]
        name = name.replace(f"mid_block.attentions.0.{layer}", f"mid.attn_1.{_ATTENTION[layer]}")
    return name.replace("conv_norm_out", "norm_out").replace("conv_shortcut", "nin_shortcut")
