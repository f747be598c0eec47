"""The registered exporter of the second stage: which files a textured mesh goes to."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import ClassVar

from ..host import Exporter, ExporterOutput, register
from ..texture.finishing import finished
from ..texture.mesh_files import write_glb, write_obj
from ..texture.textured_mesh import TexturedMesh
from .mesh_page import mesh_model
from .writing import check_formats, write_page, written_by


def _write_page(path: str | Path, textured: TexturedMesh, title: str) -> None:
    write_page(path, mesh_model(textured), title)


_WRITERS: dict[str, Callable[..., object]] = {"glb": write_glb, "obj": write_obj, "html": _write_page}
"""By format, which is the suffix, too."""


@register("splatdream-mesh-exporter")
class MeshExporter(Exporter):
    """The geometry's textured mesh in each format."""

    @dataclass
    class Config(Exporter.Config):
        formats: list[str] = field(default_factory=lambda: ["glb", "obj", "html"])
        """Files to write: glb, obj (with its mtl and png), html (a page that turns the mesh round in a browser)."""
        name: str = "mesh"
        """Of the files, without suffix."""
        title: str = "Textured mesh"
        """Heading of the html page; write ${system.prompt_processor.prompt} for the prompt."""

        def __post_init__(self) -> None:
            check_formats("formats", self.formats, _WRITERS)

    cfg: Config
    formats: ClassVar[tuple[str, ...]] = tuple(_WRITERS)
    """That there are."""

    def __call__(self) -> list[ExporterOutput]:
        """One output for each format; the charts' surroundings are filled in and their borders closed."""
        textured = finished(self.geometry.textured_mesh().to("cpu"))
        outputs = []
        for name in self.cfg.formats:
            page = {"title": self.cfg.title} if name == "html" else {}
            outputs.append(written_by(f"{self.cfg.name}.{name}", partial(_WRITERS[name], textured=textured, **page)))
        return outputs
