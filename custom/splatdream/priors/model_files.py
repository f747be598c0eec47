"""Finding the files of a model: in a local folder, in the hub's cache, or, unless offline, on the hub.

The only file that talks to the hub. What it returns is loaded as data; no code of a repository runs.
"""

import functools
import hashlib
import itertools
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from .model_ids import HubModel, candidates, missing_model_message, packaged_folder

STABLE_DIFFUSION_PARTS = ("unet", "vae", "text_encoder", "tokenizer", "scheduler")
"""Folders of a pipeline in diffusers layout that a prior reads."""

LORA_FILE = "pytorch_lora_weights.safetensors"
"""What diffusers' training scripts leave in their folder when they train low-rank changes."""
_WEIGHT_STEMS = ("diffusion_pytorch_model", "model", "pytorch_model")
_HALF_PARTS = ("unet", "transformer", "vae")  # texts are encoded in float32, once
_TOKENIZER_FILES = ("tokenizer.json", "vocab.json")


@dataclass(frozen=True)
class ModelFiles:
    """Where a model was found."""

    name: str
    """The name that was asked for."""
    model_id: str
    """The hub id, the short name of a prior of this package, or the local path."""
    revision: str | None
    """Commit on the hub; None for a local path, whose identity is the hashes of its files."""
    path: Path
    """A folder in diffusers layout, or one checkpoint file."""
    parts: tuple[str, ...]
    """The folders of the pipeline that are read."""
    prefers_half: bool = False
    """Read fp16 weights of the networks where there are any."""
    has_weights: bool = True
    """False where only configurations and tokenizers are read."""
    layout: "ModelFiles | None" = None
    """Of one checkpoint file, which holds weights alone: where configurations and tokenizers are."""

    @property
    def configurations(self) -> Path:
        """The folder in diffusers layout that says how the networks are built."""
        return self.path if self.layout is None else self.layout.path

    def as_folder(self) -> "ModelFiles":
        """The same.

        Raises:
            ValueError: it is one file.
        """
        if self.path.is_file():
            raise ValueError(f"{self.path} is one file; this prior is read from a folder in diffusers layout")
        return self

    def used(self, parts: Sequence[str] | None = None) -> list[str]:
        """The files that are read, by their path inside the folder."""
        if self.path.is_file():
            return [self.path.name]
        names = [path.relative_to(self.path).as_posix() for path in self.path.glob("*/*") if path.is_file()]
        return choose_files(names, self.parts if parts is None else parts, self.prefers_half, self.has_weights)

    def hashes(self, parts: Sequence[str] | None = None) -> dict[str, str]:
        """SHA-256 of the files that are read; takes seconds for a large folder."""
        root = self.path.parent if self.path.is_file() else self.path
        hashes = {name: file_sha256(root / name) for name in self.used(parts)}
        return hashes | ({} if self.layout is None else self.layout.hashes(parts))

    def variant(self, part: str) -> str | None:
        """What diffusers and transformers call the chosen weights of a part: "fp16" or None for the plain files."""
        names = [path.name for path in (self.path / part).iterdir()]
        weights = _preferred_weights(names, self.prefers_half and part in _HALF_PARTS)
        return "fp16" if weights and ".fp16" in weights[0] else None

    @contextmanager
    def reading(self, part: str) -> Iterator[None]:
        """Within the block, a part is read. What libraries raise at a damaged one is as varied as damage is.

        Raises:
            ValueError: reading failed; names the folder.
        """
        try:
            yield
        except Exception as error:
            reason = " ".join(f"{type(error).__name__}: {error}".split())[:200]
            raise ValueError(
                f"cannot read {self.path / part}: it is damaged, or belongs to another kind of model ({reason}); "
                "copy or install it again"
            ) from error

    def manifest(self) -> dict[str, object]:
        """What a run's record has to say about the files."""
        base = {} if self.layout is None else {"base": self.layout.model_id}
        return {
            "model": self.name,
            "model_id": self.model_id,
            "revision": self.revision,
            **base,
            "files": self.hashes(),
        }


class Hub:
    """The Hugging Face hub and its cache on this machine."""

    def __init__(self, cache_dir: Path | str | None = None) -> None:
        """`cache_dir`: None for the usual one (HF_HOME)."""
        self._cache_dir = cache_dir

    @property
    def is_offline(self) -> bool:
        """True when HF_HUB_OFFLINE forbids to use the network."""
        from huggingface_hub import constants

        return bool(constants.HF_HUB_OFFLINE)

    def cached(self, model: HubModel, revision: str | None) -> Path:
        """The cached file, or the folder of the cached snapshot; raises what the hub library raises."""
        # No file asked for: the library would compare with all of the repository, of which we never need all.
        return self._download(model, revision, files=[], local_files_only=True)

    def download(
        self,
        model: HubModel,
        revision: str | None,
        parts: Sequence[str],
        prefers_half: bool,
        has_weights: bool = True,
    ) -> Path:
        """The same after fetching what is missing."""
        if model.filename:
            return self._download(model, revision, files=[], local_files_only=False)
        from huggingface_hub import HfApi

        siblings = HfApi().model_info(model.repo_id, revision=revision).siblings or []
        files = choose_files([sibling.rfilename for sibling in siblings], parts, prefers_half, has_weights)
        return self._download(model, revision, files, local_files_only=False)

    def _download(self, model: HubModel, revision: str | None, files: list[str], local_files_only: bool) -> Path:
        from huggingface_hub import hf_hub_download, snapshot_download

        common = {"revision": revision, "cache_dir": self._cache_dir, "local_files_only": local_files_only}
        if model.filename:
            return Path(hf_hub_download(model.repo_id, model.filename, **common))
        return Path(snapshot_download(model.repo_id, allow_patterns=files, **common))


def locate_model(
    name: str,
    parts: Sequence[str] = STABLE_DIFFUSION_PARTS,
    revision: str | None = None,
    is_offline: bool = False,
    prefers_half: bool = False,
    hub: Hub | None = None,
    has_weights: bool = True,
) -> ModelFiles:
    """The files of a model, downloaded when they have to be.

    A copy that is already on the machine is preferred to the first of the list that would have to be downloaded.

    Args:
        name: a local path, a short name (model_ids.py), a hub id, or `owner/repository:file`.
        parts: folders of the pipeline that are needed.
        prefers_half: take fp16 weights where the repository has them.
        has_weights: False for the configurations and tokenizers alone.

    Raises:
        FileNotFoundError: not found; one message with everything that was tried and what to do.
        ValueError: `name` cannot be the name of a model, a file of a folder is damaged, or one of a pinned revision is
            not what was downloaded.
    """
    local = Path(name).expanduser()
    if local.exists():
        local = local.resolve()
        return _whole(ModelFiles(name, str(local), None, local, tuple(parts), prefers_half, has_weights))
    packaged = packaged_folder(name)
    if packaged is not None:
        return _whole(ModelFiles(name, name, None, packaged, tuple(parts), prefers_half, has_weights))

    hub = hub or Hub()
    is_offline = is_offline or hub.is_offline
    finders: list[Callable[[HubModel], Path]] = [lambda model: hub.cached(model, revision)]
    if not is_offline:
        finders.append(lambda model: hub.download(model, revision, parts, prefers_half, has_weights))
    tried: dict[str, list[str]] = {}
    for find, model in itertools.product(finders, candidates(name)):
        reasons = tried.setdefault(model.name, [])
        try:
            path = find(model)
        except Exception as error:  # no network, gone, gated, ...: told in the message, and the next one is tried
            reasons.append("not on this machine" if not reasons else _told(error))
            continue
        missing = missing_parts(path, parts, has_weights)
        if not missing:
            found = ModelFiles(name, model.name, _commit(path), path, tuple(parts), prefers_half, has_weights)
            return _unchanged(found, revision)
        reasons.append(f"it lacks {', '.join(missing)}")
    raise FileNotFoundError(missing_model_message(name, tried, is_offline))


def _told(error: Exception) -> str:
    """What went wrong at the hub, in one line."""
    if type(error).__name__ == "GatedRepoError":
        return "the repository is gated, and its license has not been accepted with the account of this machine"
    first_line = str(error).strip().partition("\n")[0]
    return f"{type(error).__name__}: {first_line}"


def choose_files(names: Iterable[str], parts: Sequence[str], prefers_half: bool, has_weights: bool = True) -> list[str]:
    """The files of a repository that a prior reads: configurations, tokenizer tables, one set of weights a part.

    A set is one file, or several shards with the index that says what is in which.

    Repositories hold the same weights several times; safetensors come before .bin, and of these the full precision
    unless `prefers_half`.
    """
    places, chosen = [Path(name) for name in sorted(names)], []
    for part in parts:
        files = [place.name for place in places if place.parent == Path(part)]
        weights = _preferred_weights(files, prefers_half and part in _HALF_PARTS) if has_weights else []
        chosen += [f"{part}/{file}" for file in files if file.endswith((".json", ".txt")) or file in weights]
    return chosen


def _whole(files: ModelFiles) -> ModelFiles:
    missing = missing_parts(files.path, files.parts, files.has_weights)
    if missing and (files.path / LORA_FILE).exists():
        raise ValueError(
            f"{files.path} holds low-rank changes alone ({LORA_FILE}); name the model that they were trained "
            f"on, and add prior.loras: [{{path: {files.path}}}]"
        )
    if missing:
        raise FileNotFoundError(
            f"the folder {files.path} is not a complete model in diffusers layout: it lacks {', '.join(missing)}; "
            "copy or install it again"
        )
    for name in files.used():
        check_header(files.path.parent / name if files.path.is_file() else files.path / name)
    return files


def _unchanged(files: ModelFiles, pinned: str | None) -> ModelFiles:
    """The same; files of a pinned revision are compared with the hashes that the hub's cache names them by."""
    root = files.path.parent if files.path.is_file() else files.path
    for blob in ((root / name).resolve() for name in (files.used() if pinned else ())):
        if blob.parent.name == "blobs" and not _is_named_by_content(blob):
            raise ValueError(
                f"{blob} is not what was downloaded as revision {files.revision} of {files.model_id}: its content has "
                "changed; remove it and load the model again"
            )
    return files


def _is_named_by_content(blob: Path) -> bool:
    """Large files are called by their SHA-256, small ones as git calls them; of other names nothing can be told."""
    stat = blob.stat()
    if re.fullmatch("[0-9a-f]{64}", blob.name):
        return blob.name == _read_sha256(blob, stat.st_size, stat.st_mtime_ns)
    if re.fullmatch("[0-9a-f]{40}", blob.name):
        content = b"blob %d\0" % stat.st_size + blob.read_bytes()
        return blob.name == hashlib.sha1(content, usedforsecurity=False).hexdigest()
    return True


def check_header(path: Path) -> None:
    """A safetensors file says in its first bytes how long it is.

    Raises:
        ValueError: it is shorter or longer, or no such file.
    """
    if path.suffix != ".safetensors":
        return
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "pt"):
            pass
    except SafetensorError as error:
        raise ValueError(f"{path} is damaged ({error}); copy or download it again") from None


def missing_parts(path: Path, parts: Sequence[str], has_weights: bool = True) -> list[str]:
    """What a model lacks. A single checkpoint file lacks nothing: what is in it is seen when it is read."""
    if path.is_file():
        return []
    return [part for part in parts if not _is_there(path / part, has_weights)]


def _is_there(folder: Path, has_weights: bool) -> bool:
    files = sorted(file.name for file in folder.iterdir() if file.is_file()) if folder.is_dir() else []
    if folder.name.startswith("tokenizer"):
        return any(file in files for file in _TOKENIZER_FILES)
    if folder.name == "scheduler":
        return "scheduler_config.json" in files
    return "config.json" in files and (not has_weights or bool(_preferred_weights(files, False)))


def file_sha256(path: Path) -> str:
    """SHA-256 of a file's content. The hub's cache names large files by it, which saves reading them."""
    resolved = path.resolve()
    if resolved.parent.name == "blobs" and re.fullmatch("[0-9a-f]{64}", resolved.name):
        return resolved.name
    stat = resolved.stat()
    return _read_sha256(resolved, stat.st_size, stat.st_mtime_ns)


@functools.lru_cache(maxsize=256)
def _read_sha256(path: Path, _size: int, _mtime_ns: int) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 22):
            digest.update(block)
    return digest.hexdigest()


def _preferred_weights(files: Sequence[str], prefers_half: bool) -> list[str]:
    """One file, or all the shards of one; empty where there is neither."""
    middles = (".fp16", "") if prefers_half else ("", ".fp16")
    for suffix in (".safetensors", ".bin"):
        for middle in middles:
            for stem in _WEIGHT_STEMS:
                if f"{stem}{middle}{suffix}" in files:
                    return [f"{stem}{middle}{suffix}"]
                shards = _shards(files, f"{stem}{middle}", suffix)
                if shards:
                    return shards
    return []


def _shards(files: Sequence[str], stem: str, suffix: str) -> list[str]:
    """The files stem-00001-of-0000N and so on, where all N are there."""
    found = [re.fullmatch(rf"{re.escape(stem)}-\d{{5}}-of-(\d{{5}}){re.escape(suffix)}", file) for file in files]
    totals = [int(match[1]) for match in found if match]
    return sorted(match[0] for match in found if match) if totals and len(totals) == totals[0] else []


def _commit(path: Path) -> str | None:
    """The commit of a file or folder in the hub's cache: .../snapshots/<commit>/..."""
    names = path.parts
    return names[names.index("snapshots") + 1] if "snapshots" in names[:-1] else None
