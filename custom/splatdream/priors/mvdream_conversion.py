"""MVDream's published weights under the names of diffusers' UNet2DConditionModel.

MVDream (arXiv:2308.16512) is Stable Diffusion's denoiser with two changes: self-attention runs over all views of an
object, and an embedding of the camera is added to that of the timestep. Its checkpoints use the names of the latent
diffusion code base; the tensors are the same ones.
"""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from torch import Tensor

_OUTSIDE_BLOCKS = {
    "time_embed.0": "time_embedding.linear_1",
    "time_embed.2": "time_embedding.linear_2",
    "camera_embed.0": "class_embedding.linear_1",
    "camera_embed.2": "class_embedding.linear_2",
    "input_blocks.0.0": "conv_in",
    "out.0": "conv_norm_out",
    "out.2": "conv_out",
}
_IN_RESNET = {
    "in_layers.0": "norm1",
    "in_layers.2": "conv1",
    "emb_layers.1": "time_emb_proj",
    "out_layers.0": "norm2",
    "out_layers.3": "conv2",
    "skip_connection": "conv_shortcut",
}
_MIDDLE = ("mid_block.resnets.0", "mid_block.attentions.0", "mid_block.resnets.1")
_FIRST_KEY = "input_blocks.0.0.weight"
_CAMERA_KEY = "camera_embed.0.weight"


def read_checkpoint(path: Path) -> dict[str, Tensor]:
    """The tensors of a .pt, .ckpt, .bin or .safetensors file; nothing in it is executed.

    Raises:
        ValueError: the file holds other things than tensors, or is damaged.
    """
    import zipfile

    import torch
    from safetensors.torch import load_file

    if path.suffix == ".safetensors":
        return load_file(path)
    try:
        # Mapped into memory: of a whole MVDream checkpoint only the denoiser is read.
        content = torch.load(path, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(path))
    except OSError:
        raise
    except Exception as error:  # torch raises RuntimeError, EOFError, UnpicklingError, ... for what is one mistake
        raise ValueError(f"{path} is damaged, or holds more than tensors and is not read for safety") from error
    return content.get("state_dict", content)


def denoiser_state(checkpoint: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The denoiser's tensors, their prefix removed, whatever it is (`model.diffusion_model.`, `unet.`, none).

    Raises:
        ValueError: there is no multi-view denoiser inside.
    """
    prefixes = [key.removesuffix(_FIRST_KEY) for key in checkpoint if key.endswith(_FIRST_KEY)]
    if len(prefixes) != 1 or prefixes[0] + _CAMERA_KEY not in checkpoint:
        raise ValueError(
            "the checkpoint holds no MVDream denoiser: it lacks "
            + (_FIRST_KEY if len(prefixes) != 1 else f"{prefixes[0]}{_CAMERA_KEY}")
        )
    return {key.removeprefix(prefixes[0]): value for key, value in checkpoint.items() if key.startswith(prefixes[0])}


def denoiser_config(state: Mapping[str, Tensor], num_heads: Sequence[int] | None = None) -> dict[str, object]:
    """The arguments of diffusers' UNet2DConditionModel that fit these tensors.

    Args:
        state: under MVDream's names.
        num_heads: attention heads of each level, which shapes do not tell; None for those of the published models:
            64 channels a head where projections are linear (2.1), 8 heads where they are convolutions (1.5).
    """
    layers_per_block, first_blocks = _levels(state)
    channels = [state[f"input_blocks.{block}.0.out_layers.3.weight"].shape[0] for block in first_blocks]
    has_attention = [f"input_blocks.{block}.1.proj_in.weight" in state for block in first_blocks]
    is_linear = state["middle_block.1.proj_in.weight"].ndim == 2
    if num_heads is None:
        num_heads = [max(1, count // 64) for count in channels] if is_linear else [8] * len(channels)
    return {
        "in_channels": state[_FIRST_KEY].shape[1],
        "out_channels": state["out.2.weight"].shape[0],
        "layers_per_block": layers_per_block,
        "block_out_channels": tuple(channels),
        "down_block_types": tuple("CrossAttnDownBlock2D" if has else "DownBlock2D" for has in has_attention),
        "up_block_types": tuple("CrossAttnUpBlock2D" if has else "UpBlock2D" for has in reversed(has_attention)),
        "cross_attention_dim": state["middle_block.1.transformer_blocks.0.attn2.to_k.weight"].shape[1],
        "attention_head_dim": tuple(num_heads),  # diffusers' name for the number of heads
        "use_linear_projection": is_linear,
        "class_embed_type": "projection",
        "projection_class_embeddings_input_dim": state[_CAMERA_KEY].shape[1],
    }


def _levels(state: Mapping[str, Tensor]) -> tuple[int, list[int]]:
    """Layers of a level, and the input block that each level begins with; downsamplers stand between levels."""
    downsamplers = [int(key.split(".")[1]) for key in state if re.fullmatch(r"input_blocks\.\d+\.0\.op\.weight", key)]
    layers_per_block = min(downsamplers) - 1
    return layers_per_block, [level * (layers_per_block + 1) + 1 for level in range(len(downsamplers) + 1)]


def to_diffusers(state: Mapping[str, Tensor], layers_per_block: int = 2) -> dict[str, Tensor]:
    """The same tensors under diffusers' names.

    Raises:
        ValueError: a tensor that MVDream does not have (ImageDream's image tokens, for example).
    """
    return {diffusers_key(key, layers_per_block): value for key, value in state.items()}


def diffusers_key(key: str, layers_per_block: int = 2) -> str:
    """diffusers' name of one of MVDream's tensors."""
    stem, _, leaf = key.rpartition(".")
    if stem in _OUTSIDE_BLOCKS:
        return f"{_OUTSIDE_BLOCKS[stem]}.{leaf}"
    if match := re.fullmatch(r"middle_block\.(\d)\.(.+)", key):
        return _in_module(_MIDDLE[int(match[1])], match[2])
    if match := re.fullmatch(r"(input|output)_blocks\.(\d+)\.(\d)\.(.+)", key):
        side, block, position, rest = match[1], int(match[2]), int(match[3]), match[4]
        # The list of input blocks starts with conv_in and has the downsamplers as entries of their own.
        level, layer = divmod(block - 1 if side == "input" else block, layers_per_block + 1)
        blocks = f"{'down' if side == 'input' else 'up'}_blocks.{level}"
        if rest in ("op.weight", "op.bias"):
            return f"{blocks}.downsamplers.0.conv.{leaf}"
        if rest in ("conv.weight", "conv.bias"):
            return f"{blocks}.upsamplers.0.conv.{leaf}"
        return _in_module(f"{blocks}.{'resnets' if position == 0 else 'attentions'}.{layer}", rest)
    raise ValueError(f"'{key}' is no tensor of MVDream's denoiser")


def _in_module(module: str, rest: str) -> str:
    if ".attentions." in module:
        return f"{module}.{rest}"  # the names inside are the same
    stem, _, leaf = rest.rpartition(".")
    if stem not in _IN_RESNET:
        raise ValueError(f"'{rest}' is no tensor of a residual block")
    return f"{module}.{_IN_RESNET[stem]}.{leaf}"
