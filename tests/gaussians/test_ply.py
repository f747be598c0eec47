"""PLY and .splat files: what is written is read back, here and by another library; what is broken is refused."""

import os
import tracemalloc

import numpy as np
import pytest
import torch
from splatdream.gaussians.cloud import GaussianCloud
from splatdream.gaussians.ply import holds_gaussians, read_ply, read_points_ply, write_compressed_ply, write_ply
from splatdream.gaussians.ply_format import ply_bytes, read_ply_elements
from splatdream.gaussians.rotations import quat_to_matrix
from splatdream.gaussians.splat_file import read_splat, write_splat
from splatdream.storage import free_memory

NAMES = ["x", "y", "z", "f_dc_0", "f_dc_1", "f_dc_2", "opacity", "scale_0", "scale_1", "scale_2"]
NAMES += ["rot_0", "rot_1", "rot_2", "rot_3"]


def random_cloud(num_points: int, sh_degree: int, generator: torch.Generator) -> GaussianCloud:
    def draw(*shape: int) -> torch.Tensor:
        return torch.randn(num_points, *shape, generator=generator)

    shN = 0.3 * draw((sh_degree + 1) ** 2 - 1, 3)
    return GaussianCloud(draw(3), draw(3) - 3, draw(4), draw(), draw(1, 3), shN)


def header(count: object, names: list[str] = NAMES, form: str = "binary_little_endian 1.0") -> bytes:
    lines = ["ply", f"format {form}", f"element vertex {count}", *(f"property float {name}" for name in names)]
    return "\n".join([*lines, "end_header\n"]).encode()


def matched(cloud: GaussianCloud, other: GaussianCloud) -> torch.Tensor:
    """For each row of `other` the nearest row of `cloud`, for files that change the order."""
    return torch.cdist(other.means, cloud.means).argmin(dim=1)


@pytest.mark.parametrize("degree", [0, 1, 2, 3])
def test_a_plain_ply_keeps_every_bit(degree, tmp_path, generator):
    cloud = random_cloud(50, degree, generator)
    path = write_ply(tmp_path / "cloud.ply", cloud)
    read = read_ply(path)
    for name, tensor in cloud.tensors().items():
        assert torch.equal(getattr(read, name), tensor), name
    assert holds_gaussians(path)


def test_columns_stand_where_3dgs_puts_them(tmp_path, generator):
    cloud = random_cloud(7, 1, generator)
    vertex = read_ply_elements(write_ply(tmp_path / "cloud.ply", cloud))["vertex"]
    expected = ["x", "y", "z", "nx", "ny", "nz", *(f"f_dc_{i}" for i in range(3)), *(f"f_rest_{i}" for i in range(9))]
    expected += ["opacity", *(f"scale_{i}" for i in range(3)), *(f"rot_{i}" for i in range(4))]
    assert list(vertex.dtype.names) == expected
    # f_rest runs through the coefficients of red, then green, then blue.
    assert torch.equal(torch.tensor(vertex["f_rest_1"]), cloud.shN[:, 1, 0])
    assert torch.equal(torch.tensor(vertex["f_rest_3"]), cloud.shN[:, 0, 1])


@pytest.mark.parametrize(("form", "tolerance"), [("ply", 0), ("ply_compressed", 0.02)])
def test_files_of_gsplat_are_read(form, tolerance, tmp_path, generator):
    gsplat = pytest.importorskip("gsplat")
    cloud = random_cloud(600, 2, generator)
    cloud.opacity_logits.clamp_(-4, 4)
    path = tmp_path / "cloud.ply"
    gsplat.export_splats(
        cloud.means,
        cloud.log_scales,
        cloud.quats,
        cloud.opacity_logits,
        cloud.sh0,
        cloud.shN,
        format=form,
        save_to=str(path),
    )
    read = read_ply(path)
    rows = matched(cloud, read)
    assert len(rows.unique()) == 600
    torch.testing.assert_close(read.means, cloud.means[rows], atol=tolerance, rtol=0)
    torch.testing.assert_close(read.log_scales, cloud.log_scales[rows], atol=tolerance, rtol=0)
    torch.testing.assert_close(read.opacities, cloud.opacities[rows], atol=tolerance, rtol=0)
    torch.testing.assert_close(read.sh0, cloud.sh0[rows], atol=5 * tolerance, rtol=0)
    torch.testing.assert_close(read.shN, cloud.shN[rows], atol=tolerance, rtol=0)
    torch.testing.assert_close(quat_to_matrix(read.quats), quat_to_matrix(cloud.quats[rows]), atol=2e-2, rtol=0)


def test_another_library_reads_what_is_written(tmp_path, generator):
    trimesh = pytest.importorskip("trimesh")
    cloud = random_cloud(40, 3, generator)
    path = write_ply(tmp_path / "cloud.ply", cloud)
    raw = trimesh.load(path).metadata["_ply_raw"]["vertex"]["data"]
    for index, name in enumerate("xyz"):
        np.testing.assert_array_equal(raw[name].ravel(), cloud.means[:, index].numpy())
    np.testing.assert_array_equal(raw["f_rest_44"].ravel(), cloud.shN[:, 14, 2].numpy())
    np.testing.assert_array_equal(raw["rot_3"].ravel(), cloud.quats[:, 3].numpy())


@pytest.mark.parametrize("degree", [0, 2])
@pytest.mark.parametrize("num_points", [1, 256, 700])
def test_a_compressed_ply_is_close_and_small(degree, num_points, tmp_path, generator):
    cloud = random_cloud(num_points, degree, generator)
    path = write_compressed_ply(tmp_path / "cloud.ply", cloud)
    read = read_ply(path)
    rows = matched(cloud, read)
    assert len(rows.unique()) == num_points
    torch.testing.assert_close(read.means, cloud.means[rows], atol=5e-3, rtol=0)
    torch.testing.assert_close(read.log_scales, cloud.log_scales[rows], atol=5e-3, rtol=0)
    # Half a step of 8 bits, and a quarter more at the ends.
    torch.testing.assert_close(read.opacities, cloud.opacities[rows], atol=0.6 / 255, rtol=0)
    torch.testing.assert_close(read.shN, cloud.shN[rows], atol=8 / 256, rtol=0)
    torch.testing.assert_close(quat_to_matrix(read.quats), quat_to_matrix(cloud.quats[rows]), atol=1e-2, rtol=0)
    if num_points == 700:
        assert path.stat().st_size < 0.35 * write_ply(tmp_path / "plain.ply", cloud).stat().st_size


def test_a_splat_file_is_close_and_ordered_by_importance(tmp_path, generator):
    cloud = random_cloud(100, 1, generator)
    cloud.sh0.clamp_(-1, 1)
    path = write_splat(tmp_path / "cloud.splat", cloud)
    assert path.stat().st_size == 3200
    read = read_splat(path)
    rows = matched(cloud, read)
    assert torch.equal(read.means, cloud.means[rows])
    torch.testing.assert_close(read.scales, cloud.scales[rows])
    torch.testing.assert_close(read.sh0, cloud.sh0[rows], atol=0.01, rtol=0)
    torch.testing.assert_close(read.opacities, cloud.opacities[rows], atol=0.6 / 255, rtol=0)
    torch.testing.assert_close(quat_to_matrix(read.quats), quat_to_matrix(cloud.quats[rows]), atol=0.04, rtol=0)
    importance = cloud.scales.prod(dim=-1) * cloud.opacities
    assert (importance[rows].diff() <= 0).all()


def test_text_and_big_endian_files_are_read(tmp_path):
    values = np.arange(28, dtype=np.float32).reshape(2, 14) + 1
    little, big, text = (tmp_path / name for name in ("little.ply", "big.ply", "text.ply"))
    little.write_bytes(header(2) + values.astype("<f4").tobytes())
    big.write_bytes(header(2, form="binary_big_endian 1.0") + values.astype(">f4").tobytes())
    rows = "\n".join(" ".join(str(number) for number in row) for row in values)
    text.write_bytes(header(2, form="ascii 1.0") + rows.encode())
    expected = read_ply(little)
    assert torch.equal(expected.means, torch.tensor([[1.0, 2, 3], [15, 16, 17]]))
    for path in (big, text):
        for name, tensor in expected.tensors().items():
            assert torch.equal(getattr(read_ply(path), name), tensor)


def test_points_and_their_colors_are_read_and_faces_are_passed_over(tmp_path):
    rows = np.zeros(
        2, np.dtype([("x", "f4"), ("y", "f4"), ("z", "f4"), ("red", "u1"), ("green", "u1"), ("blue", "u1")])
    )
    rows["x"], rows["green"] = [1, 2], [0, 255]
    path = tmp_path / "mesh.ply"
    data = ply_bytes({"vertex": rows})
    faces = b"element face 1\nproperty list uchar int vertex_indices\nend_header\n"
    path.write_bytes(data.replace(b"end_header\n", faces) + b"\x03" + bytes(12))
    points, colors = read_points_ply(path)
    assert torch.equal(points, torch.tensor([[1.0, 0, 0], [2, 0, 0]]))
    assert torch.equal(colors, torch.tensor([[0.0, 0, 0], [0, 1, 0]]))
    assert not holds_gaussians(path)
    with pytest.raises(ValueError, match="f_dc_0"):
        read_ply(path)


def test_infinite_opacities_of_editors_become_finite(tmp_path):
    values = np.ones((1, 14), np.float32)
    values[0, 6], values[0, 7] = np.inf, -np.inf
    path = tmp_path / "edited.ply"
    path.write_bytes(header(1) + values.tobytes())
    cloud = read_ply(path)
    assert cloud.opacities[0] == pytest.approx(1.0) and torch.isfinite(cloud.log_scales).all()


ONE = np.ones(14, "<f4").tobytes()
BROKEN = {
    "empty": (b"", "not a PLY"),
    "not a ply": (b"hello world", "not a PLY"),
    "one endless line": (b"ply\n" + b"x" * 2**20, "end_header"),
    "header without end": (b"ply\nformat binary_little_endian 1.0\n", "end_header"),
    "no format": (header(1).replace(b"format binary_little_endian 1.0\n", b"") + ONE, "format"),
    "unknown format": (header(1, form="binary_middle_endian 1.0") + ONE, "binary_middle_endian"),
    "unknown type": (header(1).replace(b"float x", b"quaternion x") + ONE, "quaternion"),
    "huge count": (header(10**15) + ONE, "truncated"),
    "count with a thousand digits": (header("9" * 1000) + ONE, "makes no sense"),
    "negative count": (header(-5) + ONE, "makes no sense"),
    "huge count in text": (header(10**15, form="ascii 1.0") + b"1 " * 14, "truncated"),
    "rows without properties": (header(10**15, names=[]), "truncated or broken"),
    "truncated": (header(2) + ONE, "truncated"),
    "missing properties": (header(1, names=["x", "y", "z", "opacity"]) + ONE, "f_dc_0"),
    "list property": (header(1).replace(b"float opacity", b"list uchar float opacity") + ONE, "no x, y, z"),
    "property twice": (header(1, names=[*NAMES, "x"]) + ONE, "makes no sense"),
    "words instead of numbers": (header(1, form="ascii 1.0") + b"one " * 14, "not numbers"),
    "too few numbers in text": (header(2, form="ascii 1.0") + b"1.00000000 " * 14, "claims 2 rows"),
    "no rows": (header(0), "no Gaussians"),
    "nan": (header(1) + np.full(14, np.nan, "<f4").tobytes(), "1 of 1 Gaussians"),
    "rotation of length 0": (header(1) + bytes(56), "rotation"),
    "odd number of harmonics": (header(1, names=[*NAMES, "f_rest_0"]) + ONE + bytes(4), "f_rest"),
    "misnumbered harmonics": (
        header(1, names=[*NAMES, *(f"f_rest_{i}" for i in range(1, 10))]) + ONE + bytes(36),
        "f_rest",
    ),
    "compressed without chunks": (header(1, names=["packed_position"]) + bytes(4), "bounds"),
    "no vertices": (b"ply\nformat ascii 1.0\nend_header\n", "no x, y, z"),
}  # fmt: skip


@pytest.mark.parametrize("name", BROKEN)
def test_broken_files_are_refused_in_one_sentence_and_little_memory(name, tmp_path):
    data, message = BROKEN[name]
    path = tmp_path / "broken.ply"
    path.write_bytes(data)
    tracemalloc.start()
    with pytest.raises(ValueError, match=message) as error:
        read_ply(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert str(path) in str(error.value) and "\n" not in str(error.value)
    assert peak < 10 * len(data) + 2**20


def test_a_compressed_ply_with_wrong_row_counts_is_refused(tmp_path, generator):
    elements = read_ply_elements(write_compressed_ply(tmp_path / "cloud.ply", random_cloud(300, 1, generator)))
    for name, keep, message in (("chunk", 1, "need 2 chunks"), ("sh", 299, "harmonics for 299")):
        path = tmp_path / "wrong.ply"
        path.write_bytes(ply_bytes({**elements, name: elements[name][:keep]}))
        with pytest.raises(ValueError, match=message):
            read_ply(path)


@pytest.mark.parametrize("data", [b"", bytes(33), np.full(8, np.nan, "<f4").tobytes(), bytes(28) + b"\x80" * 4])
def test_broken_splat_files_are_refused(data, tmp_path):
    path = tmp_path / "broken.splat"
    path.write_bytes(data)
    with pytest.raises(ValueError, match=r"broken\.splat"):
        read_splat(path)


def test_files_that_do_not_fit_into_the_memory_are_refused_before_they_are_read(tmp_path, generator, monkeypatch):
    cloud = random_cloud(3000, 3, generator)
    paths = [
        write(tmp_path / name, cloud)
        for name, write in (
            ("cloud.ply", write_ply),
            ("packed.ply", write_compressed_ply),
            ("cloud.splat", write_splat),
        )
    ]
    monkeypatch.setattr(free_memory, "free_bytes", lambda: 50_000)
    monkeypatch.setattr(np, "fromfile", lambda *args: pytest.fail("was read"))
    for path in paths:
        with pytest.raises(ValueError, match=r"3,000 .* needs about 0\.0 GiB of memory.*prune it") as error:
            (read_splat if path.suffix == ".splat" else read_ply)(path)
        assert str(path) in str(error.value) and "\n" not in str(error.value)


def test_the_memory_that_is_free_is_that_of_the_machine_or_of_its_container(tmp_path, monkeypatch):
    monkeypatch.setattr(free_memory, "_CGROUP", tmp_path)
    whole = free_memory.free_bytes()
    assert whole > 2**20
    (tmp_path / "memory.max").write_text("max\n")
    assert free_memory.free_bytes() > 2**20
    (tmp_path / "memory.max").write_text("5000\n")
    (tmp_path / "memory.current").write_text("3000\n")
    assert free_memory.free_bytes() == 2000


@pytest.mark.parametrize("write", [write_ply, write_splat])
def test_an_empty_cloud_is_written_and_refused_when_read(write, tmp_path, generator):
    empty = GaussianCloud(**{name: tensor[:0] for name, tensor in random_cloud(3, 1, generator).tensors().items()})
    path = write(tmp_path / ("cloud.splat" if write is write_splat else "cloud.ply"), empty)
    with pytest.raises(ValueError, match=r"cloud\."):
        (read_splat if write is write_splat else read_ply)(path)
    with pytest.raises(ValueError, match="write a plain one"):
        write_compressed_ply(tmp_path / "compressed.ply", empty)
    assert not (tmp_path / "compressed.ply").exists()


def test_a_missing_file_says_so(tmp_path):
    for read in (read_ply, read_points_ply, read_splat):
        with pytest.raises(FileNotFoundError):
            read(tmp_path / "nowhere")


def test_a_write_that_fails_leaves_the_old_file_and_no_other(tmp_path, generator, monkeypatch):
    path = write_ply(tmp_path / "cloud.ply", random_cloud(3, 0, generator))
    before = path.read_bytes()

    def fail(descriptor: int) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="disk full"):
        write_ply(path, random_cloud(5, 0, generator))
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]
