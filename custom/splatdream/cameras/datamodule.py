"""The registered data module: random cameras for training, fixed ones for validation, test and export."""

from bisect import bisect_right
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Annotated

import pytorch_lightning as pl
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, IterableDataset

from ..host import parse_structured, register
from ..options.option_range import OptionRange, RangeOfEach, RangeOfEnds, check_fields
from ..options.plain_config import plain_config
from .batch import ANGLES_ON_HOST, CameraBatch
from .evaluation import turntable_cameras
from .random_streams import generator_for
from .sampling import OrbitRanges, Perturbation, sample_cameras, widen


@dataclass
class CameraDataConfig:
    seed: int = 0
    """Seed of the camera stream; `${seed}` in a YAML."""
    batch_size: Annotated[int, OptionRange(1)] = 4
    """Views a step."""
    views_per_group: Annotated[int, OptionRange(1)] = 1
    """Views that a multi-view prior looks at together, spread evenly round the object; 4 for MVDream."""
    width: Annotated[list[int], RangeOfEach(1, 16384)] = field(default_factory=lambda: [64])
    """Image width, pixels, one a resolution stage."""
    height: Annotated[list[int], RangeOfEach(1, 16384)] = field(default_factory=lambda: [64])
    """Image height, pixels, one a resolution stage."""
    resolution_milestones: Annotated[list[int], RangeOfEach(1)] = field(default_factory=list)
    """Steps at which the next resolution stage begins: one fewer than there are stages."""
    elevation_range_deg: Annotated[tuple[float, float], RangeOfEnds(-90, 90)] = (-10.0, 45.0)
    """Degrees above the horizon."""
    azimuth_range_deg: Annotated[tuple[float, float], RangeOfEnds(-360, 360)] = (-180.0, 180.0)
    """Degrees; 0 is the front."""
    distance_range: Annotated[tuple[float, float], RangeOfEnds(0.01, 1000)] = (2.5, 2.5)
    """World units from the origin."""
    fovy_range_deg: Annotated[tuple[float, float], RangeOfEnds(1, 170)] = (49.1, 49.1)
    """Vertical field of view, degrees."""
    sphere_probability: Annotated[float, OptionRange(0, 1)] = 0.0
    """Probability that a batch draws elevations uniformly on the sphere instead of uniformly in angle."""
    progressive_until: Annotated[int, OptionRange(0)] = 0
    """Step until which the ranges widen from the evaluation elevation at azimuth 0; 0 is full width at once."""
    position_perturbation: Annotated[float, OptionRange(0, 1000)] = 0.0
    """Half-width of the box that camera positions are moved in, world units."""
    target_perturbation: Annotated[float, OptionRange(0, 1000)] = 0.0
    """Half-width of the box that the looked-at point is moved in, world units."""
    up_perturbation: Annotated[float, OptionRange(0, 1000)] = 0.0
    """Standard deviation added to the up vector."""
    eval_width: Annotated[int, OptionRange(1, 16384)] = 128
    """Image width of validation and test views, pixels."""
    eval_height: Annotated[int, OptionRange(1, 16384)] = 128
    """Image height of validation and test views, pixels."""
    eval_elevation_deg: Annotated[float, OptionRange(-90, 90)] = 15.0
    """Elevation of validation and test views, degrees."""
    eval_distance: Annotated[float, OptionRange(0.01, 1000)] = 2.5
    """Distance of validation and test views, world units."""
    eval_fovy_deg: Annotated[float, OptionRange(1, 170)] = 49.1
    """Vertical field of view of validation and test views, degrees."""
    num_val_views: Annotated[int, OptionRange(1)] = 4
    """Views of a validation grid, evenly spaced."""
    num_test_views: Annotated[int, OptionRange(1)] = 60
    """Frames of the turntable."""

    def __post_init__(self) -> None:
        check_fields("data", self, CameraDataConfig)
        stages = len(self.resolution_milestones) + 1
        if not len(self.width) == len(self.height) == stages:
            raise ValueError(
                f"data.width {list(self.width)} and data.height {list(self.height)} need {stages} entries, one more "
                f"than data.resolution_milestones {list(self.resolution_milestones)}"
            )
        if self.batch_size % self.views_per_group != 0:
            raise ValueError(
                f"data.batch_size {self.batch_size} must be a multiple of data.views_per_group {self.views_per_group}"
            )


def training_cameras(cfg: CameraDataConfig, step: int) -> CameraBatch:
    """The cameras of one step; depends on the configuration and the step only."""
    stage = bisect_right(cfg.resolution_milestones, step)
    ranges = OrbitRanges(
        tuple(cfg.elevation_range_deg),
        tuple(cfg.azimuth_range_deg),
        tuple(cfg.distance_range),
        tuple(cfg.fovy_range_deg),
    )
    if cfg.progressive_until > 0:
        ranges = widen(ranges, cfg.eval_elevation_deg, 0.0, (step + 1) / cfg.progressive_until)
    return sample_cameras(
        ranges,
        cfg.batch_size,
        cfg.width[stage],
        cfg.height[stage],
        generator_for(cfg.seed, "cameras", step),
        cfg.views_per_group,
        cfg.sphere_probability,
        Perturbation(cfg.position_perturbation, cfg.target_perturbation, cfg.up_perturbation),
    )


class TrainingCameras(IterableDataset):
    """Endless batches, from the step at which the trainer stands when iteration begins."""

    def __init__(self, cfg: CameraDataConfig, first_step: Callable[[], int]) -> None:
        super().__init__()
        self._cfg = cfg
        self._first_step = first_step

    def __iter__(self) -> Iterator[dict[str, Tensor | int]]:
        step = self._first_step()
        while True:
            yield training_cameras(self._cfg, step).to_batch()
            step += 1


class EvaluationCameras(Dataset):
    """A turntable, one view an item."""

    def __init__(self, cfg: CameraDataConfig, num_views: int) -> None:
        self.cameras = turntable_cameras(
            num_views,
            cfg.eval_elevation_deg,
            cfg.eval_distance,
            cfg.eval_fovy_deg,
            cfg.eval_width,
            cfg.eval_height,
        )

    def __len__(self) -> int:
        return len(self.cameras)

    def __getitem__(self, index: int) -> dict[str, Tensor | int]:
        return self.cameras[index : index + 1].to_batch() | {"index": torch.tensor([index])}


@register("splatdream-camera-datamodule")
class CameraDataModule(pl.LightningDataModule):
    """Cameras only: score distillation has no other data."""

    Config = CameraDataConfig

    def __init__(self, cfg: object = None) -> None:
        super().__init__()
        self.cfg: CameraDataConfig = plain_config(parse_structured(self.Config, cfg))

    def _trainer_step(self) -> int:
        return self.trainer.global_step if self.trainer is not None else 0

    def transfer_batch_to_device(
        self, batch: dict[str, Tensor | int], device: torch.device, dataloader_idx: int
    ) -> dict[str, object]:
        moved = super().transfer_batch_to_device(batch, device, dataloader_idx)
        return moved | {ANGLES_ON_HOST: (batch["elevation"], batch["azimuth"])}

    def train_dataloader(self) -> DataLoader:
        return DataLoader(TrainingCameras(self.cfg, self._trainer_step), batch_size=None)

    def val_dataloader(self) -> DataLoader:
        return DataLoader(EvaluationCameras(self.cfg, self.cfg.num_val_views), batch_size=None)

    def test_dataloader(self) -> DataLoader:
        return DataLoader(EvaluationCameras(self.cfg, self.cfg.num_test_views), batch_size=None)

    def predict_dataloader(self) -> DataLoader:
        return self.test_dataloader()
