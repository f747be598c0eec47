"""How the plugin gets loaded, each way in an interpreter of its own."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

FAKE_UPSTREAM = '''
"""As much of threestudio as an import of the plugin touches before it needs the rest."""
classes = {}
def register(name):
    def decorator(cls):
        if name in classes:
            raise ValueError(f"Module {name} already exists!")
        classes[name] = cls
        return cls
    return decorator
'''


def python(code, folder, **environment):
    """(exit code, stdout, stderr) of a program that runs in `folder`."""
    environment = {**os.environ, "PYTHONPATH": "", "SPLATDREAM_HOST": "auto", **environment}
    result = subprocess.run(
        [sys.executable, "-c", code], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    return result.returncode, result.stdout.strip(), result.stderr


def test_importing_it_both_ways_in_one_process_registers_once(tmp_path):
    code, out, err = python(
        f"""
import sys
import splatdream
assert "splatdream.host" not in sys.modules
sys.path.insert(0, {str(ROOT)!r})
import extension
from splatdream.embedded_host.registry import _classes
names = set(_classes)
assert names and all(name.startswith("splatdream-") for name in names), names
from splatdream.startup.registration import register_all
register_all()
import importlib
importlib.reload(extension)
assert set(_classes) == names
print("once")
""",
        tmp_path,
    )
    assert (code, out) == (0, "once"), err


def test_extension_py_works_from_any_folder_as_a_single_file(tmp_path):
    (tmp_path / "custom").mkdir()
    (tmp_path / "custom" / "dream.py").write_text((ROOT / "extension.py").read_text())
    code, out, err = python(
        """
import importlib.util, sys
spec = importlib.util.spec_from_file_location("custom/dream", "custom/dream.py")
module = sys.modules["custom/dream"] = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
from splatdream.host import find
print(find("splatdream-system").__name__)
""",
        tmp_path,
    )
    assert code == 0 and out, err


@pytest.mark.parametrize("folder", ["threestudio-splatdream", "splatdream"])
def test_the_whole_repository_is_an_extension_under_any_folder_name(tmp_path, folder):
    (tmp_path / "custom").mkdir()
    (tmp_path / "custom" / folder).symlink_to(ROOT)
    code, out, err = python(
        f"""
import importlib.util, sys, types
spec = importlib.util.spec_from_file_location({folder!r}, "custom/{folder}/__init__.py")
module = sys.modules[{folder!r}] = importlib.util.module_from_spec(spec)
sys.modules["threestudio"] = types.ModuleType("threestudio")  # threestudio is at work, but this host is wanted
spec.loader.exec_module(module)
from splatdream.host import HOST, find
print(HOST, find("splatdream-system").__name__)
""",
        tmp_path,
        SPLATDREAM_HOST="embedded",
    )
    assert code == 0 and out.startswith("embedded "), err


def test_a_folder_named_threestudio_is_not_mistaken_for_the_package(tmp_path):
    (tmp_path / "threestudio" / "threestudio").mkdir(parents=True)
    (tmp_path / "threestudio" / "threestudio" / "__init__.py").write_text(FAKE_UPSTREAM)
    choice = "from splatdream.startup.host_choice import chosen_host; print(chosen_host())"
    assert python(choice, tmp_path)[1] == "embedded"
    assert python(choice, tmp_path / "threestudio")[1] == "upstream"
    assert python(choice, tmp_path / "threestudio", SPLATDREAM_HOST="embedded")[1] == "embedded"


def test_a_threestudio_that_cannot_be_imported_is_an_error_with_its_cause(tmp_path):
    (tmp_path / "threestudio").mkdir()
    (tmp_path / "threestudio" / "__init__.py").write_text("import tinycudann_that_is_missing")
    code, _, err = python("import splatdream.host", tmp_path)
    assert code == 1
    message = err.strip().splitlines()[-1]
    assert "tinycudann_that_is_missing" in message and "SPLATDREAM_HOST=embedded" in message


def test_a_wish_that_cannot_be_met_is_one_sentence(tmp_path):
    launch = f"import sys; sys.path.insert(0, {str(ROOT)!r}); import launch; sys.exit(launch.main([]))"
    code, _, err = python(launch, tmp_path, SPLATDREAM_HOST="upstream")
    assert code == 1 and err.startswith("error: SPLATDREAM_HOST is 'upstream'")
    code, _, err = python(launch, tmp_path, SPLATDREAM_HOST="downstream")
    assert code == 1 and "auto, upstream or embedded" in err


def test_with_threestudio_here_launch_py_runs_its_launch_py_or_says_what_to_type(tmp_path):
    checkout = tmp_path / "checkout"
    (checkout / "threestudio").mkdir(parents=True)
    (checkout / "threestudio" / "__init__.py").write_text(FAKE_UPSTREAM)
    arguments = "['--config', 'configs/tiny.yaml', '--train', 'tag=a b']"
    launch = f"import sys; sys.path.insert(0, '.'); import launch; sys.exit(launch.main({arguments}))"

    code, _, err = python(launch, ROOT, PYTHONPATH=str(checkout))
    assert code == 1 and f"cd {ROOT} && python THREESTUDIO/launch.py --config configs/tiny.yaml" in err

    (checkout / "launch.py").write_text("import sys; print(sys.argv[1:], __name__)")
    code, out, err = python(launch, ROOT, PYTHONPATH=str(checkout))
    assert (code, out) == (0, f"{arguments} __main__"), err


def test_help_teaches(tmp_path):
    result = subprocess.run(
        [sys.executable, str(ROOT / "launch.py"), "--help"], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert "--config configs/tiny.yaml --train" in result.stdout and "resume=" in result.stdout


def test_typecheck_runs_with_every_annotation_of_the_plugin_checked(tmp_path):
    command = [sys.executable, str(ROOT / "launch.py"), "--config", str(ROOT / "configs" / "tiny.yaml"), "--train"]
    command += ["--typecheck", "--gpu", "cpu", "trainer.max_steps=1", "system.export_after_training=false"]
    environment = {**os.environ, "SPLATDREAM_HOST": "embedded"}
    result = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
