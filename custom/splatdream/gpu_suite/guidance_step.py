"""What a training step costs beside its unavoidable network calls, on networks of the real size with random weights.

A step renders 4 views of 20,000 Gaussians, encodes them, denoises them with guidance, and goes back to the Gaussians:
what `splatdream-system` does, without the host around it. Unavoidable are one forward pass of the denoiser over all
predictions and one forward and backward pass of the image encoder, in the same precision. Steps and calls take turns,
and medians are compared. The breakdown comes from steps of its own, in which every stage waits for the device.
"""

import statistics
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from diffusers import AutoencoderKL, UNet2DConditionModel

from ..assets.gaussians import GaussianGeometry
from ..cameras.batch import ANGLES_ON_HOST, orbit_cameras
from ..densification.controller import DensificationConfig, DensificationController
from ..densification.statistics import DensificationState, accumulate
from ..gaussians.optimizer_groups import make_adam
from ..guidance.guidance import Guidance
from ..host import BaseObject, register
from ..priors.clip_texts import ClipTexts
from ..priors.latent_diffusion import NetworkOptions
from ..priors.model_files import ModelFiles
from ..priors.mvdream import MVDreamPrior
from ..priors.noise_process import VariancePreserving
from ..priors.stable_diffusion import StableDiffusionPrior, pixels_per_latent
from ..prompts.view_prompts import make_view_prompts
from ..rendering.render import RenderOutput, render
from ..systems.stage_timer import StageTimer, peak_memory_bytes
from .part import Goal, Part, Results, Settings
from .timing import median_seconds, seconds_of, synchronize
from .trace import trace

REAL_UNET = {
    "layers_per_block": 2,
    "block_out_channels": (320, 640, 1280, 1280),
    "down_block_types": (*("CrossAttnDownBlock2D",) * 3, "DownBlock2D"),
    "up_block_types": ("UpBlock2D", *("CrossAttnUpBlock2D",) * 3),
    "cross_attention_dim": 1024,
    "attention_head_dim": (5, 10, 20, 20),
    "use_linear_projection": True,
}
REAL_VAE = {"block_out_channels": (128, 256, 512, 512), "layers_per_block": 2}
TINY_UNET = {
    "layers_per_block": 1,
    "block_out_channels": (32, 64),
    "down_block_types": ("CrossAttnDownBlock2D", "DownBlock2D"),
    "up_block_types": ("UpBlock2D", "CrossAttnUpBlock2D"),
    "cross_attention_dim": 32,
    "attention_head_dim": (2, 4),
    "use_linear_projection": True,
}
TINY_VAE = {"block_out_channels": (32, 32, 32, 64), "layers_per_block": 1}


@dataclass(frozen=True)
class Case:
    """One network and how it is used."""

    is_multi_view: bool
    image_size: int
    guidance: dict[str, object]
    views: int = 4


# A network of another family is one more line, once it has a prior: what differs is its builder and its size.
CASES = {
    "stable-diffusion": Case(False, 512, {"method": "sds", "guidance_scale": 101.0}),
    "mvdream": Case(True, 256, {"method": "x0_reconstruction", "guidance_scale": 50.0, "weighting": "uniform"}),
}


class RandomTexts(ClipTexts):
    """Stands in for the text encoder, which no step runs."""

    revision = "random"

    def __init__(self, channels: int) -> None:
        self._channels = channels

    def encode(self, texts: Sequence[str]) -> torch.Tensor:
        generator = torch.Generator().manual_seed(0)
        return torch.randn(len(texts), 77, self._channels, generator=generator)


def build_prior(case: Case, is_tiny: bool, options: NetworkOptions) -> StableDiffusionPrior | MVDreamPrior:
    """The prior of a case, with random weights."""
    torch.manual_seed(0)  # diffusers initializes from the global generator
    unet_shape, vae_shape = (TINY_UNET, TINY_VAE) if is_tiny else (REAL_UNET, REAL_VAE)
    blocks = len(vae_shape["block_out_channels"])
    vae = AutoencoderKL(
        latent_channels=4,
        down_block_types=("DownEncoderBlock2D",) * blocks,
        up_block_types=("UpDecoderBlock2D",) * blocks,
        scaling_factor=0.18215,
        **vae_shape,
    )
    image_size = 64 if is_tiny else case.image_size
    camera = {"class_embed_type": "projection", "projection_class_embeddings_input_dim": 16}
    unet = UNet2DConditionModel(
        sample_size=image_size // pixels_per_latent(vae), **unet_shape, **(camera if case.is_multi_view else {})
    )
    shared = {
        "files": ModelFiles(name="random", model_id="random", revision=None, path=Path("."), parts=()),
        "network": unet,
        "time_embedding": unet.time_embedding,
        "vae": vae,
        "texts": RandomTexts(unet_shape["cross_attention_dim"]),
        "schedule": VariancePreserving.scaled_linear(),
        "prediction_type": "epsilon",
        "image_size": image_size,
        "options": options,
    }
    if case.is_multi_view:
        return MVDreamPrior(views_per_group=4, prompt_suffix=", 3d asset", **shared)
    return StableDiffusionPrior(**shared)


_GIVEN: list[StableDiffusionPrior | MVDreamPrior] = []


@register("benchmark-prior")
class GivenPrior(BaseObject):
    """Hands the guidance the prior that was built last."""

    @dataclass
    class Config(BaseObject.Config):
        pass

    def __call__(self) -> StableDiffusionPrior | MVDreamPrior:
        return _GIVEN[-1]


class Step:
    """A training step, stage by stage."""

    def __init__(self, case: Case, prior: StableDiffusionPrior | MVDreamPrior, num_gaussians: int, device: str) -> None:
        _GIVEN.append(prior)
        self.prior = prior
        self.guidance = Guidance({"prior_type": "benchmark-prior", **case.guidance})
        self.geometry = GaussianGeometry({"num_points": num_gaussians}).to(device)
        self.optimizer = make_adam(self.geometry.params(), self.geometry.learning_rates(0, 0))
        self.densification = DensificationController(DensificationConfig())
        self.statistics = DensificationState()
        size = prior.image_size
        self.cameras = orbit_cameras(
            [15.0] * case.views, [360.0 * i / case.views for i in range(case.views)], width=size, height=size
        )
        self.prompts = make_view_prompts("a cat")
        self.background = torch.ones(case.views, 3, device=device)
        angles = (self.cameras.elevation_deg, self.cameras.azimuth_deg)
        self.cameras = self.cameras.to(device)
        self.batch = self.cameras.to_batch() | {ANGLES_ON_HOST: angles}
        self.count = 0

    def __call__(self, stage: Callable) -> dict[str, object]:
        """One step.

        Args:
            stage: a context manager of the stage's name.
        """
        self.guidance.update_step(0, self.count)
        self.count += 1
        with stage("render"):
            views = self.views()
            rgb = _joined([view.rgb for view in views])
        with stage("guidance"):
            guided = self.guidance(rgb, self.prompts, background_color=self.background, **self.batch)
        with stage("backward"):
            guided["loss_sds"].backward()
        with stage("densification"):
            size = self.cameras.width
            gradients, radii = [view.means2d.grad for view in views], [view.radii for view in views]
            accumulate(self.statistics, _joined(gradients), _joined(radii), size, size)
        with stage("optimizer"):
            self.optimizer.step()
            self.optimizer.zero_grad(set_to_none=True)
        return guided

    def views(self) -> list[RenderOutput]:
        """What the cameras see, by rasterizer call: all in one."""
        return [render(self.geometry.cloud(), self.cameras, self.background, 0)]


class CameraByCameraStep(Step):
    """The shape of a step in threestudio-3dgs: a rasterizer call for each camera, latents decoded in every step, and
    the loss read for the progress bar. The rest is ours, so that what is compared is the shape alone."""

    def __call__(self, stage: Callable) -> dict[str, object]:
        guided = super().__call__(stage)
        latent = self.prior.image_size // pixels_per_latent(self.prior.vae)
        with torch.no_grad():
            self.prior.decode_latents(self.background.new_zeros(len(self.cameras), 4, latent, latent))
        float(guided["loss_sds"].detach())
        return guided

    def views(self) -> list[RenderOutput]:
        cloud, rows = self.geometry.cloud(), range(len(self.cameras))
        return [render(cloud, self.cameras[i : i + 1], self.background[i : i + 1], 0) for i in rows]


def _joined(tensors: Sequence[torch.Tensor]) -> torch.Tensor:
    return tensors[0] if len(tensors) == 1 else torch.cat(list(tensors))


class UnavoidableCalls:
    """The same networks on the same number of images, and nothing else."""

    def __init__(self, prior: StableDiffusionPrior | MVDreamPrior, device: str, views: int) -> None:
        self.prior = prior
        dtype = next(prior.network.parameters()).dtype
        size, latent = prior.image_size, prior.image_size // pixels_per_latent(prior.vae)
        layout = torch.channels_last if device == "cuda" else torch.contiguous_format
        like = {"device": device, "dtype": dtype}
        self.images = torch.rand(views, 3, size, size, **like).contiguous(memory_format=layout).requires_grad_()
        self.latents = torch.randn(2 * views, 4, latent, latent, **like).contiguous(memory_format=layout)
        self.timesteps = torch.full((2 * views,), 500, device=device)
        channels = prior.network.config.cross_attention_dim
        self.call = {"encoder_hidden_states": torch.randn(2 * views, 77, channels, **like)}
        if prior.network.config.class_embed_type == "projection":
            self.call["class_labels"] = torch.randn(2 * views, 16, **like)

    def __call__(self) -> None:
        self.prior.vae.encode(self.images).latent_dist.mean.sum().backward()
        self.images.grad = None
        self.denoise()

    @torch.no_grad()
    def denoise(self) -> None:
        self.prior.network(self.latents, self.timesteps, **self.call)


def breakdown(step: Step, num_steps: int, device: str) -> dict[str, float]:
    """Mean seconds of each stage; of the guidance, what the image encoder and the denoiser take apart from the rest."""
    timer = StageTimer()

    @contextmanager
    def stage(name: str) -> Iterator[None]:
        synchronize(device)
        with timer.stage(name):
            yield
            synchronize(device)

    def timed(name: str, call: Callable) -> Callable:
        def inside(*args: object, **kwargs: object) -> object:
            with stage(name):
                return call(*args, **kwargs)

        return inside

    prior = step.prior
    prior.encode_images = timed("encode images", prior.encode_images)
    prior.predict_noise = timed("denoise", prior.predict_noise)
    for _ in range(num_steps):
        step(stage)
    del prior.encode_images, prior.predict_noise
    seconds = {name: total / num_steps for name, total in timer.seconds().items()}
    seconds["rest of guidance"] = seconds.pop("guidance") - seconds["encode images"] - seconds["denoise"]
    return seconds


def unmeasured(_: str) -> nullcontext:
    """The stage of a step that is timed as a whole."""
    return nullcontext()


def measure_case(case: Case, settings: Settings, options: NetworkOptions, is_detailed: bool) -> dict[str, object]:
    """The step beside its unavoidable calls; in detail also stages, profile and the step of another shape."""
    device, is_tiny = settings.device.type, settings.is_smoke
    warmup, repeats = (1, 1) if is_tiny else (5, 20)
    if device == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
    prior = build_prior(case, is_tiny, options)
    step = Step(case, prior, 300 if is_tiny else 20_000, device)
    for _ in range(warmup):
        guided = step(unmeasured)
    synchronize(device)
    # Before the calls alone, whose memory is not the step's.
    peak = peak_memory_bytes()
    calls = UnavoidableCalls(prior, device, case.views)
    calls()
    steps_s, calls_s = [], []
    for _ in range(repeats):
        steps_s.append(seconds_of(lambda: step(unmeasured), device))
        calls_s.append(seconds_of(calls, device))
    step_s, call_s = statistics.median(steps_s), statistics.median(calls_s)
    measured = {
        "image_size": prior.image_size,
        "gaussians": len(step.geometry.means),
        "views": case.views,
        "denoiser_evaluations": int(guided["denoiser_evaluations"]),
        "dtype": str(next(prior.network.parameters()).dtype).removeprefix("torch."),
        "step_seconds": step_s,
        "unavoidable_seconds": call_s,
        "ratio": step_s / call_s,
        "peak_memory_bytes": peak,
    }
    if is_detailed:
        measured["seconds_by_stage"] = breakdown(step, repeats, device)
        measured["profile"] = trace(lambda: step(unmeasured), settings.device, min(repeats, 5))
        other = CameraByCameraStep(case, prior, len(step.geometry.means), device)
        measured["camera_by_camera_step_seconds"] = median_seconds(lambda: other(unmeasured), device, repeats)
        if device == "cuda":
            measured["denoiser_seconds"] = median_seconds(calls.denoise, device, repeats)
            measured["denoiser_as_cuda_graph_seconds"] = _as_graph(calls.denoise, repeats)
    return measured


def _as_graph(call: Callable[[], None], repeats: int) -> float:
    """Seconds of a replay: the same kernels without the host between them."""
    side = torch.cuda.Stream()
    with torch.cuda.stream(side):
        call()  # what libraries allocate once must not be captured
    side.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        call()
    return median_seconds(graph.replay, "cuda", repeats)


def measure(settings: Settings, results: Results) -> None:
    short_of_memory = NetworkOptions(vae_slicing=True, vae_checkpointing=True)
    for name, case in CASES.items():
        results.add(**{name: measure_case(case, settings, NetworkOptions(), is_detailed=True)})
        results.add(**{f"{name}_short_of_memory": measure_case(case, settings, short_of_memory, is_detailed=False)})
        if settings.is_smoke:
            continue
        larger = replace(case, views=2 * case.views)
        results.add(**{f"{name}_{larger.views}_views": measure_case(larger, settings, NetworkOptions(), False)})
        # Last, because compiling takes minutes.
        results.add(**{f"{name}_compiled": measure_case(case, settings, NetworkOptions(compile=True), False)})


PART = Part(
    "guidance",
    "a step costs hardly more than its network calls and asks the GPU nothing but gsplat's count of tiles; peak memory "
    "is that of the table in docs/first-run-on-your-gpu.md, or the table is to be corrected.",
    measure,
    (Goal("*.ratio", 1.05, is_of_speed=True), Goal("*.profile.synchronizations", 2)),
)
