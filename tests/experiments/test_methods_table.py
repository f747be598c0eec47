"""The table of guidance methods: lengths of runs by hand, a small table from end to end, what makes it run again."""

import csv
import json
from pathlib import Path

import pytest
import torch
import yaml
from omegaconf import OmegaConf
from splatdream.cameras.batch import orbit_cameras
from splatdream.commands.main import main
from splatdream.evaluation.yaw_map import yaw_map
from splatdream.experiments.evaluation_budget import plan_steps
from splatdream.experiments.method_variants import PROMPTS, SETS, Variant, chosen_variants, settings_of
from splatdream.experiments.methods_report import report_text
from splatdream.experiments.methods_table import MIN_STEPS, Cell, TableRequest, _request, front_share, run_table
from splatdream.guidance.methods.registry import METHODS
from splatdream.toybox.objects import build_scene
from splatdream.toybox.ray_tracer import composite, trace
from splatdream.toybox.vocabulary import parse_caption
from splatdream.toybox_training.captions import is_held_out

pytest.importorskip("diffusers")
pytest.importorskip("peft")

import tiny_models

CONFIG = Path(__file__).parents[2] / "configs" / "quickstart-sd.yaml"
SMALL = (
    "system.geometry.num_points=100",
    "data.width=[16]",
    "data.height=[16]",
    "system.guidance.gradient_scale_steps=2",
)


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


def test_the_set_of_methods_has_them_all_and_every_variant_is_accepted_by_its_guidance():
    compared = [variant.settings["system.guidance.method"] for variant in SETS["methods"]]
    assert sorted(compared) == sorted(METHODS)
    captions = [parse_caption(prompt) for prompt in PROMPTS]
    assert len(captions) == 6 and not any(is_held_out(caption) for caption in captions)
    with pytest.raises(ValueError, match=r"janus has no variant 'sds'; it has view-blind, view words, Perp-Neg"):
        chosen_variants("janus", ["sds"])


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tiny")
    return {
        "sd": str(tiny_models.make_tiny_stable_diffusion(folder / "sd")),
        "mvdream": str(tiny_models.make_tiny_mvdream(folder / "mvdream")),
    }


def test_a_table_is_made_once_reported_and_made_again_only_where_something_changed(
    models, tmp_path, monkeypatch, capfd
):
    monkeypatch.setenv("SPLATDREAM_CACHE", str(tmp_path / "cache"))
    command = ["toybox", "methods-table", "--sd", models["sd"], "--mvdream", models["mvdream"], "--config", str(CONFIG)]
    command += ["--folder", str(tmp_path), "--prompts", "a red car", "--seeds", "0", "--evaluations", "100"]
    command += ["--variants", "sds", "mvdream", "--overrides", *SMALL]
    assert main(command) == 0
    report = (tmp_path / "methods.md").read_text()
    assert "| sds | 12 | 96 |" in report and "| mvdream | 12 | 96 |" in report
    assert "Difference from sds" in report and "methods.png" in report and f"`{SMALL[0]}`" in report
    with (tmp_path / "methods.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["variant"] for row in rows] == ["sds", "mvdream"]
    assert all(float(row["psnr_turned"]) >= float(row["psnr"]) and row["evaluations"] == "96" for row in rows)
    assert (tmp_path / "methods.png").stat().st_size > 1000
    (trial,) = (tmp_path / "runs").glob("mvdream-a_red_car-0-*")
    manifest = json.loads((trial / "save" / "manifest.json").read_text())
    assert manifest["config"]["guidance"]["method"] == "x0_reconstruction"

    ran = []
    request = TableRequest(
        chosen_variants("methods", ["sds", "mvdream"]), ["a red car"], [0], 100, models, str(CONFIG), tmp_path, SMALL
    )
    assert len(run_table(lambda arguments, log: ran.append(arguments) or 1, request)) == 2 and not ran
    # The same run under another name: made once, called as each table calls it.
    again = TableRequest(**(vars(request) | {"variants": [Variant("view words", request.variants[0].settings)]}))
    ((key, renamed),) = run_table(lambda arguments, log: ran.append(arguments) or 1, again).items()
    assert not ran and (key, renamed["variant"]) == ("view words/a red car/0", "view words")
    changed = TableRequest(**(vars(request) | {"evaluations": 104}))
    with pytest.raises(RuntimeError, match=r"sds-a_red_car-0-\w+ failed"):
        run_table(lambda arguments, log: ran.append(arguments) or 1, changed)
    assert len(ran) == 1 and "trainer.max_steps=13" in ran[0]
    output = capfd.readouterr().out
    assert "[2/2] mvdream, a red car, seed 0" in output and "2 of 2 results are in" in output


def test_a_request_that_cannot_be_met_is_refused_before_anything_runs(models, tmp_path):
    def request(**changes):
        usual = {"variants": SETS["methods"], "prompts": PROMPTS, "seeds": [0], "evaluations": 2400, "models": models}
        return TableRequest(**(usual | {"config": str(CONFIG), "folder": tmp_path} | changes))

    never = lambda *_: pytest.fail("ran")  # noqa: E731
    with pytest.raises(ValueError, match="the table has no seeds"):
        request(seeds=[])
    with pytest.raises(ValueError, match="unicorn"):
        request(prompts=["a red unicorn"])
    with pytest.raises(ValueError, match="the budget is 0"):
        request(evaluations=0)
    with pytest.raises(ValueError, match=f"fewer than {MIN_STEPS}; raise --evaluations"):
        run_table(never, request(evaluations=40))
    with pytest.raises(FileNotFoundError, match="not a complete model"):
        run_table(never, request(models={"sd": str(tmp_path), "mvdream": models["mvdream"]}))


def row(variant, prompt, seed, psnr):
    numbers = {"psnr": psnr, "psnr_turned": psnr + 1, "iou_turned": 0.9, "yaw_error_deg": 0.0, "front_share": 7 / 24}
    return {"variant": variant, "prompt": prompt, "seed": seed, "steps": 3, "evaluations": 24, "seconds": 1.0} | numbers


def test_differences_are_paired_by_prompt():
    # Prompts differ by 10 dB, seeds by 2; the difference of the variants is 3 in every pair.
    psnr = {"a red car": 10.0, "an orange cat": 20.0}
    rows = {
        f"{variant}/{prompt}/{seed}": row(variant, prompt, seed, psnr[prompt] + 2 * seed + gain) | {"class": name}
        for variant, gain, name in (("sds", 0.0, "repeated"), ("ism", 3.0, "ok"))
        for prompt in psnr
        for seed in (0, 1)
    }
    variants = chosen_variants("methods", ["sds", "ism"])
    request = TableRequest(variants, list(psnr), [0, 1], 24, {"sd": "x"}, "c.yaml", Path("."))
    rows["sds/an orange cat/1"]["seconds"] = 1000.0  # a run that something disturbed does not show
    text = report_text(request, rows, "picture.png")
    assert "| sds | 3 | 24 | 1 s | 16.0 | 17.0 | 0.900 | 0 | 0.29 | 4 repeated |" in text
    assert "| ism | +3.0 dB [+3.0, +3.0] | +0.000 [+0.000, +0.000] |" in text


def test_the_front_share_of_a_true_object_is_that_of_the_front_quarter():
    cameras = orbit_cameras([15.0] * 24, [15.0 * i for i in range(24)], width=32, height=32)
    truth = composite(trace(build_scene("a red car"), cameras), torch.ones(24, 3))

    def share(renders):
        return front_share(yaw_map(renders, truth[None], torch.tensor([15.0]), row=0))

    assert share(truth) == pytest.approx(7 / 24)
    assert share(truth.roll(5, dims=0)) == pytest.approx(7 / 24)
    assert share(truth[:1].expand(24, -1, -1, -1)) == 1.0
    assert share(truth[12:13].expand(24, -1, -1, -1)) == 0.0


def test_settings_of_every_variant_name_its_prior():
    for variant in (*SETS["methods"], *SETS["janus"]):
        settings = settings_of(variant, {"sd": "A", "mvdream": "B"})
        expected = (
            ("A", "splatdream-stable-diffusion-prior") if variant.prior == "sd" else ("B", "splatdream-mvdream-prior")
        )
        assert (settings["system.guidance.prior.model"], settings["system.guidance.prior_type"]) == expected
        assert Cell(variant, "a red car", 1).key == f"{variant.label}/a red car/1"


def test_settings_reach_a_run_as_they_are_meant(tmp_path):
    variants = chosen_variants("janus", ["clipped", "mvdream sds"])
    request = TableRequest(variants, ["a red car"], [4], 99, {"sd": "A", "mvdream": "B"}, str(CONFIG), tmp_path)
    clipped, multiview = (
        OmegaConf.merge(
            OmegaConf.load(CONFIG),
            OmegaConf.from_cli(_request(request, Cell(variant, "a red car", 4), ["trainer.max_steps=7"]).settings()),
        )
        for variant in variants
    )
    assert list(clipped.system.guidance.gradient_clip) == [0, 0.5, 2.0, 7]
    assert clipped.system.prompt_processor.prompt == "a red car" and clipped.system.guidance.seed == 4
    assert multiview.system.prompt_processor.is_view_dependent is False and multiview.data.views_per_group == 4
