"""Names of models become files: aliases, copies in order, the cache first, and one message when nothing is there."""

import hashlib
import re
import shutil
from pathlib import Path

import pytest
from splatdream.priors.model_files import (
    STABLE_DIFFUSION_PARTS,
    Hub,
    choose_files,
    file_sha256,
    locate_model,
)
from splatdream.priors.model_ids import ALIASES, REMOVED_IDS, HubModel, candidates

COMMIT = "4e63672c03103b6c636b8fb4119ba982469b2955"
FIRST, SECOND = (model.repo_id for model in ALIASES["sd21-base"])


class FakeHub(Hub):
    """A hub of which we know what is cached and what is online."""

    is_offline = False

    def __init__(self, cached=(), online=(), folder=None):
        self.cached_ids, self.online_ids, self.folder, self.downloaded = set(cached), set(online), folder, []

    def cached(self, model, revision):
        if model.name not in self.cached_ids:
            raise FileNotFoundError(model.name)
        return self.folder

    def download(self, model, revision, parts, prefers_half, has_weights):
        if model.name not in self.online_ids:
            raise ConnectionError("404 Client Error\nRepository Not Found")
        self.downloaded.append(model.name)
        return self.folder


def put_into_hub_cache(cache: Path, repo_id: str, source: Path) -> None:
    """The layout of a hub cache: blobs named by their hash, a snapshot of links to them, and a ref to the snapshot."""
    repository = cache / f"models--{repo_id.replace('/', '--')}"
    (repository / "refs").mkdir(parents=True)
    (repository / "refs/main").write_text(COMMIT)
    (repository / "blobs").mkdir()
    for path in source.rglob("*.*"):
        blob = repository / "blobs" / hashlib.sha256(path.read_bytes()).hexdigest()
        shutil.copy(path, blob)
        link = repository / "snapshots" / COMMIT / path.relative_to(source)
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(blob)


def test_every_short_name_has_a_copy_a_license_and_a_command():
    for name, copies in ALIASES.items():
        assert copies, name
        for model in copies:
            assert model.license and model.repo_id in model.download_command
            is_known_to_be_gated = model.repo_id.startswith(
                ("stabilityai/", "runwayml/", "DeepFloyd/", "black-forest-labs/")
            )
            is_open = model.repo_id == "stabilityai/stable-diffusion-xl-base-1.0"
            assert model.is_gated == (is_known_to_be_gated and not is_open)


def test_a_removed_id_is_looked_for_in_the_cache_before_its_copies():
    for removed, alias in REMOVED_IDS.items():
        assert [model.repo_id for model in candidates(removed)] == [
            removed,
            *(model.repo_id for model in ALIASES[alias]),
        ]


def test_a_hub_id_may_name_one_file():
    (model,) = candidates("someone/model:folder/weights.pt")
    assert (model.repo_id, model.filename) == ("someone/model", "folder/weights.pt")


@pytest.mark.parametrize("name", ["sd21base", "models/of/mine", "./gone", "sd-21-base", ""])
def test_what_is_no_name_of_a_model_is_answered_with_the_short_names(name):
    with pytest.raises(ValueError, match=r"sd21-base.*sd15.*mvdream-sd21"):
        locate_model(name) if name else candidates(name)


def test_a_misspelled_short_name_gets_the_nearest_one():
    with pytest.raises(ValueError, match="did you mean 'sd21-base'"):
        locate_model("sd21base")


def test_a_cached_copy_is_preferred_to_downloading_the_first_of_the_list(stable_diffusion_folder):
    hub = FakeHub(cached=[SECOND], online=[FIRST], folder=stable_diffusion_folder)
    assert locate_model("sd21-base", hub=hub).model_id == SECOND
    assert hub.downloaded == []


def test_copies_are_tried_in_order_when_nothing_is_cached(stable_diffusion_folder):
    hub = FakeHub(online=[SECOND], folder=stable_diffusion_folder)
    assert locate_model("sd21-base", hub=hub).model_id == SECOND
    assert hub.downloaded == [SECOND]


def test_an_incomplete_cache_is_completed_by_a_download(stable_diffusion_folder, tmp_path):
    (tmp_path / "unet").mkdir()
    hub = FakeHub(cached=[FIRST], online=[FIRST], folder=tmp_path)
    hub.download = lambda *_: stable_diffusion_folder
    assert locate_model("sd21-base", hub=hub).path == stable_diffusion_folder


def test_offline_nothing_is_downloaded(stable_diffusion_folder):
    hub = FakeHub(online=[FIRST], folder=stable_diffusion_folder)
    with pytest.raises(FileNotFoundError, match="Offline mode is on"):
        locate_model("sd21-base", is_offline=True, hub=hub)
    assert hub.downloaded == []


def test_a_missing_model_gives_one_message_with_everything_to_know():
    with pytest.raises(FileNotFoundError) as error:
        locate_model("sd21-base", hub=FakeHub())
    message = str(error.value)
    for model in ALIASES["sd21-base"]:
        assert f"{model.repo_id}: not on this machine; ConnectionError: 404 Client Error\n" in message
        assert model.license in message and model.download_command in message
    assert "local folder" in message and "Offline" not in message
    assert error.value.__cause__ is None


@pytest.mark.parametrize("name", [name for name, copies in ALIASES.items() if copies[0].is_gated])
def test_a_gated_id_is_said_to_be_gated(name):
    class GatedRepoError(OSError):
        """As the hub's library raises it: 403, with several lines about the request."""

    def refuse(*_):
        raise GatedRepoError("403 Client Error. (Request ID: Root=1-2)\n\nCannot access gated repo")

    hub = FakeHub()
    hub.download = refuse
    with pytest.raises(FileNotFoundError) as error:
        locate_model(name, hub=hub)
    message = str(error.value)
    assert "its license has not been accepted with the account of this machine" in message
    assert "gated: accept the license at" in message and "hf auth login" in message
    assert "Request ID" not in message


def test_the_hubs_cache_is_read_without_a_network_and_tells_the_commit(stable_diffusion_folder, tmp_path):
    put_into_hub_cache(tmp_path, SECOND, stable_diffusion_folder)
    files = locate_model("sd21-base", is_offline=True, hub=Hub(tmp_path))
    assert (files.model_id, files.revision) == (SECOND, COMMIT)
    local = locate_model(str(stable_diffusion_folder))
    assert files.hashes() == local.hashes()


def test_a_cache_without_the_rest_of_the_repository_will_do(stable_diffusion_folder, tmp_path):
    tree_cache = pytest.importorskip("huggingface_hub._tree_cache")
    put_into_hub_cache(tmp_path, SECOND, stable_diffusion_folder)
    listed = {"model.ckpt": tree_cache.TreeCacheEntry(1, "0" * 40, None, None, None)}
    tree_cache.write_tree_cache(str(tmp_path / f"models--{SECOND.replace('/', '--')}"), COMMIT, listed)
    assert locate_model("sd21-base", is_offline=True, hub=Hub(tmp_path)).model_id == SECOND


@pytest.mark.parametrize("name", ["unet/diffusion_pytorch_model.safetensors", "scheduler/scheduler_config.json"])
def test_a_tampered_file_of_a_pinned_revision_is_refused(stable_diffusion_folder, tmp_path, name):
    put_into_hub_cache(tmp_path, SECOND, stable_diffusion_folder)
    (path,) = tmp_path.glob(f"*/snapshots/{COMMIT}/{name}")
    if name.endswith(".json"):  # small files are called as git calls them
        blob = path.resolve()
        content = blob.read_bytes()
        path.unlink()
        path.symlink_to(blob.rename(blob.with_name(hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest())))
    hub = Hub(tmp_path)
    assert locate_model("sd21-base", revision=COMMIT, is_offline=True, hub=hub).revision == COMMIT
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.resolve().write_bytes(content)
    with pytest.raises(
        ValueError, match=rf"not what was downloaded as revision {COMMIT} of {SECOND}.*remove it"
    ) as error:
        locate_model("sd21-base", revision=COMMIT, is_offline=True, hub=hub)
    assert str(path.resolve()) in str(error.value) and "\n" not in str(error.value)
    path.resolve().unlink()
    with pytest.raises(FileNotFoundError, match="it lacks"):
        locate_model("sd21-base", revision=COMMIT, is_offline=True, hub=hub)


def test_another_revision_than_the_cached_one_is_not_taken_for_it(stable_diffusion_folder, tmp_path):
    put_into_hub_cache(tmp_path, SECOND, stable_diffusion_folder)
    with pytest.raises(FileNotFoundError):
        locate_model("sd21-base", revision="0" * 40, is_offline=True, hub=Hub(tmp_path))


def test_a_single_file_comes_from_the_hubs_cache_with_its_commit(tmp_path):
    (tmp_path / "source").mkdir()
    (tmp_path / "source" / "weights.pt").write_bytes(b"weights")
    put_into_hub_cache(tmp_path / "cache", "someone/model", tmp_path / "source")
    files = locate_model("someone/model:weights.pt", is_offline=True, hub=Hub(tmp_path / "cache"))
    assert files.revision == COMMIT and files.path.name == "weights.pt"
    assert files.hashes() == {"weights.pt": hashlib.sha256(b"weights").hexdigest()}


def test_a_local_folder_without_a_part_is_named_with_what_it_lacks(stable_diffusion_folder, tmp_path):
    shutil.copytree(stable_diffusion_folder, tmp_path / "sd")
    shutil.rmtree(tmp_path / "sd/vae")
    (tmp_path / "sd/unet/diffusion_pytorch_model.safetensors").unlink()
    with pytest.raises(FileNotFoundError, match=re.escape(f"{tmp_path / 'sd'}") + ".*unet, vae"):
        locate_model(str(tmp_path / "sd"))


def test_one_set_of_weights_a_part_is_chosen_from_a_repository():
    names = [
        "README.md",
        "model_index.json",
        "v2-1_512-ema-pruned.ckpt",
        "unet/config.json",
        *(f"unet/diffusion_pytorch_model{middle}" for middle in (".bin", ".fp16.bin", ".safetensors")),
        *(f"unet/diffusion_pytorch_model{middle}" for middle in (".fp16.safetensors", ".non_ema.safetensors")),
        "vae/config.json",
        "vae/diffusion_pytorch_model.bin",
        "text_encoder/config.json",
        "text_encoder/model.safetensors",
        "text_encoder/model.fp16.safetensors",
        "tokenizer/vocab.json",
        "tokenizer/merges.txt",
        "scheduler/scheduler_config.json",
        "safety_checker/model.safetensors",
    ]
    full = choose_files(names, STABLE_DIFFUSION_PARTS, prefers_half=False)
    weights = [name for name in full if name.endswith((".bin", ".safetensors"))]
    assert weights == [
        "unet/diffusion_pytorch_model.safetensors",
        "vae/diffusion_pytorch_model.bin",
        "text_encoder/model.safetensors",
    ]
    assert {"tokenizer/vocab.json", "tokenizer/merges.txt", "scheduler/scheduler_config.json"} <= set(full)
    half = choose_files(names, STABLE_DIFFUSION_PARTS, prefers_half=True)
    # Texts are encoded once and in float32: their encoder stays as it is.
    assert set(half) ^ set(full) == {
        "unet/diffusion_pytorch_model.safetensors",
        "unet/diffusion_pytorch_model.fp16.safetensors",
    }


def test_a_file_is_hashed_by_content_and_again_when_it_changes(tmp_path):
    path = tmp_path / "weights"
    for content in (b"one", b"three"):
        path.write_bytes(content)
        assert file_sha256(path) == hashlib.sha256(content).hexdigest()


def test_a_removed_id_is_not_offered_for_download():
    with pytest.raises(FileNotFoundError) as error:
        locate_model("stabilityai/stable-diffusion-2-1-base", hub=FakeHub())
    assert "hf download stabilityai" not in str(error.value)
    assert f"hf download {FIRST}" in str(error.value)


def test_the_command_for_a_single_file_names_it():
    assert HubModel("a/b", "MIT", "c.pt").download_command == "hf download a/b c.pt"
