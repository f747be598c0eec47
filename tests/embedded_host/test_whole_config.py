"""A configuration is refused, with key, value, bound and file, before the run's folder is there."""

from pathlib import Path

import pytest
from splatdream.startup.launching import main

TINY = Path(__file__).parents[2] / "configs" / "tiny.yaml"


@pytest.mark.parametrize(
    ("override", "sentence"),
    [
        ("data.width=[0]", "data.width is [0], but must be 1 to 16384"),
        ("data.distance_range=[-1, 2]", "data.distance_range is [-1.0, 2.0], but must be 0.01 to 1000"),
        ("data.eval_fovy_deg=180", "data.eval_fovy_deg is 180.0, but must be 1 to 170"),
        ("data.num_test_views=0", "data.num_test_views is 0, but must be at least 1"),
        ("system.live_view_port=70000", "system.live_view_port is 70000, but must be 0 to 65535"),
        ("system.geometry.opacity_lr=-1", "system.geometry.opacity_lr is -1, but must be 0 to 10"),
        ("system.guidance.guidance_scale=[0, 7, .nan, 9]", "guidance_scale.2 is nan, but must be a finite number"),
        ("system.loss.lambda_sds=.inf", "system.loss.lambda_sds is inf, but must be a finite number"),
        ("seed=-1", "seed is -1, but must be 0 to"),
        ("trainer.max_steps=0", "trainer.max_steps 0 must be a whole number of at least 1"),
        ("trainer.max_steps=abc", "trainer.max_steps 'abc' must be a whole number of at least 1"),
        ("trainer.log_every_n_steps=0", "trainer.log_every_n_steps 0 must be a number of at least 1"),
        ("checkpoint.every_n_train_steps=-2", "checkpoint.every_n_train_steps -2 must be a whole number"),
        ("system.guidance.prior_type=nobody", "nothing is registered as 'nobody'"),
    ],
)
def test_what_no_run_could_use_is_one_line_before_anything_is_made(override, sentence, tmp_path, capsys):
    assert main(["--config", str(TINY), "--train", f"exp_root_dir={tmp_path}", override]) == 1
    (line,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error:")]
    assert sentence in line and f"'{TINY}'" in line
    assert not list(tmp_path.iterdir())
