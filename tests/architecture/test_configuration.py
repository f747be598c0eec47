"""No dead configuration: every declared field is read, and every key of a YAML is declared."""

import ast
from functools import cache
from pathlib import Path

import pytest
from omegaconf import OmegaConf

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "custom" / "splatdream"
FILES = sorted(path for path in PACKAGE.rglob("*.py") if "embedded_host" not in path.parts)
CONFIGS = sorted((ROOT / "configs").glob("*.yaml"))
EXPERIMENTS = sorted((ROOT / "configs" / "experiments").glob("*.yaml"))


@cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


def config_classes(tree: ast.Module) -> list[ast.ClassDef]:
    return [node for node in ast.walk(tree) if isinstance(node, ast.ClassDef) and node.name.endswith("Config")]


def declared_fields(node: ast.ClassDef) -> list[str]:
    return [item.target.id for item in node.body if isinstance(item, ast.AnnAssign)]


@cache
def attributes_read(path: Path) -> set[str]:
    """Names read as an attribute of something called cfg, config or self, e.g. `self.cfg.prompt`."""
    return {
        node.attr
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.Attribute)
        and isinstance(node.ctx, ast.Load)
        and (
            (isinstance(node.value, ast.Attribute) and node.value.attr in {"cfg", "_cfg", "config", "_config"})
            or (isinstance(node.value, ast.Name) and node.value.id in {"cfg", "config", "self"})
        )
    }


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_every_configuration_field_is_read_in_its_own_room(path):
    classes = config_classes(parsed(path))
    if not classes:
        return
    read: set[str] = set()
    for neighbor in path.parent.glob("*.py"):
        read |= attributes_read(neighbor)
    for node in classes:
        unread = [name for name in declared_fields(node) if name not in read]
        assert not unread, f"{node.name} declares {unread}, which nothing reads"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_every_configuration_field_is_explained(path):
    for node in config_classes(parsed(path)):
        for field, following in zip(node.body, [*node.body[1:], None], strict=True):
            if isinstance(field, ast.AnnAssign):
                is_explained = isinstance(following, ast.Expr) and isinstance(following.value, ast.Constant)
                assert is_explained, f"{node.name}.{field.target.id} has no docstring line"


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_every_key_of_a_configuration_is_declared_by_what_reads_it(path):
    from splatdream.host import find
    from splatdream.startup.registration import register_all

    register_all()
    config = OmegaConf.load(path)
    system = config.system
    readers = [(config.data_type, config.data), (config.system_type, system)]
    readers += [
        (system[f"{part}_type"], system.get(part, {}))
        for part in ("geometry", "material", "background", "renderer", "guidance", "prompt_processor", "exporter")
        if f"{part}_type" in system
    ]
    if "prior_type" in system.guidance:
        readers.append((system.guidance.prior_type, system.guidance.get("prior", {})))
    for name, keys in readers:
        config_class = find(name).Config
        unknown = set(keys) - set(config_class.__dataclass_fields__)
        assert not unknown, f"{path.name}: {name} does not declare {sorted(unknown)}"


@pytest.mark.parametrize("path", CONFIGS + EXPERIMENTS, ids=lambda path: path.stem)
def test_every_configuration_says_what_it_makes_and_needs(path):
    header = [line for line in path.read_text().splitlines() if line.startswith("#")]
    text = " ".join(header).lower()
    assert "makes" in text and "needs" in text and "time" in text, f"{path.name} has no complete header"
