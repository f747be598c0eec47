"""Random pipelines of the real architectures, small enough to be built in a second: files as the hub has them."""

from pathlib import Path

import torch
from diffusers import (
    AutoencoderKL,
    DDIMScheduler,
    FlowMatchEulerDiscreteScheduler,
    FluxPipeline,
    FluxTransformer2DModel,
    SD3Transformer2DModel,
    StableDiffusion3Pipeline,
    StableDiffusionPipeline,
    StableDiffusionXLPipeline,
    UNet2DConditionModel,
)
from safetensors.torch import save_file
from transformers import (
    CLIPConfig,
    CLIPModel,
    CLIPTextConfig,
    CLIPTextModel,
    CLIPTextModelWithProjection,
    CLIPTokenizer,
    CLIPVisionConfig,
    CLIPVisionModelWithProjection,
    T5Config,
    T5EncoderModel,
    T5TokenizerFast,
)

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


def make_tiny_sdxl(folder: Path, num_sizes: int = 6) -> Path:
    """Stable Diffusion XL base likewise; with `num_sizes` of 5, its refiner's network."""
    torch.manual_seed(5)
    unet = UNet2DConditionModel(
        sample_size=8,
        addition_embed_type="text_time",
        addition_time_embed_dim=8,
        projection_class_embeddings_input_dim=16 + 8 * num_sizes,
        **_unet_shape() | {"cross_attention_dim": 2 * TEXT_CHANNELS},
    )
    plain = _pipeline(unet, "epsilon")
    StableDiffusionXLPipeline(
        **{name: plain.components[name] for name in ("vae", "unet", "scheduler", "text_encoder", "tokenizer")},
        text_encoder_2=CLIPTextModelWithProjection(_text_config(16)),
        tokenizer_2=_tokenizer(),
        add_watermarker=False,
    ).save_pretrained(folder)
    return folder


def make_tiny_sd3(folder: Path, has_t5: bool = True) -> Path:
    """Stable Diffusion 3 with 32 px images and latents of 16 x 8 x 8; its blocks are those of 3.5, too."""
    torch.manual_seed(3)
    pipeline = StableDiffusion3Pipeline(
        transformer=SD3Transformer2DModel(
            sample_size=8,
            patch_size=2,
            in_channels=16,
            out_channels=16,
            num_layers=2,
            attention_head_dim=8,
            num_attention_heads=2,
            joint_attention_dim=64,
            caption_projection_dim=16,
            pooled_projection_dim=2 * 16,
            pos_embed_max_size=8,
            dual_attention_layers=(0,),
            qk_norm="rms_norm",
        ),
        scheduler=FlowMatchEulerDiscreteScheduler(shift=3.0),
        vae=_flow_autoencoder(),
        text_encoder=CLIPTextModelWithProjection(_text_config(16)),
        tokenizer=_tokenizer(),
        text_encoder_2=CLIPTextModelWithProjection(_text_config(16)),
        tokenizer_2=_tokenizer(),
        text_encoder_3=_t5(64) if has_t5 else None,
        tokenizer_3=_t5_tokenizer() if has_t5 else None,
    )
    pipeline.save_pretrained(folder)
    return folder


def make_tiny_flux(folder: Path, guidance_embeds: bool = False) -> Path:
    """FLUX.1-schnell likewise; with `guidance_embeds`, FLUX.1-dev."""
    torch.manual_seed(4)
    pipeline = FluxPipeline(
        transformer=FluxTransformer2DModel(
            patch_size=1,
            in_channels=64,
            num_layers=1,
            num_single_layers=1,
            attention_head_dim=16,
            num_attention_heads=2,
            joint_attention_dim=64,
            pooled_projection_dim=TEXT_CHANNELS,
            axes_dims_rope=(4, 6, 6),
            guidance_embeds=guidance_embeds,
        ),
        scheduler=FlowMatchEulerDiscreteScheduler(shift=1.0),
        vae=_flow_autoencoder(),
        text_encoder=CLIPTextModel(_text_config(TEXT_CHANNELS)),
        tokenizer=_tokenizer(),
        text_encoder_2=_t5(64),
        tokenizer_2=_t5_tokenizer(),
    )
    pipeline.save_pretrained(folder)
    return folder


def make_tiny_zero123(folder: Path, projection: str = "clip_camera_projection") -> Path:
    """Zero-1-to-3 in the parts of the published copies, with 32 px images and the projection under either name."""
    torch.manual_seed(6)
    plain = _pipeline(UNet2DConditionModel(sample_size=8, **_unet_shape() | {"in_channels": 8}), "epsilon")
    encoder = CLIPVisionModelWithProjection(
        CLIPVisionConfig(
            hidden_size=32,
            intermediate_size=64,
            num_hidden_layers=2,
            num_attention_heads=2,
            image_size=16,
            patch_size=8,
            projection_dim=TEXT_CHANNELS,
        )
    )
    for name, part in {"unet": plain.unet, "vae": plain.vae, "image_encoder": encoder}.items():
        part.save_pretrained(folder / name)
    plain.scheduler.save_pretrained(folder / "scheduler")
    layer = torch.nn.Linear(TEXT_CHANNELS + 4, TEXT_CHANNELS)
    name = {"clip_camera_projection": "proj", "cc_projection": "projection"}[projection]
    (folder / projection).mkdir()
    (folder / projection / "config.json").write_text("{}")
    state = {f"{name}.{key}": value for key, value in layer.state_dict().items()}
    save_file(state, folder / projection / "diffusion_pytorch_model.safetensors")
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


def _flow_autoencoder() -> AutoencoderKL:
    return AutoencoderKL(
        latent_channels=16,
        block_out_channels=(32, 32, 64),
        down_block_types=("DownEncoderBlock2D",) * 3,
        up_block_types=("UpDecoderBlock2D",) * 3,
        layers_per_block=1,
        scaling_factor=1.5305,
        shift_factor=0.0609,
        use_quant_conv=False,
        use_post_quant_conv=False,
    )


def _text_config(projection: int) -> CLIPTextConfig:
    return CLIPTextConfig(
        vocab_size=_tokenizer().vocab_size,
        hidden_size=TEXT_CHANNELS,
        intermediate_size=2 * TEXT_CHANNELS,
        num_hidden_layers=2,
        num_attention_heads=4,
        max_position_embeddings=77,
        projection_dim=projection,
        bos_token_id=_tokenizer().bos_token_id,
        eos_token_id=_tokenizer().eos_token_id,
    )


def _t5(channels: int) -> T5EncoderModel:
    size = len(_t5_tokenizer())
    return T5EncoderModel(T5Config(vocab_size=size, d_model=channels, d_kv=8, d_ff=64, num_layers=2, num_heads=2))


def _t5_tokenizer() -> T5TokenizerFast:
    """A unigram tokenizer with letters and some words for vocabulary."""
    pieces = [
        "<pad>",
        "</s>",
        "<unk>",
        "\u2581",
        *"abcdefghijklmnopqrstuvwxyz0123456789,.-",
        *(f"\u2581{word}" for word in _WORDS),
    ]
    return T5TokenizerFast(vocab=[(piece, -float(place)) for place, piece in enumerate(pieces)], extra_ids=0)


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
