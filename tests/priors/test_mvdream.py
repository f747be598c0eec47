"""MVDream on diffusers' network agrees with the reference implementation.

data/mvdream_golden.safetensors holds what the reference (github.com/bytedance/MVDream, commit 618f844, MIT; classes
MultiViewUNetModel and camera_utils) answered under torch 2.13: two tiny networks of the two published shapes (32, 64,
64, 64 channels; linear projections with 16 channels a head as in 2.1, convolutions with 8 heads as in 1.5), weights as
in `golden_weights`, 2 objects x 4 views of 8 x 8 latents. Its metadata has the names and shapes of all tensors, tiny
and full size.
"""

import json
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from splatdream.cameras.batch import CameraBatch, orbit_cameras
from splatdream.guidance.denoiser import Denoiser
from splatdream.priors.base import Views
from splatdream.priors.latent_diffusion import NetworkOptions
from splatdream.priors.model_files import locate_model
from splatdream.priors.mvdream import load_folder_denoiser, load_mvdream, load_original_denoiser
from splatdream.priors.mvdream_conversion import denoiser_config, diffusers_key, to_diffusers
from splatdream.priors.mvdream_unet import attend_across_views, camera_embedding_input
from splatdream.priors.stable_diffusion import load_stable_diffusion

GOLDEN = Path(__file__).parent / "data" / "mvdream_golden.safetensors"
NUM_HEADS = {"sd21": (2, 4, 4, 4), "sd15": (8, 8, 8, 8)}
SHAPES = list(NUM_HEADS)


@pytest.fixture(scope="module")
def golden():
    return load_file(GOLDEN)


def golden_shapes(size, shape):
    with safe_open(GOLDEN, framework="pt") as file:
        return json.loads(file.metadata()[f"{shape}.{size}"])


def golden_weights(shape):
    """Every tensor from a seed of its own, by numpy's frozen legacy generator; no layer is left at zero."""
    weights = {}
    for key, size in golden_shapes("tiny", shape).items():
        draws = np.random.RandomState(zlib.crc32(key.encode())).standard_normal(size)
        if len(size) == 1:
            draws = (1.0 if key.endswith("weight") else 0.0) + 0.1 * draws
        else:
            draws = draws / np.sqrt(np.prod(size[1:]))
        weights[key] = torch.from_numpy(draws.astype(np.float32))
    return weights


@pytest.fixture(scope="module", params=SHAPES)
def checkpoint(request, tmp_path_factory):
    """(shape, file): as MVDream publishes them, the denoiser among other networks."""
    path = tmp_path_factory.mktemp("checkpoint") / f"{request.param}.pt"
    content = {f"model.diffusion_model.{key}": value for key, value in golden_weights(request.param).items()}
    torch.save(content | {"betas": torch.ones(3), "first_stage_model.encoder.conv_in.weight": torch.ones(2)}, path)
    return request.param, path


@pytest.fixture(scope="module")
def denoiser(checkpoint):
    shape, path = checkpoint
    return load_original_denoiser(locate_model(str(path)), NUM_HEADS[shape]).eval()


@pytest.fixture(scope="module")
def prior(mvdream_folder):
    return load_mvdream(str(mvdream_folder))


def run(denoiser, golden, num_views):
    with torch.no_grad():
        return attend_across_views(denoiser, num_views)(
            golden["noisy_latents"],
            golden["timesteps"],
            encoder_hidden_states=golden["context"],
            class_labels=golden["cameras"],
        ).sample


@pytest.mark.parametrize(("num_views", "name"), [(4, "output"), (2, "output_2_views")])
def test_the_denoiser_answers_as_the_reference(checkpoint, denoiser, golden, num_views, name):
    expected = golden[f"{checkpoint[0]}.{name}"]
    torch.testing.assert_close(run(denoiser, golden, num_views), expected, atol=1e-5, rtol=1e-4)


def test_views_cameras_and_groups_matter_to_the_answer(checkpoint, denoiser, golden):
    # Controls: an adapter that dropped one of these would still be close to itself.
    expected = golden[f"{checkpoint[0]}.output"]
    assert (run(denoiser, golden, 1) - expected).abs().max() > 0.1
    permuted = golden | {"cameras": golden["cameras"].flip(0)}
    assert (run(denoiser, permuted, 4) - expected).abs().max() > 0.05


@pytest.mark.parametrize("shape", SHAPES)
def test_every_tensor_of_the_full_size_model_has_its_place(shape):
    from diffusers import UNet2DConditionModel

    original = golden_shapes("full", shape)
    with torch.device("meta"):
        state = {key: torch.empty(size) for key, size in original.items()}
        unet = UNet2DConditionModel(**denoiser_config(state))
    converted = to_diffusers(state)
    assert len(converted) == len(original) == 690
    assert {key: value.shape for key, value in converted.items()} == {
        key: value.shape for key, value in unet.state_dict().items()
    }
    num_weights = sum(value.numel() for value in unet.state_dict().values())
    assert num_weights == {"sd21": 867_572_164, "sd15": 861_182_404}[shape]
    heads = unet.down_blocks[0].attentions[0].transformer_blocks[0].attn1.heads
    assert heads == {"sd21": 320 // 64, "sd15": 8}[shape]


def test_cameras_are_told_as_by_the_reference(golden):
    azimuths = torch.tensor([0.0, 90.0, 180.0, 270.0])
    # The reference counts azimuth from -y; its first view, at 90, shows the front, which is at +x here.
    for reference, elevation, shift in ((golden["cameras"][:4], 15.0, 0.0), (golden["cameras"][4:], -5.0, -60.0)):
        cameras = orbit_cameras([elevation] * 4, (azimuths + shift).tolist(), distance=3.0)
        torch.testing.assert_close(camera_embedding_input(cameras.c2w), reference, atol=1e-6, rtol=0)


def test_cameras_are_normalized_as_by_the_reference_and_not_changed(golden):
    cameras = golden["far_cameras"].clone()
    torch.testing.assert_close(camera_embedding_input(cameras), golden["normalized_far_cameras"])
    torch.testing.assert_close(cameras, golden["far_cameras"], rtol=0, atol=0)


def test_distance_and_field_of_view_are_not_told():
    near, far = (orbit_cameras([10.0], [30.0], distance=distance).c2w for distance in (1.0, 5.0))
    torch.testing.assert_close(camera_embedding_input(near), camera_embedding_input(far))


def some_views(count):
    return Views(orbit_cameras([10.0] * count, [360.0 / count * i for i in range(count)]), torch.ones(count, 3))


def some_latents(count, generator):
    return torch.randn(count, 4, 8, 8, generator=generator)


def test_a_view_depends_on_the_others_of_its_group_and_on_no_other(prior, generator):
    latents, timesteps = some_latents(8, generator), torch.full((8,), 500)
    condition, views = prior.encode_texts(["a cat"] * 8), some_views(8)
    before = prior.predict_noise(latents, timesteps, condition, views)
    latents[7] += 1
    changed = (prior.predict_noise(latents, timesteps, condition, views) - before).abs().amax(dim=(1, 2, 3))
    assert (changed[:4] == 0).all() and (changed[4:] > 1e-4).all()


def test_turning_views_of_a_group_round_turns_the_answers_round(prior, generator):
    latents, timesteps, order = some_latents(4, generator), torch.full((4,), 500), torch.tensor([2, 3, 0, 1])
    condition, views = prior.encode_texts(["a cat"] * 4), some_views(4)
    straight = prior.predict_noise(latents, timesteps, condition, views)
    turned = prior.predict_noise(latents[order], timesteps, condition, views[order])
    torch.testing.assert_close(turned, straight[order], atol=1e-5, rtol=1e-4)


def test_guidance_keeps_groups_together(prior, generator):
    # Conditional and unconditional rows share one call of the network: 2 x 8 rows, four groups.
    latents, timesteps = some_latents(8, generator), torch.full((8,), 500)
    condition, views = prior.encode_texts(["a cat", ""]), some_views(8)
    positive, negative = torch.zeros(8, dtype=torch.long), torch.ones(8, dtype=torch.long)
    denoiser = Denoiser(prior, condition, positive, negative, views, 3.0)
    _, conditional = denoiser.both(latents, timesteps)
    torch.testing.assert_close(conditional, denoiser.conditional(latents, timesteps), atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("num_views", [1, 2, 3])
def test_groups_may_have_any_size(mvdream_folder, num_views, generator):
    prior = load_mvdream(str(mvdream_folder), views_per_group=num_views)
    arguments = (torch.full((6,), 300), prior.encode_texts(["a cat"] * 6), some_views(6))
    assert prior.views_per_group == num_views
    assert prior.predict_noise(some_latents(6, generator), *arguments).shape == (6, 4, 8, 8)


def test_views_that_do_not_divide_into_groups_are_refused(prior, generator):
    with pytest.raises(ValueError, match=r"6 views.*groups of 4.*data\.batch_size"):
        prior.predict_noise(
            some_latents(6, generator), torch.full((6,), 3), prior.encode_texts(["a"] * 6), some_views(6)
        )


def test_an_original_checkpoint_runs_with_the_encoders_of_stable_diffusion(
    stable_diffusion_folder, tmp_path, generator
):
    # As wide as the tiny text encoder; the rest as published for 1.5, whose heads follow from the shapes.
    state = {}
    for key, value in golden_weights("sd15").items():
        is_text = ".attn2.to_k." in key or ".attn2.to_v." in key
        state[key] = value.repeat(1, 2)[:, :32].contiguous() if is_text else value
    save_file(state, tmp_path / "mvdream.safetensors")
    prior = load_mvdream(str(tmp_path / "mvdream.safetensors"), encoders=str(stable_diffusion_folder), image_size=32)
    encoders = load_stable_diffusion(str(stable_diffusion_folder))
    rgb = torch.rand(4, 32, 32, 3, generator=generator)
    latents = prior.encode_images(rgb)
    torch.testing.assert_close(latents, encoders.encode_images(rgb))
    predicted = prior.predict_noise(latents, torch.full((4,), 300), prior.encode_texts(["a cat"] * 4), some_views(4))
    assert predicted.isfinite().all() and predicted.std() > 0.1
    manifest = prior.manifest()
    assert set(manifest["files"]) == {"mvdream.safetensors"}
    assert "unet/config.json" not in manifest["encoders"]["files"]
    torch.testing.assert_close(prior.schedule.alphas_cumprod, encoders.schedule.alphas_cumprod)


def test_encoders_of_another_width_are_refused(checkpoint, stable_diffusion_folder):
    with pytest.raises(ValueError, match=r"32 channels.*needs 24"):
        load_mvdream(str(checkpoint[1]), encoders=str(stable_diffusion_folder))


@pytest.mark.parametrize("prefix", ["", "unet."])
def test_a_folder_with_the_tensors_under_mvdreams_own_names_loads(prefix, golden, tmp_path):
    (tmp_path / "unet").mkdir()
    state = {prefix + key: value for key, value in golden_weights("sd15").items()}
    save_file(state, tmp_path / "unet" / "diffusion_pytorch_model.safetensors")
    config = {"_class_name": "MultiViewUNetModel", "num_heads": 8, "channel_mult": [1, 2, 2, 2]}
    (tmp_path / "unet" / "config.json").write_text(json.dumps(config))
    denoiser = load_folder_denoiser(locate_model(str(tmp_path), parts=("unet",))).eval()
    torch.testing.assert_close(run(denoiser, golden, 4), golden["sd15.output"], atol=1e-5, rtol=1e-4)


def test_stable_diffusion_is_not_taken_for_mvdream(stable_diffusion_folder):
    with pytest.raises(ValueError, match=r"takes no cameras.*splatdream-stable-diffusion-prior"):
        load_mvdream(str(stable_diffusion_folder))


def test_a_checkpoint_without_a_multi_view_denoiser_is_refused(tmp_path):
    torch.save({"model.diffusion_model.input_blocks.0.0.weight": torch.ones(1)}, tmp_path / "sd.ckpt")
    with pytest.raises(ValueError, match="no MVDream denoiser"):
        load_mvdream(str(tmp_path / "sd.ckpt"))


def test_a_checkpoint_with_code_in_it_is_not_executed(tmp_path):
    class Payload:
        def __reduce__(self):
            return (Path.touch, (tmp_path / "executed",))

    torch.save({"weights": torch.ones(1), "payload": Payload()}, tmp_path / "evil.pt")
    with pytest.raises(ValueError, match="more than tensors"):
        load_mvdream(str(tmp_path / "evil.pt"))
    assert not (tmp_path / "executed").exists()


def test_image_tokens_of_imagedream_are_named_as_unknown():
    with pytest.raises(ValueError, match="image_embed"):
        diffusers_key("image_embed.latents")


def test_missing_encoders_are_explained(checkpoint):
    with pytest.raises(FileNotFoundError, match=r"MVDream's checkpoint is there.*\n.*'sd15' was not found"):
        load_mvdream(str(checkpoint[1]), encoders="sd15", is_offline=True)


def test_perturbed_cameras_are_told_as_they_are(prior, generator):
    cameras = some_views(4).cameras
    moved = CameraBatch(
        **{**vars(cameras), "c2w": cameras.c2w + 0.1 * torch.randn(4, 4, 4, generator=generator)},
    )
    latents, timesteps = some_latents(4, generator), torch.full((4,), 500)
    condition = prior.encode_texts(["a cat"] * 4)
    nominal, actual = (
        prior.predict_noise(latents, timesteps, condition, Views(each, torch.ones(4, 3))) for each in (cameras, moved)
    )
    assert (nominal - actual).abs().max() > 1e-4


def test_the_registered_prior_is_built_from_a_configuration(mvdream_folder, tmp_path, monkeypatch):
    from splatdream.host import find
    from splatdream.priors import registered_networks  # noqa: F401 - registers

    monkeypatch.setenv("SPLATDREAM_CACHE", str(tmp_path))
    prior = find("splatdream-mvdream-prior")({"model": str(mvdream_folder), "views_per_group": 2})()
    assert (prior.views_per_group, prior.prompt_suffix, prior.image_size) == (2, ", 3d asset", 32)
    assert find("splatdream-mvdream-prior")({}).options() == NetworkOptions()
