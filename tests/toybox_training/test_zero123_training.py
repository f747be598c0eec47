"""A training of a few steps of the small Zero-1-to-3, over a tiny Stable Diffusion, and what its score says."""

import json
from dataclasses import replace

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file
from splatdream.commands.main import main
from splatdream.toybox.vocabulary import ToyboxCaption
from splatdream.toybox_training.image_bank import object_bank
from splatdream.toybox_training.loop import LoopOptions
from splatdream.toybox_training.networks import NetworkSizes
from splatdream.toybox_training.setup import BankSizes, TrainingSetup
from splatdream.toybox_training.view_score import ViewScoreOptions, nearest_training_views, psnr, score_views
from splatdream.toybox_training.zero123_networks import Zero123Sizes
from splatdream.toybox_training.zero123_training import train_zero123
from tiny_models import make_tiny_stable_diffusion

OPTIONS = LoopOptions(steps=3, batch_size=4, warmup_steps=1, learning_rate=1e-2)
ZERO123 = Zero123Sizes(rank=2, vision_channels=16, vision_layers=1)
WEIGHTS = "diffusion_pytorch_model.safetensors"


def train(folder, **options):
    banks = BankSizes(num_dressed=1, num_images=2 * 177)
    setup = TrainingSetup(folder, replace(OPTIONS, **options), NetworkSizes(image_size=32), banks)
    return train_zero123(setup, ZERO123)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    root = tmp_path_factory.mktemp("trainings")
    make_tiny_stable_diffusion(root / "sd" / "toybox-sd", "v_prediction")
    train(root)
    return root


@pytest.mark.slow
def test_an_interrupted_training_ends_with_the_same_bits(folder, tmp_path):
    (tmp_path / "sd").symlink_to(folder / "sd")
    train(tmp_path, steps=1)
    train(tmp_path)
    resumed, whole = (torch.load(root / "zero123" / "state.pt", weights_only=True) for root in (tmp_path, folder))
    assert resumed["step"] == whole["step"] == 3
    for part in ("networks", "average"):
        assert all(torch.equal(resumed[part][name], whole[part][name]) for name in whole[part])


def test_the_whole_folder_is_the_lender_with_the_low_rank_products_added(folder):
    average = torch.load(folder / "zero123" / "state.pt", weights_only=True)["average"]
    made = load_file(folder / "zero123" / "toybox-zero123" / "unet" / WEIGHTS)
    lent = load_file(folder / "sd" / "toybox-sd" / "unet" / WEIGHTS)
    layer = "down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q"
    up, down = (average[f"unet.{layer}.lora_{part}.default.weight"] for part in "BA")
    assert up.abs().max() > 0
    torch.testing.assert_close(
        made[f"{layer}.weight"].float(), lent[f"{layer}.weight"] + up @ down, atol=1e-3, rtol=1e-3
    )
    # The queries of a single token choose nothing, and stay; the picture's channels have learned something.
    silent = layer.replace("attn1", "attn2") + ".weight"
    torch.testing.assert_close(made[silent].float(), lent[silent], atol=1e-3, rtol=1e-3)
    assert made["conv_in.weight"].shape[1] == 8 and made["conv_in.weight"][:, 4:].abs().max() > 0


def test_a_prior_of_the_folder_runs_and_changes_take_a_fraction_of_it(folder, tmp_path):
    target, changes = folder / "zero123" / "toybox-zero123", folder / "zero123" / "changes"
    assert {path.name for path in target.iterdir()} == {"unet", "vae", "scheduler", "image_encoder", "cc_projection"}
    sizes = [sum(path.stat().st_size for path in part.rglob("*") if path.is_file()) for part in (changes, target)]
    assert sizes[0] < 0.5 * sizes[1]


def test_without_a_stable_diffusion_it_says_what_to_train_first(tmp_path):
    with pytest.raises(FileNotFoundError, match="run `splatdream toybox train sd` first"):
        train(tmp_path)
    assert not list(tmp_path.iterdir())


def test_fewer_than_two_images_of_an_object_are_refused(folder, capsys):
    command = ["toybox", "train", "zero123", "--folder", str(folder), "--steps", "1", "--images", "100"]
    assert main(command) == 1
    assert "100 images of 1744 objects are fewer than two of each" in capsys.readouterr().err


def test_a_bank_of_objects_looks_at_each_from_all_around_on_white():
    captions = (ToyboxCaption("cat", "red"), ToyboxCaption("car", "blue"))
    bank = object_bank(captions, 8, 16, seed=0)
    assert [str(caption) for caption in bank.captions] == [str(one) for one in captions for _ in range(8)]
    around = bank.cameras.azimuth_deg.view(2, 8).remainder(360).sort(dim=1).values
    assert ((around / 45).floor() == torch.arange(8)).all()
    assert len(bank.cameras.distances.unique()) == 16 and (bank.rgb[:, :, 0, 0] == 255).all()


def test_psnr_of_a_known_difference():
    truth = torch.full((2, 3, 4, 4), 0.5)
    assert psnr(truth + 0.1, truth) == pytest.approx(20.0, abs=1e-3)


def test_a_memory_of_the_very_object_shows_its_own_view(generator):
    captions = (ToyboxCaption("cat", "red"), ToyboxCaption("house", "white"))
    bank = object_bank(captions, 6, 16, seed=0)
    pictures, wanted = torch.tensor([0, 6, 8]), torch.tensor([3, 7, 11])
    assert torch.equal(nearest_training_views(bank, pictures, wanted, bank, 6), bank.images(wanted) / 2 + 0.5)


def test_the_score_compares_with_what_knows_no_geometry(folder, tmp_path, capsys):
    options = ViewScoreOptions(num_objects=2, num_views=2, num_shown_views=2, num_shown_dressed=0)
    scored = score_views(folder / "zero123" / "toybox-zero123", options, tmp_path / "sheet.png")
    assert scored["views"] == 4
    # An untrained network draws noise; nearly white images are nearer to nearly white ones.
    assert 0 < scored["psnr"] < scored["mean_image"] < 40 and scored["nearest_training_view"] > 0
    with Image.open(tmp_path / "sheet.png") as image:
        assert image.width > image.height / 4
    assert json.dumps(scored)
