"""A folder of encoded texts, so that the text encoder need not be loaded for a text that was seen before.

One file a text, named by the hash of what determines its content.
"""

import hashlib
import json
from pathlib import Path

from torch import Tensor

from ..storage.cache_entry import read_entry, write_entry


class ConditionCache:
    """Tensors by (encoder, revision, text). Safe for several processes."""

    def __init__(self, folder: Path | str) -> None:
        """The folder is made when the first text is stored."""
        self.folder = Path(folder).expanduser()

    def path(self, encoder: str, revision: str, text: str) -> Path:
        """The file of an entry, whether it exists or not."""
        key = json.dumps([encoder, revision, text]).encode()
        return self.folder / f"{hashlib.sha256(key).hexdigest()}.condition"

    def load(self, encoder: str, revision: str, text: str) -> dict[str, Tensor] | None:
        """The stored tensors, or None: never stored, damaged, or of something else. The caller then encodes anew."""
        from safetensors.torch import load

        content = read_entry(self.path(encoder, revision, text))
        return None if content is None else load(content)

    def save(self, encoder: str, revision: str, text: str, tensors: dict[str, Tensor]) -> None:
        """Stores tensors in one atomic step. A folder that cannot be written costs a warning, not the run."""
        from safetensors.torch import save

        write_entry(self.path(encoder, revision, text), save(tensors))
