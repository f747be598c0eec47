"""The training of the small Zero-1-to-3: other views of an object from one picture of it.

B views.
"""

import hashlib
from pathlib import Path

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from ..cameras.batch import CameraBatch
from ..cameras.random_streams import generator_for
from ..priors.noise_process import VariancePreserving
from ..priors.zero123_changes import make_whole, with_picture_channels
from ..priors.zero123_conditioning import camera_tokens, clip_pixels, relative_cameras
from .autoencoder_training import encode_bank
from .captions import UNCONDITIONAL_SHARE
from .denoiser_trainings import write_sheet
from .image_bank import ImageBank, object_bank
from .networks import build_scheduler, placed_whole
from .objectives import timesteps_for, velocity_loss
from .sampling import sample_other_views
from .setup import TrainingSetup
from .zero123_networks import (
    Zero123Sizes,
    build_camera_projection,
    build_image_encoder,
    save_changes,
    with_low_rank_changes,
)

_SHEET_VIEWS = 4


def train_zero123(setup: TrainingSetup, zero123: Zero123Sizes = Zero123Sizes()) -> Path:  # noqa: B008 - frozen
    """The folder of the Zero-1-to-3 made of the finished Stable Diffusion in the trainings' folder.

    `changes` beside it is the same without what is the Stable Diffusion's.

    Raises:
        FileNotFoundError: there is no finished Stable Diffusion.
        ValueError: fewer than two images of an object.
    """
    from diffusers import AutoencoderKL, UNet2DConditionModel

    options = setup.options
    lender = setup.folder / "sd" / "toybox-sd"
    if not lender.exists():
        raise FileNotFoundError(f"there is no text-to-image model in {lender}; run `splatdream toybox train sd` first")
    vae = AutoencoderKL.from_pretrained(lender, subfolder="vae", local_files_only=True).float()
    vae.to(options.device).eval().requires_grad_(False)
    unet = UNet2DConditionModel.from_pretrained(lender, subfolder="unet", local_files_only=True).float()
    text_channels = unet.config.cross_attention_dim
    bank, num_views = _bank(setup)
    latents, process = encode_bank(vae, bank), VariancePreserving(build_scheduler().alphas_cumprod.to(options.device))
    networks = nn.ModuleDict(
        {
            "unet": with_low_rank_changes(with_picture_channels(unet), zero123.rank, options.seed),
            "image_encoder": build_image_encoder(zero123, setup.sizes.image_size, text_channels, options.seed),
            "cc_projection": build_camera_projection(text_channels, options.seed),
        }
    ).to(options.device)
    target = setup.folder / "zero123" / "toybox-zero123"

    def tokens_of(parts: nn.ModuleDict, pictures: Int[Tensor, "B"], views: CameraBatch) -> Float[Tensor, "B 1 C"]:
        side = parts["image_encoder"].config.image_size
        pixels = clip_pixels(bank.images(pictures).to(options.device), side)
        cameras = relative_cameras(views, bank.cameras[pictures]).to(options.device)
        return camera_tokens(parts["cc_projection"], parts["image_encoder"](pixels).image_embeds, cameras)

    def loss_of_step(step: int) -> Tensor:
        generator = generator_for(options.seed, "zero123", step)
        objects = torch.randint(len(bank) // num_views, (options.batch_size,), generator=generator)
        pictures, rows = (
            objects * num_views + torch.randint(num_views, objects.shape, generator=generator) for _ in range(2)
        )
        is_told = torch.rand(options.batch_size, generator=generator) >= UNCONDITIONAL_SHARE
        timesteps = timesteps_for(options.batch_size, 1, len(process), generator)
        noise = torch.randn(latents[rows].shape, generator=generator)
        shown = latents[pictures] / vae.config.scaling_factor * is_told[:, None, None, None]
        clean, timesteps, noise, shown, is_told = setup.to_device(latents[rows], timesteps, noise, shown, is_told)
        tokens = tokens_of(networks, pictures, bank.cameras[rows]) * is_told[:, None, None]

        def predict(noisy: Tensor, timesteps: Tensor) -> Tensor:
            both = torch.cat([noisy, shown], dim=1)
            return networks["unet"](both, timesteps, encoder_hidden_states=tokens).sample

        return velocity_loss(predict, process, clean, timesteps, noise)

    def on_save(average: nn.ModuleDict, step: int) -> None:
        changes = target.with_name("changes")
        save_changes(changes, average["unet"], average["image_encoder"], average["cc_projection"])
        with placed_whole(target) as fresh:
            make_whole(changes, lender, fresh)
        objects = [place * num_views for place in range(0, len(bank) // num_views, max(1, len(bank) // num_views // 4))]
        pictures = torch.tensor(objects[:4]).repeat_interleave(_SHEET_VIEWS)
        rows = pictures + torch.arange(_SHEET_VIEWS).repeat(len(pictures) // _SHEET_VIEWS) % num_views
        generator = generator_for(options.seed, "sheet", 0)
        with torch.no_grad():
            tokens = tokens_of(average, pictures, bank.cameras[rows])
        shown = (latents[pictures] / vae.config.scaling_factor).to(options.device)
        images = sample_other_views(average["unet"], vae, build_scheduler(), tokens, shown, generator)
        labels = [str(bank.captions[row]) for row in pictures.tolist()[::_SHEET_VIEWS]]
        write_sheet(target, images, labels, ["the picture's", *["another view"] * (_SHEET_VIEWS - 1)], step)

    setup.train("zero123", networks, loss_of_step, on_save, text_to_image=_hash(lender), zero123=repr(zero123))
    return target


def _bank(setup: TrainingSetup) -> tuple[ImageBank, int]:
    """The images, and how many consecutive ones show one object."""
    num_views = setup.banks.num_images // len(setup.captions)
    if num_views < 2:
        raise ValueError(
            f"{setup.banks.num_images} images of {len(setup.captions)} objects are fewer than two of each, a picture "
            f"and another view; give --images {2 * len(setup.captions)} or more"
        )
    return object_bank(setup.captions, num_views, setup.sizes.image_size, setup.options.seed), num_views


def _hash(lender: Path) -> str:
    """Of the text-to-image model's networks that are built upon."""
    digest = hashlib.sha256()
    for part in ("vae", "unet"):
        digest.update((lender / part / "diffusion_pytorch_model.safetensors").read_bytes())
    return digest.hexdigest()
