"""Guidance on images: every method from the same start, with a prior that knows one image a text."""

import pytest
import torch
from exact_priors import Mixture, MixturePrior
from splatdream.cameras.batch import orbit_cameras
from splatdream.guidance.methods.registry import METHODS
from splatdream.guidance.playground import PlaygroundSettings, play
from splatdream.prompts.view_prompts import make_view_prompts

PROMPTS = make_view_prompts("a cat")
CAMERAS = orbit_cameras([0.0] * 3, [0.0, 90.0, 180.0], width=4, height=4)
FEW_STEPS = PlaygroundSettings(num_steps=3)


@pytest.fixture
def prior(generator):
    # Images in [0, 1], which is what this prior calls latents.
    return MixturePrior({text: Mixture(torch.rand(1, 3, 4, 4, generator=generator)) for text in PROMPTS.texts})


def test_all_methods_run_and_tell_their_cost(prior):
    reported = []
    runs = play(prior, PROMPTS, CAMERAS, settings=FEW_STEPS, report=reported.append)
    assert [run.method for run in runs] == list(METHODS) and runs == reported
    evaluations = {run.method: run.evaluations for run in runs}
    # Without guidance one prediction a step, but CSD, NFSD and RFDS-Rev take two, and ISM and SDI walk up first.
    assert {name for name, count in evaluations.items() if count == 1} == {
        "sds",
        "sjc",
        "vsd",
        "esd",
        "rfds",
        "x0_reconstruction",
        "cfd",
    }
    two = ("csd", "nfsd", "rfds_rev", "asd", "sds_bridge")
    assert [evaluations[method] for method in two] == [2] * len(two)
    assert evaluations["sdi"] > evaluations["ism"] > 2
    assert all(run.images.shape == (3, 4, 4, 3) and run.seconds > 0 for run in runs)


def test_each_view_becomes_the_image_of_its_text(prior):
    settings = PlaygroundSettings(num_steps=150, learning_rate=0.05)
    (run,) = play(prior, PROMPTS, CAMERAS, ["sds"], settings)
    known = torch.cat([prior.mixtures[PROMPTS.texts[row]].means for row in PROMPTS.rows(CAMERAS)])
    torch.testing.assert_close(run.images, known.movedim(1, -1), atol=0.05, rtol=0)


def test_methods_that_coincide_on_paper_coincide_on_images(prior):
    sds, sjc = play(prior, PROMPTS, CAMERAS, ["sds", "sjc"], FEW_STEPS)
    torch.testing.assert_close(sds.images, sjc.images)
    # Each view is its own only particle.
    (vsd,) = play(prior, PROMPTS, CAMERAS, ["vsd"], FEW_STEPS)
    torch.testing.assert_close(vsd.images, sds.images)


def test_a_seed_repeats_and_options_are_checked(prior):
    first, second = (play(prior, PROMPTS, CAMERAS, ["sdi"], FEW_STEPS)[0] for _ in range(2))
    assert torch.equal(first.images, second.images)
    with pytest.raises(ValueError, match="etha is no option of sdi"):
        play(prior, PROMPTS, CAMERAS, ["sdi"], FEW_STEPS, method_options={"sdi": {"etha": 0.0}})


def test_a_network_stands_in_for_the_exact_prior(tmp_path, monkeypatch, capsys):
    pytest.importorskip("diffusers")
    import tiny_models
    from splatdream.commands.main import main

    monkeypatch.setenv("SPLATDREAM_CACHE", str(tmp_path))
    model = tiny_models.make_tiny_stable_diffusion(tmp_path / "sd")
    command = ["playground", "--model", str(model), "--methods", "sds", "ism", "--steps", "2"]
    picture = tmp_path / "pictures" / "playground.png"
    assert main([*command, "--guidance-scale", "7.5", "--output", str(picture)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert any(line.split()[:2] == ["sds", "2.0"] for line in lines)
    assert picture.stat().st_size > 1000
