"""What a prior's answers depend on, told without loading a network: contents, never paths.

A registered prior tells it with a method `content()`; one that has none counts by its whole configuration.
"""

import hashlib
import json
from collections.abc import Mapping

from ..host import BaseObject, config_to_primitive, find
from .model_files import ModelFiles, file_sha256

_LABELS = frozenset(
    ("_name_or_path", "name_or_path", "_commit_hash", "_diffusers_version", "transformers_version", "tokenizer_file")
)
"""Keys of a model's JSON files that say who wrote it and where it lay; no answer depends on them."""


def prior_content(prior_type: str, config: Mapping[str, object]) -> dict[str, object]:
    """The content of the prior that is registered as `prior_type`.

    Raises:
        ValueError: nothing is registered so, or the configuration is refused.
        FileNotFoundError: the model is nowhere to be found.
    """
    try:
        registered = find(prior_type)
    except KeyError as error:
        raise ValueError(error.args[0]) from error
    return {"prior_type": prior_type, "content": content_of(registered(dict(config)))}


def content_of(registered: BaseObject) -> dict[str, object]:
    """What a configured registered prior says of itself, or its resolved configuration."""
    tell = getattr(registered, "content", None)
    return config_to_primitive(registered.cfg) if tell is None else tell()


def files_content(files: ModelFiles) -> dict[str, str]:
    """Hashes of a model's files by their place in it; JSON files by their values that can change an answer."""
    if files.path.is_file():
        layout = {} if files.layout is None else files_content(files.layout)
        return {"checkpoint": file_sha256(files.path), **layout}
    return {name: _json_file(files, name) or file_sha256(files.path / name) for name in files.used()}


def json_sha256(value: object) -> str:
    """Hash of plain values, whatever the order of their keys."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def _json_file(files: ModelFiles, name: str) -> str | None:
    if not name.endswith(".json"):
        return None
    return json_sha256(_without_labels(json.loads((files.path / name).read_bytes())))


def _without_labels(value: object) -> object:
    if isinstance(value, dict):
        return {key: _without_labels(item) for key, item in value.items() if key not in _LABELS}
    return [_without_labels(item) for item in value] if isinstance(value, list) else value
