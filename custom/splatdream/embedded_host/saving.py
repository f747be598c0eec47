"""Results on disk, below the system's save folder."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..storage.atomic_file import write_text


class SaverMixin:
    """Where results go, and the loggers that are chosen in the configuration."""

    _save_dir: str | None = None
    _wandb_logger: Any = None

    def set_save_dir(self, save_dir: str) -> None:
        self._save_dir = save_dir

    def get_save_dir(self) -> str:
        if self._save_dir is None:
            raise ValueError("this system has no save folder; call set_save_dir first")
        return self._save_dir

    def get_save_path(self, filename: str) -> str:
        """The path of a result, its folder made."""
        path = Path(self.get_save_dir(), filename)
        path.parent.mkdir(parents=True, exist_ok=True)
        return str(path)

    def create_loggers(self, loggers: Mapping) -> None:
        """`wandb: {enable: true, project: ..., name: ...}` is the one logger to choose; others are always there."""
        wandb = loggers.get("wandb")
        if wandb and wandb.get("enable"):
            from pytorch_lightning.loggers import WandbLogger

            try:
                self._wandb_logger = WandbLogger(project=wandb.get("project"), name=wandb.get("name"))
            except ImportError as error:
                raise ImportError(f"system.loggers.wandb needs wandb: pip install wandb ({error})") from error

    def get_loggers(self) -> list:
        return [self._wandb_logger] if self._wandb_logger else []

    def save_json(self, filename: str, payload: Any) -> str:
        """Writes a file below the save folder, whole or not at all, and returns its path."""
        return str(write_text(self.get_save_path(filename), json.dumps(payload)))
