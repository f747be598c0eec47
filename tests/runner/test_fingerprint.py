"""By what a run is known again: what decides its results, and nothing else."""

import json
import shutil
from pathlib import Path

import pytest
from splatdream.host import BaseObject
from splatdream.priors.content import content_of
from splatdream.runner import fingerprint as fingerprints
from splatdream.runner.fingerprint import fingerprint
from splatdream.runner.request import NOT_RESULTS, RunRequest, setting
from splatdream.runner.results import RunResult

CONFIGS = Path(__file__).parents[2] / "configs"
TINY = str(CONFIGS / "tiny.yaml")


def tiny(*overrides: str, prompt: str | None = None) -> str:
    return fingerprint(RunRequest(TINY, overrides, prompt))


@pytest.mark.parametrize(
    "override",
    [
        *("exp_root_dir=/elsewhere", "name=other", "tag=mine", "timestamp='@1'", "use_timestamp=false"),
        *("description=first", "trainer.enable_progress_bar=false", "trainer.log_every_n_steps=7"),
        "system.live_view_port=8080",
    ],
)
def test_where_results_go_and_how_they_are_shown_does_not_count(override):
    assert tiny(override) == tiny()
    assert override.split("=")[0] in NOT_RESULTS


@pytest.mark.parametrize(
    "override", ["seed=1", "trainer.max_steps=21", "system.guidance.prior.size=25", "system.geometry.num_points=201"]
)
def test_what_decides_results_counts(override):
    assert tiny(override) != tiny()
    assert tiny(override) == tiny(override)


def test_defaults_of_the_prior_count_as_if_they_were_written_down():
    assert tiny("system.guidance.prior.tau=0.0") == tiny() != tiny("system.guidance.prior.tau=0.1")


def test_interpolations_count_by_what_they_give(tmp_path):
    written = tmp_path / "written.yaml"
    written.write_text(Path(TINY).read_text().replace("seed: ${seed}", "seed: 0"))
    assert fingerprint(RunRequest(str(written))) == tiny()
    assert fingerprint(RunRequest(str(written), ["seed=1"])) != tiny("seed=1")


@pytest.mark.parametrize(
    "prompt", ["12", "[a", "a cat: red # or not", 'a "red" cat', "null", "ein Bär, 🐻", "a ${seed} cat"]
)
def test_a_prompt_is_a_text_whatever_yaml_would_read(prompt):
    request = RunRequest(TINY, prompt=prompt)
    assert request.configuration()["system"]["prompt_processor"]["prompt"] == prompt
    assert fingerprint(request) != tiny()


def test_the_revision_of_the_results_counts(monkeypatch):
    before = tiny()
    monkeypatch.setattr(fingerprints, "RESULTS_REVISION", fingerprints.RESULTS_REVISION + 1)
    assert tiny() != before


def test_files_count_by_content_and_not_by_place(tmp_path):
    first, second = tmp_path / "a.ply", tmp_path / "b.ply"
    first.write_text("points")
    second.write_text("points")
    by_path = [tiny(setting("system.geometry.initialization", str(path))) for path in (first, second)]
    assert by_path[0] == by_path[1]
    second.write_text("other points")
    assert tiny(setting("system.geometry.initialization", str(second))) != by_path[0]


def test_an_earlier_run_counts_by_what_it_exported_and_not_by_its_place(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name / "save" / "it600-export").mkdir(parents=True)
        (tmp_path / name / "save" / "it600-export" / "cloud.ply").write_text("a cloud")
    by_folder = [tiny(setting("system.geometry.initialization", str(tmp_path / name))) for name in ("a", "b")]
    assert by_folder[0] == by_folder[1]
    (tmp_path / "b" / "save" / "it600-export" / "cloud.ply").write_text("another cloud")
    assert tiny(setting("system.geometry.initialization", str(tmp_path / "b"))) != by_folder[0]


def test_a_checkpoint_counts_by_the_run_that_made_it_until_it_is_replaced(tmp_path):
    def start_from(run: str, made_by: str | None, content: str) -> str:
        checkpoint = tmp_path / run / "ckpts" / "last.ckpt"
        checkpoint.parent.mkdir(parents=True, exist_ok=True)
        checkpoint.write_text(content)
        if made_by is not None:
            digest = fingerprints.file_sha256(checkpoint)
            record = {"seconds": 1.0, "evaluations": 2, "manifest": None, "files": {"checkpoint": "ckpts/last.ckpt"}}
            RunResult(made_by, "finished", None, **record, checkpoint_sha256=digest, folder=tmp_path / run).write()
        return tiny(setting("system.geometry_convert_from", str(checkpoint)))

    one = start_from("one", "run 1", "took 3.1 seconds")
    assert start_from("two", "run 1", "took 3.2 seconds") == one
    assert start_from("three", "run 2", "took 3.1 seconds") != one
    assert start_from("five", None, "took 3.3 seconds") != (by_itself := start_from("six", None, "took 3.4 seconds"))
    (tmp_path / "six" / "configs").mkdir()
    shutil.copy(TINY, tmp_path / "six" / "configs" / "parsed.yaml")
    assert start_from("six", None, "took 3.4 seconds") != by_itself
    assert start_from("two", None, "trained on") not in (one, start_from("four", None, "took 3.1 seconds"))


def test_an_unknown_prior_is_named_with_the_nearest():
    with pytest.raises(ValueError, match="splatdream-closed-form-prior"):
        tiny("system.guidance.prior_type=splatdream-closed-form-priors")


def test_a_prior_that_says_nothing_of_its_content_counts_by_its_configuration():
    class Toy(BaseObject):
        pass

    assert content_of(Toy()) == {}


@pytest.fixture
def model(tmp_path):
    pytest.importorskip("diffusers")
    import tiny_models

    return tiny_models.make_tiny_stable_diffusion(tmp_path / "sd")


def with_model(folder: Path, *overrides: str) -> str:
    place = setting("system.guidance.prior.model", str(folder))
    return fingerprint(RunRequest(str(CONFIGS / "quickstart-sd.yaml"), [place, *overrides]))


def edit(path: Path, **changes: object) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | changes, indent=3))


def test_a_model_counts_by_weights_and_settings_and_not_by_its_place(model, tmp_path):
    before = with_model(model)
    moved = Path(shutil.copytree(model, tmp_path / "elsewhere"))
    edit(moved / "unet" / "config.json", _name_or_path="/home/me/sd", _diffusers_version="9")
    assert with_model(moved) == before
    assert with_model(moved, "system.guidance.prior.cache_texts=false", "system.guidance.prior.offline=true") == before
    assert with_model(moved, "system.guidance.prior.image_size=16") != before
    edit(moved / "scheduler" / "scheduler_config.json", prediction_type="v_prediction")
    assert with_model(moved) != before
    edit(moved / "scheduler" / "scheduler_config.json", prediction_type="epsilon")
    assert with_model(moved) == before
    weights = moved / "unet" / "diffusion_pytorch_model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    assert with_model(moved) != before


def test_a_model_that_is_not_there_is_named(tmp_path):
    pytest.importorskip("diffusers")
    with pytest.raises(FileNotFoundError, match="not a complete model"):
        with_model(tmp_path)
