"""A background that has weights, as threestudio's neural environment map does."""

from pathlib import Path

import torch
from splatdream.host import register
from splatdream.rendering.background import PlainBackground
from splatdream.startup.launching import main

TINY = Path(__file__).parents[2] / "configs" / "tiny.yaml"


@register("test-learned-background")
class LearnedBackground(PlainBackground):
    def configure(self) -> None:
        super().configure()
        self.color = torch.nn.Parameter(torch.full((3,), 0.5))

    def forward(self, dirs):
        return self.color.expand_as(dirs)


def test_its_weights_are_trained_and_saved_at_the_learning_rate_that_was_set(tmp_path):
    overrides = (
        "system.background_type=test-learned-background",
        "system.background_lr=0.01",
        "trainer.max_steps=3",
        "trainer.val_check_interval=3",
        "system.export_after_training=false",
        f"exp_root_dir={tmp_path}",
        "use_timestamp=false",
        "trainer.enable_progress_bar=false",
    )
    assert main(["--config", str(TINY), "--train", *overrides]) == 0
    checkpoint = torch.load(next(tmp_path.rglob("last.ckpt")), weights_only=True)
    moved = (checkpoint["state_dict"]["background.color"] - 0.5).abs()
    # Adam's first steps are as long as the learning rate, whatever the gradient.
    assert ((moved > 0) & (moved <= 3 * 0.01 * 1.01)).all()
