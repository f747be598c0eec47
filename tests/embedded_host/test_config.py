from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from omegaconf import OmegaConf
from splatdream.embedded_host.config import (
    ConfigReader,
    as_file_name,
    config_to_primitive,
    load_config,
    parse_structured,
    read_config,
)


@dataclass
class Inner:
    num_points: int = 3
    lr: float = 0.1
    name: str = "ball"


@dataclass
class Outer:
    geometry: dict = field(default_factory=dict)


def written(tmp_path, text, name="run.yaml"):
    path = tmp_path / name
    path.write_text(text)
    return path


def test_an_unknown_key_names_its_place_and_the_nearest_valid_key():
    outer = parse_structured(Outer, OmegaConf.create({"system": {"geometry": {"num_pints": 4}}}).system)
    with pytest.raises(ValueError, match=r"unknown key 'num_pints' in 'system.geometry'; did you mean 'num_points'\?"):
        parse_structured(Inner, outer.geometry)


def test_a_value_of_another_type_names_its_key():
    cfg = OmegaConf.create({"system": {"num_points": "many"}}).system
    with pytest.raises(ValueError, match=r"system\.num_points.*many"):
        parse_structured(Inner, cfg)


@dataclass
class Ranges:
    elevation_range: tuple[float, float] = (0.0, 1.0)
    optional_range: tuple[float, float] | None = None
    schedule: Any = 0


def test_a_list_is_a_tuple_where_the_dataclass_asks_for_one():
    parsed = parse_structured(Ranges, {"elevation_range": [1, 2], "optional_range": [3, 4], "schedule": [1, 2, 3]})
    assert list(parsed.elevation_range) == [1.0, 2.0]
    assert list(parsed.optional_range) == [3.0, 4.0]
    assert parsed.schedule == [1, 2, 3]
    with pytest.raises(ValueError, match="elevation_range"):
        parse_structured(Ranges, {"elevation_range": 3})


def test_values_override_defaults_and_none_means_defaults():
    assert parse_structured(Inner, {"num_points": 5}).num_points == 5
    assert parse_structured(Inner, None).num_points == 3


def test_every_resolver_of_threestudio(tmp_path):
    path = written(
        tmp_path,
        """
description: a red fox
tag: ${rmspace:${description},_}
use_timestamp: false
data:
  decay: ${calc_exp_lr_decay_rate:0.25,2}
  add: ${add:1,2}
  sub: ${sub:1,2}
  mul: ${mul:3,2}
  div: ${div:3,2}
  idiv: ${idiv:7,2}
  basename: ${basename:a/b/c.png}
  tuple2: ${tuple2:3}
  gt0: ${gt0:1}
  is_rising: ${cmaxgt0:[0,0.0,1.0,10]}
  is_either: ${cmaxgt0orcmaxgt0:0,[0,0.0,1.0,10]}
  is_not: ${not:true}
""",
    )
    config = load_config(path)
    assert config.trial_dir == "outputs/default/a_red_fox"
    assert OmegaConf.to_container(config.data) == {
        "decay": 0.5,
        "add": 3,
        "sub": -1,
        "mul": 6,
        "div": 1.5,
        "idiv": 3,
        "basename": "c.png",
        "tuple2": [3.0, 3.0],
        "gt0": True,
        "is_rising": True,
        "is_either": True,
        "is_not": False,
    }


def test_overrides_reach_nested_keys_lists_and_keys_with_dots(tmp_path):
    path = written(tmp_path, "tag: x\nsystem: {optimizer: {params: {geometry.means: {lr: 1.0}}}, geometry: {n: 1}}")
    config = load_config(
        path,
        ["system.optimizer.params[geometry.means].lr=0.01", "system.geometry.range=[-10,60]", "seed=5"],
    )
    assert config.system.optimizer.params["geometry.means"].lr == 0.01
    assert config.system.geometry.range == [-10, 60]
    assert config.system.geometry.n == 1
    assert config.seed == 5


@dataclass
class Prompts:
    prompt: str = ""
    prompt_back: str | None = None


TEXTS = ("null", "an orange cat: x", "[a]", "{", "1e3", "'quoted'", "a\n b ", "${oc.env:HOME}", "${seed}", "\\${", "\\")


@pytest.mark.parametrize("text", TEXTS)
def test_a_prompt_is_taken_to_the_letter_however_often_it_is_read_and_written(tmp_path, text):
    path = written(tmp_path, "seed: 5\ntag: '${rmspace:${system.prompt_processor.prompt},_}'\nsystem: {}", "raw.yaml")
    overrides = [f"system.prompt_processor.{key}={text}" for key in ("prompt", "prompt_back")]
    for _ in range(3):
        config = load_config(path, overrides)
        prompts = parse_structured(Prompts, parse_structured(Outermost, config.system).prompt_processor)
        assert (prompts.prompt, prompts.prompt_back) == (text, text)
        assert config.tag == text.replace(" ", "_")
        assert OmegaConf.to_container(config, resolve=True)["trial_dir"].startswith("outputs/default/")
        path, overrides = tmp_path / "parsed.yaml", []
        OmegaConf.save(config, path)


@dataclass
class Outermost:
    prompt_processor: dict = field(default_factory=dict)


def test_the_environment_is_read_only_where_that_is_allowed(tmp_path, monkeypatch):
    monkeypatch.setenv("SECRET", "token")
    path = written(tmp_path, "tag: x\nseed: 1\ndata: {a: '${oc.env:SECRET}', b: '${${data.c}:SECRET}', c: oc.env}")
    with pytest.raises(ValueError, match=r"'SECRET' would be read from the environment; --allow-env"):
        load_config(path)
    assert load_config(path, reads_environment=True).data.b == "token"
    assert OmegaConf.create({"a": "${oc.env:SECRET}"}).a == "token"


@pytest.mark.parametrize("override", ["name=../x", "name=/tmp/x", "name=a/../../x", "tag=..", "timestamp=/../../x"])
def test_a_run_stays_below_its_output_root(tmp_path, override):
    path = written(tmp_path, "name: n\ntag: x\nuse_timestamp: false")
    try:
        trial = Path(load_config(path, [override]).trial_dir)
    except ValueError as error:
        assert "must name a folder below outputs" in str(error)
    else:
        assert ".." not in trial.parts and trial.parent == Path("outputs/n")


def test_a_file_that_is_not_utf8_is_named(tmp_path):
    (tmp_path / "run.yaml").write_bytes("tag: grün".encode("latin-1"))
    with pytest.raises(ValueError, match=r"run\.yaml' is not UTF-8 text"):
        load_config(tmp_path / "run.yaml")


def test_a_fixed_override_wins_over_the_command_line(tmp_path):
    assert load_config(written(tmp_path, "tag: x"), ["n_gpus=8"], n_gpus=1).n_gpus == 1


@pytest.mark.parametrize("argument", ["--steps=3", "steps", "+trainer.max_steps"])
def test_what_is_not_an_override_is_an_error(tmp_path, argument):
    with pytest.raises(ValueError, match=r"dotted\.key=value"):
        load_config(written(tmp_path, "tag: x"), [argument])


@pytest.mark.parametrize(
    "text, message",
    [
        ("tag: x\nsystm: {}", "did you mean 'system'"),
        ("tag: [", "not valid YAML"),
        ("- a\n- b", "top level"),
        ("tag: ${nowhere}", "nowhere"),
        ("use_timestamp: false", "tag"),
        ("tag: x\nseed: soon", "seed"),
    ],
)
def test_a_bad_file_is_one_sentence(tmp_path, text, message):
    with pytest.raises(ValueError, match=message) as caught:
        load_config(written(tmp_path, text))
    assert "\n" not in str(caught.value)


def test_a_prompt_with_path_separators_stays_one_folder(tmp_path):
    config = load_config(written(tmp_path, "use_timestamp: false\ntag: '../../etc/a\\b: c?'"))
    assert config.trial_name == "_.._etc_a_b_ c_"
    assert as_file_name("ü" * 200).encode() == ("ü" * 75).encode()


def test_parsed_yaml_follows_the_interpolations_of_the_raw_one_unless_they_were_overridden(tmp_path):
    raw = "tag: x\nseed: 0\nuse_timestamp: false\ntrainer: {max_steps: 10}\n"
    raw += "checkpoint: {every: '${trainer.max_steps}', half: '${idiv:${trainer.max_steps},2}', list: ['${seed}']}\n"
    written(tmp_path, raw, "raw.yaml")
    config = load_config(tmp_path / "raw.yaml", ["checkpoint.half=3"])
    OmegaConf.save(config, tmp_path / "parsed.yaml")

    resumed = load_config(tmp_path / "parsed.yaml", ["trainer.max_steps=40", "seed=2"])

    assert OmegaConf.to_container(resumed.checkpoint) == {"every": 40, "half": 3, "list": [2]}
    assert resumed.trial_dir == config.trial_dir


def test_a_resumed_run_keeps_its_timestamp(tmp_path):
    config = load_config(written(tmp_path, "tag: x"))
    OmegaConf.save(config, tmp_path / "parsed.yaml")
    assert load_config(tmp_path / "parsed.yaml").trial_dir == config.trial_dir
    assert config.timestamp.startswith("@20")


RUNS = [
    ["seed=1", "data.width=64"],
    ["seed=2", "data.width=64"],
    ["seed=1", "data.width=${seed}"],
    ["seed=1", "data.width=[1, 2]"],
    ["seed=1", "data.width=[3]"],
    ["seed=1", "data.extra={low: 1}"],
    ["seed=1", "data.extra={high: 2}"],
    ["seed=1", "data.width=64"],
    ["seed=7", "seed=8"],
    ["seed=9", "seed=8"],
    ["data={width: 3}", "data.width=4"],
    ["data.width=4", "data={width: 3}"],
    ["data.width=5", "data={width: 3}"],
    ["system.prompt_processor.prompt=a: ${b}", "seed=4"],
    ["system.prompt_processor.prompt=[a]", "seed=4"],
    ["tag=${seed}", "seed=5"],
    ["tag=x", "seed=5"],
    [],
]


def test_a_reader_of_many_configurations_reads_each_as_if_it_were_the_only_one(tmp_path):
    path = written(tmp_path, 'seed: 0\ndouble: "${mul:${seed},2}"\ndata: {width: [1], height: "${data.width}"}\n')
    reader = ConfigReader()
    for overrides in (*RUNS, *reversed(RUNS)):
        with_bad_one = [*overrides, "broken=${nowhere}"]
        with pytest.raises(ValueError, match="nowhere"):
            reader.values(path, with_bad_one)
        expected = config_to_primitive(read_config(path, overrides))
        assert reader.values(path, overrides) == expected
    assert reader.values(path, ["broken=1"])["broken"] == 1
    with pytest.raises(ValueError, match="nowhere"):
        reader.values(path, ["broken=${nowhere}"])
    assert reader.values(path, ["broken=1"])["broken"] == 1
