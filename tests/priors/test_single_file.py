"""One checkpoint file is the pipeline whose weights it holds."""

import json
import shutil

import pytest
import tiny_single_files
import torch
from diffusers import StableDiffusionPipeline
from safetensors.torch import load_file, save_file
from splatdream.cameras.batch import orbit_cameras
from splatdream.host import find
from splatdream.priors import registered_networks  # noqa: F401 - registers
from splatdream.priors.base import Views
from splatdream.priors.model_files import STABLE_DIFFUSION_PARTS, choose_files
from splatdream.priors.stable_diffusion import load_stable_diffusion


@pytest.fixture(scope="module")
def pipeline(stable_diffusion_folder):
    return StableDiffusionPipeline.from_pretrained(stable_diffusion_folder, local_files_only=True)


@pytest.fixture(scope="module")
def file(pipeline, tmp_path_factory):
    return tiny_single_files.save_single_file(pipeline, tmp_path_factory.mktemp("single") / "model.safetensors")


@pytest.fixture(scope="module")
def base(stable_diffusion_folder, tmp_path_factory):
    """The configurations and the tokenizer alone."""
    folder = tmp_path_factory.mktemp("base")
    ignored = shutil.ignore_patterns("*.safetensors")
    shutil.copytree(stable_diffusion_folder, folder, ignore=ignored, dirs_exist_ok=True)
    return folder


def test_texts_images_and_noise_are_those_of_the_pipelines_folder(file, base, stable_diffusion_folder, generator):
    one, other = load_stable_diffusion(str(file), base=str(base)), load_stable_diffusion(str(stable_diffusion_folder))
    noisy, rgb = torch.randn(2, 4, 8, 8, generator=generator), torch.rand(2, 32, 32, 3, generator=generator)
    views = Views(orbit_cameras([0.0, 0.0], [0.0, 0.0]), torch.ones(2, 3))
    answers = []
    for prior in (one, other):
        condition = prior.encode_texts(["a cat", ""])
        noise = prior.predict_noise(noisy, torch.tensor([100, 900]), condition, views)
        answers.append((noise, prior.encode_images(rgb), prior.schedule.alphas_cumprod))
    torch.testing.assert_close(answers[0], answers[1])
    json.dumps(one.manifest())


def registered(model, base):
    return find("splatdream-stable-diffusion-prior")({"model": str(model), "base": str(base), "cache_texts": False})


def test_file_and_base_count_by_content(file, base, tmp_path):
    content = registered(file, base).content()
    copy, moved = shutil.copy(file, tmp_path / "copy.safetensors"), shutil.copytree(base, tmp_path / "base")
    assert registered(copy, moved).content() == content
    scheduler = moved / "scheduler" / "scheduler_config.json"
    scheduler.write_text(json.dumps(json.loads(scheduler.read_text()) | {"prediction_type": "v_prediction"}))
    assert registered(copy, moved).content() != content
    prior = registered(copy, moved)()
    assert prior.prediction_type == "v_prediction" and prior.manifest()["base"] == str(moved)


def test_of_a_base_on_the_hub_no_weights_are_fetched():
    names = ["unet/config.json", "unet/diffusion_pytorch_model.safetensors", "tokenizer/vocab.json", "vae/config.json"]
    assert choose_files(names, STABLE_DIFFUSION_PARTS, False, has_weights=False) == [
        "unet/config.json",
        "vae/config.json",
        "tokenizer/vocab.json",
    ]


def refusal(act):
    with pytest.raises((ValueError, FileNotFoundError)) as error:
        act()
    assert "\n" not in str(error.value)
    return str(error.value)


@pytest.mark.parametrize(
    ("lost", "part"),
    [
        ("model.diffusion_model.out.2.weight", "unet"),
        ("first_stage_model.", "vae"),
        ("cond_stage_model.", "text_encoder"),
    ],
)
def test_a_file_without_a_part_is_refused_in_a_sentence(file, base, tmp_path, lost, part):
    left = {name: tensor for name, tensor in load_file(file).items() if not name.startswith(lost)}
    save_file(left, tmp_path / "part.safetensors")
    model = str(tmp_path / "part.safetensors")
    message = refusal(lambda: load_stable_diffusion(model, base=str(base)).encode_texts([""]))
    assert part in message and "prior.base" in message


def test_what_is_no_such_file_or_base_is_refused_in_a_sentence(file, base, stable_diffusion_folder, tmp_path):
    assert "texts of 32 channels" in refusal(lambda: load_stable_diffusion(str(file)))
    assert "leave it out" in refusal(lambda: load_stable_diffusion(str(stable_diffusion_folder), base="sd15"))
    assert "must be a folder" in refusal(lambda: load_stable_diffusion(str(file), base=str(file)))
    (tmp_path / "model.ckpt").write_bytes(b"x")
    assert "no .safetensors file" in refusal(lambda: load_stable_diffusion(str(tmp_path / "model.ckpt")))
    save_file({"x": torch.zeros(1)}, tmp_path / "other.safetensors")
    assert "no Stable Diffusion" in refusal(lambda: load_stable_diffusion(str(tmp_path / "other.safetensors")))
    cut = tmp_path / "cut.safetensors"
    cut.write_bytes(file.read_bytes()[:-9])
    assert "damaged" in refusal(lambda: load_stable_diffusion(str(cut), base=str(base)))
    config = json.loads((base / "unet" / "config.json").read_text()) | {"cross_attention_dim": 48}
    other = shutil.copytree(base, tmp_path / "wider")
    (other / "unet" / "config.json").write_text(json.dumps(config))
    assert "set prior.base" in refusal(lambda: load_stable_diffusion(str(file), base=str(other)))
