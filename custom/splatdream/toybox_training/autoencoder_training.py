"""The first training: the autoencoder, and the latents that it gives the other two.

N images, latents of h x w.
"""

import hashlib
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ..cameras.random_streams import generator_for
from ..export.contact_sheet import contact_sheet
from ..storage.images import write_png
from .image_bank import ImageBank
from .networks import build_autoencoder
from .objectives import autoencoder_loss
from .setup import TrainingSetup


def train_vae(setup: TrainingSetup) -> Path:
    """The autoencoder's folder, float32; its scaling factor gives latents a standard deviation of 1."""
    bank, options, side = setup.photos(), setup.options, setup.sizes.latent_size
    networks = nn.ModuleDict({"vae": build_autoencoder(setup.sizes, options.seed)}).to(options.device)
    target = _autoencoder_folder(setup.folder)

    def loss_of_step(step: int) -> Tensor:
        generator = generator_for(options.seed, "vae", step)
        rows = torch.randint(len(bank), (options.batch_size,), generator=generator)
        noise = torch.randn(options.batch_size, 4, side, side, generator=generator)
        return autoencoder_loss(networks["vae"], *setup.to_device(bank.images(rows), noise), step)

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
        write_png(setup.folder / "vae" / "samples.png", sheet)

    setup.train("vae", networks, loss_of_step, on_save)
    return target


def load_autoencoder(folder: Path, device: str) -> tuple[nn.Module, str]:
    """What `train_vae` left in the trainings' folder, frozen, and the hash of its weights.

    Raises:
        FileNotFoundError: nothing; the message says what to do.
    """
    from diffusers import AutoencoderKL

    path = _autoencoder_folder(folder)
    if not path.exists():
        raise FileNotFoundError(f"there is no autoencoder in {path}; run `splatdream toybox train vae` first")
    vae = AutoencoderKL.from_pretrained(path, local_files_only=True)
    content = (path / "diffusion_pytorch_model.safetensors").read_bytes()
    return vae.to(device).eval().requires_grad_(False), hashlib.sha256(content).hexdigest()


@torch.no_grad()
def encode_bank(vae: nn.Module, bank: ImageBank, limit: int = 0) -> Float[Tensor, "N 4 h w"]:
    """The scaled means of the latents of the bank's images, or of its first `limit`, on the CPU."""
    rows = torch.arange(min(limit, len(bank)) if limit else len(bank))
    device = next(vae.parameters()).device
    parts = [vae.encode(bank.images(part).to(device)).latent_dist.mean.cpu() for part in rows.split(128)]
    return torch.cat(parts) * vae.config.scaling_factor


def _autoencoder_folder(folder: Path) -> Path:
    return folder / "vae" / "autoencoder"
