"""What every system of this package does: train an asset, whatever it is, under a guidance, and record the run."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, ClassVar

import torch
from torch import Tensor

from ..cameras.pixel_size import training_pixel_size
from ..export.summary_page import Pictures, RunSummary
from ..gaussians.optimizer_groups import make_adam, set_learning_rates
from ..host import HOST, BaseLift3DSystem, Exporter, config_to_primitive, find, info
from ..losses.regularizers import regularization
from ..options.option_range import OptionRange, RangeOfEach, check_fields
from ..viewer.live_view import LiveView
from ..viewer.run_window import RunWindow
from .guidance_driver import GuidanceDriver
from .run_history import validation_pictures
from .run_manifest import make_manifest
from .run_record import Batch, RunRecord, sheet_cameras
from .stage_timer import StageTimer, peak_memory_bytes
from .true_views import with_truth
from .watched_step import keep_gradient, step_as_watched


class AssetSystem(BaseLift3DSystem):
    """Abstract: registered systems give it a name. `geometry` is an `assets.base.Asset`."""

    @dataclass
    class Config(BaseLift3DSystem.Config):
        seed: int = 0
        """Seed of splits and crops; `${seed}` in a YAML."""
        densification: dict = field(default_factory=dict)
        """For assets that are refined; of Gaussians: `strategy`, one of `STRATEGIES`, and its options."""
        export_after_training: bool = False
        """Write what `--export` writes when training ends, too."""
        contact_sheet_elevations_deg: Annotated[list[float], RangeOfEach(-90, 90)] = field(
            default_factory=lambda: [15.0, 45.0]
        )
        """Rows of the contact sheet; its columns are 8 azimuths."""
        turntable_fps: Annotated[float, OptionRange(0.1, 240)] = 20.0
        """Frames a second of the turntable video."""
        background_lr: Annotated[float, OptionRange(0, 10)] = 0.001
        """Learning rate of a background that has weights, such as threestudio's neural environment; ours has none."""
        live_view_port: Annotated[int, OptionRange(0, 65535)] = 0
        """Port of a local page that shows the asset while it changes; 0 is none."""

    cfg: Config
    own_losses: ClassVar[tuple[str, ...]] = ()
    """Names of what `further_losses` returns."""

    def configure(self) -> None:
        check_fields("system", self.cfg, self.Config)
        super().configure()
        self.automatic_optimization = False
        for key in ("optimizer", "scheduler"):
            if self.cfg[key]:
                raise ValueError(f"system.{key} is not read: learning rates and their schedules are in system.geometry")
        self.driver = GuidanceDriver(self.cfg.loss, self.C)
        self.driver.check_weights({*self.geometry.regularizers(), *self.own_losses})
        self._refinement = self.geometry.refinement(self.cfg.densification, self.cfg.seed)
        self._record = RunRecord(self.get_save_path, self._render_view)
        self._timer = StageTimer()
        self._refined: dict[str, float] = {}
        self._live_view: LiveView | None = None
        if not hasattr(self, "progress"):
            self.progress: dict[str, object] = {}

    def prepare_training(self) -> None:
        """Refuses prompts, models and formats that are none. threestudio does not call it: what follows asks again."""
        if self.cfg.export_after_training:
            self._make_exporter()
        self.driver.prepare(self.cfg)

    def setup(self, stage: str) -> None:
        if stage == "fit":
            self.geometry.set_view_pixel(training_pixel_size(getattr(self.trainer.datamodule, "cfg", None)))

    def configure_optimizers(self) -> torch.optim.Optimizer:
        # One optimizer: Lightning counts its steps, and two would make every schedule run twice as fast.
        optimizer = make_adam(self.geometry.params(), self.geometry.learning_rates(0, 0))
        for group in self.driver.build(self.cfg, self.device):
            optimizer.add_param_group(group)
        if background := [weight for weight in self.background.parameters() if weight.requires_grad]:
            optimizer.add_param_group({"params": background, "lr": self.cfg.background_lr, "name": "background"})
        return optimizer

    def on_fit_start(self) -> None:
        super().on_fit_start()
        if self.cfg.export_after_training:
            # Now, not after training: a format that does not exist must not cost a run.
            self._make_exporter()
        self._window = RunWindow(Path(self.get_save_path("manifest.json")).parents[1])
        if self.cfg.live_view_port:
            self._live_view = LiveView(self.cfg.live_view_port, title=self._title())
            info(f"live view: {self._live_view.url}")
        config = config_to_primitive(self.cfg)
        self._record.write_manifest(**make_manifest(config, self.cfg.seed, self.device, HOST, self.driver.manifest()))

    def training_views(self, batch: Batch, step: int) -> Batch:
        """The views of a step, made of the data module's."""
        return batch

    def further_losses(self, batch: Batch) -> Mapping[str, Tensor]:
        """What a system asks of the asset besides, by name; weighted like regularizers, and not followed by refinement.

        Args:
            batch: the views of the step.
        """
        return {}

    def training_step(self, batch: Batch, batch_idx: int) -> None:
        step, optimizer = self.true_global_step, self.optimizers()
        batch = self.training_views(batch, step)
        with self._timer.stage("render"):
            rendered = self.renderer(**batch)
        asked = self._window.asked()
        if asked is not None:
            keep_gradient(rendered)
        with self._timer.stage("guidance"):
            guided = self.driver.ask(rendered, batch)
        distillation = self.driver.loss(guided)
        terms = self.geometry.regularizers()
        regularizer = regularization(terms, rendered, {name: self.driver.weight(name) for name in terms})
        further = self.further_losses(batch)
        regularizer = sum((self.driver.weight(name) * loss for name, loss in further.items()), start=regularizer)
        with self._timer.stage("backward"):
            if self._refinement is None:
                self.manual_backward(distillation + regularizer)
            else:
                # The distillation term alone first: refinement must not follow the regularizers.
                self.manual_backward(distillation, retain_graph=regularizer.requires_grad)
                self._refinement.accumulate(step + 1, rendered, batch)
                if regularizer.requires_grad:
                    self.manual_backward(regularizer)
        with self._timer.stage("optimizer"):
            set_learning_rates(optimizer.optimizer, self.geometry.learning_rates(self.true_current_epoch, step))
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
            self.geometry.after_step()
        if self._refinement is not None:
            with self._timer.stage("densification"):
                # After the optimizer step: refining replaces the parameters, and with them that step's gradient.
                self._refined |= self._refinement.refine(step + 1, optimizer.optimizer)
        numbers = {**guided, **{f"loss_{name}": loss for name, loss in further.items()}}
        self._report(step + 1, numbers, (distillation + regularizer).detach())
        if asked is not None:
            with self._timer.stage("watched"):
                self._window.show(step_as_watched(step + 1, asked, self.geometry, self.driver, rendered, batch))
        if self._live_view is not None:
            self._live_view.update(self.geometry.draw, "\n\n".join([f"step {step + 1}", *self._sizes_in_words()]))

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint["splatdream"] = self.driver.state_dict() | {
            "seconds_by_stage": self._timer.seconds(),
            "refinement": None if self._refinement is None else self._refinement.state_dict(),
        }

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        super().on_load_checkpoint(checkpoint)
        state = checkpoint.get("splatdream")
        if state is None:
            return
        self.driver.load_state_dict(state)
        self._timer.load(state["seconds_by_stage"])
        if self._refinement is not None:
            self._refinement.load_state_dict(state["refinement"])

    def on_train_end(self) -> None:
        self._window.close()
        if self._live_view is not None:
            self._live_view.close()
        if self.cfg.export_after_training:
            self._export_now()
        self._record.write_manifest(
            status="finished",
            steps=self.true_global_step,
            **{f"num_{name}": number for name, number in self.geometry.sizes().items()},
            denoiser_evaluations=self.driver.num_evaluations,
            seconds_by_stage=self._timer.seconds(),
            peak_memory_bytes=peak_memory_bytes(),
            evaluation_cameras=self._evaluation_cameras(),
        )

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        self._record.add_view(batch)

    def on_validation_epoch_end(self) -> None:
        self._record.write_grid(f"it{self.true_global_step}-validation.png")

    def test_step(self, batch: Batch, batch_idx: int) -> None:
        self._record.add_view(batch)
        self._last_view = batch

    def on_test_epoch_end(self) -> None:
        name = f"it{self.true_global_step}-test"
        turntable = self._record.write_turntable(f"{name}.mp4", self.cfg.turntable_fps)
        pictures = self._write_contact_sheet(f"{name}-contact-sheet.png")
        self._page = self._record.write_page(f"{name}.html", self._summary(pictures, turntable))

    def on_test_end(self) -> None:
        super().on_test_end()
        info(f"open this: {self._page}")

    def predict_step(self, batch: Batch, batch_idx: int) -> None:
        self._last_view = batch
        super().predict_step(batch, batch_idx)

    def on_predict_epoch_end(self) -> None:
        super().on_predict_epoch_end()
        self._write_contact_sheet(f"it{self.true_global_step}-export/contact-sheet.png")

    def save_asset(self, filename: str, write: Any) -> str:
        """What our exporters ask for: `write(path)` writes the file (export/writing.py)."""
        path = self.get_save_path(filename)
        write(path)
        return path

    def _render_view(self, batch: Batch) -> Tensor:
        """One view, [H, W, 3] in [0, 1]."""
        with torch.no_grad():
            return self.renderer(**batch)["comp_rgb"][0].clamp(0, 1)

    def _summary(self, pictures: Pictures, turntable: Path) -> RunSummary:
        """What the page shows; without `html` among the exporter's formats nothing that takes long to make."""
        sizes = {size.capitalize(): f"{number:,}" for size, number in self.geometry.sizes().items()}
        facts = {
            "prompt": self._title(),
            "method": str(self.cfg.guidance.get("method", self.cfg.guidance_type)),
            "steps": str(self.true_global_step),
        }
        summary = RunSummary(self._title(), pictures, turntable_mp4=turntable.read_bytes(), facts=facts | sizes)
        if "html" not in self.cfg.exporter.get("formats", ["html"]):
            return summary
        cameras = sheet_cameras(self._last_view, self.cfg.contact_sheet_elevations_deg)
        return with_truth(
            replace(summary, model=self.geometry.page_model(), history=validation_pictures(turntable.parent)), cameras
        )

    def _write_contact_sheet(self, name: str) -> Pictures:
        return self._record.write_sheet(name, self._last_view, list(self.cfg.contact_sheet_elevations_deg))

    def _evaluation_cameras(self) -> dict[str, float]:
        """From where the data module looks at the result; whoever renders it later can do the same."""
        # Lightning has set up the training views only.
        self.trainer.datamodule.setup("test")
        view = next(iter(self.trainer.datamodule.test_dataloader()))
        return {
            "distance": float(view["camera_distances"][0]),
            "fovy_deg": float(torch.rad2deg(view["fovy"][0])),
        }

    def _title(self) -> str:
        return str(self.cfg.prompt_processor.get("prompt", "")) or "Untitled"

    def _make_exporter(self) -> Exporter:
        parts = {"geometry": self.geometry, "material": self.material, "background": self.background}
        return find(self.cfg.exporter_type)(self.cfg.exporter, **parts)

    def _export_now(self) -> None:
        """What `--export` does, from the weights in memory."""
        for output in self._make_exporter()():
            save = getattr(self, f"save_{output.save_type}")
            save(f"it{self.true_global_step}-export/{output.save_name}", **output.params)

    def _sizes_in_words(self) -> list[str]:
        return [f"{number:,} {name}" for name, number in self.geometry.sizes().items()]

    def _report(self, step: int, guided: dict[str, Any], loss: Tensor) -> None:
        """Numbers for the loggers and the progress bar. Tensors stay where they are: reading one waits for the GPU.

        Args:
            step: optimizer steps so far.
        """
        sizes, interval = self.geometry.sizes(), self.trainer.log_every_n_steps
        self.progress.update(sizes, evaluations=self.driver.num_evaluations)
        if not interval or step % interval:
            return
        self.progress["loss"] = f"{float(loss):.3g}"
        numbers = {f"train/{name}": value for name, value in guided.items() if _is_scalar(value)}
        numbers |= {
            "train/loss": loss,
            "train/denoiser_evaluations_total": self.driver.num_evaluations,
            **{f"train/num_{name}": number for name, number in sizes.items()},
            **{f"seconds/{name}": seconds for name, seconds in self._timer.seconds().items()},
            **self._refined,
        }
        self._refined = {}
        self._log(
            {name: float(value.detach() if isinstance(value, Tensor) else value) for name, value in numbers.items()},
            step - 1,
        )

    def _log(self, numbers: dict[str, float], batch: int) -> None:
        """Writes numbers as Lightning does, at the steps at which it does.

        Not by its own `log_dict`: Lightning then walks over all that it was ever told, at every step.

        Args:
            batch: of the run, from 0.
        """
        for logger in self.trainer.loggers:
            logger.log_metrics(numbers, step=batch)
            logger.save()
        # For what asks for a number by name, such as `checkpoint.monitor`.
        self.trainer.callback_metrics.update({name: torch.tensor(value) for name, value in numbers.items()})


def _is_scalar(value: object) -> bool:
    return isinstance(value, int | float) or (isinstance(value, Tensor) and value.numel() == 1)
