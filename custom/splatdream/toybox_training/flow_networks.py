"""The networks of the small rectified flow, in Stable Diffusion 3's classes, and its folder in diffusers layout."""

import copy
import json
import shutil
from dataclasses import dataclass
from pathlib import Path

from torch import nn

from .networks import NetworkSizes, clip_text_config, in_single_precision, placed_whole, seeded
from .tokenizer import build_tokenizer

SHIFT = 1.0
"""Of the noise levels: at 64 pixels no noise hides less than it should."""


@dataclass(frozen=True)
class FlowSizes:
    """Channels and layers; with the defaults the folder adds less than 5 MB to toybox-sd, as fp16."""

    channels: int = 128
    heads: int = 4
    layers: int = 4
    patch_size: int = 2
    second_channels: int = 32
    """Of the second text encoder, which has one layer."""


def build_flow_transformer(sizes: NetworkSizes, flow: FlowSizes, seed: int) -> nn.Module:
    """diffusers' SD3Transformer2DModel with random weights; its blocks begin as identities (arXiv:2212.09748)."""
    from diffusers import SD3Transformer2DModel

    with seeded(seed):
        transformer = SD3Transformer2DModel(
            sample_size=sizes.latent_size,
            patch_size=flow.patch_size,
            in_channels=4,
            out_channels=4,
            num_layers=flow.layers,
            attention_head_dim=flow.channels // flow.heads,
            num_attention_heads=flow.heads,
            joint_attention_dim=sizes.text_channels + flow.second_channels,
            caption_projection_dim=flow.channels,
            pooled_projection_dim=sizes.text_channels + flow.second_channels,
            pos_embed_max_size=sizes.latent_size // flow.patch_size,
        )
    modulations = [
        norm.linear for block in transformer.transformer_blocks for norm in (block.norm1, block.norm1_context)
    ]
    for layer in (*modulations, transformer.norm_out.linear, transformer.proj_out):
        nn.init.zeros_(layer.weight)
        nn.init.zeros_(layer.bias)
    return transformer


def build_second_text_encoder(flow: FlowSizes, seed: int) -> nn.Module:
    """transformers' CLIPTextModelWithProjection with one layer and random weights."""
    from transformers import CLIPTextModelWithProjection

    with seeded(seed):
        return CLIPTextModelWithProjection(clip_text_config(flow.second_channels, 1, 1))


def with_projection(text_encoder: nn.Module) -> nn.Module:
    """The same CLIPTextModel as a CLIPTextModelWithProjection whose pooled output is not projected."""
    from transformers import CLIPTextModelWithProjection

    config = copy.deepcopy(text_encoder.config)
    config.projection_dim = config.hidden_size
    encoder = CLIPTextModelWithProjection(config)
    encoder.text_model.load_state_dict(text_encoder.state_dict())
    nn.init.eye_(encoder.text_projection.weight)
    return encoder


def build_flow_scheduler() -> object:
    """diffusers' FlowMatchEulerDiscreteScheduler."""
    from diffusers import FlowMatchEulerDiscreteScheduler

    return FlowMatchEulerDiscreteScheduler(shift=SHIFT)


def save_flow_prior(folder: Path, lender: Path, second_encoder: nn.Module, transformer: nn.Module) -> None:
    """A StableDiffusion3Pipeline folder with fp16 safetensors, without T5, put in place as a whole.

    Args:
        lender: the Stable Diffusion folder whose autoencoder and text encoder it shares. Their files are copied to the
            letter, which is what lets a package hold them once.
    """
    from diffusers import AutoencoderKL, StableDiffusion3Pipeline
    from safetensors.torch import save_file
    from transformers import CLIPTextModel

    vae = AutoencoderKL.from_pretrained(lender, subfolder="vae", local_files_only=True)
    # A shift, which Stable Diffusion 3's pipeline adds, and a name instead of where the folder lies here.
    vae.register_to_config(shift_factor=0.0, _name_or_path=lender.name)
    first = with_projection(CLIPTextModel.from_pretrained(lender, subfolder="text_encoder", local_files_only=True))
    halves = [copy.deepcopy(network).cpu().half() for network in (vae, first, second_encoder, transformer)]
    pipeline = StableDiffusion3Pipeline(
        vae=halves[0],
        text_encoder=halves[1],
        tokenizer=build_tokenizer(),
        text_encoder_2=halves[2],
        tokenizer_2=build_tokenizer(),
        text_encoder_3=None,
        tokenizer_3=None,
        transformer=halves[3],
        scheduler=build_flow_scheduler(),
    )
    with placed_whole(folder) as fresh:
        pipeline.save_pretrained(fresh, safe_serialization=True)
        for part in ("text_encoder", "text_encoder_2"):
            in_single_precision(fresh / part)
        weights = "diffusion_pytorch_model.safetensors"
        shutil.copyfile(lender / "vae" / weights, fresh / "vae" / weights)
        (fresh / "text_encoder" / "model.safetensors").unlink()
        shards = [f"model-{place:05}-of-00002.safetensors" for place in (1, 2)]
        shutil.copyfile(lender / "text_encoder" / "model.safetensors", fresh / "text_encoder" / shards[0])
        projection = {"text_projection.weight": first.text_projection.weight.detach().half().contiguous()}
        save_file(projection, fresh / "text_encoder" / shards[1], metadata={"format": "pt"})
        places = dict.fromkeys(first.text_model.state_dict(), shards[0]) | dict.fromkeys(projection, shards[1])
        index = json.dumps({"metadata": {}, "weight_map": places}, indent=2) + "\n"
        (fresh / "text_encoder" / "model.safetensors.index.json").write_text(index)
