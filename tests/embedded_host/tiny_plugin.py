"""A plugin with nothing but what the host needs: points that move toward targets of the step, and grow in number."""

from dataclasses import dataclass

import torch
from pytorch_lightning import LightningDataModule
from splatdream.host import (
    BaseBackground,
    BaseGeometry,
    BaseLift3DSystem,
    BaseMaterial,
    BaseModule,
    Exporter,
    ExporterOutput,
    Renderer,
    Updateable,
    parse_structured,
    register,
)
from splatdream.storage.images import write_png
from torch import nn
from torch.utils.data import DataLoader, Dataset, IterableDataset


class Targets(IterableDataset, Updateable):
    """Batch k of a run that starts at step s belongs to step s + k, prefetched or not."""

    def __init__(self, data):
        self.data = data
        self.seen_steps = []

    def __iter__(self):
        step = self.data.trainer.global_step
        while True:
            generator = torch.Generator().manual_seed(1000 + step)
            yield {"step": step, "target": torch.randn(3, generator=generator)}
            step += 1

    def update_step(self, epoch, global_step, on_load_weights=False):
        self.seen_steps.append(global_step)


class Views(Dataset):
    def __len__(self):
        return 2

    def __getitem__(self, index):
        return {"index": index}


@register("tiny-data")
class TinyData(LightningDataModule):
    @dataclass
    class Config:
        scale: float = 1.0
        """Unused; there to be misspelled."""

    def __init__(self, cfg=None):
        super().__init__()
        self.cfg = parse_structured(self.Config, cfg)

    def setup(self, stage):
        self.targets = Targets(self)

    def train_dataloader(self):
        return DataLoader(self.targets, batch_size=None)

    def val_dataloader(self):
        return DataLoader(Views(), batch_size=None)

    test_dataloader = predict_dataloader = val_dataloader


@register("tiny-geometry")
class TinyGeometry(BaseGeometry):
    @dataclass
    class Config(BaseModule.Config):
        num_points: int = 2
        grow_every: int = 3
        """Steps."""

    cfg: Config

    def configure(self):
        self.points = nn.Parameter(torch.zeros(self.cfg.num_points, 3))
        self.updates = []

    def update_step(self, epoch, global_step, on_load_weights=False):
        self.updates.append(global_step)

    def _load_from_state_dict(self, state_dict, prefix, *args):
        self.points = nn.Parameter(torch.empty_like(state_dict[prefix + "points"]))
        super()._load_from_state_dict(state_dict, prefix, *args)

    @staticmethod
    def create_from(other, cfg=None, **kwargs):
        geometry = TinyGeometry(cfg)
        geometry.points = nn.Parameter(other.points.detach() + 100)
        return geometry


@register("tiny-material")
class TinyMaterial(BaseMaterial):
    pass


@register("tiny-background")
class TinyBackground(BaseBackground):
    pass


@register("tiny-renderer")
class TinyRenderer(Renderer):
    def forward(self, **batch):
        return {"comp_rgb": self.geometry.points.mean(0).sigmoid().expand(1, 8, 8, 3)}


@register("tiny-exporter")
class TinyExporter(Exporter):
    def __call__(self):
        payload = {"points": self.geometry.points.tolist()}
        return [ExporterOutput("points.json", "json", {"payload": payload})]


@register("tiny-system")
class TinySystem(BaseLift3DSystem):
    def training_step(self, batch, batch_idx):
        assert batch["step"] == self.true_global_step
        loss = ((self.geometry.points - batch["target"]) ** 2).mean() * self.C(self.cfg.loss.lambda_l2)
        self.log("train/loss", loss)
        self.progress = {"loss": f"{loss.item():.3f}", "points": len(self.geometry.points)}
        return loss

    def on_before_zero_grad(self, optimizer):
        # After the optimizer step: one more point, with Adam's moments kept for the others.
        if (self.true_global_step + 1) % self.geometry.cfg.grow_every:
            return
        group = optimizer.param_groups[0]
        old = group["params"][0]
        if old not in optimizer.state:
            return
        new = nn.Parameter(torch.cat([old.detach(), old.detach()[-1:] + 1]))
        state = optimizer.state.pop(old)
        for name in ("exp_avg", "exp_avg_sq"):
            state[name] = torch.cat([state[name], torch.zeros(1, 3)])
        optimizer.state[new] = state
        group["params"] = [new]
        self.geometry.points = new

    def validation_step(self, batch, batch_idx):
        self._save_view(f"it{self.true_global_step}-{batch['index']}.png", batch)

    def _save_view(self, name, batch):
        write_png(self.get_save_path(name), self.renderer(**batch)["comp_rgb"][0])

    def on_validation_epoch_end(self):
        pass

    def test_step(self, batch, batch_idx):
        self._save_view(f"it{self.true_global_step}-test/{batch['index']}.png", batch)
