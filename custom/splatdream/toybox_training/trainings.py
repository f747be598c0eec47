"""The three trainings: autoencoder, then text-to-image, then multi-view. Each reads what the one before has left.

FOLDER/vae/autoencoder     FOLDER/sd/toybox-sd     FOLDER/mvdream/toybox-mvdream
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ..cameras.random_streams import generator_for
from ..export.contact_sheet import contact_sheet
from ..priors.mvdream_unet import attend_across_views, camera_embedding_input
from ..storage.images import write_png
from .captions import MULTIVIEW_SUFFIX, training_captions, training_text, view_words
from .image_bank import VIEWS_PER_GROUP, ImageBank, group_bank, photo_bank
from .loop import LoopOptions, train
from .networks import (
    DEFAULT_SIZES,
    NetworkSizes,
    build_autoencoder,
    build_scheduler,
    build_text_encoder,
    build_unet,
    save_prior,
)
from .objectives import autoencoder_loss, timesteps_for, velocity_loss
from .sampling import embed_texts, sample_images
from .tokenizer import build_tokenizer

UNCONDITIONAL_SHARE = 0.1
"""Share of the training texts that are empty, for classifier-free guidance."""
_SHEET_TEXTS = (
    "an orange cat",
    "an orange cat, back view",
    "a blue robot wearing a red hat",
    "side view of a green car",
)


@dataclass(frozen=True)
class BankSizes:
    """How much is traced at the start: about a second for 500 images at 64 pixels."""

    num_dressed: int = 400
    """Captions with a hat or a scarf, besides the 176 plain ones."""
    num_images: int = 16000
    num_groups: int = 4000


def train_vae(
    folder: Path, options: LoopOptions, sizes: NetworkSizes = DEFAULT_SIZES, banks: BankSizes = BankSizes()
) -> Path:
    """The autoencoder's folder, float32; its scaling factor gives latents a standard deviation of 1."""
    bank = photo_bank(
        training_captions(banks.num_dressed, options.seed), banks.num_images, sizes.image_size, options.seed
    )
    networks = nn.ModuleDict({"vae": build_autoencoder(sizes, options.seed)}).to(options.device)
    side = sizes.latent_size
    target = folder / "vae" / "autoencoder"

    def loss_of_step(step: int) -> Tensor:
        generator = generator_for(options.seed, "vae", step)
        rows = torch.randint(len(bank), (options.batch_size,), generator=generator)
        noise = torch.randn(options.batch_size, 4, side, side, generator=generator)
        return autoencoder_loss(networks["vae"], *_on(options.device, bank.images(rows), noise), step)

    def on_save(average: nn.ModuleDict, step: int) -> None:
        vae = average["vae"]
        shown = bank.images(torch.arange(0, len(bank), max(1, len(bank) // 8))[:8]).to(options.device)
        with torch.no_grad():
            decoded = vae.decode(vae.encode(shown).latent_dist.mean).sample
        # What `encode_bank` gives is scaled already, from the second save on.
        scaled = encode_bank(vae, bank, limit=1024)
        vae.register_to_config(scaling_factor=vae.config.scaling_factor / float(scaled.std()))
        vae.save_pretrained(target)
        rows = torch.stack([shown, decoded]).movedim(2, -1).cpu() / 2 + 0.5
        sheet = contact_sheet(rows, ["true", "decoded"], [""] * len(shown), f"autoencoder, step {step}", zoom=2)
        write_png(folder / "vae" / "samples.png", sheet)

    train(networks, loss_of_step, folder / "vae", options, _identity("vae", options, sizes, banks), on_save)
    return target


def train_sd(
    folder: Path,
    options: LoopOptions,
    sizes: NetworkSizes = DEFAULT_SIZES,
    banks: BankSizes = BankSizes(),
    start: Path | None = None,
) -> Path:
    """The folder of the text-to-image pipeline; the text encoder learns along.

    Args:
        start: a finished pipeline whose weights this training starts from, with the learning rate at its top again.

    Raises:
        FileNotFoundError: there is no autoencoder yet, or nothing at `start`.
    """
    bank = photo_bank(
        training_captions(banks.num_dressed, options.seed), banks.num_images, sizes.image_size, options.seed
    )
    vae, vae_hash = _load_autoencoder(folder, options.device)
    latents, words = encode_bank(vae, bank), view_words(bank.cameras)
    tokenizer, alphas = build_tokenizer(), build_scheduler().alphas_cumprod.to(options.device)
    parts = {
        "unet": build_unet(sizes, options.seed, takes_cameras=False),
        "text_encoder": build_text_encoder(sizes, options.seed),
    }
    started_from = None
    if start is not None:
        encoder, state, started_from = _load_text_to_image(start, "cpu")
        parts["text_encoder"].load_state_dict(encoder.state_dict())
        parts["unet"].load_state_dict(state)
    networks = nn.ModuleDict(parts).to(options.device)
    target = folder / "sd" / "toybox-sd"

    def loss_of_step(step: int) -> Tensor:
        generator = generator_for(options.seed, "sd", step)
        rows = torch.randint(len(bank), (options.batch_size,), generator=generator)
        texts = [training_text(bank.captions[row], words[row], generator) for row in rows.tolist()]
        texts = _with_empty_texts(texts, 1, generator)
        timesteps = timesteps_for(options.batch_size, 1, len(alphas), generator)
        noise = torch.randn(latents[rows].shape, generator=generator)
        embeddings = embed_texts(networks["text_encoder"], tokenizer, texts)
        return velocity_loss(
            networks["unet"],
            alphas,
            *_on(options.device, latents[rows]),
            embeddings,
            *_on(options.device, timesteps, noise),
        )

    def on_save(average: nn.ModuleDict, step: int) -> None:
        save_prior(target, vae, average["text_encoder"], average["unet"])
        with torch.no_grad():
            embeddings = embed_texts(
                average["text_encoder"], tokenizer, ["", *[t for t in _SHEET_TEXTS for _ in range(4)]]
            )
        generator = generator_for(options.seed, "sheet", 0)
        images = sample_images(average["unet"], vae, build_scheduler(), embeddings[1:], embeddings[:1], generator)
        _write_sheet(folder / "sd" / "samples.png", images, [*_SHEET_TEXTS], [""] * 4, f"toybox-sd, step {step}")

    identity = _identity("sd", options, sizes, banks) | {"autoencoder": vae_hash, "start": started_from}
    train(networks, loss_of_step, folder / "sd", options, identity, on_save)
    return target


def train_mvdream(
    folder: Path,
    options: LoopOptions,
    sizes: NetworkSizes = DEFAULT_SIZES,
    banks: BankSizes = BankSizes(),
    start: Path | None = None,
) -> Path:
    """The folder of the multi-view prior: from the text-to-image weights on, with their text encoder as it is.

    Args:
        start: a finished multi-view prior to go on from instead, with the learning rate at its top again.

    Raises:
        FileNotFoundError: there is no autoencoder, or nothing to start from.
        ValueError: the batch does not divide into groups of four.
    """
    if options.batch_size % VIEWS_PER_GROUP:
        raise ValueError(
            f"batch_size {options.batch_size} must be a multiple of {VIEWS_PER_GROUP}, the views of a group"
        )
    vae, vae_hash = _load_autoencoder(folder, options.device)
    text_encoder, state, started_from = _load_text_to_image(start or folder / "sd" / "toybox-sd", options.device)
    bank = group_bank(
        training_captions(banks.num_dressed, options.seed), banks.num_groups, sizes.image_size, options.seed
    )
    latents, cameras = encode_bank(vae, bank), camera_embedding_input(bank.cameras.c2w)
    texts = [f"{caption}{MULTIVIEW_SUFFIX}" for caption in dict.fromkeys(bank.captions)]
    row_of = {caption: row for row, caption in enumerate(dict.fromkeys(bank.captions), start=1)}
    owners = torch.tensor([row_of[caption] for caption in bank.captions])
    tokenizer, alphas = build_tokenizer(), build_scheduler().alphas_cumprod.to(options.device)
    with torch.no_grad():  # the encoder is frozen, so every text is encoded once
        table = torch.cat([embed_texts(text_encoder, tokenizer, [text]) for text in ["", *texts]])
    unet = build_unet(sizes, options.seed, takes_cameras=True)
    # Text-to-image weights lack only the embedding of the cameras (MVDream, sec. 3.2).
    unet.load_state_dict(state, strict=start is not None)
    networks = nn.ModuleDict({"unet": attend_across_views(unet, VIEWS_PER_GROUP)}).to(options.device)
    target = folder / "mvdream" / "toybox-mvdream"

    def loss_of_step(step: int) -> Tensor:
        generator = generator_for(options.seed, "mvdream", step)
        groups = torch.randint(
            len(bank) // VIEWS_PER_GROUP, (options.batch_size // VIEWS_PER_GROUP,), generator=generator
        )
        rows = (groups[:, None] * VIEWS_PER_GROUP + torch.arange(VIEWS_PER_GROUP)).flatten()
        is_empty = torch.rand(len(groups), generator=generator) < UNCONDITIONAL_SHARE
        captions = torch.where(is_empty.repeat_interleave(VIEWS_PER_GROUP), 0, owners[rows])
        timesteps = timesteps_for(len(rows), VIEWS_PER_GROUP, len(alphas), generator)
        noise = torch.randn(latents[rows].shape, generator=generator)
        clean, timesteps, noise, seen = _on(options.device, latents[rows], timesteps, noise, cameras[rows])
        return velocity_loss(networks["unet"], alphas, clean, table[captions.to(table.device)], timesteps, noise, seen)

    def on_save(average: nn.ModuleDict, step: int) -> None:
        save_prior(target, vae, text_encoder, average["unet"])
        rows = torch.arange(VIEWS_PER_GROUP * min(4, len(bank) // VIEWS_PER_GROUP))
        seen = cameras[rows].to(options.device)
        generator = generator_for(options.seed, "sheet", 0)
        images = sample_images(average["unet"], vae, build_scheduler(), table[owners[rows]], table[:1], generator, seen)
        labels = [str(bank.captions[row]) for row in rows.tolist()[::VIEWS_PER_GROUP]]
        columns = ["view", "+90", "+180", "+270"]
        _write_sheet(folder / "mvdream" / "samples.png", images, labels, columns, f"toybox-mvdream, step {step}")

    identity = _identity("mvdream", options, sizes, banks) | {"autoencoder": vae_hash, "start": started_from}
    train(networks, loss_of_step, folder / "mvdream", options, identity, on_save)
    return target


@torch.no_grad()
def encode_bank(vae: nn.Module, bank: ImageBank, limit: int = 0) -> Float[Tensor, "N 4 h w"]:
    """The scaled means of the latents of the bank's images, or of its first `limit`, on the CPU."""
    rows = torch.arange(min(limit, len(bank)) if limit else len(bank))
    device = next(vae.parameters()).device
    parts = [vae.encode(bank.images(part).to(device)).latent_dist.mean.cpu() for part in rows.split(128)]
    return torch.cat(parts) * vae.config.scaling_factor


def _identity(kind: str, options: LoopOptions, sizes: NetworkSizes, banks: BankSizes) -> dict[str, object]:
    shown = {"kind": kind, "sizes": repr(sizes), "banks": repr(banks)}
    names = ("seed", "batch_size", "learning_rate", "warmup_steps", "decay_steps", "average_decay", "bf16")
    return shown | {name: getattr(options, name) for name in names}


def _with_empty_texts(texts: list[str], groups_of: int, generator: torch.Generator) -> list[str]:
    is_empty = torch.rand(len(texts) // groups_of, generator=generator) < UNCONDITIONAL_SHARE
    return ["" if is_empty[place // groups_of] else text for place, text in enumerate(texts)]


def _on(device: str, *tensors: Tensor) -> tuple[Tensor, ...]:
    return tuple(tensor.to(device) for tensor in tensors)


def _load_autoencoder(folder: Path, device: str) -> tuple[nn.Module, str]:
    from diffusers import AutoencoderKL

    path = folder / "vae" / "autoencoder"
    if not path.exists():
        raise FileNotFoundError(f"there is no autoencoder in {path}; run `splatdream toybox train vae` first")
    vae = AutoencoderKL.from_pretrained(path, local_files_only=True)
    content = (path / "diffusion_pytorch_model.safetensors").read_bytes()
    return vae.to(device).eval().requires_grad_(False), hashlib.sha256(content).hexdigest()


def _load_text_to_image(path: Path, device: str) -> tuple[nn.Module, dict[str, Tensor], str]:
    """Its text encoder, its denoiser's weights, and a hash of both."""
    from diffusers import UNet2DConditionModel
    from transformers import CLIPTextModel

    if not path.exists():
        raise FileNotFoundError(f"there is no text-to-image model in {path}; run `splatdream toybox train sd` first")
    encoder = CLIPTextModel.from_pretrained(path, subfolder="text_encoder", local_files_only=True).float()
    unet = UNet2DConditionModel.from_pretrained(path, subfolder="unet", local_files_only=True).float()
    digest = hashlib.sha256()
    for part in ("text_encoder/model.safetensors", "unet/diffusion_pytorch_model.safetensors"):
        digest.update((path / part).read_bytes())
    return encoder.to(device).eval().requires_grad_(False), unet.state_dict(), digest.hexdigest()


def _write_sheet(path: Path, images: Tensor, rows: list[str], columns: list[str], title: str) -> None:
    grid = images.movedim(1, -1).cpu().unflatten(0, (len(rows), len(columns)))
    write_png(path, contact_sheet(grid, rows, columns, title, zoom=2))
