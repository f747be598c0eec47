"""Parts of the CPU rasterizer that the whole does not show: lanes, sets of blocks, sorting, threads, compilation."""

import os
import pickle
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from numba import njit
from splatdream.rendering import (
    compilation,
    numba_binning,
    numba_compositing,
    numba_lanes,
    numba_projection,
    numba_vectors,
    threads,
)
from splatdream.rendering.compiled_files import write_digests


@njit
def exp2_of_all(x, result):
    for first in range(0, len(x), numba_lanes.LANES):
        numba_vectors.store(result, np.uint64(first), numba_vectors.exp2(numba_vectors.load(x, np.uint64(first))))


@njit
def sums_of(x, result):
    first, second = numba_vectors.load(x, np.uint64(0)), numba_vectors.load(x, np.uint64(numba_lanes.LANES))
    numba_vectors.store_sums(
        result, np.uint64(0), (first, second, first * np.float32(2), second - first, first / second)
    )


@njit
def lowest_bit(word):
    return numba_vectors.lowest_bit(word)


def test_exp2_is_right_to_single_precision():
    x = np.linspace(-100, 100, 20000, dtype=np.float32)
    actual = np.empty_like(x)
    exp2_of_all(x, actual)
    assert np.abs(actual / np.exp2(x.astype(np.float64)) - 1).max() < 4e-7


def test_sums_over_lanes_come_in_the_order_of_the_vectors():
    x = np.random.default_rng(0).uniform(1, 2, (2, numba_lanes.LANES)).astype(np.float32)
    sums = np.empty(16, np.float32)
    sums_of(x.reshape(-1), sums)
    expected = [x[0].sum(), x[1].sum(), 2 * x[0].sum(), (x[1] - x[0]).sum(), (x[0] / x[1]).sum()]
    np.testing.assert_allclose(sums[:5], expected, rtol=1e-5)


def test_sorting_is_by_depth_and_keeps_the_order_of_ties():
    generator = np.random.default_rng(0)
    depths = generator.choice(np.float32([0.02, 0.5, 1.0, 1.5, 3e9]), 500).astype(np.float32)
    radii = np.ones((500, 2), np.int32)
    radii[::7] = 0
    rank = np.empty(500, np.int32)
    n = numba_binning.sort_by_depth(depths, radii, np.empty(500, np.uint64), np.empty(500, np.uint64), rank)
    drawn = np.flatnonzero(radii[:, 0])
    expected = drawn[np.argsort(depths[drawn], kind="stable")]
    assert n == len(drawn)
    assert (rank[expected] == np.arange(n)).all()
    assert (rank[radii[:, 0] == 0] == -1).all()


@pytest.mark.parametrize("seed", range(30))
def test_the_set_of_blocks_holds_every_pixel_that_is_reached_and_hardly_more(seed):
    generator = np.random.default_rng(seed)
    angle, long, short = generator.uniform(0, np.pi), generator.uniform(0.6, 12), generator.uniform(0.55, 3)
    rotation = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    covariance = rotation @ np.diag([long**2, short**2]) @ rotation.T
    center, opacity = generator.uniform(-6, 38, 2), generator.uniform(0.02, 1)
    a, b, c = np.linalg.inv(covariance)[[0, 0, 1], [0, 1, 1]]
    reach = np.sqrt(2 * np.log(255 * opacity))
    radii = np.ceil(reach * np.sqrt(np.diag(covariance))).astype(np.int32)
    record = np.zeros((1, numba_binning.RECORD_SIZE), np.float32)
    numba_binning.write_records(
        np.float32([center]),
        np.float32([[a, b, c]]),
        np.float32([1]),
        radii[None],
        np.float32([np.log2(opacity)]),
        np.zeros((1, 3), np.float32),
        np.zeros(1, np.int32),
        record,
    )
    blocks = int(numba_compositing.reached_blocks(record[0], np.float32(0.5), np.float32(0.5)))

    y, x = np.mgrid[: numba_binning.TILE_HEIGHT, : numba_binning.TILE_WIDTH] + 0.5
    dx, dy = x - center[0], y - center[1]
    is_reached = opacity * np.exp(-0.5 * (a * dx * dx + c * dy * dy) - b * dx * dy) >= 1 / 255
    in_blocks = is_reached.reshape(numba_compositing.BLOCKS_Y, 4, numba_compositing.BLOCKS_X, 4).any(axis=(1, 3))
    found = np.array([blocks >> bit & 1 for bit in range(64)], bool).reshape(in_blocks.shape)
    assert found[in_blocks].all()
    assert found.sum() <= in_blocks.sum() + 3  # rounding, and rows of a block that span more together


def test_the_work_of_a_gaussian_is_the_blocks_of_its_box_inside_the_image():
    records = np.zeros((3, numba_binning.RECORD_SIZE), np.float32)
    records[:, numba_binning.CENTER_X] = 32, 66, 32  # of the second, only 4 columns are in the image
    records[:, numba_binning.CENTER_Y] = 16
    records[:, [numba_binning.REACH_X, numba_binning.REACH_Y]] = 6
    counts = np.empty(2, np.int64)
    one, two = (numba_binning.count_tiles(records, n, 2, 1, counts) for n in (1, 2))
    assert one == 16  # 12 x 12 pixels touch at most 4 x 4 blocks
    assert two - one == 8
    numba_binning.count_tiles(records, 3, 2, 1, counts)
    assert counts.tolist() == [2, 3]  # the first and the last lie on both tiles


def test_every_block_can_be_taken_from_a_set():
    for block in range(64):
        higher = (1 << block) | (1 << 63)
        assert lowest_bit(np.uint64(higher)) == block


def test_ranges_cover_all_tasks_once_and_raise_what_a_thread_raised():
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(3)
        taken = []
        threads.run_in_ranges(lambda first, last: taken.extend(range(first, last)), 100)
        assert sorted(taken) == list(range(100))
        with pytest.raises(ZeroDivisionError):
            threads.run_in_ranges(lambda first, last: 1 // (99 - last + 1 if last == 100 else 1), 100)
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize(
    ("features", "width"),
    [
        ("+sse2", "128-bit"),
        ("+avx,+avx2", "256-bit"),
        ("+avx,+avx2,+avx512f", "512-bit"),
        ("+avx,+avx2,+avx512f,+prefer-256-bit", "256-bit"),
        ("+avx,+avx2,-avx512f", "256-bit"),
    ],
)
def test_the_width_of_vectors_follows_from_the_features(features, width, monkeypatch):
    monkeypatch.setattr(numba_lanes.config, "CPU_FEATURES", features)
    assert f"{width} vectors, 16 lanes" in compilation.describe_processor()


def test_whole_registers_are_used_where_the_processor_has_avx512():
    _, _, features = numba_projection.project.targetctx.codegen().magic_tuple()
    assert ("+avx512f" in features) == ("-prefer-256-bit" in features)


RENDER_ONE = """
import torch
from splatdream.rendering import compilation
from splatdream.rendering.cpu import rasterization
viewmat = torch.eye(4)
viewmat[2, 3] = 3
images, alphas, _ = rasterization(
    means=torch.zeros(1, 3).requires_grad_(), quats=torch.tensor([[1.0, 0, 0, 0]]), scales=torch.ones(1, 3),
    opacities=torch.tensor([0.5]), colors=torch.ones(1, 3), viewmats=viewmat[None],
    Ks=torch.tensor([[[9.0, 0, 4], [0, 9, 4], [0, 0, 1]]]), width=8, height=8,
)
images.sum().backward()
print(float(alphas.max().detach()))
misses = [kernel.py_func.__name__ for kernel in compilation._KERNELS if kernel.stats.cache_misses]
assert not misses, misses
"""


def test_kernels_older_than_a_source_are_forgotten(tmp_path):
    stale = tmp_path / "numba_compositing.composite_tiles-171.py311.nbi"
    fresh = tmp_path / "numba_binning.fill_tiles-1.py311.nbi"
    other = tmp_path / "someone_elses.kernel-1.py311.nbi"
    for index in (stale, fresh, other):
        index.touch()
    os.utime(stale, (0, 0))
    os.utime(other, (0, 0))
    compilation.forget_stale_kernels(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([fresh.name, other.name])


def test_kernels_of_another_processor_do_not_count_as_compiled(tmp_path, monkeypatch):
    for kernel in compilation._KERNELS:
        source = Path(kernel.py_func.__code__.co_filename).stem
        (tmp_path / f"{source}.{kernel.py_func.__qualname__}-1.py311.nbi").write_bytes(2 * pickle.dumps("index"))
    assert not compilation.are_compiled(tmp_path)
    write_digests(compilation.completion_mark(tmp_path), tmp_path, compilation._STEMS)
    assert compilation.are_compiled(tmp_path)
    monkeypatch.setattr(numba_lanes.config, "CPU_FEATURES", "+sse2")
    assert not compilation.are_compiled(tmp_path)


@pytest.mark.slow
def test_the_first_run_says_that_it_compiles_and_the_second_does_not(tmp_path):
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", RENDER_ONE]
    first = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    second = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert first.stderr.count("\n") == first.stderr.count("compiling the CPU rasterizer, once") == 1
    assert second.stderr == ""
    assert first.stdout == second.stdout
    assert 0.4 < float(first.stdout) <= 0.5


@pytest.mark.slow
@pytest.mark.skipif(os.geteuid() == 0, reason="root may write to read-only folders")
def test_a_read_only_package_folder_still_renders(tmp_path):
    import splatdream

    copy = tmp_path / "splatdream"
    shutil.copytree(Path(splatdream.__file__).parent, copy, ignore=shutil.ignore_patterns("__pycache__"))
    for folder in [copy, *(path for path in copy.rglob("*") if path.is_dir())]:
        folder.chmod(0o555)
    environment = {**os.environ, "PYTHONPATH": str(tmp_path), "HOME": str(tmp_path), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", RENDER_ONE]
    result = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert 0.4 < float(result.stdout) <= 0.5
