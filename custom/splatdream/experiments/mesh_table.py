"""The table of the second stage: toybox objects distilled, meshed, baked, refined, and measured before and after.

Results go to a store as they come, so a second call goes on where the first stopped.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from statistics import mean

from ..evaluation.mesh_quality import evaluate_mesh
from ..export.mesh_files import read_mesh
from ..toybox.vocabulary import OBJECTS
from .results_store import ResultsStore
from .toybox_table import Cell

Row = Mapping[str, object]
Launch = Callable[[Sequence[str]], int]

STAGES = ("baked", "refined")


def make_mesh_table(
    launch: Launch,
    config: str,
    texture_configs: Mapping[str, str],
    folder: str,
    objects: Sequence[str] | None = None,
    report: str | None = None,
    overrides: Sequence[str] = (),
) -> None:
    """Runs what is missing, then prints the table and writes it to `report`.

    Args:
        launch: runs one launch command line and returns its exit code.
        config: YAML of the first stage; its prior is told the camera.
        texture_configs: YAMLs of the second stage by the name that the table gives them.
        objects: names of toybox objects; all by default.
        overrides: of every second stage.

    Raises:
        ValueError: an object that the toybox does not have.
        RuntimeError: a run failed; the results so far are kept.
    """
    unknown = [name for name in objects or () if name not in OBJECTS]
    if unknown:
        raise ValueError(f"the toybox has no {unknown[0]!r}; it has {', '.join(OBJECTS)}")
    store = ResultsStore(Path(folder) / "results.jsonl")
    for name in objects or OBJECTS:
        cell = Cell(name, "camera")
        for label, texture_config in texture_configs.items():
            if f"{name}/{label}/refined" in store.rows():
                continue
            print(f"{cell.prompt}: {label}", flush=True)
            checkpoint = _first_stage(launch, cell, config, Path(folder))
            save = _second_stage(launch, cell, label, texture_config, checkpoint, Path(folder), overrides)
            for stage, export in zip(STAGES, _exports(save), strict=True):
                store.add(f"{name}/{label}/{stage}", _numbers(export, cell.prompt))
    text = mesh_table_text(store.rows())
    print(text)
    if report is not None:
        Path(report).write_text(text)


def _first_stage(launch: Launch, cell: Cell, config: str, folder: Path) -> Path:
    """The checkpoint of the object's Gaussians; distilled unless it is there."""
    tag = cell.object_name
    checkpoint = folder / "gaussians" / tag / "ckpts" / "last.ckpt"
    if not checkpoint.is_file():
        _run(launch, config, folder, "gaussians", tag, cell.prompt, ["system.guidance.prior.condition=camera"])
    return checkpoint


def _second_stage(
    launch: Launch, cell: Cell, label: str, config: str, checkpoint: Path, folder: Path, overrides: Sequence[str]
) -> Path:
    """The folder with the results of the object's refined mesh."""
    tag = f"{cell.object_name}-{label}"
    start = [f"system.geometry_convert_from={checkpoint}", *overrides]
    _run(launch, config, folder, "meshes", tag, cell.prompt, start)
    return folder / "meshes" / tag / "save"


def _run(launch: Launch, config: str, folder: Path, name: str, tag: str, prompt: str, overrides: Sequence[str]) -> None:
    arguments = ["--config", config, "--train", f"exp_root_dir={folder}", f"name={name}", f"tag={tag}"]
    arguments += ["use_timestamp=false", f"system.prompt_processor.prompt={prompt}", *overrides]
    if launch(arguments) != 0:
        raise RuntimeError(f"the run {name}/{tag} failed; the results so far are in {folder}")


def _exports(save: Path) -> tuple[Path, Path]:
    """The mesh as it was baked, and after the last step."""
    exports = sorted(save.glob("it*-export/mesh.glb"), key=lambda path: int(path.parent.name[2:].split("-")[0]))
    return exports[0], exports[-1]


def _numbers(path: Path, prompt: str) -> Row:
    mesh, textured = read_mesh(path)
    quality = asdict(evaluate_mesh(textured, prompt))
    return {"prompt": prompt, "num_faces": len(mesh), **quality}


def mesh_table_text(rows: Mapping[str, Row]) -> str:
    """The table in Markdown: a line an object and refinement, and means; PSNR is over held-out views."""
    lines = [
        "| object | refinement | Chamfer | normals | IoU | watertight | seams | PSNR baked | PSNR refined "
        "| inside baked | inside refined |",
        "|---|---|---:|---:|---:|---|---:|---:|---:|---:|---:|",
    ]
    pairs = {
        key.removesuffix("/refined"): (rows[key.replace("/refined", "/baked")], row)
        for key, row in rows.items()
        if key.endswith("/refined")
    }
    for key, (baked, refined) in pairs.items():
        name, label = key.split("/")
        lines.append(_line(name, label, baked, refined))
    for label in dict.fromkeys(key.split("/")[1] for key in pairs):
        of_label = [pair for key, pair in pairs.items() if key.endswith(f"/{label}")]
        means = [
            {name: mean(float(pair[stage][name]) for pair in of_label) for name in _AVERAGED} for stage in range(2)
        ]
        lines.append(_line(f"mean of {len(of_label)}", label, means[0], means[1]))
    return "\n".join(lines) + "\n"


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
