"""Random pipelines of the real architectures, small enough to be built in a second: files as the hub has them."""

from pathlib import Path

import torch
from diffusers import AutoencoderKL, DDIMScheduler, StableDiffusionPipeline, UNet2DConditionModel
from transformers import CLIPConfig, CLIPModel, CLIPTextConfig, CLIPTextModel, CLIPTokenizer

TEXT_CHANNELS = 32
"""Channels of a text embedding."""


def make_tiny_stable_diffusion(folder: Path, prediction_type: str = "epsilon") -> Path:
    """A StableDiffusionPipeline with 32 px images and 8 x 8 latents, saved in diffusers layout."""
    torch.manual_seed(0)  # diffusers initializes from the global generator
    unet = UNet2DConditionModel(sample_size=8, **_unet_shape())
    _pipeline(unet, prediction_type).save_pretrained(folder)
    return folder


def make_tiny_mvdream(folder: Path) -> Path:
    """MVDream in diffusers layout: the same pipeline with the camera as a class embedding of the denoiser."""
    torch.manual_seed(1)
    unet = UNet2DConditionModel(
        sample_size=8, class_embed_type="projection", projection_class_embeddings_input_dim=16, **_unet_shape()
    )
    _pipeline(unet, "epsilon").save_pretrained(folder)
    return folder


def make_tiny_clip(folder: Path) -> Path:
    """Both halves of CLIP with its tokenizer, for images of 32 pixels."""
    torch.manual_seed(2)
    tokenizer = _tokenizer()
    shared = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
    end = tokenizer.convert_tokens_to_ids("<|endoftext|>")
    config = CLIPConfig(
        text_config=shared | {"vocab_size": tokenizer.vocab_size, "eos_token_id": end},
        vision_config=shared | {"image_size": 32, "patch_size": 8},
        projection_dim=16,
    )
    CLIPModel(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def _unet_shape() -> dict:
    return {
        "in_channels": 4,
        "out_channels": 4,
        "layers_per_block": 1,
        "block_out_channels": (32, 64),
        "down_block_types": ("CrossAttnDownBlock2D", "DownBlock2D"),
        "up_block_types": ("UpBlock2D", "CrossAttnUpBlock2D"),
        "cross_attention_dim": TEXT_CHANNELS,
        "attention_head_dim": (2, 4),  # diffusers' name for the number of heads
        "use_linear_projection": True,
    }


def _pipeline(unet: UNet2DConditionModel, prediction_type: str) -> StableDiffusionPipeline:
    vae = AutoencoderKL(
        in_channels=3,
        out_channels=3,
        latent_channels=4,
        block_out_channels=(32, 32, 64),
        down_block_types=("DownEncoderBlock2D",) * 3,
        up_block_types=("UpDecoderBlock2D",) * 3,
        layers_per_block=1,
        scaling_factor=0.18215,
    )
    text_encoder = CLIPTextModel(
        CLIPTextConfig(
            vocab_size=_tokenizer().vocab_size,
            hidden_size=TEXT_CHANNELS,
            intermediate_size=2 * TEXT_CHANNELS,
            num_hidden_layers=2,
            num_attention_heads=4,
            max_position_embeddings=77,
            bos_token_id=_tokenizer().bos_token_id,
            eos_token_id=_tokenizer().eos_token_id,
        )
    )
    scheduler = DDIMScheduler(
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        clip_sample=False,
        set_alpha_to_one=False,
        steps_offset=1,
        prediction_type=prediction_type,
    )
    return StableDiffusionPipeline(
        vae=vae,
        text_encoder=text_encoder,
        tokenizer=_tokenizer(),
        unet=unet,
        scheduler=scheduler,
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )


# Of the longest texts in configs/, which would not fit into 77 tokens letter by letter.
_WORDS = [
    "cat",
    "unrealistic",
    "blurry",
    "low",
    "quality",
    "out",
    "of",
    "focus",
    "ugly",
    "contrast",
    "dull",
    "dark",
    "resolution",
    "gloomy",
    "bad",
    "anatomy",
    "pixelated",
    "obscure",
    "unnatural",
    "colors",
    "poor",
    "lighting",
    "and",
    "unclear",
    "cropped",
    "lowres",
    "artifacts",
    "duplicate",
    "morbid",
    "mutilated",
    "poorly",
    "drawn",
    "face",
    "deformed",
    "dehydrated",
    "proportions",
    "oversaturated",
    "structure",
    "malformed",
]


def _tokenizer() -> CLIPTokenizer:
    """CLIP's byte-level tokenizer with an alphabet and some words for vocabulary."""
    letters = "abcdefghijklmnopqrstuvwxyz0123456789,.-"
    merges: dict[tuple[str, str], None] = {}
    for word in _WORDS:
        pieces = [*word[:-1], f"{word[-1]}</w>"]
        for end in range(1, len(pieces)):
            merges["".join(pieces[:end]), pieces[end]] = None
    words = dict.fromkeys([*letters, *(f"{letter}</w>" for letter in letters), *map("".join, merges)])
    vocabulary = {word: index for index, word in enumerate([*words, "<|startoftext|>", "<|endoftext|>"])}
    return CLIPTokenizer(vocab=vocabulary, merges=list(merges), model_max_length=77)
