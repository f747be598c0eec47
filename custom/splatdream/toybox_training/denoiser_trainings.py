"""The trainings of the denoisers: text-to-image, then multi-view."""

import hashlib
from pathlib import Path

import torch
from torch import Tensor, nn

from ..cameras.random_streams import generator_for
from ..export.contact_sheet import contact_sheet
from ..priors.mvdream_unet import attend_across_views, camera_embedding_input
from ..priors.noise_process import NoiseProcess, VariancePreserving
from ..storage.images import write_png
from .autoencoder_training import encode_bank, load_autoencoder
from .captions import MULTIVIEW_SUFFIX, UNCONDITIONAL_SHARE, loosened, training_texts, view_words
from .image_bank import VIEWS_PER_GROUP, group_bank
from .networks import build_scheduler, build_text_encoder, build_unet, save_prior
from .objectives import timesteps_for, velocity_loss
from .sampling import embed_texts, sample_images
from .setup import TrainingSetup
from .tokenizer import build_tokenizer

SHEET_TEXTS = (
    "an orange cat",
    "an orange cat, back view",
    "a blue robot wearing a red hat",
    "side view of a green car",
)


def train_sd(setup: TrainingSetup, start: Path | None = None, loose_words: float = 0.0) -> Path:
    """The folder of the text-to-image pipeline; the text encoder learns along.

    Args:
        start: a finished pipeline whose weights this training starts from, with the learning rate at its top again.
        loose_words: share of the view words that belong to another image, 0 to 1 (see `loosened`).

    Raises:
        FileNotFoundError: there is no autoencoder yet, or nothing at `start`.
    """
    options = setup.options
    vae, vae_hash = load_autoencoder(setup.folder, options.device)
    bank = setup.photos()
    words = loosened(view_words(bank.cameras), loose_words, generator_for(options.seed, "loose-words", 0))
    latents = encode_bank(vae, bank)
    tokenizer, process = build_tokenizer(), _noise_process(options.device)
    parts = {
        "unet": build_unet(setup.sizes, options.seed, takes_cameras=False),
        "text_encoder": build_text_encoder(setup.sizes, options.seed),
    }
    started_from = None
    if start is not None:
        encoder, state, started_from = _load_text_to_image(start, "cpu")
        parts["text_encoder"].load_state_dict(encoder.state_dict())
        parts["unet"].load_state_dict(state)
    networks = nn.ModuleDict(parts).to(options.device)
    target = setup.folder / "sd" / "toybox-sd"

    def loss_of_step(step: int) -> Tensor:
        generator = generator_for(options.seed, "sd", step)
        rows = torch.randint(len(bank), (options.batch_size,), generator=generator)
        texts = training_texts(
            [bank.captions[row] for row in rows.tolist()], [words[row] for row in rows.tolist()], generator
        )
        timesteps = timesteps_for(options.batch_size, 1, len(process), generator)
        noise = torch.randn(latents[rows].shape, generator=generator)
        clean, timesteps, noise = setup.to_device(latents[rows], timesteps, noise)
        embeddings = embed_texts(networks["text_encoder"], tokenizer, texts)

        def predict(noisy: Tensor, timesteps: Tensor) -> Tensor:
            return networks["unet"](noisy, timesteps, encoder_hidden_states=embeddings).sample

        return velocity_loss(predict, process, clean, timesteps, noise)

    def on_save(average: nn.ModuleDict, step: int) -> None:
        save_prior(target, vae, average["text_encoder"], average["unet"])
        texts = ["", *[text for text in SHEET_TEXTS for _ in range(4)]]
        with torch.no_grad():
            embeddings = embed_texts(average["text_encoder"], tokenizer, texts)
        generator = generator_for(options.seed, "sheet", 0)
        images = sample_images(average["unet"], vae, build_scheduler(), embeddings[1:], embeddings[:1], generator)
        write_sheet(target, images, [*SHEET_TEXTS], [""] * 4, step)

    setup.train(
        "sd", networks, loss_of_step, on_save, autoencoder=vae_hash, start=started_from, loose_words=str(loose_words)
    )
    return target


def train_mvdream(setup: TrainingSetup, start: Path | None = None) -> Path:
    """The folder of the multi-view prior: from the text-to-image weights on, with their text encoder as it is.

    Args:
        start: a finished multi-view prior to go on from instead, with the learning rate at its top again.

    Raises:
        FileNotFoundError: there is no autoencoder, or nothing to start from.
        ValueError: the batch does not divide into groups of four.
    """
    options = setup.options
    if options.batch_size % VIEWS_PER_GROUP:
        raise ValueError(
            f"batch_size {options.batch_size} must be a multiple of {VIEWS_PER_GROUP}, the views of a group"
        )
    vae, vae_hash = load_autoencoder(setup.folder, options.device)
    text_encoder, state, started_from = _load_text_to_image(start or setup.folder / "sd" / "toybox-sd", options.device)
    bank = group_bank(setup.captions, setup.banks.num_groups, setup.sizes.image_size, options.seed)
    latents, cameras = encode_bank(vae, bank), camera_embedding_input(bank.cameras.c2w)
    row_of = {caption: row for row, caption in enumerate(dict.fromkeys(bank.captions), start=1)}
    owners = torch.tensor([row_of[caption] for caption in bank.captions])
    tokenizer, process = build_tokenizer(), _noise_process(options.device)
    texts = ["", *[f"{caption}{MULTIVIEW_SUFFIX}" for caption in row_of]]
    with torch.no_grad():  # the encoder is frozen, so every text is encoded once
        table = torch.cat([embed_texts(text_encoder, tokenizer, [text]) for text in texts])
    unet = build_unet(setup.sizes, options.seed, takes_cameras=True)
    # Text-to-image weights lack only the embedding of the cameras (MVDream, sec. 3.2).
    unet.load_state_dict(state, strict=start is not None)
    networks = nn.ModuleDict({"unet": attend_across_views(unet, VIEWS_PER_GROUP)}).to(options.device)
    target = setup.folder / "mvdream" / "toybox-mvdream"

    def loss_of_step(step: int) -> Tensor:
        generator = generator_for(options.seed, "mvdream", step)
        groups = torch.randint(
            len(bank) // VIEWS_PER_GROUP, (options.batch_size // VIEWS_PER_GROUP,), generator=generator
        )
        rows = (groups[:, None] * VIEWS_PER_GROUP + torch.arange(VIEWS_PER_GROUP)).flatten()
        is_empty = torch.rand(len(groups), generator=generator) < UNCONDITIONAL_SHARE
        captions = torch.where(is_empty.repeat_interleave(VIEWS_PER_GROUP), 0, owners[rows])
        timesteps = timesteps_for(len(rows), VIEWS_PER_GROUP, len(process), generator)
        noise = torch.randn(latents[rows].shape, generator=generator)
        clean, timesteps, noise, seen = setup.to_device(latents[rows], timesteps, noise, cameras[rows])
        embeddings = table[captions.to(table.device)]

        def predict(noisy: Tensor, timesteps: Tensor) -> Tensor:
            return networks["unet"](noisy, timesteps, encoder_hidden_states=embeddings, class_labels=seen).sample

        return velocity_loss(predict, process, clean, timesteps, noise)

    def on_save(average: nn.ModuleDict, step: int) -> None:
        save_prior(target, vae, text_encoder, average["unet"])
        rows = torch.arange(VIEWS_PER_GROUP * min(4, len(bank) // VIEWS_PER_GROUP))
        seen = cameras[rows].to(options.device)
        generator = generator_for(options.seed, "sheet", 0)
        images = sample_images(average["unet"], vae, build_scheduler(), table[owners[rows]], table[:1], generator, seen)
        labels = [str(bank.captions[row]) for row in rows.tolist()[::VIEWS_PER_GROUP]]
        write_sheet(target, images, labels, ["view", "+90", "+180", "+270"], step)

    setup.train("mvdream", networks, loss_of_step, on_save, autoencoder=vae_hash, start=started_from)
    return target


def _noise_process(device: str) -> NoiseProcess:
    return VariancePreserving(build_scheduler().alphas_cumprod.to(device))


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


def write_sheet(target: Path, images: Tensor, rows: list[str], columns: list[str], step: int) -> None:
    """Beside the prior's folder."""
    grid = images.movedim(1, -1).cpu().unflatten(0, (len(rows), len(columns)))
    sheet = contact_sheet(grid, rows, columns, f"{target.name}, step {step}", zoom=2)
    write_png(target.with_name("samples.png"), sheet)
