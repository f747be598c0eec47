"""Zero-1-to-3 as a prior: what the object of one picture looks like from other cameras (arXiv:2303.11328)."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from ..cameras.picture import Picture
from .base import Views
from .clip_texts import EmbeddingTable, TextCondition
from .latent_diffusion import LatentDiffusionPrior, NetworkOptions
from .model_files import Hub, ModelFiles, locate_model
from .mvdream_conversion import read_checkpoint
from .network_files import read_network, whole
from .stable_diffusion import load_autoencoder, load_network, load_schedule, pixels_per_latent
from .zero123_conditioning import NUM_CAMERA_NUMBERS, camera_tokens, clip_pixels, relative_cameras

ZERO123_PARTS = ("unet", "vae", "image_encoder", "scheduler")
PROJECTION_PARTS = ("clip_camera_projection", "cc_projection")
"""What published copies call the layer that reads the picture's embedding and the camera; a copy has one of them."""
LAST_NUMBERS = ("distance", "elevation")
"""What the fourth number of a camera is: how much farther it is, or, in Stable Zero123, how the picture's stands."""


class Zero123Prior(LatentDiffusionPrior):
    """Every view is looked at alone, and told the picture and its camera as seen from the picture's.

    Without the picture, what classifier-free guidance moves away from, token and latents are zeros.
    """

    reads_texts = False

    def __init__(
        self,
        picture: Picture,
        embedding: Float[Tensor, "1 C"],
        picture_latents: Float[Tensor, "1 4 h w"],
        projection: nn.Module,
        last_number: str,
        **shared: object,
    ) -> None:
        """`shared` is what `LatentDiffusionPrior` takes besides.

        Args:
            embedding: CLIP's, of the picture on white.
            picture_latents: the autoencoder's mean of it, not scaled.
            last_number: one of `LAST_NUMBERS`.
        """
        super().__init__(texts=None, **shared)
        self._camera = picture.camera
        self._embedding = embedding
        self._picture_latents = picture_latents
        self._projection = projection.eval().requires_grad_(False)
        self._tells_elevation = last_number == "elevation"

    def encode_texts(self, texts: Sequence[str]) -> TextCondition:
        """One row a text: 1, the picture, for any text, and 0, nothing, for the empty one."""
        told = torch.tensor([1.0 if text else 0.0 for text in texts])[:, None, None]
        return TextCondition(EmbeddingTable(told), torch.arange(len(texts)))

    def _denoise(
        self,
        noisy_latents: Float[Tensor, "B 4 h w"],
        timesteps: Int[Tensor, "B"],
        condition: TextCondition,
        views: Views,
    ) -> Float[Tensor, "B 4 h w"]:
        device, dtype = noisy_latents.device, noisy_latents.dtype
        is_told = condition.embeddings_on(device, torch.float32)
        if self._embedding.device != device:
            self._camera, self._embedding = self._camera.to(device), self._embedding.to(device)
            self._picture_latents, self._projection = self._picture_latents.to(device), self._projection.to(device)
        cameras = relative_cameras(views.cameras, self._camera, self._tells_elevation)
        tokens = (is_told * camera_tokens(self._projection, self._embedding, cameras)).to(dtype)
        pictures = (is_told[..., None] * self._picture_latents).to(dtype)
        return self.network(torch.cat([noisy_latents, pictures], dim=1), timesteps, encoder_hidden_states=tokens).sample


def load_zero123(
    picture: Picture,
    model: str = "zero123-xl",
    revision: str | None = None,
    is_offline: bool = False,
    image_size: int = 0,
    options: NetworkOptions = NetworkOptions(),  # noqa: B008 - frozen
    text_cache: object = None,
    hub: Hub | None = None,
    last_number: str = "",
) -> Zero123Prior:
    """The prior of a folder in diffusers layout, a short name, or a hub id; see `locate_model`.

    Args:
        image_size: side in pixels at which images are looked at; 0 for the one that the model was trained on.
        text_cache: not used, as there are no texts.
        last_number: one of `LAST_NUMBERS`; empty: elevation where the model's name has "stable-zero123", else distance.

    Raises:
        FileNotFoundError: no copy was found, or it lacks a part; the message says what to do.
        ValueError: what was found is no Zero-1-to-3.
    """
    parts = load_parts(model, revision, is_offline, options.prefers_half, hub)
    schedule, prediction_type = load_schedule(parts.files)
    side = image_size or parts.unet.config.sample_size * pixels_per_latent(parts.vae)
    with torch.no_grad():
        on_white = picture.on_white(side)
        latents = parts.vae.float().encode(on_white).latent_dist.mean
        embedding = parts.image_encoder(clip_pixels(on_white, parts.image_encoder.config.image_size)).image_embeds
    return Zero123Prior(
        picture=picture,
        embedding=embedding,
        picture_latents=latents,
        projection=parts.projection,
        last_number=last_number or ("elevation" if "stable-zero123" in model else "distance"),
        files=parts.files,
        network=parts.unet,
        time_embedding=parts.unet.time_embedding,
        vae=parts.vae,
        schedule=schedule,
        prediction_type=prediction_type,
        image_size=side,
        options=options,
    )


@dataclass(frozen=True)
class Zero123Parts:
    """The networks of a model, float32 unless their files are halves, on the CPU."""

    files: ModelFiles
    unet: nn.Module
    vae: nn.Module
    image_encoder: nn.Module
    projection: nn.Linear


def load_parts(
    model: str,
    revision: str | None = None,
    is_offline: bool = False,
    prefers_half: bool = False,
    hub: Hub | None = None,
) -> Zero123Parts:
    """See `load_zero123`, of which this is the first half."""
    files = locate_zero123(model, revision, is_offline, prefers_half, hub)
    unet, vae, (encoder, projection) = _load_denoiser(files), load_autoencoder(files), _load_encoder(files)
    if unet.config.cross_attention_dim != projection.out_features:
        raise ValueError(
            f"the denoiser in {files.path} reads tokens of {unet.config.cross_attention_dim} channels, and its "
            f"{files.parts[-1]} makes {projection.out_features}; the folder mixes two models, copy it again"
        )
    return Zero123Parts(files, unet, vae, encoder, projection)


def locate_zero123(
    model: str,
    revision: str | None = None,
    is_offline: bool = False,
    prefers_half: bool = False,
    hub: Hub | None = None,
) -> ModelFiles:
    """`locate_model`, whichever name the projection has; it is the last of the parts."""
    errors = []
    for part in PROJECTION_PARTS:
        try:
            files = locate_model(model, (*ZERO123_PARTS, part), revision, is_offline, prefers_half, hub)
        except FileNotFoundError as error:
            errors.append(error)
            continue
        return files.as_folder()
    # The one that lacks less.
    raise min(errors, key=lambda error: len(str(error)))


def _load_denoiser(files: ModelFiles) -> nn.Module:
    from diffusers import UNet2DConditionModel

    unet = load_network(files, UNet2DConditionModel, "unet")
    if unet.config.in_channels != 2 * unet.config.out_channels:
        raise ValueError(
            f"the network in {files.path} is no Zero-1-to-3: it takes {unet.config.in_channels} channels, and latents "
            f"beside those of a picture are {2 * unet.config.out_channels}; for Stable Diffusion set "
            "guidance.prior_type: splatdream-stable-diffusion-prior"
        )
    return unet


def _load_encoder(files: ModelFiles) -> tuple[nn.Module, nn.Linear]:
    """transformers' vision encoder, and the projection; float32, on the CPU."""
    from transformers import CLIPVisionModelWithProjection

    part = files.parts[-1]
    encoder = read_network(files, CLIPVisionModelWithProjection, "image_encoder")
    with files.reading(part):
        (weights,) = (name for name in files.used((part,)) if not name.endswith((".json", ".txt")))
        state = {
            name.rpartition(".")[2]: tensor.float() for name, tensor in read_checkpoint(files.path / weights).items()
        }
        width = encoder.config.projection_dim
        projection = nn.Linear(width + NUM_CAMERA_NUMBERS, state["weight"].shape[0])
        projection.load_state_dict(state)
        whole(projection)
    return encoder.float().eval().requires_grad_(False), projection
