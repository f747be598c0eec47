"""The rasterizer for CPUs: the same mathematics as `reference`, compiled by Numba, fast enough to optimize with.

Two differentiable steps, as in gsplat: Gaussians to the screen (`_Project`), the screen to pixels (`_Composite`).
Between them `means2d` is an ordinary tensor of the graph, so that densification can read its gradient.

float32 only. The same inputs give the same bits whatever the number of threads (`torch.set_num_threads`).

N Gaussians, C cameras, K spherical-harmonics coefficients a channel, D channels.
"""

import math
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from . import numba_binning, numba_compositing, numba_compositing_backward, numba_projection
from .compilation import prepare_kernels
from .signature import Arguments
from .threads import run_in_ranges

# Less work than this is done before another thread has woken up.
_MIN_PROJECTIONS = 16384  # Gaussians times cameras
_MIN_SORTED = 4096  # Gaussians a camera
_MIN_COMPOSITED = 65536  # blocks of 4 x 4 pixels, times the Gaussians that cover them
_MIN_SUMMED = 65536  # Gaussians times the tiles that they touch, where they are only added up


class _Project(torch.autograd.Function):
    """means, quats, scales -> means2d [C,N,2], conics [C,N,3], depths [C,N], compensations [C,N] and radii [C,N,2].

    Compensations are the factors of opacities in antialiased mode, [0,N] in classic mode. Radii have no gradient.
    """

    @staticmethod
    def forward(ctx, means, quats, scales, log2_opacities, cameras, given):
        C, N = len(cameras[0]), len(means)
        means2d, conics = means.new_empty(C, N, 2), means.new_empty(C, N, 3)
        depths, compensations = means.new_empty(C, N), means.new_empty(C if given.is_antialiased else 0, N)
        radii = torch.empty(C, N, 2, dtype=torch.int32)
        gaussians = [tensor.detach().numpy() for tensor in (means, quats, scales)]
        limits = [np.float32(x) for x in (given.near_plane, given.far_plane, given.radius_clip, given.eps2d)]
        outputs = [tensor.numpy() for tensor in (means2d, conics, depths, radii, compensations)]
        finite = []

        def work(first: int, last: int) -> None:
            finite.append(
                numba_projection.project(first, last, *gaussians, log2_opacities, *cameras, *limits, *outputs)
            )

        run_in_ranges(work, N, _MIN_PROJECTIONS // C)
        if not all(finite):
            _raise_not_finite(means=means, quats=quats, scales=scales)
        ctx.save_for_backward(means, quats, scales, radii, conics, compensations)
        ctx.cameras, ctx.eps2d = cameras, limits[-1]
        ctx.mark_non_differentiable(radii)
        ctx.set_materialize_grads(True)
        return means2d, conics, depths, compensations, radii

    @staticmethod
    def backward(ctx, *upstream):
        means, quats, scales, *seen = ctx.saved_tensors
        inputs = [*(tensor.detach().numpy() for tensor in (means, quats, scales)), *ctx.cameras, ctx.eps2d]
        inputs += [tensor.detach().numpy() for tensor in seen]
        upstream = [tensor.contiguous().numpy() for tensor in upstream[:-1]]
        gradients = [torch.empty_like(tensor) for tensor in (means, quats, scales)]
        outputs = [tensor.numpy() for tensor in gradients]

        def work(first: int, last: int) -> None:
            numba_projection.project_backward(first, last, *inputs, *upstream, *outputs)

        run_in_ranges(work, len(means), _MIN_PROJECTIONS // len(upstream[0]))
        return *gradients, None, None, None


class _Composite(torch.autograd.Function):
    """Screen Gaussians -> images [C,H,W,D], alphas [C,H,W,1].

    Opacities are [C,N], colors [C,N,3]; C is 1 where cameras share them.
    """

    @staticmethod
    def forward(ctx, means2d, conics, depths, opacities, colors, backgrounds, radii, given):
        C, N, _ = means2d.shape
        width, height = given.width, given.height
        tiles_x, tiles_y = -(-width // numba_binning.TILE_WIDTH), -(-height // numba_binning.TILE_HEIGHT)
        tiles = tiles_x * tiles_y
        records = np.empty((C, N, numba_binning.RECORD_SIZE), np.float32)
        ranks, counts = np.empty((C, N), np.int32), np.empty((C, tiles), np.int64)
        num_drawn, blocks = np.empty(C, np.int64), np.empty(C, np.int64)
        screen = [tensor.detach().numpy() for tensor in (means2d, conics, depths, radii)]
        sorted_by = (_log2(opacities), colors.detach().numpy(), tiles_x, tiles_y)

        def bin_cameras(first: int, last: int) -> None:
            numba_binning.bin_cameras(first, last, *screen, *sorted_by, ranks, records, counts, num_drawn, blocks)

        run_in_ranges(bin_cameras, C, _tasks_of(_MIN_SORTED, C, C * N))
        starts = np.zeros(C * tiles + 1, np.int64)
        np.cumsum(counts.reshape(-1), out=starts[1:])
        lists, ends = np.empty(starts[-1], np.int32), np.empty(C * tiles, np.int64)
        block_sets = np.empty(starts[-1], np.uint64)

        def fill_tiles(first: int, last: int) -> None:
            numba_binning.fill_tiles(first, last, records, num_drawn, tiles_x, tiles_y, starts, lists)

        run_in_ranges(fill_tiles, C, _tasks_of(_MIN_SORTED, C, C * N))
        has_rgb, has_depth, _ = given.contents
        # By NumPy, which asks the system for huge pages: torch does not, and large images then wait for the TLB.
        images, alphas = (
            torch.from_numpy(np.empty((C, height, width, channels), np.float32))
            for channels in (3 * has_rgb + has_depth, 1)
        )
        if backgrounds is None:
            backgrounds = means2d.new_zeros(C, 3)
        pixels = [backgrounds.detach().numpy(), *given.contents, images.numpy(), alphas.numpy()]

        def composite(first: int, last: int) -> None:
            in_tiles = (records, starts, lists, ends, block_sets)
            numba_compositing.composite_tiles(first, last, tiles_x, *in_tiles, *pixels)

        # In blocks, of 5 ns: 17 ns to look for those of a Gaussian in a tile, 3 ns to write a pixel.
        work = int(blocks.sum()) + 4 * len(lists) + C * width * height // 2
        min_tiles = _tasks_of(_MIN_COMPOSITED, C * tiles, work)
        run_in_ranges(composite, C * tiles, min_tiles)
        ctx.save_for_backward(means2d, conics, opacities, colors, backgrounds, images, alphas)
        ctx.lists = (records, ranks, num_drawn, starts, lists, ends, block_sets)
        ctx.contents, ctx.absgrad, ctx.tiles_x, ctx.min_tiles = given.contents, given.absgrad, tiles_x, min_tiles
        return images, alphas

    @staticmethod
    def backward(ctx, grad_images, grad_alphas):
        means2d, conics, opacities, colors, backgrounds, images, alphas = ctx.saved_tensors
        records, ranks, num_drawn, starts, lists, ends, block_sets = ctx.lists
        C, N, _ = means2d.shape
        tiles = len(ends) // C
        pixels = [backgrounds.detach().numpy(), *ctx.contents, images.detach().numpy(), alphas.detach().numpy()]
        gradients = [tensor.contiguous().numpy() for tensor in (grad_images, grad_alphas)]
        moments = np.empty(len(lists) * numba_compositing_backward.ROW, np.float32)

        def composite(first: int, last: int) -> None:
            numba_compositing_backward.composite_tiles_backward(
                first,
                last,
                ctx.tiles_x,
                records,
                starts,
                lists,
                ends,
                block_sets,
                *pixels,
                *gradients,
                ctx.absgrad,
                moments,
            )

        run_in_ranges(composite, C * tiles, ctx.min_tiles)
        camera_moments = np.empty((C, N, numba_compositing_backward.ROW), np.float32)
        is_seen = np.empty((C, N), np.bool_)

        def sum_over_tiles(first: int, last: int) -> None:
            numba_compositing_backward.sum_over_tiles(
                first, last, num_drawn, starts, lists, ends, moments, is_seen, camera_moments.reshape(-1)
            )

        run_in_ranges(sum_over_tiles, C, _tasks_of(_MIN_SUMMED, C, len(lists)))
        screen = [torch.empty_like(means2d), torch.empty_like(conics), means2d.new_empty(C, N)]
        grad_opacities, grad_colors = torch.empty_like(opacities), colors.new_empty(colors.shape)
        absgrad, contributions = means2d.new_empty(C if ctx.absgrad else 0, N, 2), means2d.new_empty(C, N)

        def spread(first: int, last: int) -> None:
            numba_compositing_backward.moments_to_gradients(
                first,
                last,
                ranks,
                is_seen,
                camera_moments,
                conics.detach().numpy(),
                opacities.detach().numpy(),
                *(tensor.numpy() for tensor in screen),
                grad_opacities.numpy(),
                grad_colors.numpy(),
                absgrad.numpy(),
                contributions.numpy(),
            )

        run_in_ranges(spread, N, _MIN_PROJECTIONS // C)
        means2d.contributions = contributions
        if ctx.absgrad:
            means2d.absgrad = absgrad
        grad_backgrounds = None
        if ctx.needs_input_grad[5]:
            grad_backgrounds = torch.zeros_like(backgrounds)
            if ctx.contents[0]:
                grad_backgrounds = ((1 - alphas) * grad_images[..., :3]).sum(dim=(1, 2))
        return *screen, grad_opacities, grad_colors, grad_backgrounds, None, None


def rasterization(
    *args: Any, **kwargs: Any
) -> tuple[Float[Tensor, "C height width D"], Float[Tensor, "C height width 1"], dict]:
    """Images of N Gaussians from C cameras; see `signature.Arguments` for what it takes.

    Returns:
        Images [C,H,W,D], alphas [C,H,W,1], and `info` with means2d [C,N,2] (it keeps its gradient), radii [C,N,2]
        (pixels, 0 where a Gaussian is not drawn), depths [C,N], conics [C,N,3], width, height, n_cameras,
        gaussian_ids (None: results are not packed).

    Raises:
        ValueError: an argument does not fit the others, or holds a NaN or an infinity; the message says where.
        TypeError: a tensor is not float32 on the CPU.
    """
    given = Arguments(*args, **kwargs)
    _check_tensors(given.tensors())
    prepare_kernels()
    gaussians = (given.means, given.quats, given.scales, given.opacities)
    viewmats, Ks = given.viewmats.detach(), given.Ks.detach()  # no gradient reaches them
    means, quats, scales, opacities, colors, viewmats, Ks = (
        tensor.contiguous() for tensor in (*gaussians, given.rgb(viewmats), viewmats, Ks)
    )
    cameras = (viewmats.numpy(), Ks.numpy(), given.width, given.height)
    means2d, conics, depths, compensations, radii = _Project.apply(
        means, quats, scales, _log2(opacities), cameras, given
    )
    if means2d.requires_grad:
        means2d.retain_grad()
    opacities = opacities * compensations if given.is_antialiased else opacities[None]
    on_screen = (means2d, conics, depths, opacities, colors if colors.ndim == 3 else colors[None])
    backgrounds = None if given.backgrounds is None else given.backgrounds.contiguous()
    images, alphas = _Composite.apply(*on_screen, backgrounds, radii, given)
    return images, alphas, given.info(means2d=means2d, radii=radii, depths=depths, conics=conics)


def _log2(opacities: Tensor) -> np.ndarray:
    # By NumPy: torch would wake its own threads for it, which costs more than the logarithms where cores are busy.
    with np.errstate(divide="ignore", invalid="ignore"):  # an opacity of 0 or less is not drawn
        return np.log2(opacities.detach().numpy())


def _check_tensors(tensors: dict[str, Tensor]) -> None:
    for name, tensor in tensors.items():
        if tensor.dtype != torch.float32 or tensor.device.type != "cpu":
            raise TypeError(
                f"{name} is {tensor.dtype} on {tensor.device}; the CPU rasterizer takes float32 on the CPU "
                "(backend 'reference' takes any floating type, 'gsplat' takes CUDA tensors)"
            )
    # The projection looks at the rest while it reads it. A sum is finite where all terms are, or it overflowed.
    for name, tensor in tensors.items():
        if name not in ("means", "quats", "scales") and not math.isfinite(tensor.detach().numpy().sum()):
            _raise_not_finite(**{name: tensor})


def _tasks_of(min_work: int, num_tasks: int, total_work: int) -> int:
    """How many tasks hold about min_work of a total that is spread over num_tasks."""
    return -(-min_work * num_tasks // max(total_work, 1))


def _raise_not_finite(**tensors: Tensor) -> None:
    for name, tensor in tensors.items():
        is_bad = ~torch.isfinite(tensor.detach()).reshape(len(tensor), -1).all(dim=1)
        if is_bad.any():
            rows = torch.nonzero(is_bad)[:, 0]
            raise ValueError(
                f"{name} has {len(rows)} rows with a NaN or an infinity, the first is row {int(rows[0])}; "
                "lower the learning rate or look at what produced them"
            )
