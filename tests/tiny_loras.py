"""Random LoRA files for the tiny pipelines, made by peft."""

from pathlib import Path

import torch
from diffusers import StableDiffusionPipeline, StableDiffusionXLPipeline
from peft import LoraConfig, get_peft_model_state_dict, inject_adapter_in_model
from safetensors.torch import save_file
from torch import nn

RANK, ALPHA = 3, 2.0
# Of a text encoder, all that kohya's trainer changes: diffusers knows its files by out_proj.
_TARGETS = {
    "unet": ["to_q", "to_k", "to_v", "to_out.0"],
    "text_encoder": [*(f"{letter}_proj" for letter in ("q", "k", "v", "out")), "fc1", "fc2"],
}
_KOHYAS = {"unet": "lora_unet", "text_encoder": "lora_te", "text_encoder_2": "lora_te2"}


def make_lora(
    file: Path, pipeline: StableDiffusionPipeline | StableDiffusionXLPipeline, parts: tuple[str, ...], layout: str
) -> Path:
    """A LoRA file on those parts of the pipeline, in the layout `diffusers` or `kohya`; the pipeline is spoiled.

    Its scale is alpha / rank in kohya's layout, where alpha is in the file, and 1 in diffusers'.
    """
    layers = {part: _low_rank(getattr(pipeline, part), part) for part in parts}
    if layout == "diffusers":
        type(pipeline).save_lora_weights(
            file.parent, weight_name=file.name, **{f"{part}_lora_layers": made for part, made in layers.items()}
        )
    else:
        save_file({name: value for part in parts for name, value in _as_kohyas(part, layers[part])}, file)
    return file


def _low_rank(module: nn.Module, part: str) -> dict[str, torch.Tensor]:
    torch.manual_seed(len(part))
    inject_adapter_in_model(LoraConfig(r=RANK, target_modules=_TARGETS[part.removesuffix("_2")]), module)
    return {
        name: 0.5 * torch.randn_like(weight) / RANK**0.5 for name, weight in get_peft_model_state_dict(module).items()
    }


def _as_kohyas(part: str, layers: dict[str, torch.Tensor]) -> list[tuple[str, torch.Tensor]]:
    made = []
    for name, weight in layers.items():
        layer, _, side = name.removesuffix(".weight").rpartition(".")
        # The names of transformers before CLIP's text model lost a level.
        layer = f"text_model.{layer}" if part.startswith("text") and not layer.startswith("text_model") else layer
        prefix = f"{_KOHYAS[part]}_{layer.replace('.', '_')}"
        made.append((f"{prefix}.lora_{'down' if side == 'lora_A' else 'up'}.weight", weight))
        made.append((f"{prefix}.alpha", torch.tensor(ALPHA)))
    return made
