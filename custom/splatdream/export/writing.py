"""How an exporter hands a file over: with the function that writes it, so that no system knows what is inside."""

from collections.abc import Callable, Iterable

from ..host import ExporterOutput


def written_by(save_name: str, write: Callable[[str], object]) -> ExporterOutput:
    """A file that `write(path)` writes, through the `save_asset` of one of our systems."""
    return ExporterOutput(save_name=save_name, save_type="asset", params={"write": write})


def check_formats(key: str, formats: Iterable[str], known: Iterable[str]) -> None:
    """Does nothing when all formats are known.

    Raises:
        ValueError: one is not.
    """
    unknown = [name for name in formats if name not in known]
    if unknown:
        raise ValueError(f"system.exporter.{key} has {', '.join(unknown)}; the formats are {', '.join(known)}")
