"""How an exporter hands a file over: with the function that writes it, so that no system knows what is inside."""

from collections.abc import Callable, Iterable
from pathlib import Path

from ..host import ExporterOutput
from ..storage.atomic_file import write_text
from .model_page import FRONT_VIEW, PageModel, ViewerCamera, page_html


def written_by(save_name: str, write: Callable[[str | Path], object]) -> ExporterOutput:
    """A file that `write(path)` writes, through the `save_asset` of one of our systems."""
    return ExporterOutput(save_name=save_name, save_type="asset", params={"write": write})


def write_page(path: str | Path, model: PageModel, title: str, camera: ViewerCamera = FRONT_VIEW) -> None:
    """`page_html` of one model, whole or not at all."""
    write_text(path, page_html([model], title, camera))


def check_formats(key: str, formats: Iterable[str], known: Iterable[str]) -> None:
    """Does nothing when all formats are known.

    Raises:
        ValueError: one is not.
    """
    unknown = [name for name in formats if name not in known]
    if unknown:
        raise ValueError(f"system.exporter.{key} has {', '.join(unknown)}; the formats are {', '.join(known)}")
