"""Stable Diffusion XL agrees with a plain diffusers pipeline on the same files."""

import json
import shutil

import pytest
import tiny_loras
import tiny_models
import torch
from diffusers import DDIMScheduler, StableDiffusionXLPipeline, UNet2DConditionModel
from splatdream.cameras.batch import orbit_cameras
from splatdream.guidance.denoiser import Denoiser
from splatdream.host import find
from splatdream.priors import registered_networks  # noqa: F401 - registers
from splatdream.priors.base import Views
from splatdream.priors.condition_cache import ConditionCache
from splatdream.priors.latent_diffusion import NetworkOptions
from splatdream.priors.loras import loras_of
from splatdream.priors.sdxl import load_sdxl
from splatdream.priors.stable_diffusion import load_stable_diffusion

CPU = (torch.device("cpu"), torch.float32)


@pytest.fixture(scope="module")
def prior(sdxl_folder):
    return load_sdxl(str(sdxl_folder))


@pytest.fixture
def pipeline(sdxl_folder):
    pipeline = StableDiffusionXLPipeline.from_pretrained(sdxl_folder, local_files_only=True, add_watermarker=False)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def some_views(count):
    return Views(orbit_cameras([0.0] * count, [0.0] * count), torch.ones(count, 3))


def sampled(prior, texts, start, num_steps):
    scheduler = DDIMScheduler.from_pretrained(prior.files.path, subfolder="scheduler")
    scheduler.set_timesteps(num_steps)
    condition = prior.encode_texts(texts)
    denoiser = Denoiser(prior, condition, torch.tensor([0]), torch.tensor([1]), some_views(1), guidance_scale=7.5)
    for timestep in scheduler.timesteps:
        start = scheduler.step(denoiser.guided(start, timestep.reshape(1)), timestep, start).prev_sample
    return start


@pytest.mark.parametrize("negative", ["dog", None])
def test_guided_sampling_with_the_prior_gives_the_pipelines_latents(prior, pipeline, negative, generator):
    # Both texts, pooled text, sizes, schedule and network at once. Without a negative prompt the pipeline takes zeros.
    start = torch.randn(1, 4, 8, 8, generator=generator)
    expected = pipeline(
        "a cat",
        negative_prompt=negative,
        num_inference_steps=2,
        guidance_scale=7.5,
        latents=start,
        output_type="latent",
    ).images
    torch.testing.assert_close(sampled(prior, ["a cat", negative or ""], start, 2), expected, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("layout", ["diffusers", "kohya"])
def test_a_lora_file_changes_it_as_it_changes_the_pipeline(sdxl_folder, pipeline, layout, tmp_path, generator):
    parts = ("unet", "text_encoder", "text_encoder_2")
    spoiled = StableDiffusionXLPipeline.from_pretrained(sdxl_folder, local_files_only=True, add_watermarker=False)
    file = tiny_loras.make_lora(tmp_path / "lora.safetensors", spoiled, parts, layout)
    pipeline.load_lora_weights(str(file), adapter_name="one")
    pipeline.set_adapters(["one"], [0.6])
    start = torch.randn(1, 4, 8, 8, generator=generator)
    expected = pipeline(
        "a cat", negative_prompt="dog", num_inference_steps=1, guidance_scale=7.5, latents=start, output_type="latent"
    ).images
    prior = load_sdxl(str(sdxl_folder), loras=loras_of([{"path": str(file), "weight": 0.6}]))
    torch.testing.assert_close(sampled(prior, ["a cat", "dog"], start, 1), expected, atol=1e-3, rtol=1e-3)


def test_a_smaller_image_is_told_as_one_of_a_large_original(sdxl_folder, prior):
    smaller = load_sdxl(str(sdxl_folder), image_size=16)
    assert smaller._sizes(*CPU).tolist() == [32, 32, 0, 0, 16, 16]
    assert prior._sizes(*CPU).tolist() == [32, 32, 0, 0, 32, 32]


def test_the_autoencoder_stays_in_float32_beside_a_float16_network_unless_it_is_repaired(sdxl_folder, tmp_path):
    rgb, half = torch.rand(1, 32, 32, 3), NetworkOptions(dtype="float16")
    repaired = shutil.copytree(sdxl_folder, tmp_path / "repaired")
    config = repaired / "vae" / "config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | {"force_upcast": False}))
    for folder, dtype in ((sdxl_folder, torch.float32), (repaired, torch.float16)):
        prior = load_sdxl(str(folder), options=half)
        assert prior.encode_images(rgb).isfinite().all()
        assert (prior.network.dtype, prior.vae.dtype) == (torch.float16, dtype)


def test_cached_texts_need_no_encoder(sdxl_folder, tmp_path, monkeypatch):
    cache = ConditionCache(tmp_path)
    first = load_sdxl(str(sdxl_folder), text_cache=cache).encode_texts(["a cat", ""])
    monkeypatch.setattr("splatdream.priors.sdxl.load_text_encoder", None)
    second = load_sdxl(str(sdxl_folder), text_cache=cache).encode_texts(["", "a cat"])[torch.tensor([1, 0])]
    assert torch.equal(first.embeddings_on(*CPU), second.embeddings_on(*CPU))
    assert torch.equal(first.pooled_on(*CPU), second.pooled_on(*CPU))


def test_the_network_of_full_size_has_what_the_prior_reaches_for():
    # The configuration of stable-diffusion-xl-base-1.0; 5.14 GB at two bytes a number. Names and shapes only.
    with torch.device("meta"):
        full = UNet2DConditionModel(
            sample_size=128,
            block_out_channels=(320, 640, 1280),
            down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
            up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
            transformer_layers_per_block=(1, 2, 10),
            attention_head_dim=(5, 10, 20),
            cross_attention_dim=2048,
            use_linear_projection=True,
            addition_embed_type="text_time",
            addition_time_embed_dim=256,
            projection_class_embeddings_input_dim=2816,
        )
    assert sum(weight.numel() for weight in full.parameters()) == pytest.approx(2.567e9, rel=0.001)
    assert full.config.projection_class_embeddings_input_dim == 1280 + 6 * full.config.addition_time_embed_dim
    assert full.time_embedding.linear_2.out_features == 1280
    attention = "down_blocks.2.attentions.0.transformer_blocks.9.attn2"
    assert {f"{attention}.{name}.weight" for name in ("to_q", "to_k", "to_v", "to_out.0")} <= set(full.state_dict())


def test_the_registered_prior_is_built_from_a_configuration(sdxl_folder):
    registered = find("splatdream-sdxl-prior")({"model": str(sdxl_folder), "cache_texts": False})
    prior = registered()
    assert prior.encode_images(torch.rand(1, 16, 16, 3)).shape == (1, 4, 8, 8)
    assert set(registered.content()["model"]) == set(prior.manifest()["files"])


def refusal(load, folder):
    with pytest.raises((ValueError, FileNotFoundError)) as error:
        load(str(folder))
    assert "\n" not in str(error.value)
    return str(error.value)


def test_what_is_no_text_to_image_xl_is_refused_in_a_sentence(sdxl_folder, stable_diffusion_folder, tmp_path):
    assert "it lacks text_encoder_2" in refusal(load_sdxl, stable_diffusion_folder)
    assert "splatdream-sdxl-prior" in refusal(load_stable_diffusion, sdxl_folder)
    refiner = tiny_models.make_tiny_sdxl(tmp_path / "refiner", num_sizes=5)
    assert "refiners" in refusal(load_sdxl, refiner)
    inpainting = shutil.copytree(sdxl_folder, tmp_path / "inpainting")
    config = dict(UNet2DConditionModel.load_config(inpainting / "unet")) | {"in_channels": 9}
    UNet2DConditionModel.from_config(config).save_pretrained(inpainting / "unet")
    assert "9 channels" in refusal(load_sdxl, inpainting)
    shifted = shutil.copytree(sdxl_folder, tmp_path / "shifted")
    config = json.loads((shifted / "vae" / "config.json").read_text()) | {"latents_mean": [0.0] * 4}
    (shifted / "vae" / "config.json").write_text(json.dumps(config))
    assert "Playground" in refusal(load_sdxl, shifted)
