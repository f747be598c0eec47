"""A folder of encoded texts, so that the text encoder need not be loaded for a text that was seen before.

One safetensors file a text, named by the hash of what determines its content.
"""

import hashlib
import json
import warnings
from pathlib import Path

from torch import Tensor

from ..storage.atomic_file import write_bytes


class ConditionCache:
    """Tensors by (encoder, revision, text). Safe for several processes; a damaged entry counts as absent."""

    def __init__(self, folder: Path | str) -> None:
        """The folder is made when the first text is stored."""
        self.folder = Path(folder).expanduser()

    def path(self, encoder: str, revision: str, text: str) -> Path:
        """The file of an entry, whether it exists or not."""
        key = json.dumps([encoder, revision, text]).encode()
        return self.folder / f"{hashlib.sha256(key).hexdigest()}.safetensors"

    def load(self, encoder: str, revision: str, text: str) -> dict[str, Tensor] | None:
        """The stored tensors, or None: never stored, damaged, or of something else."""
        from safetensors import SafetensorError, safe_open

        path = self.path(encoder, revision, text)
        if not path.is_file():
            return None
        try:
            with safe_open(path, framework="pt") as file:
                if file.metadata() != _metadata(encoder, revision, text):
                    return None
                return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a mapping
        except (SafetensorError, OSError):
            return None  # the caller encodes the text again and replaces the file

    def save(self, encoder: str, revision: str, text: str, tensors: dict[str, Tensor]) -> None:
        """Stores tensors in one atomic step. A folder that cannot be written costs a warning, not the run."""
        from safetensors.torch import save

        content = save(tensors, metadata=_metadata(encoder, revision, text))
        try:
            write_bytes(self.path(encoder, revision, text), content)
        except OSError as error:
            warnings.warn(f"an encoded text was not cached in {self.folder}: {error}", stacklevel=2)


def _metadata(encoder: str, revision: str, text: str) -> dict[str, str]:
    return {"encoder": encoder, "revision": revision, "text": text}
