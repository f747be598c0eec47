"""The verbs of the command line as functions: what they return is what the next one takes."""

import re
from collections.abc import Sequence
from pathlib import Path

from ..assets.finished import open_asset
from ..commands.evaluate import framed
from ..commands.fit import CONFIG as FIT
from ..commands.fit import fit_request
from ..commands.generate import stages
from ..evaluation.asset_report import AssetReport, evaluate_asset
from ..gaussians.cloud import GaussianCloud
from ..photographs.posed_images import PosedImages
from ..photographs.transforms_file import write_views
from ..priors.base import DiffusionPrior
from ..priors.judges import load_judge
from ..runner.checking import check_request
from ..runner.execution import InProcess, finished_run
from ..runner.results import RunResult
from ..startup.shipped import EXPERIMENTS, find_config
from ..texture.mesh_from_cloud import BakingOptions, mesh_from_cloud
from ..texture.textured_mesh import TexturedMesh


def load_prior(name: str) -> DiffusionPrior:
    """A frozen denoiser by folder, hub id or short name (`splatdream list priors`): toybox-sd, sd21-base, ...

    Raises:
        FileNotFoundError: no copy was found; the message says what to do.
        ValueError: it cannot be the name of a model.
    """
    return load_judge(name)


def distill(
    prompt: str,
    prior: str = "closed-form",
    output: str | Path = "outputs/distill",
    config: str | None = None,
    steps: int | None = None,
    seed: int = 0,
    overrides: Sequence[str] = (),
    is_quiet: bool = True,
) -> RunResult:
    """Gaussians of a sentence by score distillation; `.file("cloud")` of the result is the PLY.

    A run that is there is not made again, unless something that decides it changed.

    Args:
        prior: of `splatdream list priors`; chooses the configuration where none is named.
        output: the run goes to `output/<prompt>`.
        config: a file, or the name of a shipped configuration.
        overrides: dotted.key=value.
        is_quiet: says warnings and errors alone.

    Raises:
        ValueError, FileNotFoundError: something that is asked for is not there; nothing was made.
        RuntimeError: the run failed.
    """
    request, _ = stages(prompt, prior, config, steps=steps, seed=seed, overrides=overrides)
    check_request(request)
    folder = Path(output) / re.sub(r"\W+", "_", prompt).strip("_")
    return finished_run(request, folder, InProcess(["--quiet"] if is_quiet else []))


def fit(
    views: str | Path | PosedImages,
    output: str | Path = "outputs/fit",
    orbit: str = "",
    size: int | None = None,
    steps: int | None = None,
    hold_out_every: int | None = None,
    config: str = FIT,
    seed: int = 0,
    overrides: Sequence[str] = (),
    is_quiet: bool = True,
) -> RunResult:
    """Gaussians of images with cameras; `.file("cloud")` of the result is the PLY.

    `.read_manifest()["photographs"]` is what was measured on views that nothing was fitted to.

    Args:
        views: a folder as `splatdream fit` reads it, or images in memory, which are written to `output/views` first.
        output: the run goes to `output/run/<name of the folder>`.
        orbit: whose views a folder without cameras holds (`photographs.orbits.ORBITS`).
        size: longer side in pixels that larger images are reduced to.
        hold_out_every: every so many views is kept to measure against; 0 keeps none, None is the configuration's 8.
        overrides: dotted.key=value.

    Raises:
        ValueError, FileNotFoundError: images or cameras cannot be read; no run was made.
        RuntimeError: the run failed.
    """
    folder = Path(output) / "views" if isinstance(views, PosedImages) else Path(views)
    if isinstance(views, PosedImages):
        write_views(folder, views)
    request = fit_request(folder, orbit, size, steps, hold_out_every, config, seed, overrides)
    return finished_run(
        request, Path(output) / "run" / folder.resolve().name, InProcess(["--quiet"] if is_quiet else [])
    )


def to_mesh(cloud: GaussianCloud, texture_size: int = 1024) -> TexturedMesh:
    """A closed mesh with the colors of the cloud, for `write_glb` and `write_obj`.

    Args:
        texture_size: pixels along a side of the texture.

    Raises:
        ValueError: the cloud is empty, too faint or not finite, or has no surface.
    """
    return mesh_from_cloud(cloud, baking=BakingOptions(texture_size=texture_size)).textured


def evaluate(path: str | Path, prompt: str, judges: Sequence[DiffusionPrior] = ()) -> AssetReport:
    """What an asset's file shows: one face, several or none; against the true object where the toybox knows the prompt.

    Args:
        judges: priors that say what each side looks like; without any it is judged by its looks alone.

    Raises:
        ValueError, FileNotFoundError: the file is no asset, or a judge cannot read the prompt.
    """
    render, _ = framed(open_asset(path))
    return evaluate_asset(render, prompt, judges)


def lab(plan: str | Path, output: str | Path, workers: int = 0, settings: Sequence[str] = ()) -> Path:
    """Makes what is missing of an experiment, and its report (report.md, .csv, .tex, .html in the folder returned).

    Args:
        plan: a file, or the name of a shipped experiment.
        workers: local processes; 0 is this one.
        settings: keys at the top of the file, key=value.

    Raises:
        ValueError, FileNotFoundError: the plan cannot be read.
    """
    from ..laboratory.cells import check_owner, resolved_study
    from ..laboratory.plan import read_plan
    from ..laboratory.report import write_report
    from ..laboratory.workers import local_processes, run_study, this_process

    folder = Path(output).absolute()
    read = read_plan(find_config(plan, EXPERIMENTS), settings)
    check_owner(read.name, folder)
    study = resolved_study(read, folder / "steps.json")
    study.write(folder)
    run_study(study, folder, local_processes(workers) if workers else this_process())
    write_report(study, folder)
    return folder
