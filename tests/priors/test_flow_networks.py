"""Stable Diffusion 3 and FLUX agree with plain diffusers pipelines on the same files."""

import json
import shutil

import pytest
import tiny_models
import torch
from diffusers import (
    FlowMatchEulerDiscreteScheduler,
    FluxPipeline,
    FluxTransformer2DModel,
    SD3Transformer2DModel,
    StableDiffusion3Pipeline,
)
from splatdream.cameras.batch import orbit_cameras
from splatdream.guidance.denoiser import Denoiser
from splatdream.host import find
from splatdream.priors import registered_networks  # noqa: F401 - registers
from splatdream.priors.base import Views
from splatdream.priors.condition_cache import ConditionCache
from splatdream.priors.flux import load_flux, packed, unpacked
from splatdream.priors.model_files import choose_files
from splatdream.priors.stable_diffusion import load_stable_diffusion
from splatdream.priors.stable_diffusion_3 import load_stable_diffusion_3

TEXTS = ["a cat, front view", "", "a cat"]
CPU = (torch.device("cpu"), torch.float32)


@pytest.fixture(scope="module")
def sd3(sd3_folder):
    return {has_t5: load_stable_diffusion_3(str(sd3_folder), uses_t5=has_t5) for has_t5 in (False, True)}


@pytest.fixture(scope="module")
def sd3_pipeline(sd3_folder):
    pipeline = StableDiffusion3Pipeline.from_pretrained(sd3_folder, local_files_only=True)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


@pytest.fixture(scope="module")
def flux(flux_folder):
    return load_flux(str(flux_folder), image_size=32)


@pytest.fixture(scope="module")
def flux_pipeline(flux_folder):
    pipeline = FluxPipeline.from_pretrained(flux_folder, local_files_only=True)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def some_views(count):
    return Views(orbit_cameras([0.0] * count, [0.0] * count), torch.ones(count, 3))


def some_latents(count, generator):
    return torch.randn(count, 16, 8, 8, generator=generator)


def velocity_of(prior, noisy, timesteps, condition):
    """What the network says, from the noise and the clean image that the prior makes of it."""
    noise = prior.predict_noise(noisy, timesteps, condition, some_views(len(noisy)))
    return noise - prior.schedule.clean_from_noise(noisy, noise, timesteps)


@pytest.mark.parametrize("has_t5", [False, True])
def test_sd3_says_what_the_pipelines_network_says(sd3, sd3_pipeline, has_t5, generator, monkeypatch):
    # Without T5 the pipeline's network reads 256 tokens of zeros; ours reads one that counts as so many.
    if not has_t5:
        monkeypatch.setattr(sd3_pipeline, "text_encoder_3", None)
    prior, noisy, timesteps = sd3[has_t5], some_latents(3, generator), torch.tensor([10, 500, 950])
    context, _, pooled, _ = sd3_pipeline.encode_prompt(TEXTS, None, None, do_classifier_free_guidance=False)
    levels = prior.schedule.levels[timesteps]
    expected = sd3_pipeline.transformer(noisy, context, pooled, 1000 * levels).sample
    condition = prior.encode_texts(TEXTS)
    torch.testing.assert_close(velocity_of(prior, noisy, timesteps, condition), expected, atol=1e-4, rtol=1e-4)
    assert condition.embeddings_on(*CPU).shape[1] == (77 + 256 if has_t5 else 77 + 1)


def test_flux_says_what_the_pipelines_network_says(flux, flux_pipeline, generator):
    noisy, timesteps = some_latents(3, generator), torch.tensor([10, 500, 950])
    texts, pooled, text_places = flux_pipeline.encode_prompt(TEXTS, max_sequence_length=256)
    expected = flux_pipeline.transformer(
        FluxPipeline._pack_latents(noisy, 3, 16, 8, 8),
        encoder_hidden_states=texts,
        pooled_projections=pooled,
        timestep=flux.schedule.levels[timesteps],
        img_ids=FluxPipeline._prepare_latent_image_ids(3, 4, 4, *CPU),
        txt_ids=text_places,
    ).sample
    condition = flux.encode_texts(TEXTS)
    velocity = velocity_of(flux, noisy, timesteps, condition)
    torch.testing.assert_close(packed(velocity), expected, atol=1e-4, rtol=1e-4)


def test_packed_latents_unpack(generator):
    latents = torch.randn(2, 16, 6, 8, generator=generator)
    assert torch.equal(unpacked(packed(latents), 3, 4), latents)


def test_guided_sampling_with_the_prior_gives_the_pipelines_latents(sd3, sd3_pipeline, generator):
    # Texts, noise levels, velocity, network and guidance convention at once.
    start, prior = some_latents(1, generator), sd3[True]
    scheduler = FlowMatchEulerDiscreteScheduler.from_config(sd3_pipeline.scheduler.config)
    levels = [float(level) for level in prior.schedule.levels[[950, 600, 200]]]
    # The pipeline shifts what it is given.
    unshifted = [level / (3 - 2 * level) for level in levels]
    expected = sd3_pipeline(
        "a cat", negative_prompt="dog", sigmas=unshifted, guidance_scale=7.5, latents=start, output_type="latent"
    ).images
    scheduler.set_timesteps(sigmas=unshifted)
    condition = prior.encode_texts(["a cat", "dog"])
    denoiser = Denoiser(prior, condition, torch.tensor([0]), torch.tensor([1]), some_views(1), guidance_scale=7.5)
    latents = start
    for index, timestep in zip([950, 600, 200], scheduler.timesteps, strict=True):
        at = torch.tensor([index])
        noise = denoiser.guided(latents, at)
        velocity = noise - prior.schedule.clean_from_noise(latents, noise, at)
        latents = scheduler.step(velocity, timestep, latents).prev_sample
    torch.testing.assert_close(latents, expected, atol=1e-3, rtol=1e-3)


@pytest.mark.parametrize("kind", ["sd3", "flux"])
def test_latents_are_shifted_scaled_and_decoded_as_the_pipeline_does(kind, sd3, flux, sd3_pipeline, generator):
    prior = sd3[True] if kind == "sd3" else flux
    rgb = torch.rand(2, 32, 32, 3, generator=generator)
    vae = prior.vae
    expected = (vae.encode(2 * rgb.movedim(-1, 1) - 1).latent_dist.mean - 0.0609) * 1.5305
    torch.testing.assert_close(prior.encode_images(rgb), expected)
    decoded = vae.decode(expected / 1.5305 + 0.0609).sample
    shown = sd3_pipeline.image_processor.postprocess(decoded, output_type="pt").movedim(1, -1)
    torch.testing.assert_close(prior.decode_latents(expected), shown)


def test_the_noise_levels_lie_between_the_schedulers(sd3, sd3_folder):
    scheduler = FlowMatchEulerDiscreteScheduler.from_pretrained(sd3_folder, subfolder="scheduler")
    ours, theirs = sd3[True].schedule.levels, scheduler.sigmas.flip(0)
    assert len(ours) == len(theirs) == 1000
    assert (ours < theirs).all() and (ours[1:] > theirs[:-1]).all()


def test_cached_texts_need_no_encoder_and_rows_can_be_picked(sd3_folder, tmp_path, monkeypatch):
    cache = ConditionCache(tmp_path)
    first = load_stable_diffusion_3(str(sd3_folder), text_cache=cache).encode_texts(TEXTS)
    monkeypatch.setattr("splatdream.priors.sd3_texts.load_clip_with_projection", None)
    second = load_stable_diffusion_3(str(sd3_folder), text_cache=cache).encode_texts(TEXTS[::-1])
    picked = second[torch.tensor([2, 1])]
    assert torch.equal(picked.embeddings_on(*CPU), first.embeddings_on(*CPU)[:2])
    assert torch.equal(picked.pooled_on(*CPU), first.pooled_on(*CPU)[:2])


# From the configurations that the published models come with, and the sizes of their files at two bytes a number.
SD3 = {
    "attention_head_dim": 64,
    "caption_projection_dim": 1536,
    "num_attention_heads": 24,
    "num_layers": 24,
    "pos_embed_max_size": 192,
}
SD35_MEDIUM = SD3 | {"dual_attention_layers": tuple(range(13)), "pos_embed_max_size": 384, "qk_norm": "rms_norm"}
SD35_LARGE = SD3 | {"caption_projection_dim": 2432, "num_attention_heads": 38, "num_layers": 38, "qk_norm": "rms_norm"}


@pytest.mark.parametrize(
    ("network", "config", "billions"),
    [
        (SD3Transformer2DModel, SD3, 2.085),
        (SD3Transformer2DModel, SD35_MEDIUM, 2.47),
        (SD3Transformer2DModel, SD35_LARGE, 8.15),
        (FluxTransformer2DModel, {"guidance_embeds": False}, 11.9),
    ],
)
def test_networks_of_full_size_have_what_the_priors_reach_for(network, config, billions):
    # Without memory: names and shapes only.
    with torch.device("meta"):
        full = network(**config)
    assert sum(weight.numel() for weight in full.state_dict().values()) == pytest.approx(billions * 1e9, rel=0.01)
    assert full.time_text_embed.timestep_embedder.linear_2.out_features == full.inner_dim
    assert {f"transformer_blocks.0.attn.{name}.weight" for name in ("to_q", "to_k", "to_v", "to_out.0")} <= set(
        full.state_dict()
    )


def test_shards_are_one_set_of_weights():
    names = [f"transformer/diffusion_pytorch_model-0000{place}-of-00003.safetensors" for place in (1, 2, 3)]
    others = ["transformer/config.json", "transformer/diffusion_pytorch_model.safetensors.index.json"]
    assert set(choose_files([*names, *others], ("transformer",), True)) == {*names, *others}
    assert choose_files([*names[:2], *others], ("transformer",), True) == others


@pytest.mark.parametrize("kind", ["sd3", "flux"])
def test_the_registered_prior_is_built_from_a_configuration(kind, sd3_folder, flux_folder):
    config = {"model": str(sd3_folder if kind == "sd3" else flux_folder), "image_size": 64, "cache_texts": False}
    registered = find(f"splatdream-{kind}-prior")(config)
    prior = registered()
    assert prior.encode_images(torch.rand(1, 16, 16, 3)).shape == (1, 16, 16, 16)
    assert set(registered.content()["model"]) == set(prior.manifest()["files"])


def refusal(load, folder):
    with pytest.raises((ValueError, FileNotFoundError)) as error:
        load(str(folder))
    message = str(error.value)
    assert "\n" not in message
    return message


def test_what_is_no_such_model_is_refused_in_a_sentence(sd3_folder, flux_folder, stable_diffusion_folder, tmp_path):
    assert "it lacks transformer" in refusal(load_stable_diffusion_3, stable_diffusion_folder)
    assert "it lacks unet" in refusal(load_stable_diffusion, sd3_folder)
    assert "splatdream-flux-prior" in refusal(load_stable_diffusion_3, flux_folder)
    assert "splatdream-sd3-prior" in refusal(load_flux, sd3_folder)
    dev = tiny_models.make_tiny_flux(tmp_path / "dev", guidance_embeds=True)
    assert "take FLUX.1-schnell" in refusal(load_flux, dev)
    scheduler = dev / "scheduler" / "scheduler_config.json"
    scheduler.write_text(json.dumps(json.loads(scheduler.read_text()) | {"use_dynamic_shifting": True}))
    assert "FLUX.1-dev" in refusal(load_flux, dev)


def test_a_missing_part_and_a_damaged_file_are_named(sd3_folder, tmp_path):
    folder = tmp_path / "sd3"
    shutil.copytree(sd3_folder, folder)
    weights = folder / "transformer" / "diffusion_pytorch_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    message = refusal(load_stable_diffusion_3, folder)
    assert str(weights) in message and "damaged" in message
    shutil.rmtree(folder / "text_encoder_3")
    shutil.rmtree(folder / "text_encoder_2")
    assert "it lacks text_encoder_2;" in refusal(load_stable_diffusion_3, folder)
    assert "text_encoder_3" in refusal(lambda name: load_stable_diffusion_3(name, uses_t5=True), folder)


@pytest.mark.parametrize(("load", "kind"), [(load_stable_diffusion_3, "sd3"), (load_flux, "flux")])
def test_an_image_size_that_the_network_cannot_take_is_refused(load, kind, request):
    folder = str(request.getfixturevalue(f"{kind}_folder"))
    with pytest.raises(ValueError, match=r"prior\.image_size is 36, but .* multiple of 8"):
        load(folder, image_size=36)
    if kind == "sd3":
        with pytest.raises(ValueError, match=r"prior\.image_size is 128, but .* 64 at most"):
            load(folder, image_size=128)
