"""Checkpoints that are either complete or not there, and one at the last step of every run."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import ModelCheckpoint
from pytorch_lightning.plugins.io import TorchCheckpointIO

from ..storage.atomic_file import atomic_path
from .checkpoint_content import load_checkpoint, require_sound_numbers


class AtomicCheckpointIO(TorchCheckpointIO):
    """Writes beside the target and renames: a full disk or a killed run leaves the earlier checkpoints as they were.

    So does a run whose numbers have gone astray: what nobody wants to resume from is not written.
    """

    def save_checkpoint(self, checkpoint: Mapping[str, Any], path: str | Path, storage_options: Any = None) -> None:
        require_sound_numbers(checkpoint, Path(path).parent)
        try:
            with atomic_path(path) as temporary, open(temporary, "wb") as file:
                torch.save(checkpoint, file)
        except (OSError, RuntimeError) as error:  # torch reports some failed writes as RuntimeError
            raise OSError(
                f"cannot write checkpoint '{path}': {_reason(error)}; earlier checkpoints are intact"
            ) from error

    def load_checkpoint(self, path: str | Path, map_location: Any = "cpu", **_: Any) -> dict[str, Any]:
        return load_checkpoint(path, map_location)


def _reason(error: Exception) -> str:
    """What the system said, for example that no space is left, over which torch raises an error about positions."""
    for cause in (error, error.__context__):
        if isinstance(cause, OSError) and cause.strerror:
            return cause.strerror
    return str(error).splitlines()[0]


class Checkpoints(ModelCheckpoint):
    """pytorch-lightning's ModelCheckpoint, but the last step is always kept, and last.ckpt is always the last one."""

    def file_exists(self, filepath: str, trainer: pl.Trainer) -> bool:
        """Always false: a resumed run replaces its last.ckpt instead of writing last-v1.ckpt beside it."""
        return False

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule, *args: Any, **kwargs: Any) -> None:
        super().on_train_batch_end(trainer, pl_module, *args, **kwargs)
        is_last = trainer.global_step == trainer.max_steps
        if is_last and self._last_global_step_saved != trainer.global_step:
            candidates = self._monitor_candidates(trainer)
            self._save_topk_checkpoint(trainer, candidates)
            self._save_last_checkpoint(trainer, candidates)
