"""Lengths of runs at equal denoiser evaluations, by hand."""

from pathlib import Path

import pytest
import yaml
from splatdream.laboratory.evaluation_budget import plan_steps

pytest.importorskip("diffusers")
pytest.importorskip("peft")

CONFIG = Path(__file__).parents[2] / "configs" / "quickstart-sd.yaml"


def config(**guidance):
    loaded = yaml.safe_load(CONFIG.read_text())
    loaded["system"]["guidance"] |= guidance
    return loaded


@pytest.mark.parametrize(
    ("guidance", "steps", "evaluations"),
    [
        # Batches of 4. Costs a view from the table in docs/methods.md.
        ({"method": "sds"}, 12, 96),
        ({"method": "sds", "guidance_scale": 1.0}, 25, 100),
        ({"method": "vsd"}, 5, 100),
        ({"method": "esd"}, 4, 96),
        # From timestep 500: ceil(450 / 200) of the path, 1 over the interval, 2 under guidance.
        ({"method": "ism", "min_step_fraction": 0.5, "max_step_fraction": 0.5}, 4, 96),
    ],
)
def test_as_many_steps_as_the_budget_has_room_for(guidance, steps, evaluations):
    plan = plan_steps(config(**guidance), 100)
    assert (plan.steps, plan.evaluations) == (steps, evaluations)


def test_schedules_that_follow_the_length_of_the_run_are_taken_into_account():
    # CSD costs 2 a view where its weight is 1 or 0, and 3 between: in all steps but the first.
    options = {"negative_weight": [0, 1.0, 0.5, "${trainer.max_steps}"]}
    loaded = config(method="csd", method_options=options)
    loaded["system"]["prompt_processor"]["negative_prompt"] = "a red car"
    plan = plan_steps(loaded, 200)
    assert (plan.steps, plan.evaluations) == (17, 4 * 2 + 16 * 4 * 3)
