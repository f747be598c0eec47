"""The one progress bar: step, rate, remaining time, and what the system puts in its `progress` dict."""

import sys
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning import callbacks

from ..storage.progress_bar import ProgressBar


class RunBar(callbacks.ProgressBar):
    """Training steps, or the views of a test. Validation in between has no bar of its own."""

    def __init__(self) -> None:
        super().__init__()
        self._bar: ProgressBar | None = None
        self._is_enabled = True

    def disable(self) -> None:
        self._is_enabled = False

    def enable(self) -> None:
        self._is_enabled = True

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._open("train", trainer.max_steps, "step", trainer.global_step)

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule, *args: Any, **kwargs: Any) -> None:
        self._bar.set_postfix(pl_module.progress, refresh=False)
        self._bar.update(trainer.global_step - self._bar.n)

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._close()

    def on_test_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._open("test", trainer.num_test_batches[0], "view")

    def on_test_batch_end(self, *args: Any, **kwargs: Any) -> None:
        self._bar.update()

    def on_test_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._close()

    def on_exception(self, *args: Any) -> None:
        self._close()

    def _open(self, what: str, total: float, unit: str, initial: int = 0) -> None:
        total = total if 0 < total < float("inf") else None
        self._bar = ProgressBar(
            total=total,
            initial=initial,
            desc=what,
            unit=unit,
            dynamic_ncols=True,
            disable=not self._is_enabled,
            file=sys.stderr,
        )

    def _close(self) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None
