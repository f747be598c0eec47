"""What a training step costs beside its unavoidable network calls, on networks of the real size with random weights.

    python benchmarks/guidance_step.py --output guidance_step.json      # on a GPU
    python benchmarks/guidance_step.py --tiny                           # anywhere, in seconds; says only that it runs

A step renders 4 views of 20,000 Gaussians, encodes them, denoises them with guidance, and goes back to the Gaussians:
what `splatdream-system` does, without the host around it. Unavoidable are one forward pass of the denoiser over all
predictions and one forward and backward pass of the image encoder, in the same precision. Steps and calls take turns,
and medians are compared. The breakdown comes from steps of its own, in which every stage waits for the device.
"""

import argparse
import json
import platform
import statistics
import time
from collections.abc import Callable, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from splatdream.assets.gaussians import GaussianGeometry
from splatdream.cameras.batch import orbit_cameras
from splatdream.densification.controller import DensificationConfig, DensificationController
from splatdream.densification.statistics import DensificationState, accumulate
from splatdream.gaussians.optimizer_groups import make_adam
from splatdream.guidance.guidance import Guidance
from splatdream.host import BaseObject, register
from splatdream.priors.clip_texts import ClipTexts
from splatdream.priors.latent_diffusion import NetworkOptions
from splatdream.priors.model_files import ModelFiles
from splatdream.priors.mvdream import MVDreamPrior
from splatdream.priors.noise_process import VariancePreserving
from splatdream.priors.stable_diffusion import StableDiffusionPrior, pixels_per_latent
from splatdream.prompts.view_prompts import make_view_prompts
from splatdream.rendering.render import render
from splatdream.systems.stage_timer import StageTimer, peak_memory_bytes

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
        "unet": unet,
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
        self.cameras = orbit_cameras([15.0] * 4, [0.0, 90.0, 180.0, 270.0], width=size, height=size).to(device)
        self.prompts = make_view_prompts("a cat")
        self.background = torch.ones(4, 3, device=device)
        self.batch = self.cameras.to_batch()
        self.count = 0

    def __call__(self, stage: Callable) -> dict[str, object]:
        """One step.

        Args:
            stage: a context manager of the stage's name.
        """
        self.guidance.update_step(0, self.count)
        self.count += 1
        with stage("render"):
            seen = render(self.geometry.cloud(), self.cameras, self.background, 0)
        with stage("guidance"):
            guided = self.guidance(seen.rgb, self.prompts, background_color=self.background, **self.batch)
        with stage("backward"):
            guided["loss_sds"].backward()
        with stage("densification"):
            size = self.cameras.width
            accumulate(self.statistics, seen.means2d.grad, seen.radii, size, size)
        with stage("optimizer"):
            self.optimizer.step()
            self.optimizer.zero_grad(set_to_none=True)
        return guided


class UnavoidableCalls:
    """The same networks on the same number of images, and nothing else."""

    def __init__(self, prior: StableDiffusionPrior | MVDreamPrior, device: str) -> None:
        self.prior = prior
        dtype = next(prior.network.parameters()).dtype
        size, latent = prior.image_size, prior.image_size // pixels_per_latent(prior.vae)
        layout = torch.channels_last if device == "cuda" else torch.contiguous_format
        like = {"device": device, "dtype": dtype}
        self.images = torch.rand(4, 3, size, size, **like).contiguous(memory_format=layout).requires_grad_()
        self.latents = torch.randn(8, 4, latent, latent, **like).contiguous(memory_format=layout)
        self.timesteps = torch.full((8,), 500, device=device)
        channels = prior.network.config.cross_attention_dim
        self.call = {"encoder_hidden_states": torch.randn(8, 77, channels, **like)}
        if prior.network.config.class_embed_type == "projection":
            self.call["class_labels"] = torch.randn(8, 16, **like)

    def __call__(self) -> None:
        self.prior.vae.encode(self.images).latent_dist.mean.sum().backward()
        self.images.grad = None
        with torch.no_grad():
            self.prior.network(self.latents, self.timesteps, **self.call)


def synchronize(device: str) -> None:
    if device == "cuda":
        torch.cuda.synchronize()


def seconds_of(call: Callable[[], object], device: str) -> float:
    synchronize(device)
    started = time.perf_counter()
    call()
    synchronize(device)
    return time.perf_counter() - started


def breakdown(step: Step, num_steps: int, device: str) -> dict[str, float]:
    """Mean seconds of each stage; of the guidance, what the image encoder and the denoiser take apart from the rest."""
    timer = StageTimer()

    @contextmanager
    def stage(name: str):
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


def measure(name: str, args: argparse.Namespace, device: str) -> dict[str, object]:
    """One case."""

    @contextmanager
    def unmeasured(_: str):
        yield

    case = CASES[name]
    if device == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
    options = NetworkOptions(vae_slicing=args.save_memory, vae_checkpointing=args.save_memory, compile=args.compile)
    prior = build_prior(case, args.tiny, options)
    step = Step(case, prior, args.gaussians or (300 if args.tiny else 20_000), device)
    for _ in range(args.warmup):
        guided = step(unmeasured)
    synchronize(device)
    # Before the calls alone, whose memory is not the step's.
    peak = peak_memory_bytes()
    calls = UnavoidableCalls(prior, device)
    for _ in range(args.warmup):
        calls()
    steps_s, calls_s = [], []
    for _ in range(args.steps):
        steps_s.append(seconds_of(lambda: step(unmeasured), device))
        calls_s.append(seconds_of(calls, device))
    step_s, call_s = statistics.median(steps_s), statistics.median(calls_s)
    return {
        "image_size": prior.image_size,
        "gaussians": len(step.geometry.means),
        "views": len(step.cameras),
        "denoiser_evaluations": int(guided["denoiser_evaluations"]),
        "dtype": str(next(prior.network.parameters()).dtype).removeprefix("torch."),
        "step_seconds": step_s,
        "unavoidable_seconds": call_s,
        "ratio": step_s / call_s,
        "seconds_by_stage": breakdown(step, args.steps, device),
        "peak_memory_bytes": peak,
    }


def main(argv: list[str] | None = None) -> dict[str, object]:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tiny", action="store_true", help="tiny networks, for any machine")
    parser.add_argument("--cases", nargs="+", choices=list(CASES), default=list(CASES))
    parser.add_argument("--steps", type=int, default=20, help="measured (default: 20)")
    parser.add_argument("--warmup", type=int, default=5, help="not measured, at least 1 (default: 5)")
    parser.add_argument("--gaussians", type=int, default=0, help="default: 20,000, or 300 with --tiny")
    parser.add_argument("--save-memory", action="store_true", help="vae_slicing and vae_checkpointing")
    parser.add_argument("--compile", action="store_true", help="torch.compile the denoiser")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu", choices=["cuda", "cpu"])
    parser.add_argument("--output", metavar="JSON", help="default: standard output")
    args = parser.parse_args(argv)
    if args.steps < 1 or args.warmup < 1:
        parser.error("--steps and --warmup must be at least 1")
    result = {
        "machine": torch.cuda.get_device_name() if args.device == "cuda" else platform.processor() or "cpu",
        "device": args.device,
        "torch": torch.__version__,
        "is_tiny": args.tiny,
        "cases": {name: measure(name, args, args.device) for name in args.cases},
    }
    text = json.dumps(result, indent=2)
    if args.output:
        Path(args.output).write_text(text + "\n")
    else:
        print(text)
    return result


if __name__ == "__main__":
    main()
