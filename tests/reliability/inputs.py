"""Mutated inputs for every reader, each made from target, seed and number: a finding can be repeated."""

import json
import logging
import os
import random
import re
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from outcome import ROOT, Tally, fault_of_call

TOYBOX_SD = ROOT / "custom" / "splatdream" / "toybox_priors" / "toybox-sd"
_NUMBERS = (b"-1", b"0", b"1e300", b"nan", b"inf", b"99999999999", b"''", b"[]", b"{}", b"null", b"0.5", b"\xff")


@dataclass(frozen=True)
class Target:
    """A reader, and what it reads well."""

    name: str
    file_name: str
    sound: bytes
    read: Callable[[Path], object]


def mutated(sound: bytes, draw: random.Random) -> bytes:
    """Some bytes changed, a part lost, doubled or taken from elsewhere, or a number that is another one."""
    content = bytearray(sound)
    for _ in range(draw.choice((1, 1, 1, 2, 4, 16))):
        kind, size = draw.randrange(6), len(content)
        if not size:
            break
        # Headers are where decisions are made: every second change is within the first kilobyte.
        at = draw.randrange(min(size, 1024) if draw.random() < 0.5 else size)
        length = min(draw.choice((1, 2, 8, 64, 1024)), size - at)
        if kind == 0:
            content[at] ^= 1 << draw.randrange(8)
        elif kind == 1:
            content[at : at + length] = draw.randbytes(length)
        elif kind == 2:
            del content[at : size if draw.random() < 0.3 else at + length]
        elif kind == 3:
            content[at:at] = content[at : at + length]
        elif kind == 4:
            start = draw.randrange(size)
            content[at : at + length] = content[start : start + length]
        else:
            _replace_number(content, at, draw)
    return bytes(content)


def _replace_number(content: bytearray, start: int, draw: random.Random) -> None:
    found = re.search(rb"-?\d+(\.\d+)?", bytes(content[start : start + 4096]))
    if found:
        content[start + found.start() : start + found.end()] = draw.choice(_NUMBERS)


def inputs(folder: Path, count: int, seed: int, names: str = "") -> Iterator[Tally]:
    """`count` inputs in all, the same number for each target.

    Args:
        names: a pattern of the targets to take.
    """
    warnings.simplefilter("ignore")
    logging.disable()
    taken = [target for target in targets(folder) if re.search(names, target.name)]
    for target in taken:
        tally = Tally(f"mutated {target.name}")
        path = folder / target.file_name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(target.sound)
        target.read(path)  # else the target tells nothing
        for number in range(count // len(taken)):
            path.write_bytes(mutated(target.sound, random.Random(f"{target.name}/{seed}/{number}")))
            tally.add(f"seed {seed}, number {number}", fault_of_call(partial(target.read, path)))
        path.write_bytes(target.sound)
        yield tally


def targets(folder: Path) -> list[Target]:
    """Every kind of file that a command opens."""
    folder.mkdir(parents=True, exist_ok=True)
    return [*_clouds(folder), *_meshes(folder), *_texts(folder), *_records(folder), *_prompts()]


def _clouds(folder: Path) -> Iterator[Target]:
    from splatdream.assets.finished import open_asset
    from splatdream.gaussians.initialization import ball
    from splatdream.gaussians.ply import read_points_ply, write_compressed_ply, write_ply
    from splatdream.gaussians.splat_file import write_splat

    cloud = ball(300, 0.5, torch.Generator().manual_seed(0), color_std=0.1, sh_degree=1)
    writers = {"cloud.ply": write_ply, "cloud.compressed.ply": write_compressed_ply, "cloud.splat": write_splat}
    for name, write in writers.items():
        write(folder / name, cloud)
        yield Target(name, name, (folder / name).read_bytes(), open_asset)
    points = "\n".join(f"{x * 0.1} 0.5 0.2 {x} 20 30" for x in range(40))
    header = "ply\nformat ascii 1.0\nelement vertex 40\n" + "".join(f"property float {axis}\n" for axis in "xyz")
    header += "".join(f"property uchar {color}\n" for color in ("red", "green", "blue")) + "end_header\n"
    yield Target("points.ply", "points.ply", (header + points + "\n").encode(), read_points_ply)


def _meshes(folder: Path) -> Iterator[Target]:
    import trimesh
    from splatdream.meshing.mesh import Mesh
    from splatdream.texture.mesh_files import glb_bytes, read_mesh, write_obj
    from splatdream.texture.textured_mesh import Material, TexturedMesh, UvLayout

    ball = trimesh.creation.icosphere(1)
    mesh = Mesh(torch.tensor(ball.vertices, dtype=torch.float32), torch.tensor(ball.faces, dtype=torch.int64))
    layout = UvLayout(torch.rand(len(mesh.vertices), 2, generator=torch.Generator().manual_seed(0)), mesh.faces)
    textured = TexturedMesh(mesh, layout, torch.full((16, 16, 3), 0.5), Material(is_unlit=True))
    yield Target("mesh.glb", "mesh.glb", glb_bytes(textured), read_mesh)
    write_obj(folder / "mesh.obj", textured)
    yield Target("mesh.obj", "mesh.obj", (folder / "mesh.obj").read_bytes(), read_mesh)
    materials = (folder / "mesh.mtl").read_bytes()
    yield Target("mesh.mtl", "mesh.mtl", materials, lambda path: read_mesh(folder / "mesh.obj"))
    for suffix in ("ply", "stl", "off"):
        content = ball.export(file_type=suffix)
        content = content if isinstance(content, bytes) else content.encode()
        yield Target(f"mesh as {suffix}", f"other.{suffix}", content, read_mesh)


def _texts(folder: Path) -> Iterator[Target]:
    from splatdream.laboratory.plan import read_plan
    from splatdream.startup.configuration import check_configuration

    configs = ROOT / "configs"
    for name in ("tiny", "quickstart-sd", "toybox-texture"):
        sound = (configs / f"{name}.yaml").read_bytes()
        yield Target(f"configuration {name}", f"{name}.yaml", sound, lambda path: check_configuration(str(path)))
    sound = (configs / "experiments" / "janus.yaml").read_bytes()
    yield Target("experiment", "janus.yaml", sound, read_plan)


def _records(folder: Path) -> Iterator[Target]:
    from splatdream.embedded_host.checkpoint_content import load_checkpoint
    from splatdream.evaluation.thresholds_file import SHIPPED, read_calibration
    from splatdream.priors.model_files import ModelFiles
    from splatdream.priors.stable_diffusion import load_schedule
    from splatdream.runner.results import read_result
    from splatdream.storage.cache_entry import read_entry, write_entry

    state = {"geometry.means": torch.rand(50, 3, generator=torch.Generator().manual_seed(0))}
    torch.save({"state_dict": state, "epoch": 0, "global_step": 7}, folder / "last.ckpt")
    yield Target("checkpoint", "last.ckpt", (folder / "last.ckpt").read_bytes(), load_checkpoint)
    write_entry(folder / "entry", b"content of a cache" * 20)
    yield Target("cache entry", "entry", (folder / "entry").read_bytes(), read_entry)
    record = json.dumps({"fingerprint": "a", "status": "finished", "error": None, "files": {"cloud": "x"}}).encode()
    yield Target("run record", "run/result.json", record, lambda path: read_result(path.parent))
    yield Target("thresholds", "thresholds.json", SHIPPED.read_bytes(), read_calibration)
    scheduler = (TOYBOX_SD / "scheduler" / "scheduler_config.json").read_bytes()
    files = ModelFiles("m", "m", None, folder, ("scheduler",))
    yield Target("scheduler", "scheduler/scheduler_config.json", scheduler, lambda path: load_schedule(files))


def _prompts() -> Iterator[Target]:
    """Of all that a command line can carry."""
    from splatdream.commands.generate import folder_name
    from splatdream.embedded_host.config import as_file_name, load_config
    from splatdream.prompts.processor import PromptProcessor
    from splatdream.toybox.vocabulary import parse_caption

    def take(path: Path) -> None:
        text = path.read_bytes().decode(errors="replace").replace("\0", "")
        config = load_config(ROOT / "configs" / "tiny.yaml", [f"system.prompt_processor.prompt={text}"])
        if config.system.prompt_processor.prompt != text:
            raise AssertionError(f"the prompt was taken for {config.system.prompt_processor.prompt!r}")
        if os.sep in as_file_name(text):
            raise AssertionError("a folder's name has a separator")
        PromptProcessor({"prompt": text})()
        if len(folder_name(text).encode()) > 255:
            raise AssertionError("a folder's name is too long")
        parse_caption(text)

    words = "a blue robot wearing a red hat"
    yield Target("prompt", "prompt.txt", words.encode(), take)
    yield Target("prompt with signs", "signs.txt", "${oc.env:HOME} [x]: {y} 'z' é 猫".encode(), _forgiving(take))


def _forgiving(take: Callable[[Path], None]) -> Callable[[Path], None]:
    """The toybox does not know such words, and says so."""

    def read(path: Path) -> None:
        try:
            take(path)
        except ValueError as error:
            if not str(error):
                raise

    return read
