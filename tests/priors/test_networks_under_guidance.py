"""The registered guidance drives the network priors as it drives the exact ones."""

import pytest
import torch
from splatdream.cameras.batch import orbit_cameras
from splatdream.guidance.guidance import Guidance
from splatdream.guidance.methods.lora import LoraParticles
from splatdream.guidance.methods.registry import METHODS
from splatdream.priors import registered_networks  # noqa: F401 - registers
from splatdream.priors.base import Views
from splatdream.priors.cached_texts import CachedTexts
from splatdream.priors.latent_diffusion import NetworkOptions
from splatdream.priors.mvdream import load_mvdream
from splatdream.priors.stable_diffusion import load_stable_diffusion
from splatdream.prompts.view_prompts import make_view_prompts

PROMPTS = make_view_prompts("a cat", negative_prompt="dog", is_view_dependent=True)


@pytest.fixture(params=[f"splatdream-{kind}-prior" for kind in ("stable-diffusion", "mvdream", "sdxl", "sd3", "flux")])
def prior_type(request):
    return request.param


@pytest.fixture
def folder(prior_type, request):
    kind = prior_type.removeprefix("splatdream-").removesuffix("-prior").replace("-", "_")
    return str(request.getfixturevalue(f"{kind}_folder"))


def step(prior_type, folder, **cfg):
    guidance = Guidance(
        {
            "prior_type": prior_type,
            "prior": {"model": folder, "cache_texts": False, "image_size": 32},
            "guidance_scale": 50.0,
            **cfg,
        }
    )
    guidance.update_step(0, 0)
    rgb = torch.full((4, 24, 24, 3), 0.5, requires_grad=True)
    batch = orbit_cameras([10.0] * 4, [0.0, 90.0, 180.0, 270.0], width=24, height=24).to_batch()
    out = guidance(rgb, PROMPTS, **batch)
    out["loss_sds"].backward()
    return out, rgb.grad


def test_a_step_reaches_the_pixels_of_every_view_and_counts_its_cost(prior_type, folder):
    out, gradient = step(prior_type, folder)
    assert gradient.isfinite().all()
    assert (gradient.abs().amax(dim=(1, 2, 3)) > 0).all()
    assert out["denoiser_evaluations"] == 8


def test_a_step_is_repeated_bit_by_bit(prior_type, folder):
    torch.testing.assert_close(step(prior_type, folder)[1], step(prior_type, folder)[1], rtol=0, atol=0)


def test_mvdreams_suffix_is_added_to_the_prompt_and_not_to_the_negative(prior_type, folder, monkeypatch):
    seen = []
    encode = CachedTexts.tensors
    monkeypatch.setattr(CachedTexts, "tensors", lambda self, texts: (seen.extend(texts), encode(self, texts))[1])
    step(prior_type, folder)
    suffix = ", 3d asset" if "mvdream" in prior_type else ""
    assert {"dog", "", f"a cat{suffix}", f"a cat, front view{suffix}"} <= set(seen)
    assert "dog, 3d asset" not in seen


@pytest.mark.parametrize("method", METHODS)
def test_every_method_runs_on_the_network(prior_type, folder, method):
    out, gradient = step(prior_type, folder, method=method)
    assert gradient.isfinite().all() and gradient.abs().max() > 0
    assert all(torch.as_tensor(value).isfinite().all() for value in out.values())


def test_float16_networks_teach_low_rank_weights_what_float32_networks_do(stable_diffusion_folder):
    # The loss of 64 x 64 latents, imitated by a factor on that of 8 x 8.
    gradients = {}
    for dtype in ("float32", "float16"):
        prior = load_stable_diffusion(str(stable_diffusion_folder), options=NetworkOptions(dtype=dtype))
        particles = LoraParticles(prior, seed=0, lora_camera_dropout=0.0)
        generator = torch.Generator().manual_seed(1)
        latents = torch.randn(2, 4, 8, 8, generator=generator)
        views = Views(orbit_cameras([0.0, 0.0], [0.0, 90.0]), torch.ones(2, 3))
        loss = particles.training_loss(latents, prior.encode_texts(["a", "b"]), views, generator)
        (loss / 64).backward()
        weights = [weight for weight in particles.parameters() if weight.grad is not None]
        gradients[dtype] = torch.cat([weight.grad.flatten() for weight in weights])
    assert (gradients["float16"] - gradients["float32"]).norm() < 0.02 * gradients["float32"].norm()


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("load", [load_stable_diffusion, load_mvdream])
def test_cuda_in_float16_agrees_with_the_cpu(load, stable_diffusion_folder, mvdream_folder, generator):
    prior = load(str(mvdream_folder if load is load_mvdream else stable_diffusion_folder))
    rgb, noisy = torch.rand(4, 48, 48, 3, generator=generator), torch.randn(4, 4, 8, 8, generator=generator)
    condition, timesteps = prior.encode_texts(["a cat"] * 4), torch.full((4,), 500)
    views = Views(orbit_cameras([0.0] * 4, [0.0, 90.0, 180.0, 270.0]), torch.ones(4, 3))
    answers = []
    for device in ("cpu", "cuda"):
        image = rgb.to(device).requires_grad_()
        latents = prior.encode_images(image)
        latents.square().mean().backward()
        predicted = prior.predict_noise(noisy.to(device), timesteps.to(device), condition, views)
        assert predicted.device.type == device and predicted.dtype == torch.float32
        answers.append([latents.detach().cpu(), image.grad.cpu(), predicted.cpu()])
    for on_cpu, on_cuda in zip(*answers, strict=True):
        assert (on_cuda - on_cpu).norm() < 0.02 * on_cpu.norm()
    assert prior.manifest()["dtype"] == "float16"
