"""The registered exporter of the second stage, and the `save_*` methods that its outputs name."""

from collections.abc import Callable
from dataclasses import dataclass, field

from ..host import Exporter, ExporterOutput, register
from ..texture.finishing import finished
from ..texture.mesh_files import write_glb, write_obj
from ..texture.textured_mesh import TexturedMesh
from .mesh_page import write_mesh_viewer_html

_SAVE_TYPES = {"glb": "glb", "obj": "textured_obj", "html": "mesh_html"}
"""By format. threestudio has a `save_obj` of its own, with other arguments."""


@register("splatdream-mesh-exporter")
class MeshExporter(Exporter):
    """Asks the system to write the geometry's textured mesh in each format; the system inherits `MeshSaverMixin`."""

    @dataclass
    class Config(Exporter.Config):
        formats: list[str] = field(default_factory=lambda: ["glb", "obj", "html"])
        """Files to write: glb, obj (with its mtl and png), html (a page that turns the mesh round in a browser)."""
        name: str = "mesh"
        """Of the files, without suffix."""
        title: str = "Textured mesh"
        """Heading of the html page; write ${system.prompt_processor.prompt} for the prompt."""

    cfg: Config

    def configure(self, *parts: object, **named_parts: object) -> None:
        super().configure(*parts, **named_parts)
        unknown = [name for name in self.cfg.formats if name not in _SAVE_TYPES]
        if unknown:
            raise ValueError(
                f"system.exporter.formats has {', '.join(unknown)}; the formats are {', '.join(_SAVE_TYPES)}"
            )

    def __call__(self) -> list[ExporterOutput]:
        """One output for each format; the charts' surroundings are filled in and their borders closed."""
        textured = finished(self.geometry.textured_mesh().to("cpu"))
        outputs = []
        for name in self.cfg.formats:
            params: dict[str, object] = {"textured": textured}
            if name == "html":
                params["title"] = self.cfg.title
            outputs.append(ExporterOutput(f"{self.cfg.name}.{name}", _SAVE_TYPES[name], params))
        return outputs


class MeshSaverMixin:
    """For a system that has `get_save_path`; each method takes a name below the save folder and returns the path."""

    get_save_path: Callable[[str], str]

    def save_glb(self, filename: str, textured: TexturedMesh) -> str:
        """Binary glTF with the texture inside."""
        return str(write_glb(self.get_save_path(filename), textured))

    def save_textured_obj(self, filename: str, textured: TexturedMesh) -> str:
        """OBJ, and beside it the MTL and the PNG."""
        return str(write_obj(self.get_save_path(filename), textured)[0])

    def save_mesh_html(self, filename: str, textured: TexturedMesh, title: str) -> str:
        """One page to turn the mesh round in a browser."""
        path = self.get_save_path(filename)
        write_mesh_viewer_html(path, textured, title)
        return path
