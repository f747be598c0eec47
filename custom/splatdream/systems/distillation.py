"""The registered system: one prompt becomes one cloud of Gaussians by score distillation."""

from dataclasses import dataclass, field

import torch
from torch import Tensor

from ..cameras.batch import CameraBatch
from ..cameras.random_streams import generator_for
from ..densification.controller import DensificationConfig, DensificationController
from ..gaussians.optimizer_groups import set_learning_rates
from ..host import BaseLift3DSystem, info, parse_structured, register
from ..losses.regularizers import REGULARIZERS, regularization
from ..viewer.live_view import LiveView
from .contributions import contributions
from .guided import GuidanceMixin
from .outputs import OutputsMixin
from .stage_timer import peak_memory_bytes

# threestudio's guidance objects return loss_sds, loss_vsd, loss_lora, loss_sdi, loss_train_phi, ...
_GUIDANCE_WEIGHTS = ("lambda_sds", "lambda_vsd", "lambda_lora", "lambda_sdi", "lambda_train", "lambda_sd")


@register("splatdream-system")
class DistillationSystem(GuidanceMixin, OutputsMixin, BaseLift3DSystem):
    """Render, ask the prior, pull the Gaussians, densify where the prior pulls hardest."""

    @dataclass
    class Config(BaseLift3DSystem.Config):
        seed: int = 0
        """Seed of splits; `${seed}` in a YAML."""
        densification: dict = field(default_factory=dict)
        """See `DensificationConfig`."""
        export_after_training: bool = False
        """Write what `--export` writes when training ends, too."""
        contact_sheet_elevations_deg: list[float] = field(default_factory=lambda: [15.0, 45.0])
        """Rows of the contact sheet; its columns are 8 azimuths."""
        turntable_fps: float = 20.0
        """Frames a second of the turntable video."""
        live_view_port: int = 0
        """Port of a local page that shows the cloud while it changes; 0 is none."""

    cfg: Config

    def configure(self) -> None:
        super().configure()
        self.automatic_optimization = False
        self._check_loss_weights()
        config = parse_structured(DensificationConfig, self.cfg.densification)
        self._densification = DensificationController(config)
        self._densification_state = self._densification.initialize_state()
        self._seen_cameras: list[CameraBatch] = []
        self._live_view: LiveView | None = None
        self._begin_guidance()
        self._begin_outputs()

    def on_fit_start(self) -> None:
        super().on_fit_start()
        if self.cfg.export_after_training:
            # Now, not after training: a format that does not exist must not cost a run.
            self._make_exporter()
        if self.cfg.live_view_port:
            self._live_view = LiveView(self.cfg.live_view_port, title=self._title())
            info(f"live view: {self._live_view.url}")
        self._write_manifest()

    def training_step(self, batch: dict[str, Tensor | int], batch_idx: int) -> None:
        step = self.true_global_step
        optimizer = self.optimizers()
        with self._timer.stage("render"):
            rendered = self.renderer(**batch)
        with self._timer.stage("guidance"):
            guided = self._ask_guidance(rendered, batch)
        distillation = self._guidance_loss(guided)
        regularizer = regularization(self.geometry.cloud(), rendered, self._regularizer_weights())
        with self._timer.stage("backward"):
            # The distillation term alone first: densification must not follow the regularizers.
            self.manual_backward(distillation, retain_graph=regularizer.requires_grad)
            self._densification.accumulate(
                self._densification_state,
                rendered["means2d"].grad,
                rendered["radii"],
                int(batch["width"]),
                int(batch["height"]),
            )
            if regularizer.requires_grad:
                self.manual_backward(regularizer)
        with self._timer.stage("optimizer"):
            set_learning_rates(optimizer.optimizer, self.geometry.learning_rates(self.true_current_epoch, step))
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        with self._timer.stage("densification"):
            # After the optimizer step: refining replaces the parameters, and with them that step's gradient.
            if self._densification.is_collecting(step + 1):
                self._seen_cameras.append(CameraBatch.from_batch(batch))
            self._refine(step + 1, optimizer.optimizer)
        self._report(guided, distillation + regularizer, gaussians=len(self.geometry.means))
        if self._live_view is not None:
            self._live_view.update(self.geometry.cloud().detach(), f"step {step + 1}")

    def on_save_checkpoint(self, checkpoint: dict[str, object]) -> None:
        checkpoint["splatdream"] = self._guidance_checkpoint() | {
            "densification": self._densification_state.state_dict(),
            "seen_cameras": [dict(vars(cameras)) for cameras in self._seen_cameras],
        }

    def on_load_checkpoint(self, checkpoint: dict[str, object]) -> None:
        super().on_load_checkpoint(checkpoint)
        state = checkpoint.get("splatdream")
        if state is None:
            return
        self._densification_state.load_state_dict(state["densification"])
        self._seen_cameras = [CameraBatch(**cameras) for cameras in state["seen_cameras"]]
        self._load_guidance_checkpoint(state)

    def on_train_end(self) -> None:
        if self._live_view is not None:
            self._live_view.close()
        if self.cfg.export_after_training:
            self._export_now()
        self._write_manifest(
            status="finished",
            steps=self.true_global_step,
            num_gaussians=len(self.geometry.cloud()),
            denoiser_evaluations=self._denoiser_evaluations,
            seconds_by_stage=self._timer.seconds(),
            peak_memory_bytes=peak_memory_bytes(),
            evaluation_cameras=self._evaluation_cameras(),
        )

    def _evaluation_cameras(self) -> dict[str, float]:
        """From where the data module looks at the result; whoever renders it later can do the same."""
        # Lightning has set up the training views only.
        self.trainer.datamodule.setup("test")
        view = next(iter(self.trainer.datamodule.test_dataloader()))
        return {
            "distance": float(view["camera_distances"][0]),
            "fovy_deg": float(torch.rad2deg(view["fovy"][0])),
        }

    def _check_loss_weights(self) -> None:
        """A weight that no loss answers to would be silently without effect."""
        known = {f"lambda_{name}" for name in REGULARIZERS}
        unknown = [key for key in self.cfg.loss if key not in known and not key.startswith(_GUIDANCE_WEIGHTS)]
        if unknown:
            raise ValueError(
                f"system.loss.{unknown[0]} belongs to no loss; regularizers are {', '.join(sorted(known))}, "
                f"guidance losses start with {' or '.join(_GUIDANCE_WEIGHTS)}"
            )

    def _regularizer_weights(self) -> dict[str, float]:
        weights = {name: self.cfg.loss.get(f"lambda_{name}", 0.0) for name in REGULARIZERS}
        return {name: self.C(weight) for name, weight in weights.items()}

    def _refine(self, step: int, optimizer: torch.optim.Optimizer) -> None:
        if not self._densification.is_due(step):
            return
        cloud = self.geometry.cloud()
        report = self._densification.refine(
            step,
            self.geometry.params(),
            optimizer,
            self._densification_state,
            generator_for(self.cfg.seed, "split", step),
            lambda: contributions(cloud, self._seen_cameras),
        )
        self._seen_cameras.clear()
        self.log_dict({f"densification/{name}": float(value) for name, value in vars(report).items()})
