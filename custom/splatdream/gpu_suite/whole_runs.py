"""Whole runs as users start them: the same pictures as on a CPU, times, a large cloud, resuming, both stages."""

import importlib.util
import json
import time
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from ..cameras.batch import orbit_cameras
from ..gaussians.ply import read_ply
from ..rendering.render import render
from ..runner.execution import ChildProcess
from .part import Goal, Part, Results, Settings

CONFIGS = Path(__file__).parents[3] / "configs"
SHORT = 20
"""Steps after which runs on two devices still show the same: rounding grows from step to step."""


def measure(settings: Settings, results: Results) -> None:
    names = ("tiny",) if settings.is_smoke else ("quickstart", "quickstart-sd", "quickstart-mvdream")
    steps = 2 if settings.is_smoke else SHORT
    for name in names:
        short = [f"trainer.max_steps={steps}"]
        here = train(settings, name, "short", short)
        on_cpu = train(settings, name, "short-cpu", short, is_on_cpu=True)
        results.add(**{f"{name}_{steps}_steps": {**here, "psnr_to_cpu_db": psnr_db(here, on_cpu)}})
    if not settings.is_smoke:
        for name in names:
            results.add(**{name: train(settings, name, "whole", [])})
    results.add(resume=_resume(settings, names[0], steps))
    count = 300 if settings.is_smoke else 200_000
    large = [
        f"trainer.max_steps={steps}",
        f"system.geometry.num_points={count}",
        "system.densification.refine_from=1000",
    ]
    results.add(**{f"{count}_gaussians": train(settings, names[0], "large", large)})
    results.add(generate=_generate(settings))


def train(
    settings: Settings, name: str, tag: str, overrides: Sequence[str], is_on_cpu: bool = False
) -> dict[str, object]:
    """Seconds by stage of a run and where its cloud is.

    A run counts as made when its cloud is there: a turntable needs imageio-ffmpeg, which may be missing.

    Raises:
        RuntimeError: it left no cloud; the message has its last words.
    """
    folder = settings.folder.resolve() / "runs"
    folder.mkdir(parents=True, exist_ok=True)
    arguments = ["--config", str(CONFIGS / f"{name}.yaml"), *(["--gpu", "cpu"] if is_on_cpu else [])]
    quiet = ["use_timestamp=false", "trainer.enable_progress_bar=false", f"exp_root_dir={folder}", f"tag={tag}"]
    log = folder / f"{name}-{tag}.log"
    began = time.perf_counter()
    exit_code = ChildProcess()([*arguments, *quiet, "system.export_after_training=true", *overrides], log)
    seconds = time.perf_counter() - began
    save = folder / name / tag / "save"
    clouds = sorted(save.glob("it*-export/cloud.ply"))
    if not clouds:
        raise RuntimeError(f"{name} ({tag}) left no cloud, exit code {exit_code}: {log.read_text()[-1500:]}")
    manifest = json.loads((save / "manifest.json").read_text())
    kept = ("steps", "num_gaussians", "seconds_by_stage", "peak_memory_bytes")
    return {
        "wall_seconds": seconds,
        "exit_code": exit_code,
        "cloud": str(clouds[-1]),
        **{key: manifest[key] for key in kept if key in manifest},
    }


def psnr_db(one: dict[str, object], other: dict[str, object]) -> float:
    """Of eight views of two runs' clouds, drawn by the CPU rasterizer; 99 where they are equal."""
    error = float((_views(str(one["cloud"])) - _views(str(other["cloud"]))).square().mean())
    return 99.0 if error == 0 else float(-10 * torch.tensor(error).log10())


def _views(cloud: str) -> Tensor:
    gaussians = read_ply(Path(cloud))
    cameras = orbit_cameras([15.0] * 8, [45.0 * i for i in range(8)], width=96, height=96)
    with torch.no_grad():
        return render(gaussians, cameras, torch.ones(8, 3), gaussians.sh_degree).rgb.clamp(0, 1)


def _resume(settings: Settings, name: str, steps: int) -> dict[str, float]:
    """How far a run that was stopped half-way ends from one that was not."""
    half = ["checkpoint.every_n_train_steps=1", "checkpoint.save_last=true"]
    whole = train(settings, name, "uninterrupted", [f"trainer.max_steps={steps}"])
    train(settings, name, "resumed", [f"trainer.max_steps={steps // 2}", *half])
    checkpoint = settings.folder.resolve() / "runs" / name / "resumed" / "ckpts" / "last.ckpt"
    resumed = train(settings, name, "resumed", [f"trainer.max_steps={steps}", f"resume={checkpoint}"])
    return {"psnr_to_uninterrupted_db": psnr_db(whole, resumed)}


def _generate(settings: Settings) -> dict[str, object] | str:
    """Both stages, a mesh with its texture at the end."""
    missing = [name for name in ("embreex", "imageio_ffmpeg") if importlib.util.find_spec(name) is None]
    if missing or settings.is_smoke:
        return f"not run: {'smoke' if settings.is_smoke else ' and '.join(missing) + ' missing'}"
    from ..commands.generate import generate

    began = time.perf_counter()
    picture = generate(ChildProcess(), "an orange cat", str(settings.folder / "generate"))
    return {"wall_seconds": time.perf_counter() - began, "picture": str(picture)}


PART = Part(
    "runs",
    f"after {SHORT} steps both devices show the same; a resumed run ends where the uninterrupted one does, but for the "
    "order of additions on a GPU; no run takes longer than on a CPU.",
    measure,
    (Goal("*.psnr_to_cpu_db", 30, is_upper=False), Goal("*.psnr_to_uninterrupted_db", 30, is_upper=False)),
)
