"""The table of the second stage: toybox objects distilled, meshed, baked, refined, and measured before and after.

Results go to a store as they come, so a second call goes on where the first stopped.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import mean

import torch

from ..evaluation.mesh_quality import evaluate_mesh
from ..storage.atomic_file import write_text
from ..texture.mesh_files import read_mesh
from ..toybox.vocabulary import OBJECTS
from .intervals import paired_bootstrap_interval
from .results_store import ResultsStore
from .toybox_table import Cell

Row = Mapping[str, object]
Launch = Callable[[Sequence[str]], int]

STAGES = ("baked", "refined")
# The table measures meshes: before-after pictures stay, films and validation pictures would take as long as the runs.
_FEW_PICTURES = ("trainer.enable_progress_bar=false", "trainer.limit_val_batches=0", "data.num_test_views=1")


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
        RuntimeError: a run failed; the results so far are kept, and the next call goes on after them.
    """
    unknown = [name for name in objects or () if name not in OBJECTS]
    if unknown:
        raise ValueError(f"the toybox has no {unknown[0]!r}; it has {', '.join(OBJECTS)}")
    store = ResultsStore(Path(folder) / "results.jsonl")
    wanted = [(name, label) for name in objects or OBJECTS for label in texture_configs]
    missing = [(name, label) for name, label in wanted if f"{name}/{label}/refined" not in store.rows()]
    if len(missing) < len(wanted):
        print(f"{len(wanted) - len(missing)} of {len(wanted)} results are in {folder} and are kept", flush=True)
    progress = Progress(len(missing))
    for name, label in missing:
        cell = Cell(name, "camera")
        print(progress.line(f"{cell.prompt}, {label}"), flush=True)
        checkpoint = _first_stage(launch, cell, config, Path(folder))
        save = _second_stage(launch, cell, label, texture_configs[label], checkpoint, Path(folder), overrides)
        for stage, export in zip(STAGES, _exports(save), strict=True):
            store.add(f"{name}/{label}/{stage}", _numbers(export, cell.prompt))
        progress.done += 1
    rows = store.rows()
    keys = [f"{name}/{label}/{stage}" for name, label in wanted for stage in STAGES]
    text = mesh_table_text({key: rows[key] for key in keys})
    print(text)
    if report is not None:
        write_text(report, text)


@dataclass
class Progress:
    """Runs done of the runs to do, and the time that the rest will take at the pace so far."""

    total: int
    done: int = 0
    clock: Callable[[], float] = time.monotonic
    started: float = field(init=False)

    def __post_init__(self) -> None:
        self.started = self.clock()

    def line(self, what: str) -> str:
        """What begins now, e.g. "[3/44] a green cat, painted, 12 min to go"."""
        text = f"[{self.done + 1}/{self.total}] {what}"
        if self.done == 0:
            return text
        seconds = (self.clock() - self.started) / self.done * (self.total - self.done)
        return f"{text}, {seconds / 60:.0f} min to go" if seconds >= 60 else f"{text}, {seconds:.0f} s to go"


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
    arguments += ["use_timestamp=false", f"system.prompt_processor.prompt={prompt}", *_FEW_PICTURES, *overrides]
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
    """The table in Markdown: a line an object and refinement, means, and what each refinement gains.

    Gains are paired over the objects: refined minus baked, with 95 % bootstrap intervals. PSNR is over held-out views.
    """
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
    gains = []
    for label in dict.fromkeys(key.split("/")[1] for key in pairs):
        of_label = [pair for key, pair in pairs.items() if key.endswith(f"/{label}")]
        means = [
            {name: mean(float(pair[stage][name]) for pair in of_label) for name in _AVERAGED} for stage in range(2)
        ]
        lines.append(_line(f"mean of {len(of_label)}", label, means[0], means[1]))
        gains.append(_gain_line(label, of_label))
    lines += [
        "",
        "| refinement | objects | gain of PSNR, dB | gaining | gain inside, dB | gaining |",
    ]
    lines += ["|---|---:|---:|---:|---:|---:|", *gains]
    return "\n".join(lines) + "\n"


def _gain_line(label: str, pairs: Sequence[tuple[Row, Row]]) -> str:
    parts = [f"| {label} | {len(pairs)} "]
    for name in ("psnr", "psnr_inside"):
        gains = torch.tensor([float(refined[name]) - float(baked[name]) for baked, refined in pairs])
        low, high = paired_bootstrap_interval(gains, torch.Generator().manual_seed(0))
        parts.append(f"| {gains.mean():+.2f} [{low:+.2f}, {high:+.2f}] | {int((gains > 0).sum())} ")
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
