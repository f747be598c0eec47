"""Folders of this package that hold some of their files in another prior's folder, once.

`shared.json` of such a folder says, for each file that it lacks, which file beside the folder has its content.
"""

import hashlib
import json
import shutil
from pathlib import Path

from ..storage.cached_folder import cached_folder, files_of

SHARED = "shared.json"
_SMALLEST = 4096
"""Bytes; smaller files are not worth an entry."""


def whole_folder(folder: Path) -> Path:
    """The folder with all its files: itself, or a copy under the cache folder, made once for these contents.

    Raises:
        FileNotFoundError: a file that it shares is not there.
    """
    if not (folder / SHARED).exists():
        return folder
    places = json.loads((folder / SHARED).read_text())
    sources = {name: folder.parent / place for name, place in places.items()}
    missing = [str(source) for source in sources.values() if not source.exists()]
    if missing:
        raise FileNotFoundError(f"{folder} shares {', '.join(missing)}, which is not there; install the package again")

    def make(fresh: Path) -> None:
        shutil.copytree(folder, fresh, ignore=shutil.ignore_patterns(SHARED), dirs_exist_ok=True)
        for name, source in sources.items():
            (fresh / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, fresh / name)

    return cached_folder(f"priors/{folder.name}", [*files_of(folder), *sources.values()], make)


def share_files(folder: Path, lender: Path) -> dict[str, str]:
    """Removes from the folder what the lender beside it holds, too, and says so in its `shared.json`."""
    large = [path for path in sorted(lender.glob("*/*")) if path.is_file() and path.stat().st_size >= _SMALLEST]
    holders = {_digest(path): path for path in large}
    places = {}
    for path in sorted(folder.glob("*/*")):
        holder = holders.get(_digest(path)) if path.is_file() else None
        if holder is not None:
            places[path.relative_to(folder).as_posix()] = holder.relative_to(folder.parent).as_posix()
            path.unlink()
    (folder / SHARED).write_text(json.dumps(places, indent=2) + "\n")
    return places


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
