"""A damaged model folder is a sentence that names the part, whatever the libraries make of it."""

import json
import shutil

import pytest

pytest.importorskip("diffusers")
import tiny_models
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
