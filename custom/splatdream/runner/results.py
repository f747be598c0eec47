"""What runs left: a record in each folder, written last, and files by what they are for."""

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from ..storage.atomic_file import write_text

_RECORD = "result.json"
_ROLES: Mapping[str, str] = {
    "checkpoint": "ckpts/last.ckpt",
    "cloud": "save/it*-export/cloud.ply",
    "field": "save/it*-export/field.safetensors",
    "mesh": "save/it*-export/mesh.glb",
    "contact sheet": "save/it*-test-contact-sheet.png",
    "page": "save/it*-test.html",
    "before and after": "save/before-after.png",
}


@dataclass(frozen=True)
class RunResult:
    """The record of a run that has ended; a folder without one holds a run that has not."""

    fingerprint: str
    status: str
    """finished or failed."""
    error: str | None
    """Of a failed run, one sentence."""
    seconds: float
    """From start to end, imports and pictures included where the run did them."""
    evaluations: int | None
    """Of the denoiser; None where the run did not count them."""
    manifest: str | None
    """Path inside the folder, as are those of `files`."""
    files: Mapping[str, str]
    """The newest by role: checkpoint, cloud, field, mesh, contact sheet, page, before and after."""
    checkpoint_sha256: str | None

    folder: Path = Path()
    """Where the record was read; folders may be moved."""

    def is_finished(self, fingerprint: str) -> bool:
        """Whether this is the run of that fingerprint, and it came to its end."""
        return (self.status, self.fingerprint) == ("finished", fingerprint)

    def file(self, role: str) -> Path:
        """Raises FileNotFoundError where the run left none."""
        if role not in self.files:
            raise FileNotFoundError(f"the run in {self.folder} left no {role}; its configuration may not ask for one")
        return self.folder / self.files[role]

    def read_manifest(self) -> dict[str, object]:
        """What the run measured. Raises FileNotFoundError where it left none."""
        if self.manifest is None:
            raise FileNotFoundError(f"the run in {self.folder} left no manifest; its system writes none")
        return json.loads((self.folder / self.manifest).read_text())

    def write(self) -> None:
        """To be called when everything else in the folder has been written."""
        record = {name: value for name, value in asdict(self).items() if name != "folder"}
        write_text(self.folder / _RECORD, json.dumps(record, indent=1))


def read_result(folder: Path) -> RunResult | None:
    """The record in a folder; None where no run has ended there."""
    try:
        return RunResult(**(json.loads((folder / _RECORD).read_text()) | {"folder": folder}))
    except (FileNotFoundError, NotADirectoryError, ValueError, TypeError):  # none, or that of another version
        return None


def find_result(folder: Path, fingerprint: str) -> RunResult | None:
    """The finished run of that fingerprint in `folder`, or in a folder directly below it."""
    for record in (folder / _RECORD, *sorted(folder.glob(f"*/{_RECORD}"))):
        result = read_result(record.parent)
        if result is not None and result.is_finished(fingerprint):
            return result
    return None


def by_step(folder: Path, pattern: str) -> list[Path]:
    """The files that match a pattern, those of the last step last; the step stands in the path as it<step>-."""
    return sorted(folder.glob(pattern), key=_step)


def newest_files(folder: Path) -> dict[str, str]:
    """The newest file of each role, by its path inside the folder."""
    found = {role: by_step(folder, pattern) for role, pattern in _ROLES.items()}
    return {role: files[-1].relative_to(folder).as_posix() for role, files in found.items() if files}


def _step(path: Path) -> int:
    steps = re.findall(r"it(\d+)-", "/".join(path.parts[-2:]))
    return int(steps[-1]) if steps else -1
