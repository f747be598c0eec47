"""A training of a few steps of each network, at toy sizes."""

import csv
from dataclasses import replace
from functools import partial

import pytest
import torch
from safetensors.torch import load_file
from splatdream.cameras.batch import orbit_cameras
from splatdream.priors.base import Views
from splatdream.priors.mvdream import load_mvdream
from splatdream.priors.repeated_token import count_last_token
from splatdream.priors.sd3_context import NUM_T5_TOKENS
from splatdream.priors.stable_diffusion import load_stable_diffusion
from splatdream.priors.stable_diffusion_3 import load_stable_diffusion_3
from splatdream.toybox_training.autoencoder_training import train_vae
from splatdream.toybox_training.denoiser_trainings import train_mvdream, train_sd
from splatdream.toybox_training.flow_networks import FlowSizes
from splatdream.toybox_training.flow_training import FlowTexts, train_flow
from splatdream.toybox_training.loop import LoopOptions
from splatdream.toybox_training.networks import FIRST_FADING_STEP, NetworkSizes, build_scheduler
from splatdream.toybox_training.sampling import sample_flow_images
from splatdream.toybox_training.score_report import ScoreOptions, score_prior
from splatdream.toybox_training.scoring import ScoreGrid
from splatdream.toybox_training.setup import BankSizes, TrainingSetup

SIZES = NetworkSizes(32, (8, 8, 16), 1, (16, 16), 1, 16, 1, 8)
BANKS = BankSizes(num_dressed=1, num_images=177, num_groups=2)
FLOW = FlowSizes(channels=16, heads=2, layers=2, second_channels=8)
TRAININGS = {"vae": train_vae, "sd": train_sd, "mvdream": train_mvdream, "flow": partial(train_flow, flow=FLOW)}
OPTIONS = LoopOptions(steps=4, batch_size=4, warmup_steps=1, learning_rate=1e-3)


def setup_in(folder, **options):
    return TrainingSetup(folder, replace(OPTIONS, **options), SIZES, BANKS)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """With all of them trained."""
    patch = pytest.MonkeyPatch()
    patch.setenv("SPLATDREAM_CACHE", str(tmp_path_factory.mktemp("cache")))
    root = tmp_path_factory.mktemp("priors")
    for training in TRAININGS.values():
        training(setup_in(root))
    yield root
    patch.undo()


def weights_of(root, kind):
    return torch.load(root / kind / "state.pt", weights_only=True)


@pytest.mark.parametrize("kind", TRAININGS)
def test_an_interrupted_training_ends_with_the_same_bits(folder, tmp_path, kind):
    training = TRAININGS[kind]
    for part in {"vae": (), "sd": ("vae",), "mvdream": ("vae", "sd"), "flow": ("sd",)}[kind]:
        (tmp_path / part).symlink_to(folder / part)
    training(setup_in(tmp_path, steps=2))
    training(setup_in(tmp_path))
    resumed, whole = weights_of(tmp_path, kind), weights_of(folder, kind)
    assert resumed["step"] == whole["step"] == 4
    for part in ("networks", "average"):
        assert all(torch.equal(resumed[part][name], whole[part][name]) for name in whole[part])
    with (tmp_path / kind / "loss.csv").open() as file:
        assert [int(row["step"]) for row in csv.DictReader(file)] == [0, 1, 2, 3]
    assert (tmp_path / kind / "loss.csv").read_text() == (folder / kind / "loss.csv").read_text()


def test_the_scaled_latents_have_a_standard_deviation_of_one_after_several_saves(folder, tmp_path):
    from diffusers import AutoencoderKL

    train_vae(setup_in(tmp_path, save_minutes=0.0))
    often = AutoencoderKL.from_pretrained(tmp_path / "vae" / "autoencoder")
    once = AutoencoderKL.from_pretrained(folder / "vae" / "autoencoder")
    assert often.config.scaling_factor == pytest.approx(once.config.scaling_factor, rel=1e-4)


def test_a_state_of_other_sizes_is_refused(folder):
    with pytest.raises(ValueError, match="batch_size"):
        train_vae(setup_in(folder, batch_size=2, steps=5))


@pytest.mark.parametrize("name", ["sd", "mvdream", "flow"])
def test_a_training_that_starts_from_a_pipeline_begins_with_its_weights(name, folder, tmp_path):
    (tmp_path / "vae").symlink_to(folder / "vae")
    start = folder / name / f"toybox-{name}"
    if name == "flow":
        (tmp_path / "sd").symlink_to(folder / "sd")
    went_on = TRAININGS[name](setup_in(tmp_path, steps=1, learning_rate=0.0), start=start)
    for weights in ("text_encoder_2/model", "transformer/diffusion_pytorch_model", "unet/diffusion_pytorch_model"):
        before, after = (path / f"{weights}.safetensors" for path in (start, went_on))
        assert before.exists() == after.exists() == ((name == "flow") != weights.startswith("unet"))
        if before.exists():
            before, after = load_file(before), load_file(after)
            assert before.keys() == after.keys()
            assert all(torch.equal(after[key], before[key]) for key in before)


def test_the_order_of_the_trainings_is_said(tmp_path):
    with pytest.raises(FileNotFoundError, match="toybox train vae"):
        train_mvdream(setup_in(tmp_path))
    with pytest.raises(FileNotFoundError, match="toybox train sd"):
        train_flow(setup_in(tmp_path))


def test_a_budget_is_asked_for():
    with pytest.raises(ValueError, match="--minutes"):
        LoopOptions()


def test_the_noise_schedule_is_stable_diffusions_where_distillation_looks_and_ends_in_pure_noise():
    from diffusers import DDIMScheduler

    of_stable_diffusion = DDIMScheduler(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear")
    ours, theirs = build_scheduler().alphas_cumprod, of_stable_diffusion.alphas_cumprod
    assert FIRST_FADING_STEP == 980 == round(0.98 * len(ours))
    torch.testing.assert_close(ours[: FIRST_FADING_STEP + 1], theirs[: FIRST_FADING_STEP + 1])
    assert (ours.diff() < 0).all()
    assert 0 < ours[-1].sqrt() < 1e-3 < theirs[-1].sqrt()


def test_drawing_starts_at_pure_noise(folder):
    from diffusers import DDIMScheduler

    scheduler = DDIMScheduler.from_pretrained(folder / "sd" / "toybox-sd", subfolder="scheduler")
    scheduler.set_timesteps(25)
    assert scheduler.timesteps[0] == 999
    torch.testing.assert_close(scheduler.alphas_cumprod, build_scheduler().alphas_cumprod)


def test_plain_diffusers_draws_from_the_folder(folder):
    from diffusers import StableDiffusionPipeline

    pipeline = StableDiffusionPipeline.from_pretrained(folder / "sd" / "toybox-sd")
    pipeline.set_progress_bar_config(disable=True)
    (image,) = pipeline("an orange cat, back view", num_inference_steps=2).images
    assert image.size == (32, 32)


def test_the_folder_of_a_flow_does_not_say_where_it_was_made(folder):
    texts = [path.read_text() for path in (folder / "flow" / "toybox-flow").rglob("*.json")]
    assert texts and not any(str(folder) in text for text in texts)


def test_plain_diffusers_draws_from_the_folder_of_a_flow_what_we_draw(folder):
    # The pipeline's network reads 256 tokens of zeros in T5's place, ours one that counts as many.
    from diffusers import StableDiffusion3Pipeline

    flow = folder / "flow" / "toybox-flow"
    pipeline = StableDiffusion3Pipeline.from_pretrained(flow, text_encoder_3=None, tokenizer_3=None)
    pipeline.set_progress_bar_config(disable=True)
    noise = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    options = {"num_inference_steps": 2, "guidance_scale": 3.0, "output_type": "pt", "height": 32, "width": 32}
    theirs = pipeline("an orange cat, back view", latents=noise.clone(), **options).images
    with torch.no_grad():
        texts = FlowTexts(pipeline.text_encoder, pipeline.tokenizer)
        context, pooled = texts.embed(pipeline.text_encoder_2, ["", "an orange cat, back view"])
        count_last_token(pipeline.transformer, NUM_T5_TOKENS)
        generator = torch.Generator().manual_seed(0)
        ours = sample_flow_images(
            pipeline.transformer, pipeline.vae, pipeline.scheduler, context, pooled, generator, num_steps=2
        )
    torch.testing.assert_close(ours, theirs, atol=1e-4, rtol=1e-4)


def test_a_flow_holds_the_files_of_the_prior_that_lends_it_its_encoders(folder):
    flow, lender = folder / "flow" / "toybox-flow", folder / "sd" / "toybox-sd"
    for ours, theirs in {
        "vae/diffusion_pytorch_model.safetensors": "vae/diffusion_pytorch_model.safetensors",
        "text_encoder/model-00001-of-00002.safetensors": "text_encoder/model.safetensors",
        "tokenizer/tokenizer.json": "tokenizer/tokenizer.json",
    }.items():
        assert (flow / ours).read_bytes() == (lender / theirs).read_bytes()


def test_our_priors_load_all_folders_and_cameras_count(folder):
    cameras = orbit_cameras([10.0] * 4, [0.0, 90.0, 180.0, 270.0], width=32, height=32)
    noisy = torch.randn(4, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    timesteps = torch.full((4,), 500)
    for loaded in (
        load_stable_diffusion(str(folder / "sd" / "toybox-sd")),
        load_mvdream(str(folder / "mvdream" / "toybox-mvdream")),
        load_stable_diffusion_3(str(folder / "flow" / "toybox-flow")),
    ):
        condition = loaded.encode_texts(["an orange cat"] * 4)
        views = Views(cameras, torch.ones(4, 3))
        predicted = loaded.predict_noise(noisy, timesteps, condition, views)
        assert predicted.shape == noisy.shape and torch.isfinite(predicted).all()
        turned = Views(cameras[[1, 2, 3, 0]], torch.ones(4, 3))
        is_told = not torch.equal(loaded.predict_noise(noisy, timesteps, condition, turned), predicted)
        assert is_told == (loaded.views_per_group == 4)


@pytest.mark.parametrize("name", ["sd/toybox-sd", "mvdream/toybox-mvdream", "flow/toybox-flow"])
def test_a_folder_is_scored(folder, name):
    grid = ScoreGrid(8, 4, (10.0,), ("cat", "car"), ("red", "blue"))
    report = score_prior(folder / name, ScoreOptions(num_captions=1, num_steps=1), grid)
    assert report["trained"]["images"] == report["held_out"]["images"] == 4
    assert report["kind"] == name.split("/")[0]
