"""SPZ, SOG and glTF: what is written is read back, here and by another program; what is broken is refused."""

import json
import shutil
import struct
import subprocess

import numpy as np
import pytest
import torch
from splatdream.gaussians.cloud import GaussianCloud
from splatdream.gaussians.composition import transform
from splatdream.gaussians.gltf import EXTENSION, glb_holds_gaussians, read_gaussian_glb, write_gaussian_glb
from splatdream.gaussians.packed_files import read_packed, write_packed
from splatdream.gaussians.ply import read_ply, write_ply
from splatdream.initializations.files import from_glb

SPLAT_TRANSFORM = "@playcanvas/splat-transform@3.7.0"


def random_cloud(count: int, degree: int, generator: torch.Generator) -> GaussianCloud:
    def normal(*shape):
        return torch.randn(*shape, generator=generator)

    return GaussianCloud(
        means=0.5 * normal(count, 3),
        log_scales=normal(count, 3).clamp(-2, 2) - 4,
        quats=normal(count, 4),  # of any length
        opacity_logits=normal(count),
        sh0=0.5 * normal(count, 1, 3),
        shN=0.2 * normal(count, (degree + 1) ** 2 - 1, 3),
    )


def matched(cloud: GaussianCloud, found: GaussianCloud) -> GaussianCloud:
    """The rows of `found` in the order of `cloud`, by the nearest center, quaternions of its sign and of length 1."""
    rows = torch.cdist(cloud.means, found.means).argmin(dim=1)
    assert len(rows.unique()) == len(cloud) == len(found)
    found = GaussianCloud(**{name: tensor[rows] for name, tensor in found.tensors().items()})
    found.quats = torch.nn.functional.normalize(found.quats, dim=-1)
    found.quats *= (found.quats * cloud.quats).sum(dim=-1, keepdim=True).sign()
    return found


def assert_close(cloud: GaussianCloud, found: GaussianCloud, **tolerances: float) -> None:
    found, unit = matched(cloud, found), torch.nn.functional.normalize(cloud.quats, dim=-1)
    pairs = {name: (getattr(cloud, name), getattr(found, name)) for name in ("means", "log_scales", "sh0", "shN")}
    pairs |= {"quats": (unit, found.quats), "opacities": (cloud.opacities, found.opacities)}
    for name, (expected, seen) in pairs.items():
        assert expected.shape == seen.shape, name
        assert (expected - seen).abs().amax() <= tolerances[name] if expected.numel() else True, name


# SPZ: 24 bits with 12 behind the point, 16 steps a unit of log scale, 8 bits of opacity; colors in steps of
# 1 / (255 * 0.15); coefficients of degree 1 in 5 bits of [-1, 1], above in 4.
SPZ = {
    "means": 0.51 / 4096,
    "log_scales": 0.51 / 16,
    "quats": 3e-3,
    "opacities": 0.51 / 255,
    "sh0": 0.51 / (255 * 0.15),
    "shN": 0.08,
}
# SOG: 16 bits a coordinate; 256 values for all scales, for all colors and for all coefficients.
SOG = {"means": 5e-4, "log_scales": 0.05, "quats": 0.02, "opacities": 1 / 255, "sh0": 0.03, "shN": 0.02}


@pytest.mark.parametrize("degree", [0, 1, 2, 3])
@pytest.mark.parametrize(("name", "tolerances", "smaller"), [("cloud.spz", SPZ, 3.5), ("cloud.sog", SOG, 1.0)])
def test_a_packed_file_is_close_and_small(name, tolerances, smaller, degree, tmp_path, generator):
    pytest.importorskip("gaussforge")
    cloud = random_cloud(300, degree, generator)
    path = write_packed(tmp_path / name, cloud)
    assert_close(cloud, read_packed(path), **tolerances)
    assert path.stat().st_size * smaller < write_ply(tmp_path / "cloud.ply", cloud).stat().st_size


@pytest.mark.parametrize("name", ["cloud.spz", "cloud.sog"])
def test_a_broken_packed_file_is_refused_with_its_name(name, tmp_path, generator):
    pytest.importorskip("gaussforge")
    path = write_packed(tmp_path / name, random_cloud(50, 1, generator))
    whole = path.read_bytes()
    for broken in (b"", b"splat", whole[: len(whole) // 2]):
        path.write_bytes(broken)
        with pytest.raises(ValueError, match=name):
            read_packed(path)


@pytest.mark.parametrize("name", ["cloud.spz", "cloud.sog"])
def test_an_empty_cloud_is_no_packed_file(name, tmp_path, generator):
    with pytest.raises(ValueError, match="empty"):
        write_packed(tmp_path / name, random_cloud(0, 0, generator))
    assert not (tmp_path / name).exists()


EXACT = dict.fromkeys(("means", "log_scales", "quats", "opacities", "sh0", "shN"), 2e-6)


@pytest.mark.parametrize("degree", [0, 1, 2, 3])
def test_a_glb_keeps_every_number(degree, tmp_path, generator):
    cloud = random_cloud(100, degree, generator)
    path = write_gaussian_glb(tmp_path / "cloud.glb", cloud)
    found = read_gaussian_glb(path)
    assert torch.equal(found.means, cloud.means) and torch.equal(found.sh, cloud.sh)
    assert_close(cloud, found, **EXACT)


def test_a_glb_stands_upright_and_shows_points_to_programs_without_the_extension(tmp_path, generator):
    trimesh = pytest.importorskip("trimesh")
    cloud = random_cloud(30, 0, generator)
    path = write_gaussian_glb(tmp_path / "cloud.glb", cloud)
    assert glb_holds_gaussians(path)
    points = trimesh.load(path).to_geometry() if hasattr(trimesh.Scene, "to_geometry") else trimesh.load(path).dump()[0]
    # glTF: y up, front toward +z; ours: z up, front toward +x.
    np.testing.assert_allclose(points.vertices, cloud.means[:, [1, 2, 0]], atol=1e-6)


def test_a_glb_is_moved_by_the_nodes_round_it(tmp_path, generator):
    cloud = random_cloud(20, 2, generator)
    path = write_gaussian_glb(tmp_path / "cloud.glb", cloud)
    data = path.read_bytes()
    (length,) = struct.unpack_from("<I", data, 12)
    tree = json.loads(data[20 : 20 + length])
    # A quarter turn about glTF's y, which is our z, twice as large, and 3 upward.
    half = 0.5**0.5
    tree["nodes"].append(
        {"children": [0], "rotation": [0, half, 0, half], "scale": [2, 2, 2], "translation": [0, 3, 0]}
    )
    tree["scenes"][0]["nodes"] = [1]
    head = json.dumps(tree).encode()
    head += b" " * (-len(head) % 4)
    body = data[20 + length :]
    path.write_bytes(struct.pack("<4sIII4s", b"glTF", 2, 20 + len(head) + len(body), len(head), b"JSON") + head + body)
    turn = torch.tensor([[0.0, -1, 0], [1, 0, 0], [0, 0, 1]])
    expected = transform(cloud, turn, torch.tensor([0.0, 0, 3]), scale=2.0)
    assert_close(expected, read_gaussian_glb(path), **dict.fromkeys(EXACT, 1e-5))


def test_a_glb_of_gaussians_is_a_beginning_in_the_axes_of_the_file(tmp_path, generator):
    cloud = random_cloud(20, 1, generator)
    path = write_gaussian_glb(tmp_path / "cloud.glb", cloud)
    found = from_glb(path, 5, generator)
    assert_close(transform(cloud, torch.eye(3)[[1, 2, 0]]), found, **dict.fromkeys(EXACT, 1e-5))


def test_a_broken_glb_is_refused_with_its_name(tmp_path, generator):
    path = write_gaussian_glb(tmp_path / "cloud.glb", random_cloud(50, 1, generator))
    whole = path.read_bytes()
    for broken in (b"", b"glTF", whole[:100], whole[: len(whole) // 2], whole.replace(b"OPACITY", b"OPACITI")):
        path.write_bytes(broken)
        with pytest.raises(ValueError, match=r"cloud\.glb"):
            read_gaussian_glb(path)


@pytest.mark.slow
@pytest.mark.node
def test_another_program_reads_and_writes_the_same(tmp_path, generator):
    pytest.importorskip("gaussforge")
    if shutil.which("npm") is None:
        pytest.skip("needs node and npm on the PATH")
    subprocess.run(["npm", "install", "--silent", "--no-audit", "--no-fund", SPLAT_TRANSFORM], cwd=tmp_path, check=True)
    command = ["node", "node_modules/@playcanvas/splat-transform/bin/cli.mjs", "-q", "-w", "-g", "cpu"]
    cloud = random_cloud(1000, 2, generator)
    cloud.quats = torch.nn.functional.normalize(cloud.quats, dim=-1)
    write_ply(tmp_path / "cloud.ply", cloud)
    for name, tolerances in (("ours.spz", SPZ), ("ours.sog", SOG)):
        write_packed(tmp_path / name, cloud)
        subprocess.run([*command, name, "theirs.ply"], cwd=tmp_path, check=True)
        assert_close(cloud, read_ply(tmp_path / "theirs.ply"), **tolerances)
    subprocess.run([*command, "cloud.ply", "theirs.spz"], cwd=tmp_path, check=True)
    assert_close(cloud, read_packed(tmp_path / "theirs.spz"), **SPZ)
    # It takes a PLY to lie as most captures do, y down, and turns it upright for glTF: (x, y, z) to (-x, -y, z).
    subprocess.run([*command, "cloud.ply", "theirs.glb"], cwd=tmp_path, check=True)
    turned = transform(cloud, torch.diag(torch.tensor([-1.0, -1.0, 1.0])))
    file_to_world = torch.tensor([[0.0, 0, 1], [1, 0, 0], [0, 1, 0]])
    found = read_gaussian_glb(tmp_path / "theirs.glb")
    assert_close(transform(turned, file_to_world), found, **dict.fromkeys(EXACT, 1e-5))
    assert EXTENSION.encode() in (tmp_path / "theirs.glb").read_bytes()
