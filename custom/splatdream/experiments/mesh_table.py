"""The table of the second stage: toybox objects distilled, meshed, baked, refined, and measured before and after."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from statistics import mean

from ..evaluation.mesh_quality import evaluate_mesh
from ..runner.execution import Executor, Runs
from ..runner.request import RunRequest, setting
from ..runner.results import RunResult, by_step
from ..texture.mesh_files import read_mesh
from .intervals import difference_text
from .table_rows import Obtain, Row, TableRun, measured_rows, publish
from .toybox_table import Cell, chosen_objects

STAGES = ("baked", "refined")
# The table measures meshes: before-after pictures stay, films and validation pictures would take as long as the runs.
_FEW_PICTURES = ("trainer.enable_progress_bar=false", "trainer.limit_val_batches=0", "data.num_test_views=1")


def make_mesh_table(
    execute: Executor,
    config: str,
    texture_configs: Mapping[str, str],
    folder: str,
    objects: Sequence[str] | None = None,
    report: str | None = None,
    overrides: Sequence[str] = (),
) -> None:
    """Runs what is missing, then prints the table and writes it to `report`.

    Args:
        config: YAML of the first stage; its prior is told the camera.
        texture_configs: YAMLs of the second stage by the name that the table gives them.
        objects: names of toybox objects; all by default.
        overrides: of every second stage.

    Raises:
        ValueError: an object that the toybox does not have.
        RuntimeError: a run failed; the results so far are kept, and the next call goes on after them.
    """
    stages = [Runs(Path(folder) / name, execute) for name in ("gaussians", "meshes")]
    wanted = {
        f"{name}/{label}": _table_run(*stages, Cell(name, "camera"), config, (label, texture_config), overrides)
        for name in chosen_objects(objects)
        for label, texture_config in texture_configs.items()
    }
    measured = measured_rows("meshes", wanted, Path(folder))
    rows = {f"{key}/{stage}": row[stage] for key, row in measured.items() for stage in STAGES}
    publish(mesh_table_text(rows), report)


def _table_run(
    gaussians: Runs, meshes: Runs, cell: Cell, config: str, texture: tuple[str, str], overrides: Sequence[str]
) -> TableRun:
    """Both stages of an object; `texture` is the name and the YAML of the second."""
    label, texture_config = texture
    first_stage = ["system.guidance.prior.condition=camera", *_FEW_PICTURES]
    request = RunRequest(config, first_stage, cell.prompt, cell.object_name)

    def chain(obtain: Obtain) -> RunResult | None:
        first = obtain(gaussians, request)
        if first is None:
            return None
        start = setting("system.geometry_convert_from", str(first.file("checkpoint")))
        second_stage = [start, *_FEW_PICTURES, *overrides]
        return obtain(meshes, RunRequest(texture_config, second_stage, cell.prompt, f"{cell.object_name}-{label}"))

    return TableRun(f"{cell.prompt}, {label}", chain, partial(_measure, cell.prompt))


def _measure(prompt: str, result: RunResult) -> Row:
    """The mesh as it was baked, and after the last step."""
    exports = by_step(result.folder, "save/it*-export/mesh.glb")
    return {stage: _numbers(path, prompt) for stage, path in zip(STAGES, (exports[0], exports[-1]), strict=True)}


def _numbers(path: Path, prompt: str) -> Row:
    mesh, textured = read_mesh(path)
    quality = asdict(evaluate_mesh(textured, prompt))
    return {"prompt": prompt, "num_faces": len(mesh), **quality}


def mesh_table_text(rows: Mapping[str, Row]) -> str:
    """The table in Markdown: a line an object and refinement, means, and what each refinement gains.

    Gains are paired over the objects: refined minus baked, with 95 % bootstrap intervals. PSNR is over held-out views.
    """
    pairs = {
        tuple(key.split("/")[:2]): (rows[key.replace("/refined", "/baked")], row)
        for key, row in rows.items()
        if key.endswith("/refined")
    }
    by_label = {label: [pair for key, pair in pairs.items() if key[1] == label] for _, label in pairs}
    lines = [
        "| object | refinement | Chamfer | normals | IoU | watertight | seams | PSNR baked | PSNR refined "
        "| inside baked | inside refined |",
        "|---|---|---:|---:|---:|---|---:|---:|---:|---:|---:|",
        *(_line(*key, *pair) for key, pair in pairs.items()),
        *(_line(f"mean of {len(own)}", label, *map(_mean, zip(*own, strict=True))) for label, own in by_label.items()),
        "",
        "| refinement | objects | gain of PSNR, dB | gaining | gain inside, dB | gaining |",
        "|---|---:|---:|---:|---:|---:|",
        *(_gain_line(label, own) for label, own in by_label.items()),
    ]
    return "\n".join(lines) + "\n"


def _mean(rows: Iterable[Row]) -> Row:
    rows = list(rows)
    return {name: mean(float(row[name]) for row in rows) for name in _AVERAGED}


def _gain_line(label: str, pairs: Sequence[tuple[Row, Row]]) -> str:
    parts = [f"| {label} | {len(pairs)} "]
    for name in ("psnr", "psnr_inside"):
        gains = [float(refined[name]) - float(baked[name]) for baked, refined in pairs]
        parts.append(f"| {difference_text(gains, 2)} | {sum(gain > 0 for gain in gains)} ")
    return "".join(parts) + "|"


_AVERAGED = (
    "chamfer",
    "normal_consistency",
    "silhouette_iou",
    "is_watertight",
    "seam_difference",
    "psnr",
    "psnr_inside",
)


def _line(name: str, label: str, baked: Row, refined: Row) -> str:
    share = float(refined["is_watertight"])
    watertight = {0.0: "no", 1.0: "yes"}.get(share, f"{share:.0%}")
    return (
        f"| {name} | {label} | {refined['chamfer']:.4f} | {refined['normal_consistency']:.3f} "
        f"| {refined['silhouette_iou']:.3f} | {watertight} | {refined['seam_difference']:.2f} | {baked['psnr']:.1f} "
        f"| {refined['psnr']:.1f} | {baked['psnr_inside']:.1f} | {refined['psnr_inside']:.1f} |"
    )
