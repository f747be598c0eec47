"""What the plugin relies on from its host: the embedded host offers it, and threestudio's source says the same.

Signatures are parameter names after `self`; `_` stands for a parameter that is only passed by position. The check of
threestudio needs a checkout of it, named by THREESTUDIO_ROOT; it is read, not imported.
"""

import ast
import inspect
import os
from dataclasses import dataclass, field, fields
from pathlib import Path

import pytest
from splatdream import host

PACKAGE = Path(host.__file__).parent


@dataclass(frozen=True)
class Class:
    source: str
    """File below the checkout's `threestudio` folder."""
    methods: dict[str, str] = field(default_factory=dict)
    config: str = ""
    """Fields of the nested Config."""
    attributes: str = ""
    """Properties, class attributes, or fields of a dataclass."""


@dataclass(frozen=True)
class Function:
    source: str
    signature: str


UPDATES = {
    "update_step": "epoch global_step on_load_weights",
    "update_step_end": "epoch global_step",
    "do_update_step": "epoch global_step on_load_weights",
}
BUILD = {"__init__": "cfg *args **kwargs", "configure": "*args **kwargs"}
PARTS = {"configure": "geometry material background"}

CONTRACT: dict[str, Class | Function] = {
    "register": Function("__init__.py", "_"),
    "find": Function("__init__.py", "_"),
    "info": Function("__init__.py", ""),
    "warn": Function("__init__.py", ""),
    "C": Function("utils/misc.py", "_ _ _ interpolation"),
    "load_module_weights": Function("utils/misc.py", "_ module_name ignore_modules map_location"),
    "config_to_primitive": Function("utils/config.py", "_ resolve"),
    "parse_structured": Function("utils/config.py", "_ _"),
    "parse_optimizer": Function("systems/utils.py", "_ _"),
    "parse_scheduler": Function("systems/utils.py", "_ _"),
    "Updateable": Class("utils/base.py", UPDATES),
    "BaseObject": Class("utils/base.py", BUILD),
    "BaseModule": Class("utils/base.py", BUILD, config="weights"),
    "BaseGeometry": Class("models/geometry/base.py", {"create_from": "other cfg **kwargs", "export": "*args **kwargs"}),
    "BaseMaterial": Class(
        "models/materials/base.py", {"export": "*args **kwargs"}, attributes="requires_normal requires_tangent"
    ),
    "BaseBackground": Class("models/background/base.py", {"forward": "dirs"}),
    "Renderer": Class(
        "models/renderers/base.py",
        {**PARTS, "forward": "*args **kwargs"},
        config="radius",
        attributes="geometry material background",
    ),
    "Exporter": Class(
        "models/exporters/base.py",
        {**PARTS, "__call__": "*args **kwargs"},
        config="save_video",
        attributes="geometry material background",
    ),
    "ExporterOutput": Class("models/exporters/base.py", attributes="save_name save_type params"),
    "BaseSystem": Class(
        "systems/base.py",
        {
            "__init__": "_ resumed",
            "configure": "",
            "post_configure": "",
            "C": "_",
            "configure_optimizers": "",
            "set_resume_status": "_ _",
            "preprocess_data": "_ _",
            "training_step": "batch batch_idx",
            "validation_step": "batch batch_idx",
            "test_step": "batch batch_idx",
            "predict_step": "batch batch_idx",
            "on_validation_epoch_end": "",
            "on_test_epoch_end": "",
            "on_predict_epoch_end": "",
            "on_train_batch_start": "batch batch_idx unused",
            "on_train_batch_end": "outputs batch batch_idx",
        },
        config="loggers loss optimizer scheduler weights weights_ignore_modules "
        "cleanup_after_validation_step cleanup_after_test_step",
        attributes="resumed true_global_step true_current_epoch",
    ),
    "BaseLift3DSystem": Class(
        "systems/base.py",
        {"configure": "", "on_fit_start": "", "on_predict_start": "", "predict_step": "batch batch_idx"},
        config="geometry_type geometry geometry_convert_from geometry_convert_inherit_texture "
        "geometry_convert_override material_type material background_type background renderer_type renderer "
        "guidance_type guidance prompt_processor_type prompt_processor exporter_type exporter",
    ),
}
SAVING = Class(
    "utils/saving.py",
    {
        "set_save_dir": "_",
        "get_save_dir": "",
        "get_save_path": "_",
        "get_loggers": "",
        "save_json": "_ payload",
    },
)
EXPERIMENT_KEYS = (
    "name description tag seed use_timestamp timestamp exp_root_dir exp_dir trial_name trial_dir n_gpus resume "
    "data_type data system_type system trainer checkpoint"
)
RESOLVERS = "calc_exp_lr_decay_rate add sub mul div idiv basename rmspace tuple2 gt0 cmaxgt0 not cmaxgt0orcmaxgt0"
OPTIONS = "--config --gpu --train --validate --test --export --gradio --verbose --typecheck"
OURS_ALONE = {"HOST"}
"""Exported by host.py, but not threestudio's."""


def matches(expected: str, actual: list[str]) -> bool:
    wanted = expected.split()
    return len(wanted) == len(actual) and all(want in ("_", name) for want, name in zip(wanted, actual, strict=True))


def parameters_of(function) -> list[str]:
    stars = {inspect.Parameter.VAR_POSITIONAL: "*", inspect.Parameter.VAR_KEYWORD: "**"}
    signature = inspect.signature(function)
    return [stars.get(p.kind, "") + p.name for p in signature.parameters.values() if p.name != "self"]


def names_imported_from_the_host() -> set[str]:
    names = set()
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and node.level and (node.module or "").split(".")[0] == "host":
                names |= {alias.name for alias in node.names}
    return names


def test_only_host_py_imports_a_host():
    importers = {
        str(path.relative_to(PACKAGE))
        for path in PACKAGE.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if (isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "threestudio")
        or (isinstance(node, ast.Import) and any(item.name.startswith("threestudio") for item in node.names))
        or (isinstance(node, ast.ImportFrom) and node.level and (node.module or "").startswith("embedded_host"))
    }
    assert importers == {"host.py", "startup/configuration.py", "startup/launching.py", "startup/shipped.py"}


def test_the_contract_names_everything_that_host_py_exports_and_the_plugin_imports():
    assert set(host.__all__) == set(CONTRACT) | OURS_ALONE
    assert names_imported_from_the_host() <= set(host.__all__)


@pytest.mark.parametrize("name", [*CONTRACT, "SaverMixin"])
def test_the_embedded_host_keeps_the_contract(name):
    expected = CONTRACT.get(name, SAVING)
    actual = getattr(host, name if name in CONTRACT else "BaseSystem")
    if isinstance(expected, Function):
        # Logging functions are bound methods of a logger: they take a message, and that is all we pass.
        assert expected.signature == "" or matches(expected.signature, parameters_of(actual))
        return
    for method, signature in expected.methods.items():
        assert matches(signature, parameters_of(getattr(actual, method))), method
    if expected.config:
        assert set(expected.config.split()) <= {item.name for item in fields(actual.Config)}
    available = {*dir(actual), *getattr(actual, "__dataclass_fields__", ())}
    assert set(expected.attributes.split()) <= available


def test_the_embedded_host_keeps_the_configuration_grammar():
    from splatdream.embedded_host.config import RESOLVERS as resolvers
    from splatdream.embedded_host.config import ExperimentConfig

    assert {item.name for item in fields(ExperimentConfig)} == set(EXPERIMENT_KEYS.split())
    assert set(resolvers) == set(RESOLVERS.split())


def test_the_embedded_host_has_the_same_command_line(capsys):
    from splatdream.embedded_host.launch import parse_arguments

    with pytest.raises(SystemExit):
        parse_arguments(["--help"])
    text = capsys.readouterr().out
    assert all(option in text for option in OPTIONS.split())


@pytest.fixture
def upstream() -> Path:
    if "THREESTUDIO_ROOT" not in os.environ:
        pytest.skip("set THREESTUDIO_ROOT to a checkout of threestudio 0.2.3")
    return Path(os.environ["THREESTUDIO_ROOT"])


def definitions(path: Path) -> dict[str, ast.AST]:
    """Top-level classes, functions and assigned names of a file."""
    found: dict[str, ast.AST] = {}
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef):
            found[node.name] = node
        elif isinstance(node, ast.Assign):
            found |= {target.id: node for target in node.targets if isinstance(target, ast.Name)}
    return found


def parameters_in(function: ast.FunctionDef) -> list[str]:
    arguments = function.args
    names = [item.arg for item in [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]]
    names += ["*" + arguments.vararg.arg] if arguments.vararg else []
    names += ["**" + arguments.kwarg.arg] if arguments.kwarg else []
    return [name for name in names if name != "self"]


def fields_in(node: ast.ClassDef) -> set[str]:
    return {item.target.id for item in node.body if isinstance(item, ast.AnnAssign)}


@pytest.mark.upstream
@pytest.mark.parametrize("name", [*CONTRACT, "SaverMixin"])
def test_threestudio_keeps_the_contract(name, upstream):
    expected = CONTRACT.get(name, SAVING)
    node = definitions(upstream / "threestudio" / expected.source)[name]
    if isinstance(expected, Function):
        assert expected.signature == "" or matches(expected.signature, parameters_in(node))
        return
    members = {item.name: item for item in node.body if isinstance(item, ast.FunctionDef | ast.ClassDef)}
    for method, signature in expected.methods.items():
        assert matches(signature, parameters_in(members[method])), method
    if expected.config:
        assert set(expected.config.split()) <= fields_in(members["Config"])
    assert set(expected.attributes.split()) <= members.keys() | fields_in(node)


@pytest.mark.upstream
def test_threestudio_keeps_the_configuration_grammar(upstream):
    path = upstream / "threestudio" / "utils" / "config.py"
    assert fields_in(definitions(path)["ExperimentConfig"]) == set(EXPERIMENT_KEYS.split())
    registered = {
        node.args[0].value
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "register_new_resolver"
    }
    assert registered == set(RESOLVERS.split())
    launch = (upstream / "launch.py").read_text()
    assert all(f'"{option}"' in launch for option in OPTIONS.split())
    assert '__version__ = "0.2.3"' in (upstream / "threestudio" / "__init__.py").read_text()
