"""The house keeps its shape: imports go one way, and every heavy library has one owner."""

import ast
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "custom" / "splatdream"
FILES = sorted(PACKAGE.rglob("*.py"))

# Which rooms each room may import. `host` is the seam, not a room: every registering file may import it.
MAY_IMPORT = {
    "storage": set(),
    "options": set(),
    "embedded_host": {"storage"},
    "cameras": set(),
    "prompts": {"cameras"},
    "gaussians": {"cameras"},
    "photographs": {"cameras"},
    # SSIM, which is measured and asked for by one formula.
    "losses": {"gaussians", "evaluation"},
    "fields": {"cameras"},
    "toybox": {"cameras", "prompts", "rendering"},
    "toybox_training": {"toybox", "cameras", "prompts", "priors", "export"},
    "rendering": {"cameras", "gaussians", "fields"},
    "priors": {"prompts", "cameras", "toybox"},
    "guidance": {"priors", "prompts", "cameras", "toybox", "photographs", "losses"},
    "densification": {"gaussians", "cameras", "rendering"},
    # Of the priors, Shap-E; of runner, where a run left its files.
    "initializations": {"gaussians", "meshing", "texture", "toybox", "priors", "runner"},
    # Of the priors, the options of Shap-E.
    "assets": {"cameras", "gaussians", "losses", "densification", "rendering", "meshing", "texture", "export"}
    | {"fields", "initializations", "priors"},
    "meshing": {"gaussians", "fields"},
    "texture": {"meshing", "cameras", "fields", "gaussians", "rendering"},
    "export": {"fields", "gaussians", "meshing", "texture"},
    "evaluation": {
        "photographs",
        "rendering",
        "priors",
        "prompts",
        "toybox",
        "cameras",
        "gaussians",
        "meshing",
        "texture",
    },
    "viewer": {"assets", "export", "gaussians"},
}
# Who needs files whole or a look at the memory may ask for it; whoever has options says what they may be.
for _allowed in MAY_IMPORT.values():
    _allowed |= {"storage", "options"}
ROOMS = {path.name for path in PACKAGE.iterdir() if path.is_dir() and path.name != "__pycache__"}
# The rooms where everything meets.
MAY_IMPORT["systems"] = ROOMS - {
    "systems",
    "laboratory",
    "embedded_host",
    "commands",
    "startup",
    "runner",
    "gpu_suite",
    "api",
    "studio",
}
MAY_IMPORT["laboratory"] = ROOMS - {"laboratory", "embedded_host", "commands", "gpu_suite", "api", "studio"}
MAY_IMPORT["studio"] = ROOMS - {"studio", "laboratory", "embedded_host", "commands", "gpu_suite", "api"}
MAY_IMPORT["gpu_suite"] = ROOMS - {"embedded_host", "startup", "api", "studio"}
MAY_IMPORT["commands"] = ROOMS - {"embedded_host", "api"}
MAY_IMPORT["api"] = ROOMS - {"embedded_host", "studio"}
MAY_IMPORT["startup"] = {"embedded_host", "storage"}
MAY_IMPORT["scenes"] = {"cameras", "gaussians", "meshing", "initializations", "toybox", "laboratory"}
MAY_IMPORT["scenes"] |= {"runner", "startup", "storage"}
MAY_IMPORT["runner"] = {"startup", "priors", "storage", "photographs"}

# Files, relative to the package, that may import a heavy library.
OWNERS = {
    "numba": ("rendering/numba_",),
    "gsplat": ("rendering/gsplat_backend.py",),
    "diffusers": ("priors/", "toybox_training/", "gpu_suite/random_priors.py"),
    "transformers": ("priors/", "toybox_training/", "prompts/debiasing.py"),
    "peft": ("guidance/", "priors/", "toybox_training/zero123_networks.py"),
    "nerfacc": ("fields/",),
    "viser": ("viewer/live_view.py", "studio/page.py"),
    "embreex": ("texture/embree_rays.py",),
    "warp": ("texture/warp_rays.py",),
    "xatlas": ("texture/unwrap.py",),
    "trimesh": ("texture/mesh_files.py",),
    "skimage": ("meshing/marching_cubes.py",),
    "fast_simplification": ("meshing/decimation.py",),
    "matplotlib": ("toybox_training/records.py", "evaluation/verdict_picture.py"),
    "imageio_ffmpeg": ("export/video.py",),
    "huggingface_hub": ("priors/model_files.py",),
    "gaussforge": ("gaussians/packed_files.py",),
    "optuna": ("laboratory/search.py",),
    "ray": ("laboratory/ray_workers.py",),
    "filelock": ("laboratory/claims.py",),
    "pytorch_lightning": ("embedded_host/", "cameras/datamodule.py"),
}


@cache
def imported_modules(path: Path) -> set[str]:
    """Absolute names of what a file imports, its relative imports resolved."""
    package = ["splatdream", *path.relative_to(PACKAGE).parent.parts]
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            module = ".".join([*base, *([node.module] if node.module else [])])
            names |= {f"{module}.{alias.name}" for alias in node.names}
    return names


def relative(path: Path) -> str:
    return path.relative_to(PACKAGE).as_posix()


@pytest.mark.parametrize("path", FILES, ids=relative)
def test_rooms_import_only_what_the_table_allows(path):
    room = relative(path).split("/")[0]
    if room not in ROOMS:
        return  # host.py, the seam
    imported = {name.split(".")[1] for name in imported_modules(path) if name.startswith("splatdream.")}
    forbidden = (imported & ROOMS) - MAY_IMPORT[room] - {room}
    assert not forbidden, f"{room} must not import {sorted(forbidden)}"


@pytest.mark.parametrize("path", FILES, ids=relative)
def test_every_heavy_library_is_imported_by_its_owner_only(path):
    for name in imported_modules(path):
        library = name.split(".")[0]
        if library in OWNERS:
            assert relative(path).startswith(OWNERS[library]), f"{library} belongs to {OWNERS[library]}"


@pytest.mark.parametrize("path", FILES, ids=relative)
def test_only_the_host_seam_knows_the_hosts(path):
    names = imported_modules(path)
    if relative(path).startswith(("host.py", "startup/", "embedded_host/")):
        return
    assert not any(name.startswith(("threestudio", "splatdream.embedded_host")) for name in names)


def test_nothing_stands_at_the_top_of_the_package_but_the_seam():
    assert {path.name for path in PACKAGE.glob("*.py")} == {"__init__.py", "__main__.py", "host.py"}


def test_importing_the_package_is_quick_and_registers_nothing():
    code = (
        "import sys, splatdream; "
        "heavy = {'torch', 'numpy', 'numba', 'pytorch_lightning', 'diffusers', 'omegaconf', 'viser'}; "
        "assert not heavy & set(sys.modules), heavy & set(sys.modules); "
        "assert 'splatdream.host' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_there_is_no_star_import_and_no_drawer_for_everything():
    for path in FILES:
        assert path.stem not in {"utils", "common", "misc", "helpers"}, path
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom):
                assert all(alias.name != "*" for alias in node.names), path
