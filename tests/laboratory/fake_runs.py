"""Runs that take no time: what an executor leaves, written by hand."""

import json
from collections.abc import Sequence
from pathlib import Path

import torch
import yaml
from splatdream.gaussians.cloud import GaussianCloud
from splatdream.gaussians.ply import write_ply

CONFIGS = Path(__file__).parents[2] / "configs"
SMALL = {"trainer.limit_val_batches": 0, "data.num_test_views": 1, "system.exporter.save_video": False}
MANIFEST = {
    "steps": 20,
    "num_gaussians": 2,
    "denoiser_evaluations": 40,
    "seconds_by_stage": {"render": 1.0, "guidance": 2.0},
    "evaluation_cameras": {"distance": 2.5, "fovy_deg": 49.1},
    "packages": {"torch": "9.9"},
    "machine": {"device": "abacus"},
}


class FakeRuns:
    """An executor; `ran` has the folders' names without their fingerprints, `failing` parts of those that fail."""

    def __init__(self) -> None:
        self.ran: list[str] = []
        self.asked: list[Sequence[str]] = []
        self.failing: set[str] = set()

    def __call__(self, arguments: Sequence[str], log: Path) -> int:
        folder, name = log.parent, log.parent.name.rpartition("-")[0]
        self.ran.append(name)
        self.asked.append(arguments)
        if any(part in name for part in self.failing):
            log.write_text("error: out of luck\n")
            return 1
        (folder / "save" / "it20-export").mkdir(parents=True)
        (folder / "save" / "manifest.json").write_text(json.dumps(MANIFEST))
        ones = torch.ones(2, 4)
        cloud = GaussianCloud(
            0 * ones[:, :3], ones[:, :3] - 3, ones, ones[:, 0], ones[:, None, :3], torch.zeros(2, 0, 3)
        )
        write_ply(folder / "save" / "it20-export" / "cloud.ply", cloud)
        (folder / "ckpts").mkdir()
        (folder / "ckpts" / "last.ckpt").write_text(name)
        return 0


def written(folder: Path, **changes: object) -> Path:
    """A plan of two variants and two prompts."""
    plan = {
        "name": "tiny",
        "base": str(CONFIGS / "tiny.yaml"),
        "settings": SMALL,
        "variants": {"words": {}, "blind": {"settings": {"system.guidance.prior.condition": "view_blind"}}},
        "prompts": ["an orange cat", "a red car"],
    }
    plan = {key: value for key, value in (plan | changes).items() if value is not None}
    path = folder / "tiny.yaml"
    path.write_text(yaml.safe_dump(plan, sort_keys=False))
    return path
