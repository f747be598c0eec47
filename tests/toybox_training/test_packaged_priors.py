"""The small priors of the package draw what they are asked for, through plain diffusers and through our own code."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import splatdream
import torch
from safetensors import safe_open
from splatdream.cameras.batch import orbit_cameras
from splatdream.evaluation.image_metrics import psnr
from splatdream.priors.model_ids import PACKAGED, packaged_folder
from splatdream.priors.mvdream import load_mvdream
from splatdream.priors.mvdream_unet import camera_embedding_input
from splatdream.priors.stable_diffusion import load_stable_diffusion
from splatdream.priors.stable_diffusion_3 import load_stable_diffusion_3
from splatdream.toybox.objects import build_scene
from splatdream.toybox.ray_tracer import composite, trace
from splatdream.toybox.vocabulary import COLORS, parse_caption
from splatdream.toybox_training.captions import MULTIVIEW_SUFFIX
from splatdream.toybox_training.image_bank import GRAY_SHARE
from splatdream.toybox_training.sampling import embed_texts, sample_images
from splatdream.toybox_training.scoring import ScoreGrid, Wanted, judge, summary

PACKAGE = Path(splatdream.__file__).parent / "toybox_priors"
# Eight objects in four colors: an answer that does not depend on the text is right about one time in 32.
GRID = ScoreGrid(
    objects=("cat", "car", "robot", "house", "rabbit", "penguin", "train", "tree"),
    colors=("red", "green", "blue", "orange"),
)
TEXTS = ("an orange cat", "a green car", "a blue robot", "a red house", "a green train", "a blue penguin")


def test_the_weights_are_small_and_in_half_precision():
    # As they lie in the package: what toybox-flow has from toybox-sd is there once.
    files = [path for name in PACKAGED for path in (PACKAGE / name).rglob("*.safetensors")]
    assert len(files) == 6 + 3
    assert sum(path.stat().st_size for path in files) <= 48e6
    for path in files:
        with safe_open(path, "pt") as weights:
            assert {weights.get_tensor(name).dtype for name in weights.keys()} == {torch.float16}  # noqa: SIM118


def test_the_autoencoder_gives_true_images_back():
    # The figure of the model cards.
    azimuths = [0.0, 90.0, 180.0, 270.0]
    cameras = orbit_cameras([20.0] * 4, azimuths, width=64, height=64)
    scenes = [build_scene(f"{color} {name}") for color in COLORS for name in ("cat", "car", "robot", "duck")]
    images = torch.cat([composite(trace(scene, cameras), torch.ones(4, 3)) for scene in scenes])
    prior = load_stable_diffusion("toybox-sd")
    with torch.no_grad():
        decoded = prior.decode_latents(prior.encode_images(images))
    assert psnr(decoded, images).mean() == pytest.approx(29.7, abs=0.1)


def test_plain_diffusers_draws_the_object_in_its_color():
    from diffusers import StableDiffusionPipeline

    pipeline = StableDiffusionPipeline.from_pretrained(packaged_folder("toybox-sd"))
    pipeline.set_progress_bar_config(disable=True)
    drawn = pipeline(
        list(TEXTS),
        guidance_scale=3.0,
        num_inference_steps=20,
        generator=torch.Generator().manual_seed(0),
        output_type="np",
    ).images
    assert drawn.shape == (len(TEXTS), 64, 64, 3) and np.isfinite(drawn).all()
    verdicts = judge(torch.from_numpy(drawn).movedim(-1, 1), [Wanted(parse_caption(text)) for text in TEXTS], GRID)
    assert summary(verdicts)["object_and_color"] >= 5 / 6


def test_the_flow_draws_through_plain_diffusers_and_shares_its_encoders():
    from diffusers import StableDiffusion3Pipeline

    pipeline = StableDiffusion3Pipeline.from_pretrained(
        packaged_folder("toybox-flow"), text_encoder_3=None, tokenizer_3=None
    )
    pipeline.set_progress_bar_config(disable=True)
    drawn = pipeline(
        list(TEXTS),
        height=64,
        width=64,
        guidance_scale=3.0,
        num_inference_steps=20,
        generator=torch.Generator().manual_seed(0),
        output_type="pt",
    ).images
    verdicts = judge(drawn.float(), [Wanted(parse_caption(text)) for text in TEXTS], GRID)
    assert summary(verdicts)["object_and_color"] >= 4 / 6
    weights = "vae/diffusion_pytorch_model.safetensors"
    shared = (packaged_folder("toybox-flow") / weights, packaged_folder("toybox-sd") / weights)
    assert shared[0].read_bytes() == shared[1].read_bytes()


def test_as_many_grounds_are_white_as_in_the_training_images():
    # Three quarters; a noise schedule that does not end in pure noise turns most of them gray.
    from diffusers import StableDiffusionPipeline

    pipeline = StableDiffusionPipeline.from_pretrained(packaged_folder("toybox-sd"))
    pipeline.set_progress_bar_config(disable=True)
    generator = torch.Generator().manual_seed(0)
    drawn = pipeline(list(TEXTS) * 8, guidance_scale=1.0, num_inference_steps=20, generator=generator, output_type="pt")
    corners = drawn.images[:, :, [0, 0, -1, -1], [0, -1, 0, -1]].mean((1, 2))
    # The binomial standard deviation of 48 is 0.06.
    assert (corners > 0.97).float().mean() == pytest.approx(1 - GRAY_SHARE, abs=0.15)


def test_mvdream_draws_four_views_of_one_object_from_where_its_cameras_stand():
    prior = load_mvdream("toybox-mvdream")
    azimuths = [0.0, 90.0, 180.0, 270.0]
    texts = [text for text in TEXTS[:4] for _ in azimuths]
    wanted = [
        Wanted(replace(parse_caption(text), view_word=None), azimuth) for text in TEXTS[:4] for azimuth in azimuths
    ]
    cameras = orbit_cameras([20.0] * len(texts), azimuths * 4)
    from diffusers import DDIMScheduler
    from transformers import CLIPTextModel, CLIPTokenizer

    folder = packaged_folder("toybox-mvdream")
    encoder = CLIPTextModel.from_pretrained(folder, subfolder="text_encoder").float()
    tokenizer = CLIPTokenizer.from_pretrained(folder, subfolder="tokenizer")
    with torch.no_grad():
        embeddings = embed_texts(encoder, tokenizer, ["", *(f"{text}{MULTIVIEW_SUFFIX}" for text in texts)])
    images = sample_images(
        prior.network,
        prior.vae,
        DDIMScheduler.from_pretrained(folder, subfolder="scheduler"),
        embeddings[1:],
        embeddings[:1],
        torch.Generator().manual_seed(0),
        camera_embedding_input(cameras.c2w),
        num_steps=20,
    )
    report = summary(judge(images, wanted, GRID))
    assert report["object_and_color"] >= 0.75
    assert report["view"] >= 0.75


@pytest.mark.parametrize(
    ("name", "load", "denoiser"),
    [
        ("toybox-sd", load_stable_diffusion, "unet"),
        ("toybox-mvdream", load_mvdream, "unet"),
        ("toybox-flow", load_stable_diffusion_3, "transformer"),
    ],
)
def test_the_record_of_a_run_names_the_packaged_prior_and_hashes_its_files(name, load, denoiser):
    manifest = load(name).manifest()
    assert manifest["model_id"] == name
    assert f"{denoiser}/diffusion_pytorch_model.safetensors" in manifest["files"]


def test_an_installation_without_the_weights_says_so(monkeypatch, tmp_path):
    monkeypatch.setattr("splatdream.priors.model_files.packaged_folder", lambda name: tmp_path / name)
    with pytest.raises(FileNotFoundError, match=r"it lacks unet, vae.*install it again"):
        load_stable_diffusion("toybox-sd")
