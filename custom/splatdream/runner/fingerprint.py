"""By what a run is known again: everything that decides what it makes, and nothing else."""

import os
from collections.abc import MutableMapping
from pathlib import Path
from typing import Any

from .. import __version__
from ..host import find
from ..photographs.folder import files_read
from ..priors.content import files_content, json_sha256, prior_content
from ..priors.model_files import ModelFiles, file_sha256
from ..startup.configuration import ConfigReader
from ..startup.registration import register_all
from .request import RunRequest
from .results import newest_files, read_result

RESULTS_REVISION = 3
"""Raise it when a change of code changes what a run makes, or what a table measures of it."""


def fingerprint(request: RunRequest) -> str:
    """See `Fingerprints.of`."""
    return Fingerprints().of(request)


class Fingerprints:
    """Of many requests that are alike, faster than one by one: configurations and priors count as when first read."""

    def __init__(self) -> None:
        self.reader = ConfigReader()
        self._priors: dict[str, object] = {}

    def of(self, request: RunRequest) -> str:
        """SHA-256 of the request's configuration, of its prior's content and of the version of this package.

        Files that the configuration names count by their content. A checkpoint of a finished run counts by the
        fingerprint of that run: two checkpoints of one run differ in the times that they hold.

        Raises:
            FileNotFoundError: the configuration or the prior's model is not there.
            ValueError: the configuration cannot be read.
        """
        configuration = request.configuration(self.reader)
        asked = _take_prior(configuration.get("system") or {})
        key = json_sha256(asked)
        if key not in self._priors:
            self._priors[key] = None if asked is None else prior_content(*asked)
        content = {
            "version": [__version__, RESULTS_REVISION],
            "prior": self._priors[key],
            "configuration": _by_content(configuration),
        }
        return json_sha256(content)


def _take_prior(system: MutableMapping[str, Any]) -> tuple[str, dict[str, Any]] | None:
    """Takes the prior out of a system's configuration; None where the guidance has none of ours."""
    guidance, guidance_type = system.get("guidance") or {}, system.get("guidance_type")
    register_all()
    try:
        default = getattr(find(guidance_type).Config, "prior_type", None) if guidance_type else None
    except KeyError as error:
        raise ValueError(error.args[0]) from error
    prior_type = guidance.pop("prior_type", default)
    return None if prior_type is None else (prior_type, guidance.pop("prior", None) or {})


def _by_content(value: Any) -> Any:
    """The values of a configuration, paths of files replaced by what is in the files."""
    if isinstance(value, dict):
        return {key: _by_content(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_by_content(item) for item in value]
    return _text_by_content(value) if isinstance(value, str) else value


def _text_by_content(value: str) -> Any:
    if os.path.isdir(value):
        return _folder_content(Path(value)) or value
    if not Path(value).suffix:
        return value
    # A path, or checkpoint:module.
    for path, module in ((value, ""), value.rpartition(":")[::2]):
        if os.path.isfile(path):
            return {"file": _file_content(Path(path)), "module": module}
    return value


def _folder_content(folder: Path) -> dict[str, object] | None:
    """Of an earlier run, what it exported; of a model in diffusers layout, its files; of photographs, theirs. None for
    any other folder."""
    if (folder / "model_index.json").is_file():
        parts = [part.name for part in sorted(folder.iterdir()) if part.is_dir()]
        return {"model": files_content(ModelFiles(str(folder), str(folder), None, folder, tuple(parts)))}
    exported = newest_files(folder)
    found = {role: _file_content(folder / exported[role]) for role in ("cloud", "mesh") if role in exported}
    if found:
        return {"run": found}
    views = {path.relative_to(folder).as_posix(): file_sha256(path) for path in files_read(folder)}
    return {"photographs": views} if views else None


def _file_content(path: Path) -> str:
    digest = file_sha256(path)
    made_by = read_result(path.parent.parent)
    if made_by is not None and made_by.checkpoint_sha256 == digest:
        return made_by.fingerprint
    # What starts from a checkpoint reads the configuration beside it.
    beside = path.parent.parent / "configs" / "parsed.yaml"
    return json_sha256([digest, RunRequest(str(beside)).configuration()]) if beside.is_file() else digest
