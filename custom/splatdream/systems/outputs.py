"""What a run leaves on disk besides checkpoints: grids, turntable, contact sheet, exports, the manifest."""

import torch
from torch import Tensor

from ..cameras.evaluation import contact_sheet_cameras
from ..export.contact_sheet import contact_sheet
from ..export.saving import GaussianSaverMixin
from ..export.video import write_mp4
from ..host import HOST, Exporter, config_to_primitive, find
from ..meshing.screen_blur import with_screen_blur
from ..storage.images import write_png
from .run_manifest import make_manifest

_CONTACT_SHEET_AZIMUTHS = 8


class OutputsMixin(GaussianSaverMixin):
    """Validation, test and export hooks of a system that has `geometry`, `background` and `renderer`."""

    def _begin_outputs(self) -> None:
        self._frames: list[Tensor] = []
        self._manifest: dict[str, object] = {}

    def _render_view(self, batch: dict[str, Tensor | int]) -> Tensor:
        """One view, [H, W, 3] in [0, 1]."""
        with torch.no_grad():
            return self.renderer(**batch)["comp_rgb"][0].clamp(0, 1)

    def validation_step(self, batch: dict[str, Tensor | int], batch_idx: int) -> None:
        self._frames.append(self._render_view(batch).cpu())

    def on_validation_epoch_end(self) -> None:
        grid = torch.cat(self._frames, dim=1)
        self._frames.clear()
        write_png(self.get_save_path(f"it{self.true_global_step}-validation.png"), grid)

    def test_step(self, batch: dict[str, Tensor | int], batch_idx: int) -> None:
        self._frames.append(self._render_view(batch).cpu())
        self._last_view = batch

    def on_test_epoch_end(self) -> None:
        name = f"it{self.true_global_step}-test"
        turntable = self.get_save_path(f"{name}.mp4")
        write_mp4(turntable, self._frames, fps=self.cfg.turntable_fps)
        self._frames.clear()
        sheet = self._contact_sheet()
        write_png(self.get_save_path(f"{name}-contact-sheet.png"), sheet)
        cloud = self.geometry.cloud().detach().to("cpu")
        facts = {"steps": str(self.true_global_step), "Gaussians": f"{len(cloud):,}"} | self._run_facts()
        # The page's viewer draws what the exporter's does.
        blurred = with_screen_blur(cloud, self.cfg.exporter.get("trained_pixel", 0.0))
        self.save_summary(f"{name}.html", blurred, self._title(), sheet, turntable, facts)

    def predict_step(self, batch: dict[str, Tensor | int], batch_idx: int) -> None:
        self._last_view = batch
        super().predict_step(batch, batch_idx)

    def on_predict_epoch_end(self) -> None:
        super().on_predict_epoch_end()
        write_png(self.get_save_path(f"it{self.true_global_step}-export/contact-sheet.png"), self._contact_sheet())

    def _contact_sheet(self) -> Tensor:
        """Eight azimuths by the configured elevations, at the distance, field of view and size of the test views."""
        elevations = list(self.cfg.contact_sheet_elevations_deg)
        batch = self._last_view
        cameras = contact_sheet_cameras(
            elevations,
            _CONTACT_SHEET_AZIMUTHS,
            float(batch["camera_distances"][0]),
            float(torch.rad2deg(batch["fovy"][0])),
            int(batch["height"]),
        ).to(batch["c2w"].device)
        views = [self._render_view(cameras[i : i + 1].to_batch()).cpu() for i in range(len(cameras))]
        images = torch.stack(views).unflatten(0, (len(elevations), _CONTACT_SHEET_AZIMUTHS))
        rows = [f"elevation {elevation:g}" for elevation in elevations]
        columns = [f"{360 * i // _CONTACT_SHEET_AZIMUTHS}" for i in range(_CONTACT_SHEET_AZIMUTHS)]
        return contact_sheet(images, rows, columns)

    def _title(self) -> str:
        return str(self.cfg.prompt_processor.get("prompt", "")) or "3D Gaussians"

    def _run_facts(self) -> dict[str, str]:
        """What the training of this process measured; nothing when only a checkpoint was loaded."""
        if "seconds_by_stage" not in self._manifest:
            return {}
        seconds = sum(self._manifest["seconds_by_stage"].values())
        evaluations = self._manifest["denoiser_evaluations"]
        return {"seed": str(self.cfg.seed), "seconds": f"{seconds:.1f}", "denoiser evaluations": f"{evaluations:,}"}

    def _make_exporter(self) -> Exporter:
        parts = {"geometry": self.geometry, "material": self.material, "background": self.background}
        return find(self.cfg.exporter_type)(self.cfg.exporter, **parts)

    def _export_now(self) -> None:
        """What `--export` does, from the weights in memory."""
        for output in self._make_exporter()():
            save = getattr(self, f"save_{output.save_type}")
            save(f"it{self.true_global_step}-export/{output.save_name}", **output.params)

    def _write_manifest(self, **results: object) -> None:
        if not self._manifest:
            self._manifest = make_manifest(
                config=config_to_primitive(self.cfg),
                seed=self.cfg.seed,
                device=self.device,
                host=HOST,
                prior=self.guidance.manifest(),
            )
        self._manifest |= results
        self.save_json("manifest.json", self._manifest)
