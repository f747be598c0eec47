"""A training step between two refinements never waits for the device: nothing is read, no copy blocks.

On a machine without a GPU the device is torch's "meta", whose tensors have no numbers to read.
"""

from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest
import tiny_models
import torch
from splatdream.guidance.methods.registry import METHODS
from splatdream.host import find
from splatdream.priors.latent_diffusion import LatentDiffusionPrior
from splatdream.rendering import render as rendering
from splatdream.startup.configuration import resolved_configuration
from splatdream.startup.registration import register_all
from waiting_for_the_device import DEVICE, refusing_to_wait

pytest.importorskip("diffusers")
pytest.importorskip("peft")

CONFIGS = Path(__file__).parents[2] / "configs"
CUDA = pytest.param(
    "cuda", marks=[pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")]
)


@pytest.fixture(params=[DEVICE.type, CUDA])
def device(request, monkeypatch):
    device = torch.device(request.param)
    choose = rendering.choose_backend

    def exempted(name, where):
        if device.type == "meta":
            return outlines
        rasterization = choose(name, where)

        def inside(*args, **kwargs):
            # gsplat itself asks how many tiles its Gaussians meet, to know how much memory their list takes.
            with waiting():
                return rasterization(*args, **kwargs)

        return inside

    monkeypatch.setattr(rendering, "choose_backend", exempted)
    if device.type == "cuda":
        return device
    monkeypatch.setattr(LatentDiffusionPrior, "_place", placed)
    return device


@contextmanager
def swapping():
    """Parameters cannot become "meta" in place, as they become "cuda"; they can be swapped with others that are."""
    torch.__future__.set_swap_module_params_on_conversion(True)
    try:
        yield
    finally:
        torch.__future__.set_swap_module_params_on_conversion(False)


def placed(self, device):
    if self._device != device:
        self._device = device
        with swapping():
            self.network.to(device)
            self.vae.to(device)


@contextmanager
def waiting():
    before = torch.cuda.get_sync_debug_mode()
    torch.cuda.set_sync_debug_mode("default")
    try:
        yield
    finally:
        torch.cuda.set_sync_debug_mode(before)


def outlines(means, quats, scales, opacities, colors, viewmats, Ks, width, height, **options):
    """gsplat's shapes without its numbers: a rasterizer's own needs are no part of what is tested."""
    everything = (means.sum() + quats.sum() + scales.sum() + opacities.sum() + colors.sum()) * viewmats.sum() * Ks.sum()
    means2d = (means[None, :, :2] + 0 * viewmats[:, None, :1, 0]).contiguous()
    means2d.retain_grad()
    means2d.contributions = torch.ones(means2d.shape[:2], device=means.device)
    image = (everything + means2d.sum()).expand(len(viewmats), height, width, 4)
    radii = torch.ones(len(viewmats), len(means), 2, dtype=torch.int32, device=means.device)
    return image, image[..., :1], {"means2d": means2d, "radii": radii}


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    return {
        "stable-diffusion": tiny_models.make_tiny_stable_diffusion(folder / "sd"),
        "mvdream": tiny_models.make_tiny_mvdream(folder / "mvdream"),
        "sdxl": tiny_models.make_tiny_sdxl(folder / "sdxl"),
        "sd3": tiny_models.make_tiny_sd3(folder / "sd3", has_t5=False),
        "flux": tiny_models.make_tiny_flux(folder / "flux"),
    }


class Training:
    """The real system, data module and optimizer of a configuration; a step at a time, without a trainer."""

    def __init__(self, path, overrides, device):
        register_all()
        config = resolved_configuration(str(path), overrides)
        self.data = find(config["data_type"])(config["data"])
        self.system = find(config["system_type"])(config["system"])
        self.device = device
        self.system.trainer = SimpleNamespace(datamodule=self.data, log_every_n_steps=1000)
        self.system.setup("fit")
        with swapping():
            self.system.to(device)
            adam = self.system.configure_optimizers()
        self.system.optimizers = lambda: SimpleNamespace(optimizer=adam, step=adam.step, zero_grad=adam.zero_grad)
        self.system.manual_backward = lambda loss, **kwargs: loss.backward(**kwargs)
        self.system._window = SimpleNamespace(asked=lambda: None)  # nobody watches
        self.views = iter(self.data.train_dataloader())

    def step(self, number):
        batch = self.data.transfer_batch_to_device(next(self.views), self.device, 0)
        self.system.set_resume_status(0, number)
        self.system.do_update_step(0, number)
        self.system.training_step(batch, number)


def train(device, model, network, *overrides):
    """The step after the first, in which networks and statistics go to the device."""
    always = (
        f"system.guidance.prior_type=splatdream-{network}-prior",
        f"system.guidance.prior={{model: '{model}', cache_texts: false}}",
        f"data.views_per_group={4 if network == 'mvdream' else 1}",
        "system.prompt_processor.negative_prompt=dog",
        "system.loss={lambda_sds: 1.0, lambda_lora: 1.0, lambda_opacity: 1.0, lambda_scales: 1.0}",
        "system.background.random_probability=0.5",
        "system.geometry.num_points=10",
    )
    training = Training(CONFIGS / "quickstart-sd.yaml", [*always, *overrides], device)
    training.step(1)
    with refusing_to_wait(device):
        training.step(2)


OPTIONS = {"sdi": "{inversion_steps: 2}", "ism": "{inversion_interval: 400}"}
"""So that a test of a few hundred operations does not become one of thousands."""


TEXTS = {"sds_bridge": ["system.prompt_processor.source_modifier=blurry"]}
NEVER_WAIT = [name for name in METHODS if name != "cfd"]
"""The cells of noise that cfd's rays meet are as many as the picture decides, and it asks how many."""
QUICK = ("sds", "ism", "vsd")
"""Between them: one prediction, a path of them on the host's timesteps, a network that learns."""


@pytest.mark.parametrize("method", [pytest.param(m, marks=[] if m in QUICK else pytest.mark.slow) for m in NEVER_WAIT])
def test_no_method_waits_for_the_device(method, device, models):
    options = f"system.guidance.method_options={OPTIONS.get(method, '{}')}"
    train(
        device,
        models["stable-diffusion"],
        "stable-diffusion",
        f"system.guidance.method={method}",
        options,
        *TEXTS.get(method, []),
    )


@pytest.mark.slow
@pytest.mark.parametrize("method", NEVER_WAIT)
def test_no_method_waits_for_the_device_with_a_prior_of_several_views(method, device, models):
    train(device, models["mvdream"], "mvdream", f"system.guidance.method={method}", *TEXTS.get(method, []))


@pytest.mark.parametrize("network", ["sdxl", "sd3", "flux"])
def test_no_network_waits_for_the_device(network, device, models):
    train(device, models[network], network, "system.guidance.prior.image_size=32")


@pytest.mark.parametrize(
    "settings",
    [
        "system.guidance.perp_neg=1.0 system.guidance.guidance_rescale=0.5",
        "system.guidance.interpolated_views=true system.guidance.flip_probability=1.0 system.geometry.sh_degree=2 "
        "system.guidance.gradient_clip=1.0 system.guidance.prior.vae_checkpointing=true "
        "system.guidance.timestep_sampling=dreamtime system.guidance.annealing_steps=100",
    ],
)
def test_no_setting_waits_for_the_device(settings, device, models):
    train(device, models["stable-diffusion"], "stable-diffusion", *settings.split())


@pytest.mark.parametrize(
    "look",
    [
        lambda x: x.sum().item(),
        lambda x: x.cpu(),
        lambda x: x.tolist(),
        lambda x: bool((x > 0).any()),
        lambda x: x[x > 0],
        lambda x: x.nonzero(),
        lambda x: x.masked_select(x > 0),
        lambda x: x.unique(),
        lambda x: x[torch.tensor([0, 1])],
        lambda x: torch.zeros(3).to(x),
        lambda x: x.new_tensor([1.0, 2.0, 3.0]),
        lambda x: torch.linalg.inv(x.expand(3, 3)),
    ],
)
def test_whatever_waits_is_noticed(look, device):
    x = torch.ones(3, device=device)
    with refusing_to_wait(device), pytest.raises((RuntimeError, NotImplementedError)):
        look(x)
