"""What a system may ask of any guidance: its own protocol for those of the package, an adopted one for all others."""

from types import SimpleNamespace

import pytest
import torch
from splatdream.cameras.batch import orbit_cameras
from splatdream.guidance.base import adopted
from splatdream.guidance.denoising import DenoisingGuidance
from splatdream.guidance.guidance import Guidance
from splatdream.host import BaseModule
from splatdream.priors.null_prior import NullPrior
from splatdream.prompts.directions import ViewDirection
from splatdream.startup.registration import register_all


@pytest.fixture(params=[Guidance, DenoisingGuidance])
def guidance(request, monkeypatch):
    register_all()
    return request.param({"prior_type": "splatdream-null-prior"})


class Foreign(BaseModule):
    """As threestudio's guidances are: a module, with losses and nothing else."""

    def configure(self):
        self.weight = torch.nn.Parameter(torch.ones(1))
        self.seen = None

    def update_step(self, epoch, global_step, on_load_weights=False):
        self.seen = global_step

    def __call__(self, rgb, prompt_utils, **batch):
        return {"loss_sds": rgb.sum(), "prompt": prompt_utils, **batch}


def upstream_prompts():
    """threestudio makes a new object for every step."""
    return SimpleNamespace(prompt="a cat", prompts_vd=[f"a cat, view {i}" for i in range(len(ViewDirection))])


def test_equal_prompts_are_encoded_once_even_when_every_step_brings_a_new_object(guidance, monkeypatch):
    encoded = []
    encode = NullPrior.encode_texts
    monkeypatch.setattr(NullPrior, "encode_texts", lambda self, texts: encoded.append(texts) or encode(self, texts))
    batch = orbit_cameras([0.0], [0.0], width=4, height=4).to_batch()
    for _ in range(3):
        guidance(torch.full((1, 4, 4, 3), 0.5), upstream_prompts(), **batch)
    assert len(encoded) == 1


class UpstreamProcessor:
    """What threestudio's prompt processors keep and say."""

    def __init__(self, negative_prompt="", use_perp_neg=False):
        self.cfg = SimpleNamespace(negative_prompt=negative_prompt)
        self.use_perp_neg = use_perp_neg

    def __call__(self):
        return SimpleNamespace(**vars(upstream_prompts()), use_perp_neg=self.use_perp_neg)


def test_the_negative_prompt_of_threestudios_processors_is_not_lost(guidance):
    assert guidance.prompts(UpstreamProcessor("ugly")).negative_prompt == "ugly"
    output = adopted(Foreign()).prompts(UpstreamProcessor("ugly"))
    assert not output.use_perp_neg and output.prompt == "a cat"


def test_perp_neg_asked_of_threestudios_processors_is_not_lost(guidance):
    with pytest.raises(ValueError, match=r"use_perp_neg has no effect.*set guidance\.perp_neg: 1\.0"):
        guidance.prompts(UpstreamProcessor(use_perp_neg=True))
    batch = orbit_cameras([0.0], [0.0], width=4, height=4).to_batch()
    with pytest.raises(ValueError, match="use_perp_neg has no effect"):
        guidance(torch.zeros(1, 4, 4, 3), UpstreamProcessor(use_perp_neg=True)(), **batch)
    pushing = Guidance({"prior_type": "splatdream-null-prior", "perp_neg": 1.0})
    assert pushing.prompts(UpstreamProcessor(use_perp_neg=True)).prompt == "a cat"


def test_our_own_is_adopted_as_it_is_and_names_its_prior(guidance):
    assert adopted(guidance) is guidance
    assert guidance.manifest() == {"name": "NullPrior"}
    guidance.load_state_dict(guidance.state_dict())
    assert guidance.trainable_parameters("cpu") == []


def test_a_foreign_one_is_called_and_updated_and_has_nothing_to_keep():
    foreign = Foreign()
    system = torch.nn.Module()
    system.guidance = adopted(foreign)
    out = system.guidance(torch.ones(2), "a cat", elevation=3)
    assert out["loss_sds"] == 2 and out["prompt"] == "a cat" and out["elevation"] == 3
    system.guidance.do_update_step(0, 7)
    assert foreign.seen == 7
    kept = (system.guidance.manifest(), system.guidance.state_dict(), system.guidance.trainable_parameters("cpu"))
    assert kept == ({}, {}, [])
    system.guidance.load_state_dict({})
    # Its weights in a checkpoint would be unexpected when the run is resumed.
    assert system.state_dict() == {}
