"""What an experiment's file may say, and what it is refused for before anything runs."""

from pathlib import Path

import pytest
from fake_runs import CONFIGS, SMALL, written
from splatdream.commands.main import main
from splatdream.guidance.methods.registry import METHODS
from splatdream.laboratory.cells import resolved_study
from splatdream.laboratory.plan import Budget, read_plan
from splatdream.toybox.vocabulary import OBJECTS, parse_caption
from splatdream.toybox_training.captions import is_held_out

EXPERIMENTS = sorted((CONFIGS / "experiments").glob("*.yaml"))


def blind(**more):
    return {"settings": {"system.guidance.prior.condition": "view_blind"}, **more}


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"variant": {}}, r"unknown key 'variant' in .*tiny.yaml' \(nearest: 'variants'\)"),
        ({"variants": {"a": {"setting": {}}}}, r"unknown key 'setting' in variant 'a' \(nearest: 'settings'\)"),
        ({"variants": {}}, "the grid of 'tiny' is empty: it has no variants"),
        ({"seeds": []}, "has no seeds"),
        ({"seeds": ["one"]}, "must be whole numbers"),
        ({"budgets": {"steps": [0]}}, "the budget 0 steps must be a whole number of at least 1"),
        ({"budgets": {"step": [5]}}, r"unknown key 'step' in budgets \(nearest: 'steps'\)"),
        (
            {"budgets": {"evaluations": [6]}},
            "variant 'words': 6 evaluations are 3 steps, fewer than 10; raise the budget",
        ),
        ({"measures": ["costs"]}, r"unknown measure 'costs' in 'tiny' \(nearest: 'cost'\)"),
        ({"base": "nowhere.yaml"}, "variant 'words': there is no configuration file '.*nowhere.yaml'"),
        ({"base": None}, "variant 'words' has no base"),
        ({"prompts": {"set": "toybox-object"}}, "no set of prompts 'toybox-object'; there are toybox-objects"),
        ({"prompts": {"set": "toybox-objects", "draw": 99}}, "cannot draw 99 prompts from 22"),
        (
            {"settings": {"system.guidance.gidance_scale": 3}},
            "unknown key 'gidance_scale' in 'system.guidance'; did you",
        ),
        ({"settings": {"system.guidance.prior.sizes": 3}}, "unknown key 'sizes' in .*; did you mean 'size'"),
        ({"settings": {"trainer.max_step": 3}}, "unknown key 'max_step' in 'trainer'; did you mean 'max_steps'"),
        ({"settings": {"syste.seed": 3}}, "unknown key 'syste' in the top level; did you mean 'system'"),
        ({"settings": {"system.geometry.num_points": "many"}}, "bad value for 'system.geometry.num_points'"),
        ({"variants": {"a": blind(), "b": blind()}}, "'a, an orange cat, seed 0' and 'b, .*' are alike"),
        ({"variants": {"a": {"then": {"base": "tiny.yaml", "setings": {}}}}}, "unknown key 'setings' in 'then' of"),
    ],
)
def test_a_mistake_is_told_in_one_sentence_and_nothing_is_made(changes, sentence, tmp_path):
    path = written(tmp_path, **changes)
    with pytest.raises((ValueError, FileNotFoundError), match=sentence) as caught:
        resolved_study(read_plan(path))
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == [path]


def test_the_folder_of_another_experiment_is_refused(tmp_path, capsys):
    study = resolved_study(read_plan(written(tmp_path, name="theirs")))
    study.write(tmp_path / "out")
    assert main(["lab", "run", str(written(tmp_path)), "--output", str(tmp_path / "out")]) == 1
    assert "belongs to the experiment 'theirs', not to 'tiny'; choose another --output" in capsys.readouterr().err
    assert main(["lab", "status", str(tmp_path)]) == 1
    assert "holds no experiment" in capsys.readouterr().err


def test_numbers_are_read_as_configurations_read_them_and_changes_win(tmp_path):
    path = tmp_path / "plan.yaml"
    path.write_text("base: base.yaml\nvariants: {a: {settings: {x: 1e-3, y: '${z}'}}}\nprompts: {file: some.txt}\n")
    (tmp_path / "some.txt").write_text("one\n\ntwo\n")
    plan = read_plan(path, ["seeds=[3,4]", "budgets={steps: [10, 20], evaluations: [40]}"])
    assert plan.name == "plan" and plan.prompts == ["one", "two"] and plan.seeds == [3, 4]
    assert plan.variants[0].stages[0].settings == {"x": 0.001, "y": "${z}"}
    assert plan.variants[0].stages[0].base == str(tmp_path / "base.yaml")
    assert plan.budgets == [Budget("steps", 10), Budget("steps", 20), Budget("evaluations", 40)]
    with pytest.raises(ValueError, match="cannot read 'seeds'; changes are key=value"):
        read_plan(path, ["seeds"])


def test_a_draw_of_prompts_is_the_same_each_time_and_another_for_another_seed(tmp_path):
    def drawn(**changes):
        return read_plan(written(tmp_path, prompts={"set": "toybox-dressed", "draw": 5, **changes})).prompts

    assert drawn() == drawn(seed=0) != drawn(seed=1)
    assert len(set(drawn())) == 5 and all(parse_caption(prompt).accessory for prompt in drawn())


def test_cells_come_seed_by_seed_and_those_of_one_prior_together(tmp_path):
    other = {"settings": {"system.guidance.prior.num_images": 90}}
    variants = {"words": {}, "other": other, "again": {"settings": {"system.geometry.num_points": 100}}}
    study = resolved_study(read_plan(written(tmp_path, variants=variants, seeds=[1, 0])))
    order = [(cell.variant, cell.prompt.split()[-1], cell.seed) for cell in study.cells]
    per_seed = [
        ("words", "cat"),
        ("again", "cat"),
        ("words", "car"),
        ("again", "car"),
        ("other", "cat"),
        ("other", "car"),
    ]
    assert order == [(*names, seed) for seed in (1, 0) for names in per_seed]
    assert list(study.settings) == ["words", "other", "again"]
    assert study.settings["other"] == {"system.geometry.num_points": 200, "system.guidance.prior.num_images": 90}


def test_a_budget_of_evaluations_becomes_the_steps_that_fit(tmp_path):
    # Two views a step, one evaluation each without guidance.
    study = resolved_study(
        read_plan(written(tmp_path, budgets={"evaluations": [41], "steps": [7]})), tmp_path / "n.json"
    )
    assert {cell.budget: cell.stages[0].overrides[-1] for cell in study.cells} == {
        "41 evaluations": "trainer.max_steps=20",
        "7 steps": "trainer.max_steps=7",
    }
    assert "20" in (tmp_path / "n.json").read_text()


def test_budgets_of_two_kinds_that_come_to_the_same_run_share_it(tmp_path):
    # Two views a step, one evaluation each without guidance.
    study = resolved_study(read_plan(written(tmp_path, budgets={"evaluations": [40], "steps": [20]})))
    assert {cell.budget for cell in study.cells} == {"40 evaluations", "20 steps"}
    assert (len(study.cells), len(study.made_cells)) == (8, 4)


@pytest.mark.parametrize("path", EXPERIMENTS, ids=lambda path: path.stem)
def test_a_shipped_experiment_can_be_run(path):
    pytest.importorskip("diffusers")
    pytest.importorskip("peft")
    plan = read_plan(path)
    # Counting steps takes a minute; tests of budgets do it on small ones.
    study = resolved_study(read_plan(path, ["seeds=[0]", f"prompts=[{plan.prompts[0]}]", "budgets={steps: [20]}"]))
    assert len(study.cells) == len(plan.variants)
    resolved = {cell.variant: cell.stages[0].configuration() for cell in study.cells}
    # The host takes a prompt that a plan sets to the letter.
    assert "${" not in str(resolved)
    configurations = {variant: configuration["system"]["guidance"] for variant, configuration in resolved.items()}
    if path.stem == "janus":
        assert not any(is_held_out(parse_caption(prompt)) for prompt in plan.prompts)
        assert configurations["clipped rising"]["gradient_clip"] == [0, 0.1, 0.4, 20]
        assert configurations["mvdream sds"]["prior"]["model"] == "toybox-mvdream"


def test_the_shipped_experiments_have_every_object_and_every_method():
    plans = {path.stem: read_plan(path) for path in EXPERIMENTS}
    assert [parse_caption(prompt).object_name for prompt in plans["toybox"].prompts] == list(OBJECTS)
    named = [variant.stages[0].settings.get("system.guidance.method", "sds") for variant in plans["guidance"].variants]
    # It needs a text that says what is wrong with a render; the small priors have no word for it.
    assert {*named, "sds_bridge"} == set(METHODS)
    first = plans["mesh"].variants[0].stages
    assert [Path(stage.base).stem for stage in first] == ["quickstart", "toybox-texture"]
    assert SMALL.items() >= first[0].settings.items()
