"""The registered system of the second stage: paint a mesh in more detail, by any guidance of the project."""

from dataclasses import dataclass, field

import torch
from torch import Tensor

from ..cameras.batch import CameraBatch
from ..cameras.evaluation import contact_sheet_cameras
from ..cameras.random_streams import generator_for
from ..export.contact_sheet import contact_sheet
from ..export.mesh_exporter import MeshSaverMixin
from ..export.video import write_mp4
from ..gaussians.optimizer_groups import set_learning_rates
from ..host import BaseLift3DSystem, register
from ..storage.images import write_png
from ..texture.smoothness import total_variation
from ..texture.texels import map_texels
from ..texture.viewpoints import crop_cameras
from .guided import GuidanceMixin
from .outputs import OutputsMixin
from .stage_timer import peak_memory_bytes

_NUM_BEFORE_AFTER = 8


@register("splatdream-texture-system")
class TextureRefinementSystem(GuidanceMixin, MeshSaverMixin, OutputsMixin, BaseLift3DSystem):
    """Render the mesh, ask the prior, pull the texture. The shape stays unless system.geometry.learn_vertices is set.

    Two ways of asking: score distillation (`splatdream-guidance` and every other guidance that returns `loss_*`), and
    noising, denoising and a pixel loss (`splatdream-denoising-guidance`).
    """

    @dataclass
    class Config(BaseLift3DSystem.Config):
        seed: int = 0
        """Seed of the crops; `${seed}` in a YAML."""
        prior_size: int = 0
        """Side of the images that the prior sees, pixels; when data.width is larger, steps look at parts of that size.
        0 always shows whole views."""
        crop_probability: float = 0.5
        """Share of the steps that look at parts, where the prior is smaller than the views."""
        export_after_training: bool = False
        """Write what `--export` writes when training ends, too."""
        contact_sheet_elevations_deg: list[float] = field(default_factory=lambda: [15.0, 45.0])
        """Rows of the contact sheet; its columns are 8 azimuths."""
        turntable_fps: float = 20.0
        """Frames a second of the turntable video."""

    cfg: Config

    def configure(self) -> None:
        if self.resumed:
            # The mesh is in the checkpoint; meshing and unwrapping again would only cost time.
            self.cfg.geometry["source"] = ""
        super().configure()
        if not self.resumed and len(self.geometry.faces) == 0:
            raise ValueError(
                "there is no mesh to paint; set system.geometry_convert_from to a checkpoint of the first stage, "
                "or system.geometry.source to a PLY of Gaussians or a mesh file"
            )
        self.automatic_optimization = False
        self._before: Tensor | None = None
        self._begin_guidance()
        self._begin_outputs()

    def on_fit_start(self) -> None:
        super().on_fit_start()
        if self.cfg.export_after_training and self.true_global_step == 0:
            # The mesh as it was baked, to compare with; and a format that does not exist fails now.
            self._export_now()
        with torch.no_grad():
            textured = self.geometry.textured_mesh()
            height, width = textured.texture.shape[:2]
            self._covered = map_texels(textured.layout, height, width).covered()
        if self._before is None:
            self._before = self._overview()
        if self.geometry.report:
            self.save_json("mesh.json", self.geometry.report)
        self._write_manifest()

    def training_step(self, batch: dict[str, Tensor | int], batch_idx: int) -> None:
        step = self.true_global_step
        optimizer = self.optimizers()
        batch = self._perhaps_cropped(batch, step)
        with self._timer.stage("render"):
            rendered = self.renderer(**batch)
        with self._timer.stage("guidance"):
            guided = self._ask_guidance(rendered, batch)
        with self._timer.stage("backward"):
            loss = self._guidance_loss(guided)
            weight = self.C(self.cfg.loss.get("lambda_tv", 0.0))
            if weight > 0:
                loss = loss + weight * total_variation(self.geometry.texture, self._covered)
            self.manual_backward(loss)
        with self._timer.stage("optimizer"):
            set_learning_rates(optimizer.optimizer, self.geometry.learning_rates(self.true_current_epoch, step))
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
            with torch.no_grad():
                # Outside of what a file can hold there are no colors, only momentum.
                self.geometry.texture.clamp_(0, 1)
        self._report(guided, loss, faces=len(self.geometry.faces))

    def on_save_checkpoint(self, checkpoint: dict[str, object]) -> None:
        checkpoint["splatdream"] = self._guidance_checkpoint() | {"before": self._before}

    def on_load_checkpoint(self, checkpoint: dict[str, object]) -> None:
        super().on_load_checkpoint(checkpoint)
        state = checkpoint.get("splatdream")
        if state is None:
            return
        self._load_guidance_checkpoint(state)
        self._before = state["before"]

    def on_train_end(self) -> None:
        columns = [f"{360 * i // _NUM_BEFORE_AFTER}" for i in range(_NUM_BEFORE_AFTER)]
        rows = torch.stack([self._before, self._overview()])
        write_png(self.get_save_path("before-after.png"), contact_sheet(rows, ["before", "after"], columns))
        if self.cfg.export_after_training:
            self._export_now()
        self._write_manifest(
            status="finished",
            steps=self.true_global_step,
            num_faces=len(self.geometry.faces),
            denoiser_evaluations=self._denoiser_evaluations,
            seconds_by_stage=self._timer.seconds(),
            peak_memory_bytes=peak_memory_bytes(),
        )

    def on_test_epoch_end(self) -> None:
        name = f"it{self.true_global_step}-test"
        write_mp4(self.get_save_path(f"{name}.mp4"), self._frames, fps=self.cfg.turntable_fps)
        self._frames.clear()
        write_png(self.get_save_path(f"{name}-contact-sheet.png"), self._contact_sheet())

    def _perhaps_cropped(self, batch: dict[str, Tensor | int], step: int) -> dict[str, Tensor | int]:
        """The batch, or cameras that look at parts of its images in as many pixels as the prior sees."""
        size, cameras = self.cfg.prior_size, CameraBatch.from_batch(batch)
        if size <= 0 or size >= cameras.width:
            return batch
        generator = generator_for(self.cfg.seed, "crops", step)
        if torch.rand((), generator=generator).item() >= self.cfg.crop_probability:
            return batch
        return crop_cameras(cameras, cameras.width / size, size, generator).to_batch()

    @torch.no_grad()
    def _overview(self) -> Tensor:
        """[8, size, size, 3] the mesh from eight sides, the way the test views see it."""
        view = next(iter(self.trainer.datamodule.val_dataloader()))
        cameras = contact_sheet_cameras(
            [float(view["elevation"][0])],
            _NUM_BEFORE_AFTER,
            float(view["camera_distances"][0]),
            float(torch.rad2deg(view["fovy"][0])),
            int(view["height"]),
        ).to(self.device)
        was_training = self.training
        self.eval()  # no random backgrounds
        views = [self._render_view(cameras[i : i + 1].to_batch()).cpu() for i in range(len(cameras))]
        self.train(was_training)
        return torch.stack(views)
