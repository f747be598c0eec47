"""What a training step costs beside its unavoidable network calls, on networks of the real size with random weights.

A step renders a batch of views of 20,000 Gaussians, encodes them, denoises them with guidance, and goes back to the
Gaussians: what `splatdream-system` does, without the host around it. Unavoidable are one forward pass of the denoiser
over all predictions and one forward and backward pass of the image encoder, in the same precision. Steps and calls take
turns, and medians are compared. The breakdown comes from steps of its own, in which every stage waits for the device.
"""

import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace

import torch
from torch import nn

from ..assets.gaussians import GaussianGeometry
from ..cameras.batch import ANGLES_ON_HOST, orbit_cameras
from ..densification.controller import DensificationConfig, DensificationController
from ..densification.statistics import DensificationState, accumulate
from ..gaussians.optimizer_groups import make_adam
from ..guidance.guidance import Guidance
from ..host import BaseObject, register
from ..priors.latent_diffusion import LatentDiffusionPrior, NetworkOptions
from ..priors.stable_diffusion import pixels_per_latent
from ..prompts.view_prompts import make_view_prompts
from ..rendering.render import RenderOutput, render
from ..systems.stage_timer import StageTimer, peak_memory_bytes
from .part import Goal, Part, Results, Settings
from .random_priors import build_prior
from .timing import median_seconds, seconds_of, synchronize
from .trace import trace


@dataclass(frozen=True)
class Case:
    """One network and how it is used."""

    config: str
    """The configuration whose network and sizes these are."""
    image_size: int
    views: int
    guidance: dict[str, object]
    table_gb: float
    """What docs/first-run-on-your-gpu.md says that the configuration needs."""


_SDS = {"method": "sds", "guidance_scale": 101.0}
CASES = {
    "stable-diffusion": Case("gaussian-sds", 512, 4, _SDS, 12),
    "mvdream": Case(
        "mvdream-gaussian",
        256,
        4,
        {"method": "x0_reconstruction", "guidance_scale": 50.0, "weighting": "uniform"},
        6,
    ),
}
LARGE_CASES = {
    "sdxl": Case("sdxl-gaussian", 1024, 1, _SDS, 20),
    "sd3": Case("sd3-gaussian", 512, 1, {"method": "rfds", "guidance_scale": 100.0, "weighting": "uniform"}, 8),
}
"""A part of their own: each builds billions of weights."""


_GIVEN: list[LatentDiffusionPrior] = []


@register("benchmark-prior")
class GivenPrior(BaseObject):
    """Hands the guidance the prior that was built last."""

    @dataclass
    class Config(BaseObject.Config):
        pass

    def __call__(self) -> LatentDiffusionPrior:
        return _GIVEN[-1]


class Step:
    """A training step, stage by stage."""

    def __init__(self, case: Case, prior: LatentDiffusionPrior, num_gaussians: int, device: str) -> None:
        _GIVEN[:] = [prior]
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
            self.prior.decode_latents(
                self.background.new_zeros(len(self.cameras), self.prior.vae.config.latent_channels, latent, latent)
            )
        float(guided["loss_sds"].detach())
        return guided

    def views(self) -> list[RenderOutput]:
        cloud, rows = self.geometry.cloud(), range(len(self.cameras))
        return [render(cloud, self.cameras[i : i + 1], self.background[i : i + 1], 0) for i in rows]


def _joined(tensors: Sequence[torch.Tensor]) -> torch.Tensor:
    return tensors[0] if len(tensors) == 1 else torch.cat(list(tensors))


class _Recorded:
    """A network that remembers what it was last called with."""

    def __init__(self, network: nn.Module) -> None:
        self._network = network

    def __call__(self, *args: object, **kwargs: object) -> object:
        self.call = (args, kwargs)
        return self._network(*args, **kwargs)

    def __getattr__(self, name: str) -> object:
        return getattr(self._network, name)


class UnavoidableCalls:
    """The same networks on the inputs of a step, and nothing else."""

    def __init__(self, step: Step, device: str) -> None:
        """Goes one step, to hear what the denoiser is asked."""
        self.prior = step.prior
        network, recorded = self.prior.network, _Recorded(self.prior.network)
        self.prior.network = recorded
        step(unmeasured)
        self.prior.network = network
        self.call = recorded.call
        size, dtype = self.prior.image_size, next(self.prior.vae.parameters()).dtype
        layout = torch.channels_last if device == "cuda" else torch.contiguous_format
        images = torch.rand(len(step.cameras), 3, size, size, device=device, dtype=dtype)
        self.images = images.contiguous(memory_format=layout).requires_grad_()

    def __call__(self) -> None:
        self.prior.vae.encode(self.images).latent_dist.mean.sum().backward()
        self.images.grad = None
        self.denoise()

    @torch.no_grad()
    def denoise(self) -> None:
        args, kwargs = self.call
        self.prior.network(*args, **kwargs)


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


def measure_case(
    name: str, case: Case, settings: Settings, options: NetworkOptions, is_detailed: bool
) -> dict[str, object]:
    """The step beside its unavoidable calls; in detail also stages, profile and the step of another shape."""
    device, is_tiny = settings.device.type, settings.is_smoke
    warmup, repeats = (1, 1) if is_tiny else (5, 20)
    prior = build_prior(name, case.image_size, is_tiny, options, settings.device)
    step = Step(case, prior, 300 if is_tiny else 20_000, device)
    step(unmeasured)
    if device == "cuda":
        # The first step brought the weights from single to half precision.
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
    for _ in range(warmup):
        guided = step(unmeasured)
    synchronize(device)
    # Before the calls alone, whose memory is not the step's.
    peak = peak_memory_bytes()
    calls = UnavoidableCalls(step, device)
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
        if device == "cuda":
            measured["peak_over_table"] = peak["cuda"] / (case.table_gb * 1e9)
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
    _measure_all(CASES, settings, results)


def measure_large(settings: Settings, results: Results) -> None:
    _measure_all(LARGE_CASES, settings, results)


def _measure_all(cases: Mapping[str, Case], settings: Settings, results: Results) -> None:
    """What does not fit into the memory of the GPU is said so, and the rest is measured."""
    short_of_memory = NetworkOptions(vae_slicing=True, vae_checkpointing=True)
    todo = []
    for name, case in cases.items():
        todo += [
            (name, name, case, NetworkOptions(), True),
            (f"{name}_short_of_memory", name, case, short_of_memory, False),
        ]
        if not settings.is_smoke:
            larger = replace(case, views=2 * case.views)
            todo.append((f"{name}_{larger.views}_views", name, larger, NetworkOptions(), False))
    if not settings.is_smoke:
        # Last, because compiling takes minutes.
        todo += [(f"{name}_compiled", name, case, NetworkOptions(compile=True), False) for name, case in cases.items()]
    for label, name, case, options, is_detailed in todo:
        try:
            results.add(**{label: measure_case(name, case, settings, options, is_detailed)})
        except torch.cuda.OutOfMemoryError:
            results.add(**{label: "does not fit into the memory of this GPU"})


_GOALS = (
    Goal("*.ratio", 1.05, is_of_speed=True),
    Goal("*.profile.synchronizations", 2),
    Goal("*.peak_over_table", 1.0),
)
_EXPECTED = (
    "a step costs hardly more than its network calls and asks the GPU nothing but gsplat's count of tiles; peak memory "
    "is that of the table in docs/first-run-on-your-gpu.md, or the table is to be corrected."
)
PART = Part("guidance", f"of Stable Diffusion 2.1 and MVDream, {_EXPECTED}", measure, _GOALS)
LARGE_PART = Part("large", f"of Stable Diffusion XL and 3, {_EXPECTED}", measure_large, _GOALS)
