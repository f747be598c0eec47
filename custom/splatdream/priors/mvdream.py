"""MVDream as a prior: four views of one object are denoised together, each told its camera (arXiv:2308.16512)."""

import json
from collections.abc import Mapping, Sequence

from jaxtyping import Float, Int
from torch import Tensor, nn

from .base import Views
from .clip_texts import ClipTexts, TextCondition
from .condition_cache import ConditionCache
from .latent_diffusion import LatentDiffusionPrior, NetworkOptions
from .model_files import STABLE_DIFFUSION_PARTS, Hub, ModelFiles, locate_model
from .mvdream_conversion import denoiser_config, denoiser_state, read_checkpoint, to_diffusers
from .mvdream_unet import attend_across_views, build_denoiser, camera_embedding_input
from .network_files import whole
from .noise_process import VariancePreserving
from .stable_diffusion import load_autoencoder, load_denoiser, load_schedule, pixels_per_latent

ENCODER_PARTS = ("vae", "text_encoder", "tokenizer")
ENCODERS_BY_TEXT_CHANNELS = {1024: "sd21-base", 768: "sd15"}
"""Channels of the text embedding -> the Stable Diffusion model whose encoders a bare checkpoint was trained with."""
LATENT_SIZE = 32
"""Side of the latents that the published models were trained on: images of 256 pixels."""


class MVDreamPrior(LatentDiffusionPrior):
    """Consecutive groups of `views_per_group` images are views of one object, seen by the cameras of `Views`."""

    def __init__(self, network: nn.Module, views_per_group: int, prompt_suffix: str, **shared: object) -> None:
        """`shared` is what `LatentDiffusionPrior` takes besides."""
        if views_per_group < 1:
            raise ValueError(f"views_per_group {views_per_group} must be at least 1; MVDream was trained on 4")
        super().__init__(network=attend_across_views(network, views_per_group), **shared)
        self.views_per_group = views_per_group
        self.prompt_suffix = prompt_suffix

    def _denoise(
        self,
        noisy_latents: Float[Tensor, "B 4 h w"],
        timesteps: Int[Tensor, "B"],
        condition: TextCondition,
        views: Views,
    ) -> Float[Tensor, "B 4 h w"]:
        if len(noisy_latents) % self.views_per_group:
            raise ValueError(
                f"{len(noisy_latents)} views do not divide into groups of {self.views_per_group}; "
                f"set data.batch_size to a multiple and data.views_per_group to {self.views_per_group}"
            )
        embeddings = condition.embeddings_on(noisy_latents.device, noisy_latents.dtype)
        cameras = camera_embedding_input(views.cameras.c2w).to(noisy_latents)
        return self.network(noisy_latents, timesteps, encoder_hidden_states=embeddings, class_labels=cameras).sample


def load_mvdream(
    model: str = "mvdream-sd21",
    encoders: str = "",
    revision: str | None = None,
    is_offline: bool = False,
    views_per_group: int = 4,
    prompt_suffix: str = ", 3d asset",
    image_size: int = 0,
    options: NetworkOptions = NetworkOptions(),  # noqa: B008 - frozen
    text_cache: ConditionCache | None = None,
    hub: Hub | None = None,
) -> MVDreamPrior:
    """The prior of an original checkpoint file, of a folder in diffusers layout, of a short name, or of a hub id.

    Args:
        model: an original checkpoint (.pt) holds the denoiser, whose encoders come from `encoders`; a folder holds all.
        encoders: the Stable Diffusion model with the autoencoder, text encoder and tokenizer of a bare checkpoint;
            empty for the one that it was trained with.
        views_per_group: how many views of one object attend to one another.
        prompt_suffix: what MVDream's training captions of renders end in; guidance adds it to the prompt.
        image_size: side in pixels at which images are looked at; 0 for the one that the model was trained on.

    Raises:
        FileNotFoundError: no copy was found; the message says what to do.
        ValueError: what was found is no MVDream model.
    """
    files = locate_model(model, STABLE_DIFFUSION_PARTS, revision, is_offline, options.prefers_half, hub)
    if files.path.is_file():
        unet = load_original_denoiser(files)
        encoder_files = _locate_encoders(
            encoders, unet.config.cross_attention_dim, is_offline, options.prefers_half, hub
        )
        schedule, prediction_type = VariancePreserving.scaled_linear(), "epsilon"
    else:
        unet, encoder_files = load_folder_denoiser(files), files
        schedule, prediction_type = load_schedule(files)
    vae = load_autoencoder(encoder_files)
    return MVDreamPrior(
        files=files,
        encoder_files=encoder_files,
        network=unet,
        time_embedding=unet.time_embedding,
        vae=vae,
        texts=ClipTexts(encoder_files, text_cache),
        schedule=schedule,
        prediction_type=prediction_type,
        image_size=image_size or (unet.config.sample_size or LATENT_SIZE) * pixels_per_latent(vae),
        options=options,
        views_per_group=views_per_group,
        prompt_suffix=prompt_suffix,
    )


def load_original_denoiser(files: ModelFiles, num_heads: Sequence[int] | None = None) -> nn.Module:
    """The denoiser of one of MVDream's own checkpoints, or of any file with tensors under their names.

    Args:
        num_heads: attention heads of each level; None for those of the published models.
    """
    return _denoiser_of(files, read_checkpoint(files.path), num_heads)


def load_folder_denoiser(files: ModelFiles) -> nn.Module:
    """The denoiser of a folder in diffusers layout, its tensors under diffusers' names or under MVDream's own.

    Raises:
        ValueError: the denoiser does not take cameras.
    """
    with files.reading("unet"):
        config = dict(json.loads((files.path / "unet" / "config.json").read_bytes()))
    if config.get("_class_name") != "UNet2DConditionModel":
        # Published copies keep MVDream's own network class; its code is not run, only its tensors are read.
        (weights,) = (name for name in files.used(("unet",)) if not name.endswith(".json"))
        num_levels = len(config.get("channel_mult", (1, 2, 4, 4)))
        num_heads = [config["num_heads"]] * num_levels if config.get("num_heads", -1) > 0 else None
        return _denoiser_of(files, read_checkpoint(files.path / weights), num_heads)
    unet = load_denoiser(files)
    if unet.config.class_embed_type != "projection" or unet.config.projection_class_embeddings_input_dim != 16:
        raise ValueError(
            f"the denoiser in {files.path} takes no cameras, so it is not MVDream's; "
            "for Stable Diffusion set guidance.prior_type: splatdream-stable-diffusion-prior"
        )
    return unet


def _denoiser_of(files: ModelFiles, checkpoint: Mapping[str, Tensor], num_heads: Sequence[int] | None) -> nn.Module:
    state = denoiser_state(checkpoint)
    with files.reading("" if files.path.is_file() else "unet"):
        config = denoiser_config(state, num_heads)
        shape = config | {"sample_size": LATENT_SIZE}
        return whole(build_denoiser(shape, to_diffusers(state, config["layers_per_block"])))


def _locate_encoders(
    name: str, text_channels: int, is_offline: bool, prefers_half: bool, hub: Hub | None
) -> ModelFiles:
    name = name or ENCODERS_BY_TEXT_CHANNELS.get(text_channels, "")
    if not name:
        raise ValueError(
            f"no Stable Diffusion model with {text_channels} text channels is known; set prior.encoders to the one "
            "that this MVDream checkpoint was trained with"
        )
    try:
        files = locate_model(name, ENCODER_PARTS, None, is_offline, prefers_half, hub)
    except FileNotFoundError as error:
        raise FileNotFoundError(
            "MVDream's checkpoint is there, but it needs the autoencoder and the text encoder of a Stable Diffusion "
            f"model (prior.encoders).\n{error}"
        ) from None
    with files.reading("text_encoder"):
        found = json.loads((files.path / "text_encoder" / "config.json").read_bytes())["hidden_size"]
    if found != text_channels:
        raise ValueError(
            f"the text encoder of '{name}' has {found} channels and this MVDream checkpoint needs {text_channels}; "
            f"set prior.encoders, for the published checkpoints to {ENCODERS_BY_TEXT_CHANNELS}"
        )
    return files
