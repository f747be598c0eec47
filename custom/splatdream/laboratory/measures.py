"""What is measured of a finished run. A new measure is a function and a line in `MEASURES`."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor

from ..assets.finished import FinishedAsset, open_asset
from ..cameras.batch import CameraBatch
from ..evaluation.ground_truth import GroundTruthReport, evaluate_against_toybox
from ..evaluation.mesh_quality import evaluate_mesh
from ..evaluation.yaw_map import YawClass, front_share
from ..runner.results import RunResult, by_step
from ..texture.mesh_files import read_mesh

Number = float | int | bool | str
"""A text is a class: tables count it."""


@dataclass(frozen=True)
class Measure:
    numbers: Callable[[FinishedAsset, str, RunResult], Mapping[str, Number]]
    """Of an asset, its prompt and its run."""
    columns: tuple[str, ...]
    """Of the tables in the report; everything is in the CSV."""
    legend: str
    compared: tuple[str, ...] = ()
    """Columns with intervals and paired differences; more is better in each that is not among `less_is_better`."""
    less_is_better: tuple[str, ...] = ()


def final_asset(result: RunResult) -> FinishedAsset:
    """What a run made: its mesh where it left one, else its field or its cloud.

    Raises:
        FileNotFoundError: it left none of them.
    """
    return open_asset(_asset_file(result))


def _asset_file(result: RunResult) -> Path:
    return result.file(next((role for role in ("mesh", "field") if role in result.files), "cloud"))


def cost(asset: FinishedAsset, prompt: str, result: RunResult) -> Mapping[str, Number]:
    manifest = result.read_manifest()
    sizes = {name: number for name, number in manifest.items() if name.startswith("num_")}
    evaluations = manifest["denoiser_evaluations"]
    seconds = round(sum(manifest["seconds_by_stage"].values()), 2)
    return {"steps": manifest["steps"], "evaluations": evaluations, "seconds": seconds, **sizes}


def size(asset: FinishedAsset, prompt: str, result: RunResult) -> Mapping[str, Number]:
    return {"bytes": _asset_file(result).stat().st_size}


def _against_truth(asset: FinishedAsset, prompt: str) -> GroundTruthReport:
    def render_on_white(cameras: CameraBatch) -> tuple[Tensor, Tensor]:
        rgb, alpha = asset.render(cameras, torch.ones(len(cameras), 3))
        return rgb.clamp(0, 1), alpha

    return evaluate_against_toybox(render_on_white, prompt)


def toybox_truth(asset: FinishedAsset, prompt: str, result: RunResult) -> Mapping[str, Number]:
    report = _against_truth(asset, prompt)
    faced = {} if report.yaw_map.label is YawClass.FRONTLESS else {"sound": float(report.label == YawClass.OK.value)}
    agreements = {"": report.raw, "_turned": report.turned}
    return {
        **{f"psnr{suffix}": agreement.psnr for suffix, agreement in agreements.items()},
        **{f"ssim{suffix}": agreement.ssim for suffix, agreement in agreements.items()},
        **{f"iou{suffix}": agreement.silhouette_iou for suffix, agreement in agreements.items()},
        "turn_deg": report.turn_deg,
        "yaw_error_deg": report.yaw_map.mean_error_deg,
        "front_share": front_share(report.yaw_map),
        "saturation_excess": report.saturation_excess,
        **faced,
        "class": report.label,
    }


def faces(asset: FinishedAsset, prompt: str, result: RunResult) -> Mapping[str, Number]:
    """How many faces there are, whether or not it is the object: two questions apart."""
    report = _against_truth(asset, prompt)
    label = report.yaw_map.label
    rate = {} if label is YawClass.FRONTLESS else {"janus": float(report.yaw_map.arcs.is_repeated)}
    return {"recognizable": float(report.recognition.is_recognizable), **rate, "faces": label.value}


def mesh_quality(asset: FinishedAsset, prompt: str, result: RunResult) -> Mapping[str, Number]:
    exports = by_step(result.folder, "save/it*-export/mesh.glb")
    baked, refined = (_mesh_numbers(path, prompt) for path in (exports[0], exports[-1]))
    return {
        **{name: value for name, value in refined.items() if not name.startswith("psnr")},
        "psnr_baked": baked["psnr"],
        "psnr_refined": refined["psnr"],
        "inside_baked": baked["psnr_inside"],
        "inside_refined": refined["psnr_inside"],
        "gain": refined["psnr"] - baked["psnr"],
        "gain_inside": refined["psnr_inside"] - baked["psnr_inside"],
    }


def _mesh_numbers(path: Path, prompt: str) -> dict[str, Number]:
    mesh, textured = read_mesh(path)
    return {"num_faces": len(mesh), **asdict(evaluate_mesh(textured, prompt))}


MEASURES: Mapping[str, Measure] = {
    "cost": Measure(
        cost,
        ("steps", "evaluations", "seconds"),
        "*Seconds* are those of the optimization and of drawing what it fits; *evaluations* are images through the "
        "denoiser.",
    ),
    "size": Measure(size, ("bytes",), "*Bytes* are those of the file that the run left: its mesh, field or PLY."),
    "toybox": Measure(
        toybox_truth,
        (
            "psnr",
            "psnr_turned",
            "ssim_turned",
            "iou_turned",
            "saturation_excess",
            "yaw_error_deg",
            "front_share",
            "sound",
            "class",
        ),
        "PSNR in dB, SSIM and silhouette IoU are means over 16 held-out cameras against the true object; *turned* is "
        "after the best turn about the vertical axis. The yaw error is 0 for a true object, turned or not, and 90 for "
        "one picture on every side. *Front share* is that of 24 views all round that look most like the front: 0.29 "
        "for a true object, more where a face is repeated. *Saturation excess* is that of covered pixels less the true "
        "object's. *Sound* is the share of results of the class ok, of prompts that have a front: recognizable, with "
        "one face.",
        ("psnr_turned", "iou_turned", "sound"),
    ),
    "faces": Measure(
        faces,
        ("recognizable", "janus", "faces"),
        "Two questions apart: *recognizable* is the share of results that are the object more than any other one; "
        "*janus* is the share, of prompts that have a front, that show two fronts or one of more than half round, "
        "recognizable or not; *faces* is what the yaw map shows.",
        ("janus",),
        ("janus",),
    ),
    "mesh": Measure(
        mesh_quality,
        (
            "chamfer",
            "normal_consistency",
            "silhouette_iou",
            "is_watertight",
            "seam_difference",
            "psnr_baked",
            "psnr_refined",
            "inside_baked",
            "inside_refined",
            "gain",
            "gain_inside",
        ),
        "Chamfer distance in world units (objects have a radius of about 1), color difference across chart borders in "
        "steps of 1/255, PSNR in dB over held-out views as the texture was baked and after its refinement; *inside* is "
        "over pixels that both the mesh and the object fill, *gain* is refined minus baked.",
        ("gain", "gain_inside"),
    ),
}
