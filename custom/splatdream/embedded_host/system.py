"""What happens around a training step: building the parts, following the step, validation, test and export.

Hooks run in upstream's order. Building: configuration, loggers, `configure`, weights, `post_configure`. Resuming:
`on_load_checkpoint`, `load_state_dict`, `configure_optimizers`, `on_fit_start`, optimizer state, `on_train_start`.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch

from .base import Updateable, load_module_weights
from .config import parse_structured, read_config
from .messages import info, warn
from .models import ExporterOutput
from .optimization import parse_optimizer, parse_scheduler
from .registry import find
from .saving import SaverMixin
from .schedules import C


class BaseSystem(pl.LightningModule, Updateable, SaverMixin):
    @dataclass
    class Config:
        loggers: dict = field(default_factory=dict)
        """`wandb: {enable, project, name}`."""
        loss: dict = field(default_factory=dict)
        """`lambda_<name>`: weight, a number or a schedule, of `loss_<name>`."""
        optimizer: dict = field(default_factory=dict)
        """`name`, `args` and `params` of a torch optimizer; refused by systems whose parts have rates of their own."""
        scheduler: dict | None = None
        """`name`, `args` and `interval` of a torch scheduler; likewise."""
        weights: str | None = None
        """Checkpoint to start from; what it lacks keeps its initial value."""
        weights_ignore_modules: list[str] | None = None
        """First parts of the names in that checkpoint that are passed over."""
        cleanup_after_validation_step: bool = False
        """Return unused GPU memory after each validation image."""
        cleanup_after_test_step: bool = False
        """The same after each test image."""

    cfg: Config

    def __init__(self, cfg: Mapping, resumed: bool = False) -> None:
        super().__init__()
        self.cfg = parse_structured(self.Config, cfg)
        self.progress: dict[str, Any] = {}
        """What the progress bar shows beside step, rate and remaining time."""
        self._resumed = resumed
        self._status_of_checkpoint: tuple[int, int] | None = None
        self.create_loggers(self.cfg.loggers)
        self.configure()
        if self.cfg.weights is not None:
            self.load_weights(self.cfg.weights, self.cfg.weights_ignore_modules)
        self.post_configure()

    def configure(self) -> None:
        """Build the parts."""

    def post_configure(self) -> None:
        """After the parts are built and `weights` are loaded."""

    def prepare_training(self) -> None:
        """What a training needs beside the parts; called before anything of it is written.

        What cannot be trained is refused here, and leaves no folder.
        """

    def load_weights(self, weights: str, ignore_modules: list[str] | None = None) -> None:
        state_dict, epoch, global_step = load_module_weights(weights, ignore_modules=ignore_modules)
        self.load_state_dict(state_dict, strict=False)
        self.do_update_step(epoch, global_step, on_load_weights=True)

    @property
    def resumed(self) -> bool:
        return self._resumed

    def set_resume_status(self, current_epoch: int, global_step: int) -> None:
        """For validate, test and export: which step the loaded checkpoint is from."""
        self._status_of_checkpoint = (current_epoch, global_step)

    @property
    def true_current_epoch(self) -> int:
        return self._status_of_checkpoint[0] if self._status_of_checkpoint else self.current_epoch

    @property
    def true_global_step(self) -> int:
        """Optimizer steps of the weights in use. For schedules and file names."""
        return self._status_of_checkpoint[1] if self._status_of_checkpoint else self.global_step

    def C(self, value: Any) -> float:
        return C(value, self.true_current_epoch, self.true_global_step)

    def configure_optimizers(self) -> dict[str, Any]:
        optimizer = parse_optimizer(self.cfg.optimizer, self)
        if self.cfg.scheduler is None:
            return {"optimizer": optimizer}
        return {"optimizer": optimizer, "lr_scheduler": parse_scheduler(self.cfg.scheduler, optimizer)}

    def preprocess_data(self, batch: Any, stage: str) -> None:
        """Change a batch in place; `stage` is train, validation, test or predict."""

    def update_step(self, epoch: int, global_step: int, on_load_weights: bool = False) -> None:
        pass

    def training_step(self, batch: Any, batch_idx: int) -> Any:
        raise NotImplementedError

    def validation_step(self, batch: Any, batch_idx: int) -> Any:
        raise NotImplementedError

    def on_validation_epoch_end(self) -> None:
        raise NotImplementedError

    def test_step(self, batch: Any, batch_idx: int) -> Any:
        raise NotImplementedError

    def predict_step(self, batch: Any, batch_idx: int) -> Any:
        raise NotImplementedError

    def on_train_batch_start(self, batch: Any, batch_idx: int, unused: int = 0) -> None:
        self._start_of_batch(batch, "train", self.trainer.train_dataloader)

    def on_validation_batch_start(self, batch: Any, batch_idx: int, dataloader_idx: int = 0) -> None:
        self._start_of_batch(batch, "validation", self.trainer.val_dataloaders)

    def on_test_batch_start(self, batch: Any, batch_idx: int, dataloader_idx: int = 0) -> None:
        self._start_of_batch(batch, "test", self.trainer.test_dataloaders)

    def on_predict_batch_start(self, batch: Any, batch_idx: int, dataloader_idx: int = 0) -> None:
        self._start_of_batch(batch, "predict", self.trainer.predict_dataloaders)

    def on_train_batch_end(self, outputs: Any, batch: Any, batch_idx: int) -> None:
        self._end_of_batch(self.trainer.train_dataloader)

    def on_validation_batch_end(self, outputs: Any, batch: Any, batch_idx: int) -> None:
        self._end_of_batch(self.trainer.val_dataloaders, self.cfg.cleanup_after_validation_step)

    def on_test_batch_end(self, outputs: Any, batch: Any, batch_idx: int) -> None:
        self._end_of_batch(self.trainer.test_dataloaders, self.cfg.cleanup_after_test_step)

    def on_predict_batch_end(self, outputs: Any, batch: Any, batch_idx: int) -> None:
        self._end_of_batch(self.trainer.predict_dataloaders, self.cfg.cleanup_after_test_step)

    def _start_of_batch(self, batch: Any, stage: str, loader: Any) -> None:
        self.preprocess_data(batch, stage)
        self.dataset = loader.dataset  # a public attribute: updated too, if it is an Updateable
        self.do_update_step(self.true_current_epoch, self.true_global_step)

    def _end_of_batch(self, loader: Any, cleanup: bool = False) -> None:
        self.dataset = loader.dataset
        self.do_update_step_end(self.true_current_epoch, self.true_global_step)
        if cleanup and torch.cuda.is_available():
            torch.cuda.empty_cache()


class BaseLift3DSystem(BaseSystem):
    @dataclass
    class Config(BaseSystem.Config):
        geometry_type: str = ""
        """Registered name of the asset."""
        geometry: dict = field(default_factory=dict)
        """Configuration of the asset."""
        geometry_convert_from: str | None = None
        """Checkpoint of another run whose geometry this run's geometry is created from."""
        geometry_convert_inherit_texture: bool = False
        """Whether networks of the other geometry are copied, too."""
        geometry_convert_override: dict = field(default_factory=dict)
        """Changes to the configuration of that other geometry."""
        material_type: str = ""
        """Registered name of the material."""
        material: dict = field(default_factory=dict)
        """Configuration of the material."""
        background_type: str = ""
        """Registered name of the background."""
        background: dict = field(default_factory=dict)
        """Configuration of the background."""
        renderer_type: str = ""
        """Registered name of the renderer."""
        renderer: dict = field(default_factory=dict)
        """Configuration of the renderer."""
        guidance_type: str = ""
        """Registered name of the guidance."""
        guidance: dict = field(default_factory=dict)
        """Configuration of the guidance."""
        prompt_processor_type: str = ""
        """Registered name of the prompt processor."""
        prompt_processor: dict = field(default_factory=dict)
        """Configuration of the prompt processor."""
        exporter_type: str = ""
        """Registered name of the exporter."""
        exporter: dict = field(default_factory=dict)
        """Configuration of the exporter."""

    cfg: Config

    def configure(self) -> None:
        self.cfg.geometry_convert_from = newest_path(self.cfg.geometry_convert_from)
        self.cfg.weights = newest_path(self.cfg.weights)
        if self.cfg.geometry_convert_from and not self.cfg.weights and not self.resumed:
            self.geometry = self._converted_geometry(self.cfg.geometry_convert_from)
        else:
            self.geometry = find(self.cfg.geometry_type)(self.cfg.geometry)
        self.material = find(self.cfg.material_type)(self.cfg.material)
        self.background = find(self.cfg.background_type)(self.cfg.background)
        parts = {"geometry": self.geometry, "material": self.material, "background": self.background}
        self.renderer = find(self.cfg.renderer_type)(self.cfg.renderer, **parts)

    def _converted_geometry(self, checkpoint: str) -> Any:
        info(f"the geometry starts from that of {checkpoint}")
        state_dict, epoch, global_step = load_module_weights(checkpoint, module_name="geometry")
        configuration = Path(checkpoint).parent.parent / "configs" / "parsed.yaml"
        if not configuration.is_file():
            raise FileNotFoundError(f"to convert the geometry of '{checkpoint}' its run's '{configuration}' is needed")
        previous = read_config(configuration).system
        previous.geometry.update(self.cfg.geometry_convert_override)
        geometry = find(previous.geometry_type)(previous.geometry)
        geometry.load_state_dict(state_dict, strict=False)
        geometry.do_update_step(epoch, global_step, on_load_weights=True)
        return find(self.cfg.geometry_type).create_from(
            geometry, self.cfg.geometry, copy_net=self.cfg.geometry_convert_inherit_texture
        )

    def on_fit_start(self) -> None:
        if self._save_dir is None:
            warn("this system has no save folder: images will not be saved")
        else:
            info(f"results go to {self._save_dir}")

    def on_test_end(self) -> None:
        if self._save_dir is not None:
            info(f"test results are in {self._save_dir}")

    def on_predict_start(self) -> None:
        parts = {"geometry": self.geometry, "material": self.material, "background": self.background}
        self.exporter = find(self.cfg.exporter_type)(self.cfg.exporter, **parts)

    def predict_step(self, batch: Any, batch_idx: int) -> None:
        if self.exporter.cfg.save_video:
            self.test_step(batch, batch_idx)

    def on_predict_epoch_end(self) -> None:
        if self.exporter.cfg.save_video:
            self.on_test_epoch_end()
        outputs: list[ExporterOutput] = self.exporter()
        for output in outputs:
            save = getattr(self, f"save_{output.save_type}", None)
            if save is None:
                raise ValueError(f"the exporter asks for save_{output.save_type}, which the system does not have")
            save(f"it{self.true_global_step}-export/{output.save_name}", **output.params)

    def on_predict_end(self) -> None:
        if self._save_dir is not None:
            info(f"exported files are in {self._save_dir}")


def newest_path(path: str | None) -> str | None:
    """`path` with "LAST" and what precedes it in the folder's name replaced by the newest folder that starts so."""
    if path is None or "LAST" not in path:
        return path
    start, rest = path.replace(" ", "_").split("LAST", 1)
    folder, prefix = os.path.split(start)
    candidates = sorted(name for name in os.listdir(folder or ".") if name.startswith(prefix))
    newest = os.path.join(folder, candidates[-1]) + rest if candidates else path
    if not os.path.exists(newest):
        raise FileNotFoundError(f"'{path}' leads to '{newest}', which does not exist")
    return newest
