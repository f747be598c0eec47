"""Draws the pictures of docs/rasterizer.md, one for each stage of the CPU rasterizer.

python benchmarks/rasterizer_pictures.py        (writes docs/images/rasterizer-*.png)
"""

from pathlib import Path

import numpy as np
import torch
from matplotlib.figure import Figure
from matplotlib.patches import Ellipse, Rectangle
from splatdream.cameras.batch import orbit_cameras
from splatdream.rendering import cpu, numba_binning, numba_compositing

FOLDER = Path(__file__).parents[1] / "docs" / "images"
SIZE = 128
TILE = numba_binning.TILE_WIDTH


def snowman(num_gaussians: int = 900) -> dict[str, torch.Tensor]:
    """Flat Gaussians on three balls, with a nose."""
    generator = torch.Generator().manual_seed(1)
    balls = [(0.42, -0.45, 0.5), (0.31, 0.15, 0.3), (0.22, 0.58, 0.17), (0.05, 0.58, 0.03)]
    means, colors = [], []
    for radius, height, share in balls:
        count = int(num_gaussians * share)
        normals = torch.nn.functional.normalize(torch.randn(count, 3, generator=generator), dim=-1)
        center = torch.tensor([0.0, 0.0, height])
        is_nose = radius < 0.1
        if is_nose:
            normals, center = normals * torch.tensor([4.0, 0.6, 0.6]), center + torch.tensor([0.28, 0.0, 0.0])
        means.append(center + radius * normals)
        shade = 0.55 + 0.4 * (normals @ torch.tensor([0.5, 0.3, 0.6])).clamp(-1, 1)[:, None]
        base = torch.tensor([1.0, 0.5, 0.1]) if is_nose else torch.tensor([0.75, 0.85, 1.0])
        colors.append((shade * base).clamp(0, 1))
    means = torch.cat(means)
    return {
        "means": means,
        "quats": torch.randn(len(means), 4, generator=generator),
        "scales": 0.025 + 0.03 * torch.rand(len(means), 3, generator=generator),
        "opacities": 0.5 + 0.45 * torch.rand(len(means), generator=generator),
        "colors": torch.cat(colors),
    }


def panels(count: int, width: float = 4.0) -> tuple[Figure, list]:
    figure = Figure(figsize=(width * count, width + 0.35), layout="constrained")
    axes = list(np.atleast_1d(figure.subplots(1, count)))
    for ax in axes:
        ax.set_xticks([])
        ax.set_yticks([])
        ax.set_xlim(0, SIZE)
        ax.set_ylim(SIZE, 0)
        ax.set_aspect("equal")
    return figure, axes


def ellipse_of(center, conic, opacity: float, **style) -> Ellipse:
    """The border where alpha is 1/255."""
    a, b, c = conic
    variances, axes = np.linalg.eigh(np.linalg.inv([[a, b], [b, c]]))
    reach = np.sqrt(2 * np.log(255 * opacity))
    angle = np.degrees(np.arctan2(axes[1, 1], axes[0, 1]))
    lengths = 2 * reach * np.sqrt(variances)
    return Ellipse(center, lengths[1], lengths[0], angle=angle, **style)


def draw_projection(scene: dict, info: dict) -> None:
    figure, (points, ellipses) = panels(2)
    means2d, depths = info["means2d"][0].numpy(), info["depths"][0].numpy()
    points.scatter(means2d[:, 0], means2d[:, 1], c=depths, s=6, cmap="viridis")
    points.set_title("centers (color: depth)")
    for n in np.argsort(-depths):
        style = {"facecolor": scene["colors"][n].numpy(), "edgecolor": "black", "linewidth": 0.15, "alpha": 0.6}
        ellipses.add_patch(ellipse_of(means2d[n], info["conics"][0, n].numpy(), float(scene["opacities"][n]), **style))
    ellipses.set_title("ellipses where alpha reaches 1/255")
    figure.savefig(FOLDER / "rasterizer-projection.png", dpi=90)


def draw_tiles(info: dict) -> None:
    figure, (ax,) = panels(1)
    tiles = SIZE // TILE
    counts = np.zeros((tiles, tiles), int)
    for (u, v), (rx, ry) in zip(info["means2d"][0].numpy(), info["radii"][0].numpy(), strict=True):
        x0, x1 = (int(np.clip(x // TILE, 0, tiles - 1)) for x in (u - rx, u + rx))
        y0, y1 = (int(np.clip(y // TILE, 0, tiles - 1)) for y in (v - ry, v + ry))
        counts[y0 : y1 + 1, x0 : x1 + 1] += 1
    ax.imshow(counts, extent=(0, SIZE, SIZE, 0), cmap="Blues", vmax=1.6 * counts.max())
    for (y, x), count in np.ndenumerate(counts):
        ax.text((x + 0.5) * TILE, (y + 0.5) * TILE, str(count), ha="center", va="center")
        ax.add_patch(Rectangle((x * TILE, y * TILE), TILE, TILE, fill=False, linewidth=0.5))
    ax.set_title("Gaussians in the list of each tile")
    figure.savefig(FOLDER / "rasterizer-tiles.png", dpi=90)


def draw_blocks() -> None:
    center, opacity = np.array([14.0, 15.0]), 0.9
    covariance = np.array([[30.0, 17.0], [17.0, 14.0]])
    a, b, c = np.linalg.inv(covariance)[[0, 0, 1], [0, 1, 1]]
    radii = np.ceil(np.sqrt(2 * np.log(255 * opacity) * np.diag(covariance))).astype(np.int32)
    record = np.zeros((1, numba_binning.RECORD_SIZE), np.float32)
    numba_binning.write_records(
        np.float32([center]), np.float32([[a, b, c]]), np.ones(1, np.float32), radii[None],
        np.float32([np.log2(opacity)]), np.zeros((1, 3), np.float32), np.zeros(1, np.int32), record,
    )  # fmt: skip
    blocks = int(numba_compositing.reached_blocks(record[0], np.float32(0.5), np.float32(0.5)))
    figure, (ax,) = panels(1)
    ax.set_xlim(0, TILE)
    ax.set_ylim(TILE, 0)
    width, height = numba_compositing.BLOCK_WIDTH, numba_compositing.BLOCK_HEIGHT
    for block in range(64):
        x, y = block % numba_compositing.BLOCKS_X * width, block // numba_compositing.BLOCKS_X * height
        color = "#ffd27f" if blocks >> block & 1 else "white"
        ax.add_patch(Rectangle((x, y), width, height, facecolor=color, edgecolor="gray"))
    for line in range(TILE):
        ax.axhline(line, color="gray", linewidth=0.1)
        ax.axvline(line, color="gray", linewidth=0.1)
    ax.add_patch(ellipse_of(center, (a, b, c), opacity, fill=False, edgecolor="#b03000", linewidth=2))
    ax.set_title(f"{blocks.bit_count()} of the 64 blocks of a tile")
    figure.savefig(FOLDER / "rasterizer-blocks.png", dpi=90)


def draw_compositing(scene: dict, cameras) -> None:
    shares = (0.02, 0.1, 0.3, 1.0)
    figure, axes = panels(len(shares) + 1, width=2.6)
    _, _, info = render(scene, cameras)
    order = torch.argsort(info["depths"][0])
    for ax, share in zip(axes, shares, strict=False):
        nearest = order[: int(share * len(order))]
        image, _, _ = render({name: tensor[nearest] for name, tensor in scene.items()}, cameras)
        ax.imshow(image[0, ..., :3].clamp(0, 1), extent=(0, SIZE, SIZE, 0))
        ax.set_title(f"the nearest {share:.0%}" if share < 1 else "all")
    image, alpha, _ = render(scene, cameras)
    depth = np.where(alpha[0, ..., 0] > 0.5, image[0, ..., 3], np.nan)
    axes[-1].imshow(depth, extent=(0, SIZE, SIZE, 0), cmap="viridis_r")
    axes[-1].set_title("expected depth")
    figure.savefig(FOLDER / "rasterizer-compositing.png", dpi=90)


def draw_gradients(scene: dict, cameras) -> None:
    """The target is the same snowman a little to the right: centers are pulled there."""
    shifted = {**scene, "means": scene["means"] + torch.tensor([0.0, 0.05, 0.0])}
    target, _, _ = render(shifted, cameras)
    leaves = {name: tensor.clone().requires_grad_() for name, tensor in scene.items()}
    image, _, info = render(leaves, cameras)
    difference = image[..., :3] - target[..., :3]
    difference.square().sum().backward()
    figure, (error, arrows) = panels(2)
    error.imshow(difference[0].detach().norm(dim=-1), extent=(0, SIZE, SIZE, 0), cmap="magma")
    error.set_title("difference to the target image")
    arrows.imshow(image[0, ..., :3].detach().clamp(0, 1), extent=(0, SIZE, SIZE, 0), alpha=0.5)
    centers, pull = info["means2d"][0].detach().numpy(), -info["means2d"].grad[0].numpy()
    arrows.quiver(centers[:, 0], centers[:, 1], pull[:, 0], pull[:, 1], angles="xy", color="#b03000", width=0.004)
    arrows.set_title("minus the gradient of the centers")
    figure.savefig(FOLDER / "rasterizer-gradients.png", dpi=90)


def render(scene: dict, cameras) -> tuple[torch.Tensor, torch.Tensor, dict]:
    return cpu.rasterization(
        **scene,
        viewmats=cameras.viewmats,
        Ks=cameras.Ks,
        width=SIZE,
        height=SIZE,
        backgrounds=torch.ones(1, 3),
        render_mode="RGB+ED",
    )


def main() -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    scene, cameras = snowman(), orbit_cameras([12.0], [30.0], 2.5, 49.1, SIZE, SIZE)
    _, _, info = render(scene, cameras)
    draw_projection(scene, info)
    draw_tiles(info)
    draw_blocks()
    draw_compositing(scene, cameras)
    draw_gradients(scene, cameras)


if __name__ == "__main__":
    main()
