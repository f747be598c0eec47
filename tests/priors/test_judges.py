import pytest
import torch
from splatdream.priors.clip_alignment import alignment
from splatdream.priors.flux import FluxPrior
from splatdream.priors.judges import load_judge
from splatdream.priors.mvdream import MVDreamPrior
from splatdream.priors.stable_diffusion import StableDiffusionPrior
from splatdream.priors.stable_diffusion_3 import StableDiffusion3Prior
from tiny_models import make_tiny_clip, make_tiny_flux, make_tiny_mvdream, make_tiny_sd3, make_tiny_stable_diffusion


def test_a_folder_says_which_kind_of_prior_it_is(tmp_path):
    assert isinstance(load_judge(str(make_tiny_stable_diffusion(tmp_path / "a"))), StableDiffusionPrior)
    assert isinstance(load_judge(str(make_tiny_mvdream(tmp_path / "b"))), MVDreamPrior)
    assert isinstance(load_judge(str(make_tiny_sd3(tmp_path / "c"))), StableDiffusion3Prior)
    assert isinstance(load_judge(str(make_tiny_flux(tmp_path / "d"))), FluxPrior)


def test_the_alignment_with_one_prompt_alone_is_perfectly_precise(tmp_path):
    folder = str(make_tiny_clip(tmp_path / "clip"))
    images = torch.rand(3, 40, 40, 3)
    alone = alignment(folder, "an orange cat", images, others=[])
    assert alone["r_precision"] == 1
    assert -100 <= alone["clip_score"] <= 100
    among = alignment(folder, "an orange cat", images, others=["a blue dog", "an orange cat", "a house"])
    assert among["num_other_prompts"] == 2
    # The score is of the prompt, whatever else is compared.
    assert among["clip_score"] == pytest.approx(alone["clip_score"], abs=1e-3)


def test_a_clip_that_is_not_there_gets_one_sentence(tmp_path):
    with pytest.raises(ValueError, match="no CLIP model at"):
        alignment(str(tmp_path / "nothing"), "a cat", torch.rand(1, 8, 8, 3))
