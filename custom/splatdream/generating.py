"""`splatdream generate`: from a sentence to a textured mesh, both stages in one command."""

import re
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from .atomic_file import atomic_path

CONFIGS = Path(__file__).parents[2] / "configs"

Launch = Callable[[Sequence[str]], int]


def generate(
    launch: Launch,
    prompt: str,
    folder: str,
    config: str = str(CONFIGS / "quickstart.yaml"),
    texture_config: str = str(CONFIGS / "toybox-texture.yaml"),
    seed: int = 0,
) -> Path:
    """Distills Gaussians, makes a mesh of them, refines its texture, and returns the picture that sums it up.

    Args:
        launch: runs one launch command line and returns its exit code.
        folder: results go to `folder/<prompt>/`: gaussians/, mesh/ and summary.png.
        config: of the first stage; texture_config: of the second.

    Raises:
        RuntimeError: a stage failed; what the first one made is kept.
    """
    root = Path(folder) / re.sub(r"\W+", "_", prompt).strip("_")
    shared = [f"exp_root_dir={root}", "use_timestamp=false", f"seed={seed}", f"system.prompt_processor.prompt={prompt}"]
    gaussians, mesh = (_trial(root, name) for name in ("gaussians", "mesh"))
    _run(launch, ["--config", config, "--train", *shared, "name=gaussians", "tag=run"], gaussians)
    checkpoint = f"system.geometry_convert_from={gaussians}/ckpts/last.ckpt"
    _run(launch, ["--config", texture_config, "--train", *shared, "name=mesh", "tag=run", checkpoint], mesh)
    picture = root / "summary.png"
    _stack([_newest(gaussians, "*-test-contact-sheet.png"), mesh / "save" / "before-after.png"], picture)
    print(f"gaussians  {_newest(gaussians, '*-export/cloud.ply')}")
    print(f"page       {_newest(gaussians, '*-test.html')}")
    print(f"mesh       {_newest(mesh, '*-export/mesh.glb')}")
    print(f"picture    {picture}")
    return picture


def _trial(root: Path, name: str) -> Path:
    return root / name / "run"


def _run(launch: Launch, arguments: Sequence[str], trial: Path) -> None:
    if launch(arguments) != 0:
        raise RuntimeError(f"the stage in {trial} failed; what was finished before it is kept")


def _newest(trial: Path, pattern: str) -> Path:
    """The result of the last step; results carry their step in their name."""
    return max((trial / "save").glob(pattern), key=lambda path: path.stat().st_mtime)


def _stack(pictures: Sequence[Path], target: Path) -> None:
    """The pictures below each other, scaled to one width."""
    images = [Image.open(path).convert("RGB") for path in pictures]
    width = min(image.width for image in images)
    scaled = [image.resize((width, round(image.height * width / image.width))) for image in images]
    with atomic_path(target) as temporary:
        Image.fromarray(np.concatenate([np.asarray(image) for image in scaled])).save(temporary, format="PNG")
