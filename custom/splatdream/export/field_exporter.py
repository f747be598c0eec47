"""The registered exporter of fields: the field itself, and its surface for programs that know no fields."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from ..fields.field_file import FIELD_SUFFIX, write_field
from ..host import Exporter, ExporterOutput, register, warn
from ..meshing.extraction import ExtractionOptions
from ..texture.mesh_files import write_glb
from ..texture.mesh_from_cloud import BakingOptions
from ..texture.mesh_from_field import mesh_from_field
from ..texture.textured_mesh import Material, TexturedMesh
from .mesh_page import mesh_model
from .writing import check_formats, write_page, written_by


def _write_page(path: str | Path, textured: TexturedMesh, title: str) -> None:
    write_page(path, mesh_model(textured), title)


_SURFACE_FILES: dict[str, tuple[str, Callable[..., object]]] = {
    "glb": ("surface.glb", write_glb),
    "html": ("viewer.html", _write_page),
}
"""File name and writer by format, of what shows the surface."""


@register("splatdream-field-exporter")
class FieldExporter(Exporter):
    """The geometry's field, and a textured mesh of it as it stands; the second stage makes better ones."""

    @dataclass
    class Config(Exporter.Config):
        formats: list[str] = field(default_factory=lambda: ["field", "glb", "html"])
        """Files to write: field (safetensors), glb, html."""
        title: str = "Field"
        """Heading of the html page; write ${system.prompt_processor.prompt} for the prompt."""
        resolution: int = 96
        """Grid points along the longest side of the object, where it is meshed."""
        target_faces: int = 8000
        """Of the mesh."""
        texture_size: int = 512
        """Pixels along a side of its texture."""

    cfg: Config

    def configure(self, *parts: object, **named_parts: object) -> None:
        super().configure(*parts, **named_parts)
        check_formats("formats", self.cfg.formats, ("field", *_SURFACE_FILES))

    def __call__(self) -> list[ExporterOutput]:
        """One output for each format; none of the surface, and a warning, while there is no surface."""
        outputs = []
        if "field" in self.cfg.formats:
            outputs.append(written_by(f"field{FIELD_SUFFIX}", partial(write_field, volume=self.geometry.volume)))
        wanted = [name for name in self.cfg.formats if name in _SURFACE_FILES]
        if wanted and (textured := self._surface()) is not None:
            for name in wanted:
                file_name, write = _SURFACE_FILES[name]
                page = {"title": self.cfg.title} if name == "html" else {}
                outputs.append(written_by(file_name, partial(write, textured=textured, **page)))
        return outputs

    def _surface(self) -> TexturedMesh | None:
        extraction = ExtractionOptions(resolution=self.cfg.resolution, target_faces=self.cfg.target_faces)
        baking = BakingOptions(texture_size=self.cfg.texture_size)
        try:
            return mesh_from_field(self.geometry.volume, extraction, baking, Material(is_unlit=True)).textured
        except ValueError as error:
            warn(f"no mesh is written: {error}")
            return None
