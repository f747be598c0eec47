"""The registered exporter: which files the Gaussians of a run go to."""

from dataclasses import dataclass, field

from ..host import Exporter, ExporterOutput, register
from ..meshing.screen_blur import with_screen_blur
from .model_page import ViewerCamera

_FILES = {
    "ply": ("ply", "cloud.ply"),
    "compressed_ply": ("compressed_ply", "cloud.compressed.ply"),
    "splat": ("splat", "cloud.splat"),
    "html": ("html", "viewer.html"),
}
"""Save type and file name by format."""


@register("splatdream-exporter")
class GaussianExporter(Exporter):
    """Asks the system to write the geometry's cloud in each format; the system inherits `GaussianSaverMixin`."""

    @dataclass
    class Config(Exporter.Config):
        formats: list[str] = field(default_factory=lambda: ["ply", "splat", "html"])
        """Files to write: ply, compressed_ply, splat, html."""
        title: str = "3D Gaussians"
        """Heading of the html page; write ${system.prompt_processor.prompt} for the prompt."""
        camera_elevation_deg: float = 15.0
        """First view of the html page, which looks at the front; above zero is from above."""
        camera_distance: float = 2.5
        """First view of the html page: from the origin, world units."""
        camera_fovy_deg: float = 49.1
        """Field of view of the html page, over the shorter side of the window."""
        trained_pixel: float = 0.0
        """World units per pixel in training, 2 distance tan(fovy / 2) / height. Viewers draw more pixels, and so less
        of the rasterizer's blur of half a pixel: it becomes part of the files in `blurred_formats`. 0 leaves it out."""
        blurred_formats: list[str] = field(default_factory=lambda: ["compressed_ply", "splat", "html"])
        """Formats that `trained_pixel` counts for. The ply is what was trained, and what other stages start from."""

    cfg: Config

    def configure(self, *parts: object, **named_parts: object) -> None:
        super().configure(*parts, **named_parts)
        for key in ("formats", "blurred_formats"):
            unknown = [name for name in self.cfg[key] if name not in _FILES]
            if unknown:
                raise ValueError(f"system.exporter.{key} has {', '.join(unknown)}; the formats are {', '.join(_FILES)}")

    def __call__(self) -> list[ExporterOutput]:
        """One output for each format, in the order of the configuration."""
        cloud = self.geometry.cloud().detach().to("cpu")
        blurred = with_screen_blur(cloud, self.cfg.trained_pixel)
        outputs = []
        for name in self.cfg.formats:
            save_type, file_name = _FILES[name]
            params: dict[str, object] = {"cloud": blurred if name in self.cfg.blurred_formats else cloud}
            if name == "html":
                camera = ViewerCamera(
                    elevation_deg=self.cfg.camera_elevation_deg,
                    distance=self.cfg.camera_distance,
                    fovy_deg=self.cfg.camera_fovy_deg,
                )
                params |= {"title": self.cfg.title, "camera": camera}
            outputs.append(ExporterOutput(save_name=file_name, save_type=save_type, params=params))
        return outputs
