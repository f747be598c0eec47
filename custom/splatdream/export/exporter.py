"""The registered exporter: which files the Gaussians of a run go to."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Annotated, ClassVar

from ..gaussians.cloud import GaussianCloud
from ..gaussians.gltf import write_gaussian_glb
from ..gaussians.packed_files import packing_library, write_packed
from ..gaussians.ply import write_compressed_ply, write_ply
from ..gaussians.splat_file import write_splat
from ..host import Exporter, ExporterOutput, register
from ..options.option_range import OptionRange, check_fields
from .model_page import FRONT_VIEW, ViewerCamera
from .viewer_page import gaussian_model
from .writing import check_formats, write_page, written_by


def _write_page(path: str | Path, cloud: GaussianCloud, title: str, camera: ViewerCamera) -> None:
    write_page(path, gaussian_model(cloud), title, camera)


_FILES: dict[str, tuple[str, Callable[..., object]]] = {
    "ply": ("cloud.ply", write_ply),
    "compressed_ply": ("cloud.compressed.ply", write_compressed_ply),
    "splat": ("cloud.splat", write_splat),
    "spz": ("cloud.spz", write_packed),
    "sog": ("cloud.sog", write_packed),
    "gltf": ("cloud.glb", write_gaussian_glb),
    "html": ("viewer.html", _write_page),
}
"""File name and writer by format."""


def write_format(name: str, folder: Path, cloud: GaussianCloud, title: str) -> Path:
    """Writes a cloud in one of `GaussianExporter.formats`, under the name that exporting gives it.

    Raises:
        ImportError: the format needs a library that is not there.
        OSError: the folder cannot be written.
    """
    file_name, write = _FILES[name]
    page = {"title": title, "camera": FRONT_VIEW} if name == "html" else {}
    write(folder / file_name, cloud=cloud, **page)
    return folder / file_name


@register("splatdream-exporter")
class GaussianExporter(Exporter):
    """The geometry's cloud in each format; of several clouds, all but the first under names of their own."""

    @dataclass
    class Config(Exporter.Config):
        formats: list[str] = field(default_factory=lambda: ["ply", "splat", "html"])
        """Files to write: ply, compressed_ply, splat, spz, sog, gltf (a GLB with KHR_gaussian_splatting), html."""
        title: str = "3D Gaussians"
        """Heading of the html page; write ${system.prompt_processor.prompt} for the prompt."""
        camera_elevation_deg: Annotated[float, OptionRange(-90, 90)] = 15.0
        """First view of the html page, which looks at the front; above zero is from above."""
        camera_distance: Annotated[float, OptionRange(0.01, 1000)] = 2.5
        """First view of the html page: from the origin, world units."""
        camera_fovy_deg: Annotated[float, OptionRange(1, 170)] = 49.1
        """Field of view of the html page, over the shorter side of the window."""

        def __post_init__(self) -> None:
            check_formats("formats", self.formats, _FILES)
            if any(_FILES[name][1] is write_packed for name in self.formats):
                packing_library()  # that it is missing must not cost a run

    cfg: Config
    formats: ClassVar[tuple[str, ...]] = tuple(_FILES)
    """That there are."""

    def configure(self, *parts: object, **named_parts: object) -> None:
        super().configure(*parts, **named_parts)
        check_fields("system.exporter", self.cfg, self.Config)

    def __call__(self) -> list[ExporterOutput]:
        """One output for each format and cloud, in the order of the configuration."""
        clouds = [cloud.detach().to("cpu") for cloud in self.geometry.clouds()]
        camera = ViewerCamera(
            elevation_deg=self.cfg.camera_elevation_deg,
            distance=self.cfg.camera_distance,
            fovy_deg=self.cfg.camera_fovy_deg,
        )
        outputs = []
        for name in self.cfg.formats:
            file_name, write = _FILES[name]
            page = {"title": self.cfg.title, "camera": camera} if name == "html" else {}
            for number, cloud in enumerate(clouds):
                name_of_its_own = f"particle-{number}-{file_name}" if number else file_name
                outputs.append(written_by(name_of_its_own, partial(write, cloud=cloud, **page)))
        return outputs
