"""`splatdream generate`: from a sentence to a textured mesh, both stages in one command."""

import argparse
import hashlib
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from ..storage.atomic_file import atomic_path, write_text
from .arguments import LARGEST_SEED, whole

if TYPE_CHECKING:
    from ..runner.execution import Executor

_LONGEST_NAME = 150
"""Bytes; file systems take 255."""
CONFIGS = Path(__file__).parents[3] / "configs"


def configure(parser: argparse.ArgumentParser, arguments: Sequence[str]) -> None:
    parser.add_argument("prompt", help='e.g. "an orange cat"')
    parser.add_argument("--folder", default="outputs/generate", help="results go there (default: outputs/generate)")
    parser.add_argument("--config", metavar="YAML", help="of the first stage (default: the quickstart)")
    parser.add_argument("--texture-config", metavar="YAML", help="of the second stage (default: toybox-texture)")
    parser.add_argument("--seed", type=whole(0, LARGEST_SEED), default=0)


def run(args: argparse.Namespace) -> int:
    from ..runner.execution import InProcess

    chosen = {"config": args.config, "texture_config": args.texture_config}
    given = {name: value for name, value in chosen.items() if value is not None}
    generate(InProcess(), args.prompt, args.folder, seed=args.seed, **given)
    return 0


def generate(
    execute: "Executor",
    prompt: str,
    folder: str,
    config: str = str(CONFIGS / "quickstart.yaml"),
    texture_config: str = str(CONFIGS / "toybox-texture.yaml"),
    seed: int = 0,
) -> Path:
    """Distills Gaussians or a field, makes a mesh of it, refines its texture, and returns the picture of it all.

    Args:
        folder: results go to `folder/<prompt>/`: gaussians/, mesh/, viewer.html with both, and summary.png.
        config: of the first stage; texture_config: of the second.

    Raises:
        ValueError: the prompt has no words.
        RuntimeError: a stage failed; what the first one made is kept.
    """
    from ..runner.execution import finished_run
    from ..runner.request import RunRequest, setting

    root = Path(folder) / folder_name(prompt)
    first = RunRequest(config, [f"seed={seed}"], prompt)
    gaussians = finished_run(first, root / "gaussians" / "run", execute)
    checkpoint = setting("system.geometry_convert_from", str(gaussians.file("checkpoint")))
    second = RunRequest(texture_config, [f"seed={seed}", checkpoint], prompt)
    mesh = finished_run(second, root / "mesh" / "run", execute)
    kind = "field" if "field" in gaussians.files else "cloud"
    distilled, glb = gaussians.file(kind), mesh.file("mesh")
    page = write_text(root / "viewer.html", _page(distilled, glb, prompt))
    picture = root / "summary.png"
    _stack([gaussians.file("contact sheet"), mesh.file("before and after")], picture)
    print(f"{'field    ' if kind == 'field' else 'gaussians'}  {distilled}")
    print(f"mesh       {glb}")
    print(f"viewer     {page}")
    print(f"report     {gaussians.file('page')}")
    print(f"picture    {picture}")
    return picture


def folder_name(prompt: str) -> str:
    """The words of a prompt; of a long one as many as a file system takes, and a digest of all.

    Raises:
        ValueError: the prompt has no words.
    """
    name = re.sub(r"\W+", "_", prompt).strip("_")
    if not name:
        raise ValueError(f"the prompt {prompt!r} has no words; say what to make, e.g. 'an orange cat'")
    if len(name.encode()) <= _LONGEST_NAME:
        return name
    digest = hashlib.sha256(prompt.encode()).hexdigest()[:8]
    return f"{name.encode()[:_LONGEST_NAME].decode(errors='ignore')}_{digest}"


def _page(distilled: Path, glb: Path, prompt: str) -> str:
    """One page that switches between the mesh and what it was made of, from the files that others will open."""
    from ..assets.finished import open_asset
    from ..export.mesh_page import mesh_model
    from ..export.model_page import page_html
    from ..texture.mesh_files import read_mesh

    mesh, textured = read_mesh(glb)
    return page_html([mesh_model(textured or mesh), open_asset(distilled).page_model()], prompt)


def _stack(pictures: Sequence[Path], target: Path) -> None:
    """The pictures below each other, scaled to one width."""
    images = [Image.open(path).convert("RGB") for path in pictures]
    width = min(image.width for image in images)
    scaled = [image.resize((width, round(image.height * width / image.width))) for image in images]
    with atomic_path(target) as temporary:
        Image.fromarray(np.concatenate([np.asarray(image) for image in scaled])).save(temporary, format="PNG")
