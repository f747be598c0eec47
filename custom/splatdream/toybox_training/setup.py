"""What all trainings share: where they write, how long they go on, sizes, and which images they see.

FOLDER/vae/autoencoder     FOLDER/sd/toybox-sd     FOLDER/mvdream/toybox-mvdream
FOLDER/flow/toybox-flow          FOLDER/zero123/toybox-zero123
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor, nn

from ..toybox.vocabulary import ToyboxCaption
from .captions import training_captions
from .image_bank import ImageBank, photo_bank
from .loop import LoopOptions, train
from .networks import DEFAULT_SIZES, NetworkSizes


@dataclass(frozen=True)
class BankSizes:
    """How much is traced at the start: about a second for 500 images at 64 pixels."""

    num_dressed: int = 400
    """Captions with a hat or a scarf, besides the 176 plain ones."""
    num_images: int = 16000
    num_groups: int = 4000


@dataclass(frozen=True)
class TrainingSetup:
    """One folder with its trainings; each reads what the one before has left."""

    folder: Path
    options: LoopOptions
    sizes: NetworkSizes = DEFAULT_SIZES
    banks: BankSizes = BankSizes()

    @property
    def captions(self) -> tuple[ToyboxCaption, ...]:
        return training_captions(self.banks.num_dressed, self.options.seed)

    def photos(self) -> ImageBank:
        """Single images, for the autoencoder and for text-to-image."""
        return photo_bank(self.captions, self.banks.num_images, self.sizes.image_size, self.options.seed)

    def train(
        self,
        kind: str,
        networks: nn.ModuleDict,
        loss_of_step: Callable[[int], Tensor],
        on_save: Callable[[nn.ModuleDict, int], None],
        **made_from: str | None,
    ) -> None:
        """The loop, in the folder of `kind`.

        Args:
            made_from: hashes of the weights that the training builds on, which a resumed one must share.
        """
        identity = {"kind": kind, "sizes": repr(self.sizes), "banks": repr(self.banks)} | made_from
        names = ("seed", "batch_size", "learning_rate", "warmup_steps", "decay_steps", "average_decay", "bf16")
        identity |= {name: getattr(self.options, name) for name in names}
        train(networks, loss_of_step, self.folder / kind, self.options, identity, on_save)

    def to_device(self, *tensors: Tensor) -> tuple[Tensor, ...]:
        return tuple(tensor.to(self.options.device) for tensor in tensors)
