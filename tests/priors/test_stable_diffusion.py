"""The adapter agrees with a plain diffusers pipeline on the same files."""

import copy
import gc
import json
import shutil
import weakref

import pytest
import torch
from diffusers import DDIMScheduler, StableDiffusionPipeline
from peft import LoraConfig, inject_adapter_in_model
from splatdream.cameras.batch import orbit_cameras
from splatdream.guidance.denoiser import Denoiser
from splatdream.priors import clip_texts
from splatdream.priors.base import Views
from splatdream.priors.condition_cache import ConditionCache
from splatdream.priors.latent_diffusion import NetworkOptions, resized
from splatdream.priors.stable_diffusion import load_stable_diffusion
from splatdream.prompts.view_prompts import make_view_prompts

TEXTS = ["a cat, front view", "", "a cat"]


@pytest.fixture(scope="module")
def prior(stable_diffusion_folder):
    return load_stable_diffusion(str(stable_diffusion_folder))


@pytest.fixture(scope="module")
def pipeline(stable_diffusion_folder):
    return StableDiffusionPipeline.from_pretrained(stable_diffusion_folder, local_files_only=True)


def some_views(count):
    return Views(orbit_cameras([0.0] * count, [0.0] * count), torch.ones(count, 3))


def embeddings(condition):
    return condition.embeddings_on(torch.device("cpu"), torch.float32)


def some_latents(count, generator):
    return torch.randn(count, 4, 8, 8, generator=generator)


def test_text_embeddings_are_the_pipelines(prior, pipeline):
    expected, _ = pipeline.encode_prompt(TEXTS, "cpu", 1, do_classifier_free_guidance=False)
    torch.testing.assert_close(embeddings(prior.encode_texts(TEXTS)), expected)


def test_condition_rows_can_be_picked_and_repeated(prior):
    condition = prior.encode_texts(TEXTS)
    picked = condition[torch.tensor([2, 0, 0])]
    assert len(condition) == len(picked) == 3
    torch.testing.assert_close(embeddings(picked), embeddings(condition)[[2, 0, 0]])


def test_latents_are_the_scaled_means_of_the_pipelines_autoencoder(prior, pipeline, generator):
    rgb = torch.rand(2, 32, 32, 3, generator=generator)
    preprocessed = pipeline.image_processor.preprocess(rgb.movedim(-1, 1))
    expected = pipeline.vae.encode(preprocessed).latent_dist.mean * pipeline.vae.config.scaling_factor
    torch.testing.assert_close(prior.encode_images(rgb), expected)


def test_decoded_latents_are_the_pipelines_images(prior, pipeline, generator):
    latents = some_latents(2, generator)
    decoded = pipeline.vae.decode(latents / pipeline.vae.config.scaling_factor).sample
    expected = pipeline.image_processor.postprocess(decoded, output_type="pt").movedim(1, -1)
    torch.testing.assert_close(prior.decode_latents(latents), expected)


def test_noise_prediction_is_the_pipelines_network(prior, pipeline, generator):
    noisy, timesteps = some_latents(3, generator), torch.tensor([10, 500, 990])
    condition = prior.encode_texts(TEXTS)
    expected = pipeline.unet(noisy, timesteps, encoder_hidden_states=embeddings(condition)).sample
    torch.testing.assert_close(prior.predict_noise(noisy, timesteps, condition, some_views(3)), expected)


def test_guided_sampling_with_the_prior_gives_the_pipelines_latents(prior, pipeline, generator):
    # The whole chain at once: texts, schedule, network and guidance convention, over three DDIM steps.
    start = some_latents(1, generator)
    expected = pipeline(
        "a cat", negative_prompt="dog", num_inference_steps=3, guidance_scale=7.5, latents=start, output_type="latent"
    ).images
    scheduler = DDIMScheduler.from_config(pipeline.scheduler.config)
    scheduler.set_timesteps(3)
    condition = prior.encode_texts(["a cat", "dog"])
    denoiser = Denoiser(prior, condition, torch.tensor([0]), torch.tensor([1]), some_views(1), guidance_scale=7.5)
    latents = start
    for timestep in scheduler.timesteps:
        noise = denoiser.guided(latents, timestep.reshape(1))
        latents = scheduler.step(noise, timestep, latents).prev_sample
    torch.testing.assert_close(latents, expected, atol=1e-4, rtol=1e-4)


def test_schedule_is_the_pipelines(prior, pipeline):
    torch.testing.assert_close(prior.schedule.alphas_cumprod, pipeline.scheduler.alphas_cumprod)


def test_a_v_prediction_network_becomes_a_noise_prediction(v_prediction_folder, generator):
    prior = load_stable_diffusion(str(v_prediction_folder))
    pipeline = StableDiffusionPipeline.from_pretrained(v_prediction_folder, local_files_only=True)
    noisy, timestep = some_latents(1, generator), 700
    condition = prior.encode_texts(["a cat"])
    velocity = pipeline.unet(noisy, timestep, encoder_hidden_states=embeddings(condition)).sample
    scheduler = DDIMScheduler.from_config(pipeline.scheduler.config)
    scheduler.set_timesteps(10)
    clean = scheduler.step(velocity, timestep, noisy).pred_original_sample
    predicted = prior.predict_noise(noisy, torch.tensor([timestep]), condition, some_views(1))
    assert prior.prediction_type == "v_prediction"
    torch.testing.assert_close(prior.schedule.clean_from_noise(noisy, predicted, torch.tensor([timestep])), clean)


@pytest.mark.parametrize("side", [16, 48])
def test_a_constant_image_of_any_size_has_the_latents_of_one_at_the_models_size(prior, side):
    gray = torch.full((1, 32, 32, 3), 0.3)
    torch.testing.assert_close(
        prior.encode_images(torch.full((1, side, side, 3), 0.3)), prior.encode_images(gray), atol=1e-5, rtol=1e-4
    )


def test_shrinking_averages_pixels_instead_of_skipping_them():
    # Stripes two wide, a quarter of the size: interpolating between nearest pixels alone would see white everywhere.
    is_white = (torch.arange(128) % 4 == 1) | (torch.arange(128) % 4 == 2)
    stripes = is_white.float().expand(1, 1, 128, 128).clone().requires_grad_()
    small = resized(stripes, 32)
    torch.testing.assert_close(small[..., 1:-1], torch.full((1, 1, 32, 30), 0.5), atol=0.13, rtol=0)
    small.sum().backward()
    assert (stripes.grad > 0).all()


@pytest.mark.parametrize(
    "options",
    [NetworkOptions(vae_slicing=True), NetworkOptions(vae_checkpointing=True), NetworkOptions(channels_last=False)],
)
def test_memory_options_change_neither_latents_nor_gradients(prior, stable_diffusion_folder, options, generator):
    other = load_stable_diffusion(str(stable_diffusion_folder), options=options)
    rgb = torch.rand(2, 40, 40, 3, generator=generator)
    results = []
    for each in (prior, other):
        image = rgb.clone().requires_grad_()
        latents = each.encode_images(image)
        latents.square().sum().backward()
        results.append((latents.detach(), image.grad))
    torch.testing.assert_close(results[0], results[1], atol=1e-5, rtol=1e-4)


def test_checkpointing_keeps_less_than_a_tenth_of_the_activations(stable_diffusion_folder, generator):
    kept = {}
    for is_checkpointed in (False, True):
        prior = load_stable_diffusion(
            str(stable_diffusion_folder), options=NetworkOptions(vae_checkpointing=is_checkpointed)
        )
        sizes = []
        with torch.autograd.graph.saved_tensors_hooks(
            lambda x, sizes=sizes: (sizes.append(x.nbytes), x)[1], lambda x: x
        ):
            prior.encode_images(torch.rand(1, 32, 32, 3, generator=generator).requires_grad_())
        kept[is_checkpointed] = sum(sizes)
    assert kept[True] < 0.1 * kept[False]


def test_gradients_reach_the_image_and_no_weight(prior, generator):
    image = torch.rand(1, 32, 32, 3, generator=generator, requires_grad=True)
    latents = prior.encode_images(image)
    prior.predict_noise(latents, torch.tensor([500]), prior.encode_texts(["a cat"]), some_views(1)).sum().backward()
    assert image.grad.abs().max() > 0
    networks = [*prior.network.parameters(), *prior.vae.parameters()]
    assert all(parameter.grad is None and not parameter.requires_grad for parameter in networks)


def test_bfloat16_networks_return_the_callers_precision(prior, stable_diffusion_folder, generator):
    other = load_stable_diffusion(str(stable_diffusion_folder), options=NetworkOptions(dtype="bfloat16"))
    rgb, noisy = torch.rand(1, 32, 32, 3, generator=generator), some_latents(1, generator)
    arguments = (noisy, torch.tensor([500]), prior.encode_texts(["a cat"]), some_views(1))
    assert other.encode_images(rgb).dtype == other.predict_noise(*arguments).dtype == torch.float32
    assert other.network.dtype == torch.bfloat16
    torch.testing.assert_close(other.predict_noise(*arguments), prior.predict_noise(*arguments), atol=0.05, rtol=0.05)


@pytest.mark.parametrize("size", [1.0, 1e-5, 1e-9])
def test_float16_networks_carry_gradients_of_any_size(prior, stable_diffusion_folder, size, generator):
    # 1e-5 is what one latent gets from a mean over 4 x 64 x 64 of them; float16 rounds that to a few bits.
    rgb, direction = torch.rand(2, 32, 32, 3, generator=generator), some_latents(2, generator)
    half = load_stable_diffusion(str(stable_diffusion_folder), options=NetworkOptions(dtype="float16"))
    gradients = []
    for each in (prior, half):
        image = rgb.clone().requires_grad_()
        (size * direction * each.encode_images(image)).sum().backward()
        gradients.append(image.grad)
    assert (gradients[1] - gradients[0]).norm() < 0.01 * gradients[0].norm()


def test_float16_networks_pass_on_a_gradient_of_zero(stable_diffusion_folder):
    half = load_stable_diffusion(str(stable_diffusion_folder), options=NetworkOptions(dtype="float16"))
    image = torch.rand(1, 32, 32, 3, requires_grad=True)
    (0.0 * half.encode_images(image)).sum().backward()
    torch.testing.assert_close(image.grad, torch.zeros_like(image))


def test_low_rank_weights_keep_full_precision_and_learn(stable_diffusion_folder, generator):
    prior = load_stable_diffusion(str(stable_diffusion_folder), options=NetworkOptions(dtype="bfloat16"))
    inject_adapter_in_model(LoraConfig(r=2, target_modules=["to_q"]), prior.network)
    added = [weight for name, weight in prior.network.named_parameters() if "lora" in name]
    condition = prior.encode_texts(["a cat"])
    prior.predict_noise(some_latents(1, generator), torch.tensor([9]), condition, some_views(1)).sum().backward()
    assert added and {weight.dtype for weight in added} == {torch.float32}
    assert any(weight.grad is not None and weight.grad.abs().max() > 0 for weight in added)
    assert prior.network.conv_in.weight.dtype == torch.bfloat16


def test_auto_precision_follows_the_device():
    options = NetworkOptions()
    assert options.dtype_on(torch.device("cpu")) == torch.float32
    assert options.dtype_on(torch.device("cuda")) == torch.float16


def test_an_unknown_precision_is_refused():
    with pytest.raises(ValueError, match="fp8"):
        NetworkOptions(dtype="fp8")


def test_images_that_are_not_square_are_refused(prior):
    with pytest.raises(ValueError, match=r"40 x 32.*data\.width"):
        prior.encode_images(torch.rand(1, 32, 40, 3))


def test_a_text_that_would_be_cut_is_refused_with_its_lost_end(prior):
    with pytest.raises(ValueError, match=r"front view.*would be lost"):
        prior.encode_texts(["a cat " * 76 + "front view"])


def test_a_cached_text_needs_no_encoder(stable_diffusion_folder, tmp_path, monkeypatch):
    cache = ConditionCache(tmp_path)
    first = load_stable_diffusion(str(stable_diffusion_folder), text_cache=cache).encode_texts(TEXTS)

    def fail(files):
        raise AssertionError("the text encoder was loaded")

    monkeypatch.setattr(clip_texts, "load_text_encoder", fail)
    second = load_stable_diffusion(str(stable_diffusion_folder), text_cache=cache).encode_texts(TEXTS[::-1])
    torch.testing.assert_close(embeddings(second), embeddings(first).flip(0), rtol=0, atol=0)


def test_the_text_encoder_is_freed_after_encoding(stable_diffusion_folder, monkeypatch):
    loaded = []
    load = clip_texts.load_text_encoder

    def watch(files):
        tokenizer, encoder = load(files)
        loaded.append(weakref.ref(encoder))
        return tokenizer, encoder

    monkeypatch.setattr(clip_texts, "load_text_encoder", watch)
    prior = load_stable_diffusion(str(stable_diffusion_folder))
    condition = prior.encode_texts(["a cat", ""])
    gc.collect()
    assert len(condition) == 2 and [encoder() for encoder in loaded] == [None]


def test_a_changed_text_encoder_does_not_meet_the_old_entries(stable_diffusion_folder, tmp_path):
    cache = ConditionCache(tmp_path / "cache")
    load_stable_diffusion(str(stable_diffusion_folder), text_cache=cache).encode_texts(["a cat"])
    changed = tmp_path / "changed"
    shutil.copytree(stable_diffusion_folder, changed)
    config = json.loads((changed / "text_encoder/config.json").read_text())
    (changed / "text_encoder/config.json").write_text(json.dumps(config | {"layer_norm_eps": 0.1}))
    prior = load_stable_diffusion(str(changed), text_cache=cache)
    kept = load_stable_diffusion(str(stable_diffusion_folder)).encode_texts(["a cat"])
    assert (embeddings(prior.encode_texts(["a cat"])) - embeddings(kept)).abs().max() > 1e-3


def test_half_precision_weights_load_from_a_folder_that_has_only_these(pipeline, prior, tmp_path, generator):
    halves = StableDiffusionPipeline(**pipeline.components, requires_safety_checker=False)
    halves.save_pretrained(tmp_path, variant="fp16")
    other = load_stable_diffusion(str(tmp_path))
    assert "unet/diffusion_pytorch_model.fp16.safetensors" in other.manifest()["files"]
    rgb = torch.rand(1, 32, 32, 3, generator=generator)
    torch.testing.assert_close(other.encode_images(rgb), prior.encode_images(rgb))


def test_a_folder_that_dreambooth_leaves_loads(pipeline, tmp_path, generator):
    # Diffusers' script saves what it trained into a pipeline of the base's other parts, with checkpoints and pictures.
    changed = copy.deepcopy(pipeline.unet)
    with torch.no_grad():
        changed.conv_out.bias += 0.5
    parts = pipeline.components | {"unet": changed}
    StableDiffusionPipeline(**parts, requires_safety_checker=False).save_pretrained(tmp_path)
    (tmp_path / "checkpoint-500" / "unet").mkdir(parents=True)
    (tmp_path / "image_0.png").write_bytes(b"")
    prior, noisy, timesteps = load_stable_diffusion(str(tmp_path)), some_latents(1, generator), torch.tensor([500])
    condition = prior.encode_texts(["a cat"])
    expected = pipeline.unet(noisy, timesteps, encoder_hidden_states=embeddings(condition)).sample + 0.5
    torch.testing.assert_close(prior.predict_noise(noisy, timesteps, condition, some_views(1)), expected)


def test_the_identifier_of_dreambooths_subject_reaches_the_encoder_in_every_views_text(prior, pipeline):
    # The name that the script was told for the subject (instance_prompt) is no word; nothing may correct or drop it.
    texts = list(make_view_prompts("a photo of sks dog, 3d").view_texts.values())
    assert len(texts) == 4 and all(text.startswith("a photo of sks dog, 3d") for text in texts)
    expected, *_ = pipeline.encode_prompt(texts, "cpu", 1, False)
    torch.testing.assert_close(embeddings(prior.encode_texts(texts)), expected)
    other = prior.encode_texts(["a photo of xyz dog, 3d"])
    assert (embeddings(other) - expected[:1]).abs().max() > 1e-3


def test_the_manifest_names_the_files_by_their_hashes(stable_diffusion_folder, tmp_path):
    shutil.copytree(stable_diffusion_folder, tmp_path / "copy")
    one = load_stable_diffusion(str(stable_diffusion_folder)).manifest()
    copy = load_stable_diffusion(str(tmp_path / "copy")).manifest()
    assert one["files"] == copy["files"]
    assert {"unet/diffusion_pytorch_model.safetensors", "scheduler/scheduler_config.json"} <= set(one["files"])
    assert one["model_id"] != copy["model_id"] and one["revision"] is None
    json.dumps(one)


def test_an_inpainting_network_is_refused(stable_diffusion_folder, tmp_path):
    from diffusers import UNet2DConditionModel

    shutil.copytree(stable_diffusion_folder, tmp_path / "inpainting")
    config = dict(UNet2DConditionModel.load_config(tmp_path / "inpainting" / "unet")) | {"in_channels": 9}
    UNet2DConditionModel.from_config(config).save_pretrained(tmp_path / "inpainting" / "unet")
    with pytest.raises(ValueError, match="9 channels"):
        load_stable_diffusion(str(tmp_path / "inpainting"))


def test_the_registered_prior_is_built_from_a_configuration(stable_diffusion_folder, tmp_path, monkeypatch):
    from splatdream.host import find
    from splatdream.priors import registered_networks  # noqa: F401 - registers

    monkeypatch.setenv("SPLATDREAM_CACHE", str(tmp_path))
    config = {"model": str(stable_diffusion_folder), "dtype": "bfloat16", "vae_slicing": True, "image_size": 64}
    prior = find("splatdream-stable-diffusion-prior")(config)()
    assert prior.image_size == 64
    assert prior.encode_images(torch.rand(2, 16, 16, 3)).shape == (2, 4, 16, 16)
    prior.encode_texts(["a cat"])
    assert len(list((tmp_path / "texts").glob("*.condition"))) == 1
