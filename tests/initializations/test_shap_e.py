"""Shap-E as a start: real parts of its pipeline, tiny and random, and an object whose surface is known."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from diffusers import ShapEPipeline
from safetensors.torch import load_file, save_file
from splatdream.gaussians.spherical_harmonics import sh0_to_rgb
from splatdream.initializations.registry import Beginning, initial_cloud
from splatdream.initializations.shap_e import points_on_object
from splatdream.priors.shap_e import ShapEConfig, sample_shap_e
from tiny_shap_e import make_tiny_shap_e


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return make_tiny_shap_e(tmp_path_factory.mktemp("models") / "shap-e")


def tiny(folder: Path) -> ShapEConfig:
    return ShapEConfig(str(folder), offline=True, steps=2, resolution=16, device="cpu")


def ball_of_two_colors(places: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """As Shap-E tells it: positive inside, between -1 and 1."""
    colors = torch.where(places[:, 2:] > 0, torch.tensor([1.0, 0.0, 0.0]), torch.tensor([0.0, 0.0, 1.0]))
    return torch.tanh(0.6 - places.norm(dim=1)), colors


def test_points_lie_where_the_signed_distance_is_zero_with_the_color_of_that_place(generator):
    found = points_on_object(ball_of_two_colors, 32, 500, generator)
    torch.testing.assert_close(found.points.norm(dim=1), torch.full((500,), 0.6), atol=0.01, rtol=0)
    torch.testing.assert_close(found.colors, ball_of_two_colors(found.points)[1])
    outward = torch.nn.functional.normalize(found.points, dim=1)
    assert (found.normals * outward).sum(1).min() > 0.97


def test_an_object_that_touches_its_cube_is_closed_there(generator):
    found = points_on_object(
        lambda places: (torch.full((len(places),), 0.5), torch.zeros_like(places)), 8, 300, generator
    )
    # Everything is inside: the surface lies halfway between the last layer and the one outside, at 1 + 1 / 3 of a step.
    assert found.points.abs().amax(1).min() > 1 and found.points.abs().max() < 1.3


def test_an_object_without_a_surface_says_so(generator):
    with pytest.raises(ValueError, match="without a surface"):
        points_on_object(lambda places: (torch.full((len(places),), -0.5), places), 8, 10, generator)


def test_the_field_is_that_of_the_pipeline_in_diffusers(folder, generator):
    drawn = sample_shap_e(tiny(folder), "an orange cat", seed=3)
    pipeline = ShapEPipeline.from_pretrained(folder)
    latents = pipeline(
        "an orange cat",
        generator=torch.Generator().manual_seed(3),
        num_inference_steps=2,
        guidance_scale=15.0,
        output_type="latent",
    ).images
    # Its own renderer puts the weights of a latent into its network before it draws an image.
    pipeline.shap_e_renderer.decode_to_image(
        latents, "cpu", size=8, ray_batch_size=64, n_coarse_samples=2, n_fine_samples=2
    )
    places = 2 * torch.rand(50, 3, generator=generator) - 1
    expected = pipeline.shap_e_renderer.mlp(
        position=places[None], direction=None, ts=None, nerf_level="fine", rendering_mode="stf"
    )
    distances, colors = drawn(places)
    torch.testing.assert_close(distances, expected.signed_distance[0, :, 0].detach())
    torch.testing.assert_close(colors, expected.channels[0].detach())
    other = sample_shap_e(tiny(folder), "an orange cat", seed=4)
    assert not torch.allclose(other(places)[0], distances)


def test_a_prompt_and_a_seed_give_a_cloud(folder):
    beginning = Beginning("shap-e", prompt="an orange cat", num_points=50, shap_e=tiny(folder))
    first, again = initial_cloud(beginning), initial_cloud(beginning)
    assert len(first) == 50 and torch.equal(first.means, again.means)
    colors = sh0_to_rgb(first.sh0[:, 0])
    assert colors.min() > 0 and colors.max() < 1


@pytest.mark.skipif(torch.cuda.is_available(), reason="CUDA is here")
@pytest.mark.parametrize("device", ["cuda", "gpu"])
def test_a_device_that_is_not_here_is_one_sentence(folder, device):
    with pytest.raises(ValueError, match=f"device is '{device}', but must be auto or cpu: torch finds no CUDA device"):
        sample_shap_e(replace(tiny(folder), device=device), "a cat", 0)


@pytest.mark.parametrize("part", ["shap_e_renderer", "prior", "tokenizer"])
def test_a_folder_that_lacks_a_part_says_which(folder, tmp_path, part):
    broken = shutil.copytree(folder, tmp_path / "broken")
    shutil.rmtree(broken / part)
    with pytest.raises(FileNotFoundError, match=rf"not a complete model in diffusers layout: it lacks {part}"):
        sample_shap_e(tiny(broken), "a cat", 0)


def test_a_part_that_is_damaged_is_one_sentence(folder, tmp_path):
    broken = shutil.copytree(folder, tmp_path / "broken")
    (broken / "prior" / "config.json").write_text("{")
    with pytest.raises(ValueError, match=f"cannot read {broken / 'prior'}: it is damaged"):
        sample_shap_e(tiny(broken), "a cat", 0)


def test_a_part_that_lacks_weights_is_refused_and_not_drawn_at_random(folder, tmp_path):
    broken = shutil.copytree(folder, tmp_path / "broken")
    (file,) = (broken / "text_encoder").glob("*.safetensors")
    tensors = load_file(file)
    del tensors["text_projection.weight"]
    save_file(tensors, file, metadata={"format": "pt"})
    with pytest.raises(ValueError, match=f"cannot read {broken / 'text_encoder'}"):
        sample_shap_e(tiny(broken), "a cat", 0)
