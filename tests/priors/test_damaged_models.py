"""A damaged model folder is a sentence that names the part, whatever the libraries make of it."""

import json
import shutil

import pytest
import torch

pytest.importorskip("diffusers")
import tiny_models
from safetensors.torch import load_file, save_file
from splatdream.host import find
from splatdream.priors import registered_networks  # noqa: F401 - registers
from splatdream.priors.latent_diffusion import NetworkOptions
from splatdream.priors.stable_diffusion import load_stable_diffusion


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    return tiny_models.make_tiny_stable_diffusion(tmp_path_factory.mktemp("sound") / "sd")


def with_setting(path, **settings):
    path.write_text(json.dumps(json.loads(path.read_text()) | settings))


@pytest.mark.parametrize("part", ["unet", "vae", "scheduler", "text_encoder", "tokenizer"])
@pytest.mark.parametrize("content", [b"", b"[]", b'{"a": '])
def test_a_broken_json_names_its_part(tmp_path, sound, part, content):
    folder = tmp_path / "sd"
    shutil.copytree(sound, folder)
    names = ("config.json", "scheduler_config.json", "tokenizer.json", "vocab.json")
    for path in (folder / part / name for name in names):
        if path.exists():
            path.write_bytes(content)
    with pytest.raises(ValueError, match=f"cannot read .*{part}: it is damaged, or belongs to another kind of model"):
        load_stable_diffusion(str(folder), options=NetworkOptions()).encode_texts(["a cat"])


@pytest.mark.parametrize(
    ("part", "name", "settings"),
    [
        ("vae", "config.json", {"block_out_channels": [1_000_000_000] * 2}),
        ("unet", "config.json", {"block_out_channels": [1_000_000_000] * 2}),
        ("scheduler", "scheduler_config.json", {"num_train_timesteps": -5}),
        ("scheduler", "scheduler_config.json", {"num_train_timesteps": 10**14}),
    ],
)
def test_sizes_that_no_machine_has_are_a_sentence(tmp_path, sound, part, name, settings):
    folder = tmp_path / "sd"
    shutil.copytree(sound, folder)
    with_setting(folder / part / name, **settings)
    with pytest.raises(ValueError, match=f"cannot read .*{part}"):
        load_stable_diffusion(str(folder), options=NetworkOptions())


KINDS = {"stable-diffusion": "stable_diffusion", "sdxl": "sdxl", "mvdream": "mvdream", "sd3": "sd3", "flux": "flux"}
"""Registered name -> fixture."""


@pytest.fixture(params=KINDS)
def kind(request):
    return request.param


@pytest.fixture
def folder(kind, request, tmp_path):
    """A copy to be damaged."""
    return shutil.copytree(request.getfixturevalue(f"{KINDS[kind]}_folder"), tmp_path / "model")


def refusal(kind, model, **settings):
    """What is said of a model whose texts are read, too."""
    with pytest.raises((ValueError, FileNotFoundError)) as error:
        uses = {"uses_t5": True} if kind == "sd3" else {}
        config = {"model": str(model), "cache_texts": False} | uses | settings
        find(f"splatdream-{kind}-prior")(config)().encode_texts(["a cat"])
    assert type(error.value) in (ValueError, FileNotFoundError) and "\n" not in str(error.value)
    return str(error.value)


def parts_of(folder, pattern="*"):
    return sorted(path.name for path in folder.iterdir() if list(path.glob(pattern)))


def test_every_part_that_is_gone_is_named(kind, folder):
    for part in parts_of(folder):
        (folder / part).rename(folder.parent / part)
        assert f"it lacks {part};" in refusal(kind, folder)
        (folder.parent / part).rename(folder / part)


@pytest.mark.parametrize("kind", ["sdxl", "sd3", "flux", "mvdream"])
def test_every_part_of_other_models_with_a_broken_json_is_named(kind, folder):
    for part in parts_of(folder):
        whole = {path: path.read_bytes() for path in (folder / part).glob("*.json")}
        for path in whole:
            path.write_bytes(b'{"a": ')
        assert f"cannot read {folder / part}: it is damaged" in refusal(kind, folder)
        for path, content in whole.items():
            path.write_bytes(content)


def without_a_tensor(tensors, name):
    del tensors[name]


def with_nan(tensors, name):
    tensors[name][(0,) * tensors[name].ndim] = torch.nan


def of_another_size(tensors, name):
    tensors[name] = torch.zeros(3, 5)


@pytest.mark.parametrize(
    ("kind", "change"),
    [*((kind, without_a_tensor) for kind in KINDS), ("sdxl", with_nan), ("flux", with_nan), ("sd3", of_another_size)],
)
def test_weights_that_are_missing_broken_or_of_another_network_are_refused_and_not_drawn_at_random(
    kind, folder, change
):
    for part in parts_of(folder, "*.safetensors"):
        (file,) = (folder / part).glob("*.safetensors")
        content, tensors = file.read_bytes(), load_file(file)
        change(tensors, sorted(tensors)[len(tensors) // 2])
        save_file(tensors, file, metadata={"format": "pt"})
        assert f"cannot read {folder / part}" in refusal(kind, folder)
        file.write_bytes(content)


class Code:
    """Leaves a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


@pytest.mark.parametrize("kind", ["stable-diffusion", "sd3"])
def test_weights_with_code_in_them_are_refused_and_not_run(kind, folder, tmp_path):
    for part in parts_of(folder, "*.safetensors"):
        (file,) = (folder / part).glob("*.safetensors")
        content = file.read_bytes()
        file.unlink()
        stem = "pytorch_model" if part.startswith("text") else "diffusion_pytorch_model"
        torch.save({"weight": Code(tmp_path / "ran")}, folder / part / f"{stem}.bin")
        assert f"cannot read {folder / part}" in refusal(kind, folder)
        assert not (tmp_path / "ran").exists()
        (folder / part / f"{stem}.bin").unlink()
        file.write_bytes(content)


def test_a_single_file_is_taken_by_those_who_can_read_one(kind, tmp_path):
    file = tmp_path / "model.safetensors"
    save_file({"x": torch.zeros(1)}, file)
    one = {"stable-diffusion": "holds no Stable Diffusion 1 or 2", "mvdream": "no MVDream denoiser"}
    assert one.get(kind, "is one file; this prior is read from a folder") in refusal(kind, file)


@pytest.mark.parametrize("kind", ["mvdream", "sd3", "flux"])
def test_lora_files_are_refused_where_nothing_reads_them(kind, folder):
    assert "unknown key 'loras'" in refusal(kind, folder, loras=[{"path": "x.safetensors"}])


@pytest.mark.parametrize("kind", ["sdxl", "sd3", "flux", "mvdream"])
def test_stable_diffusion_is_not_taken_for_another_model(kind, sound):
    said = refusal(kind, sound)
    assert "it lacks" in said or "splatdream-stable-diffusion-prior" in said
