"""The training of the small rectified flow, on the autoencoder and the text encoder of a finished Stable Diffusion.

B texts or images, L tokens, C and P channels.
"""

import hashlib
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ..cameras.random_streams import generator_for
from ..priors.noise_process import RectifiedFlow
from ..priors.repeated_token import count_last_token
from ..priors.sd3_context import NUM_T5_TOKENS, clip_outputs, joint_context
from .autoencoder_training import encode_bank
from .captions import training_texts, view_words
from .denoiser_trainings import SHEET_TEXTS, write_sheet
from .flow_networks import (
    SHIFT,
    FlowSizes,
    build_flow_scheduler,
    build_flow_transformer,
    build_second_text_encoder,
    save_flow_prior,
    with_projection,
)
from .objectives import timesteps_for, velocity_loss
from .sampling import sample_flow_images, token_ids
from .setup import TrainingSetup
from .tokenizer import build_tokenizer


class FlowTexts:
    """Texts through the first encoder, which is frozen, each once, and through the second, which learns."""

    def __init__(self, first: nn.Module, tokenizer: object) -> None:
        self._first = first
        self._tokenizer = tokenizer
        self._known: dict[str, tuple[Tensor, Tensor]] = {}

    def embed(self, second: nn.Module, texts: list[str]) -> tuple[Float[Tensor, "B L C"], Float[Tensor, "B P"]]:
        """What the transformer reads: the tokens and the pooled text."""
        for text in texts:
            if text not in self._known:
                self._known[text] = self._encode(text)
        states, pooled = (torch.cat(part) for part in zip(*(self._known[text] for text in texts), strict=True))
        second_states, second_pooled = clip_outputs(second, token_ids(second, self._tokenizer, texts))
        both = [states, second_states.float()]
        width = states.shape[-1] + second_states.shape[-1]
        return joint_context(both, None, width), torch.cat([pooled, second_pooled.float()], dim=-1)

    @torch.no_grad()
    def _encode(self, text: str) -> tuple[Tensor, Tensor]:
        ids = token_ids(self._first, self._tokenizer, [text])
        with torch.autocast(ids.device.type, enabled=False):
            return clip_outputs(self._first, ids)


def train_flow(setup: TrainingSetup, start: Path | None = None, flow: FlowSizes = FlowSizes()) -> Path:  # noqa: B008
    """The folder of the text-to-image flow; its second text encoder learns along.

    Args:
        start: a finished flow whose weights this training starts from, with the learning rate at its top again.

    Raises:
        FileNotFoundError: there is no finished Stable Diffusion in the trainings' folder, or nothing at `start`.
    """
    from diffusers import AutoencoderKL
    from transformers import CLIPTextModel

    options = setup.options
    lender = setup.folder / "sd" / "toybox-sd"
    if not lender.exists():
        raise FileNotFoundError(f"there is no text-to-image model in {lender}; run `splatdream toybox train sd` first")
    vae = AutoencoderKL.from_pretrained(lender, subfolder="vae", local_files_only=True).float()
    first = with_projection(CLIPTextModel.from_pretrained(lender, subfolder="text_encoder", local_files_only=True))
    for part in (vae, first):
        part.to(options.device).eval().requires_grad_(False)
    bank = setup.photos()
    latents, words = encode_bank(vae, bank), view_words(bank.cameras)
    texts_of, process = FlowTexts(first, build_tokenizer()), RectifiedFlow.shifted(SHIFT)
    parts = {
        "transformer": build_flow_transformer(setup.sizes, flow, options.seed),
        "text_encoder_2": build_second_text_encoder(flow, options.seed),
    }
    if start is not None:
        _load_into(parts, start)
    networks = nn.ModuleDict(parts).to(options.device)
    count_last_token(networks["transformer"], NUM_T5_TOKENS)
    target = setup.folder / "flow" / "toybox-flow"

    def loss_of_step(step: int) -> Tensor:
        generator = generator_for(options.seed, "flow", step)
        rows = torch.randint(len(bank), (options.batch_size,), generator=generator)
        texts = training_texts(
            [bank.captions[row] for row in rows.tolist()], [words[row] for row in rows.tolist()], generator
        )
        timesteps = timesteps_for(options.batch_size, 1, len(process), generator)
        noise = torch.randn(latents[rows].shape, generator=generator)
        clean, timesteps, noise = setup.to_device(latents[rows], timesteps, noise)
        context, pooled = texts_of.embed(networks["text_encoder_2"], texts)
        return velocity_loss(
            lambda noisy, timesteps: (
                networks["transformer"](
                    noisy, context, pooled, 1000 * process.levels.to(timesteps.device)[timesteps]
                ).sample
            ),
            process,
            clean,
            timesteps,
            noise,
        )

    def on_save(average: nn.ModuleDict, step: int) -> None:
        save_flow_prior(target, lender, average["text_encoder_2"], average["transformer"])
        texts = ["", *[text for text in SHEET_TEXTS for _ in range(4)]]
        with torch.no_grad():
            context, pooled = texts_of.embed(average["text_encoder_2"], texts)
        generator = generator_for(options.seed, "sheet", 0)
        images = sample_flow_images(average["transformer"], vae, build_flow_scheduler(), context, pooled, generator)
        write_sheet(target, images, [*SHEET_TEXTS], [""] * 4, step)

    made_from = {"autoencoder": _hash(lender, "vae/diffusion_pytorch_model.safetensors")}
    made_from |= {"text_encoder": _hash(lender, "text_encoder/model.safetensors"), "flow": repr(flow)}
    made_from |= {"start": None if start is None else _hash(start, "transformer/diffusion_pytorch_model.safetensors")}
    setup.train("flow", networks, loss_of_step, on_save, **made_from)
    return target


def _load_into(parts: dict[str, nn.Module], start: Path) -> None:
    from diffusers import SD3Transformer2DModel
    from transformers import CLIPTextModelWithProjection

    if not start.exists():
        raise FileNotFoundError(f"there is no flow in {start}; run `splatdream toybox train flow` first")
    kinds = {"transformer": SD3Transformer2DModel, "text_encoder_2": CLIPTextModelWithProjection}
    for name, kind in kinds.items():
        finished = kind.from_pretrained(start, subfolder=name, local_files_only=True).float()
        parts[name].load_state_dict(finished.state_dict())


def _hash(folder: Path, file: str) -> str:
    return hashlib.sha256((folder / file).read_bytes()).hexdigest()
