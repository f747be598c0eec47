"""`splatdream generate`: from a sentence or a picture to a textured mesh, both stages in one command."""

import argparse
import hashlib
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from PIL import Image

from ..runner.execution import Executor, InProcess, finished_run
from ..runner.request import RunRequest, setting
from ..startup.shipped import find_config
from ..storage.atomic_file import atomic_path, write_text
from ..storage.pictures import read_picture
from .arguments import LARGEST_SEED, whole

_LONGEST_NAME = 150
"""Bytes; file systems take 255."""
_CLOSED_FORM = "closed-form"
_CONFIGS = {
    _CLOSED_FORM: ("quickstart", "toybox-texture"),
    "toybox-sd": ("quickstart-sd", "toybox-texture"),
    "toybox-mvdream": ("quickstart-mvdream", "toybox-texture"),
    "toybox-flow": ("quickstart-flow", "toybox-texture"),
    "mvdream": ("mvdream-gaussian", "dreamgaussian-texture"),
    "sd3": ("sd3-gaussian", "dreamgaussian-texture"),
    "flux": ("flux-gaussian", "dreamgaussian-texture"),
    "": ("gaussian-sds", "dreamgaussian-texture"),
}
"""Configurations of both stages by what the prior's name begins with."""
_OF_A_PICTURE = ("zero123", "zero123-texture")
"""Likewise, of priors that are told a picture."""
_PICTURE_PRIOR = "zero123-xl"
_PICTURE, _PICTURE_OF_PRIOR = "system.picture.", "system.guidance.prior.picture."
_TEXTURE = "texture."
_NEEDED = ("ply", "glb")
"""Formats that the page at the end is made of."""


def configure(parser: argparse.ArgumentParser, arguments: Sequence[str]) -> None:
    parser.description = (
        "Distills Gaussians from a sentence or a picture, makes a mesh of them and refines its texture. What is "
        "finished is kept; a second call goes on. `splatdream list priors` and `splatdream list words` say what can be "
        "asked for."
    )
    parser.add_argument("prompt", nargs="?", default="", help='e.g. "an orange cat"')
    parser.add_argument(
        "--image",
        metavar="FILE",
        help="a picture of the object, in place of a sentence: a PNG with an alpha channel, or any picture where rembg "
        "is installed; a prompt is then a title (default: the file's name)",
    )
    parser.add_argument("--prompt", dest="title", default="", metavar="TEXT", help="the prompt, likewise")
    parser.add_argument(
        *("--output", "--folder"),
        default="outputs/generate",
        metavar="FOLDER",
        help="results go there (default: outputs/generate)",
    )
    parser.add_argument(
        "--prior",
        metavar="NAME",
        help="closed-form (the default), toybox-sd, sd21-base, ...; chooses the configurations. A folder or a hub id "
        "counts as Stable Diffusion: name --config, too, for another kind. With --image: zero123-xl (the default), "
        "stable-zero123, a folder or a hub id of that kind",
    )
    parser.add_argument("--config", metavar="YAML", help="of the first stage: a file, or the name of a shipped one")
    parser.add_argument("--texture-config", metavar="YAML", help="of the second stage, likewise")
    parser.add_argument("--steps", type=whole(1), metavar="N", help="of the first stage (default: the configuration's)")
    parser.add_argument(
        "--formats", metavar="A,B,...", help="files of both stages, e.g. ply,splat,glb; ply and glb are always written"
    )
    parser.add_argument("--seed", type=whole(0, LARGEST_SEED), default=0, help="default: 0")
    parser.add_argument("--dry-run", action="store_true", help="print configurations and cost; make nothing")
    parser.add_argument("-q", "--quiet", action="store_true", help="only what was made, warnings and errors")
    parser.add_argument(
        "overrides",
        nargs="*",
        default=[],
        metavar="key=value",
        help="changes of the first stage's configuration; texture.key=value of the second's",
    )


def run(args: argparse.Namespace) -> int:
    from ..runner.checking import check_request

    prompt, overrides = _words(args)
    prior = args.prior or (_PICTURE_PRIOR if args.image else _CLOSED_FORM)
    first, second = stages(
        prompt, prior, args.config, args.texture_config, args.steps, args.formats, args.seed, overrides, args.image
    )
    for request in (first, second):
        check_request(request)
    execute = InProcess(["--quiet"] if args.quiet or args.dry_run else [])
    if args.dry_run:
        _tell_cost(first, second, execute)
    else:
        generate(execute, first, second, args.output)
    return 0


def _words(args: argparse.Namespace) -> tuple[str, list[str]]:
    """The prompt, and the overrides: beside a picture the first of them stands where the prompt would."""
    prompt, overrides = args.prompt, list(args.overrides)
    if prompt and (args.title or args.image) and "=" in prompt:
        prompt, overrides = "", [prompt, *overrides]
    if prompt and args.title:
        raise ValueError(f"there are two prompts, {prompt!r} and --prompt {args.title!r}; leave one out")
    return args.title or prompt or (Path(args.image).stem if args.image else ""), overrides


def stages(
    prompt: str,
    prior: str = _CLOSED_FORM,
    config: str | None = None,
    texture_config: str | None = None,
    steps: int | None = None,
    formats: str | None = None,
    seed: int = 0,
    overrides: Sequence[str] = (),
    image: str | None = None,
) -> tuple[RunRequest, RunRequest]:
    """What both stages are asked to make; the second is still without a checkpoint of the first.

    Args:
        image: a picture of the object, for a prior that is told one.

    Raises:
        ValueError: the prompt has no words, a setting is none, or picture and prior do not go together.
        FileNotFoundError: there is no such configuration.
    """
    folder_name(prompt)
    _check_picture(prior, image)
    chosen, texture = _configs(prior, image)
    of_gaussians, of_mesh = _formats(formats)
    of_first = [text for text in overrides if not text.startswith(_TEXTURE)]
    of_second = [text.removeprefix(_TEXTURE) for text in overrides if text.startswith(_TEXTURE)]
    shown, shown_again = _picture(prior, image, of_first)
    first = [f"seed={seed}", *_prior(prior), *_length(steps), *of_gaussians, *shown, *of_first]
    second = [f"seed={seed}", *of_mesh, *shown_again, *of_second]
    return (
        RunRequest(find_config(config or chosen), first, prompt),
        RunRequest(find_config(texture_config or texture), second, prompt),
    )


def _configs(prior: str, image: str | None) -> tuple[str, str]:
    """Of both stages."""
    if image is not None:
        return _OF_A_PICTURE
    return next(names for start, names in _CONFIGS.items() if prior.startswith(start))


def config_of_prior(prior: str) -> str:
    """The shipped configuration of the first stage that goes with a prior that is told texts."""
    return _configs(prior, None)[0]


def _picture(prior: str, image: str | None, of_first: Sequence[str]) -> tuple[list[str], list[str]]:
    """Settings of both stages: the second looks at the same picture from the same camera."""
    if image is None:
        return [], []
    again = [text.replace(_PICTURE, _PICTURE_OF_PRIOR, 1) for text in of_first if text.startswith(_PICTURE)]
    path_of_second = setting(f"{_PICTURE_OF_PRIOR}path", image)
    return [setting(f"{_PICTURE}path", image)], [*_prior(prior), path_of_second, *again]


def _check_picture(prior: str, image: str | None) -> None:
    if image is None:
        if "zero123" in prior:
            raise ValueError(f"the prior '{prior}' is told a picture; give one: --image photo.png")
        return
    if any(start and prior.startswith(start) for start in _CONFIGS):
        raise ValueError(f"the prior '{prior}' is told no picture; leave --prior out for {_PICTURE_PRIOR}")
    read_picture(image)  # what is no picture of an object is told first


def _prior(name: str) -> list[str]:
    return [] if name == _CLOSED_FORM else [setting("system.guidance.prior.model", name)]


def _length(steps: int | None) -> list[str]:
    return [] if steps is None else [f"trainer.max_steps={steps}"]


def _formats(wanted: str | None) -> tuple[list[str], list[str]]:
    """Settings of the exporters of Gaussians and of meshes, what the page needs among the files."""
    from ..export.exporter import GaussianExporter
    from ..export.mesh_exporter import MeshExporter

    if wanted is None:
        return [], []
    by_stage = (GaussianExporter.formats, MeshExporter.formats)
    known = dict.fromkeys([*by_stage[0], *by_stage[1]])
    names = dict.fromkeys([*_NEEDED, *filter(None, (name.strip() for name in wanted.split(",")))])
    if unknown := [name for name in names if name not in known]:
        raise ValueError(f"--formats has {', '.join(unknown)}; the formats are {', '.join(known)}")
    chosen = [",".join(name for name in names if name in formats) for formats in by_stage]
    return [f"system.exporter.formats=[{chosen[0]}]"], [f"system.exporter.formats=[{chosen[1]}]"]


def generate(execute: Executor, first: RunRequest, second: RunRequest, folder: str) -> Path:
    """Distills Gaussians, makes a mesh of them, refines its texture, and returns the page that shows both.

    Args:
        first, second: of `stages`; results go to `folder/<prompt>/`: gaussians/, mesh/, viewer.html with both, and
            summary.png.

    Raises:
        RuntimeError: a stage failed; what the first one made is kept.
    """
    prompt = str(first.prompt)
    root = Path(folder) / folder_name(prompt)
    gaussians = finished_run(first, root / "gaussians" / "run", execute)
    mesh = finished_run(after(second, gaussians.file("checkpoint")), root / "mesh" / "run", execute)
    kind = "field" if "field" in gaussians.files else "cloud"
    distilled, glb = gaussians.file(kind), mesh.file("mesh")
    page = write_text(root / "viewer.html", _page(distilled, glb, prompt))
    picture = root / "summary.png"
    _stack([gaussians.file("contact sheet"), mesh.file("before and after")], picture)
    print(f"{'field    ' if kind == 'field' else 'gaussians'}  {distilled}")
    print(f"mesh       {glb}")
    print(f"both       {page}")
    print(f"picture    {picture}")
    print(f"first page {gaussians.file('page')}")
    print(f"open this: {mesh.file('page')}")
    return page


def after(second: RunRequest, checkpoint: Path) -> RunRequest:
    """The second stage, which starts from a checkpoint of the first."""
    return replace(second, overrides=[*second.overrides, setting("system.geometry_convert_from", str(checkpoint))])


def _tell_cost(first: RunRequest, second: RunRequest, execute: Executor) -> None:
    """Prints both configurations, and what they cost by trials that are thrown away."""
    from ..runner.trial import trial
    from .dry_run import configuration_text

    for name, request in (("gaussians", first), ("mesh", second)):
        print(f"--- # {name}\n{configuration_text(request)}", flush=True)
    with TemporaryDirectory() as folder:
        cost, result = trial(first, Path(folder) / "gaussians", execute)
        print(f"gaussians: {cost}", flush=True)
        cost, _ = trial(after(second, result.file("checkpoint")), Path(folder) / "mesh", execute)
        print(f"mesh: {cost}")


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
