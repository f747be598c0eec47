"""The registered exporter of the second stage, and the `save_*` methods that its outputs name."""

from collections.abc import Callable
from dataclasses import dataclass, field

from ..export.mesh_files import write_glb, write_obj
from ..host import Exporter, ExporterOutput, register
from ..texture.finishing import finished
from ..texture.textured_mesh import TexturedMesh

_SAVE_TYPES = {"glb": "glb", "obj": "textured_obj"}
"""By format. threestudio has a `save_obj` of its own, with other arguments."""


@register("splatdream-mesh-exporter")
class MeshExporter(Exporter):
    """Asks the system to write the geometry's textured mesh in each format; the system inherits `MeshSaverMixin`."""

    @dataclass
    class Config(Exporter.Config):
        formats: list[str] = field(default_factory=lambda: ["glb", "obj"])
        """Files to write: glb, obj (with its mtl and png)."""
        name: str = "mesh"
        """Of the files, without suffix."""

    cfg: Config

    def configure(self, *parts: object, **named_parts: object) -> None:
        super().configure(*parts, **named_parts)
        unknown = [name for name in self.cfg.formats if name not in _SAVE_TYPES]
        if unknown:
            raise ValueError(f"system.exporter.formats has {', '.join(unknown)}; the formats are glb and obj")

    def __call__(self) -> list[ExporterOutput]:
        """One output for each format; the charts' surroundings are filled in and their borders closed."""
        textured = finished(self.geometry.textured_mesh().to("cpu"))
        return [
            ExporterOutput(f"{self.cfg.name}.{name}", _SAVE_TYPES[name], {"textured": textured})
            for name in self.cfg.formats
        ]


class MeshSaverMixin:
    """For a system that has `get_save_path`; each method takes a name below the save folder and returns the path."""

    get_save_path: Callable[[str], str]

    def save_glb(self, filename: str, textured: TexturedMesh) -> str:
        """Binary glTF with the texture inside."""
        return str(write_glb(self.get_save_path(filename), textured))

    def save_textured_obj(self, filename: str, textured: TexturedMesh) -> str:
        """OBJ, and beside it the MTL and the PNG."""
        return str(write_obj(self.get_save_path(filename), textured)[0])
