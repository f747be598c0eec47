"""`splatdream generate --image`: what both stages are asked to make, and what is refused before anything is."""

import sys

import pytest
from PIL import Image
from splatdream.commands.generate import stages
from splatdream.commands.main import main


@pytest.fixture
def photo(tmp_path):
    path = tmp_path / "my_toy.png"
    image = Image.new("RGBA", (16, 16))
    image.paste((200, 30, 30, 255), (4, 4, 12, 12))
    image.save(path)
    return path


def test_both_stages_look_at_the_same_picture_from_the_same_camera(photo):
    overrides = ["system.picture.elevation_deg=20", "texture.trainer.max_steps=7"]
    first, second = stages("a toy", "stable-zero123", overrides=overrides, image=str(photo))
    first, second = first.configuration()["system"], second.configuration()
    assert second["trainer"]["max_steps"] == 7
    second = second["system"]
    assert first["picture"] == first["guidance"]["prior"]["picture"] == second["guidance"]["prior"]["picture"]
    assert first["picture"]["path"] == str(photo) and first["picture"]["elevation_deg"] == 20
    assert first["guidance"]["prior"]["model"] == second["guidance"]["prior"]["model"] == "stable-zero123"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--image", "none.png"], "the picture none.png is not there"),
        (["--image", "opaque.png"], "has no transparent background"),
        (["--image", "photo.png", "--prior", "toybox-sd"], "the prior 'toybox-sd' is told no picture"),
        (["a toy", "--prior", "zero123-xl"], "the prior 'zero123-xl' is told a picture; give one: --image photo.png"),
        (["a toy", "--prompt", "another"], "there are two prompts, 'a toy' and --prompt 'another'"),
        ([], "the prompt '' has no words"),
    ],
)
def test_what_does_not_go_together_is_said_in_a_sentence(words, said, photo, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, "rembg", None)
    Image.new("RGB", (8, 8)).save("opaque.png")
    photo.rename("photo.png")
    assert main(["generate", *words, "--output", "out"]) == 1
    error = capsys.readouterr().err
    assert said in error and len(error.splitlines()) == 1
    assert not (tmp_path / "out").exists()


def test_a_picture_without_weights_says_where_they_come_from_and_names_itself(photo, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    command = [
        "generate",
        "--image",
        str(photo),
        "system.guidance.prior.offline=true",
        "--output",
        str(tmp_path / "out"),
    ]
    assert main([*command, "texture.system.guidance.prior.offline=true"]) == 1
    error = capsys.readouterr().err
    assert "The model 'zero123-xl' was not found" in error and "ashawkey/zero123-xl-diffusers (license: MIT)" in error
    assert not (tmp_path / "out").exists()
