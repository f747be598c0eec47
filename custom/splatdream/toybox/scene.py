"""Primitives packed into tensors, ready to be traced, and the solid that they enclose.

P primitives, N points. A primitive's local coordinates are those in which it is its unit shape.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from .primitives import KINDS, Paint, Primitive


@dataclass(frozen=True)
class Scene:
    """The union of P primitives, sorted by kind (the order of `KINDS`)."""

    kinds: Int[Tensor, "P"]
    """Index into `KINDS`."""
    centers: Float[Tensor, "P 3"]
    half_sizes: Float[Tensor, "P 3"]
    rotations: Float[Tensor, "P 3 3"]
    """Columns: the primitive's axes in the world."""
    tapers: Float[Tensor, "P"]
    colors: Float[Tensor, "P 3"]
    paint_colors: Float[Tensor, "P 3"]
    paint_planes: Float[Tensor, "P 4"]
    """Local normal and offset: painted where remainder(normal . p - offset, period) < period / 2."""
    paint_periods: Float[Tensor, "P"]

    def __len__(self) -> int:
        return len(self.kinds)

    @property
    def world_to_local(self) -> Float[Tensor, "P 3 3"]:
        """The linear part; the center goes to the local origin."""
        return self.rotations.transpose(1, 2) / self.half_sizes[:, :, None]

    @cached_property
    def table(self) -> np.ndarray:
        """What the ray tracer reads: [P, 24] in the order of `rendering/numba_solids.py`, float64."""
        linear = self.rotations.double().transpose(1, 2) / self.half_sizes.double()[:, :, None]
        columns = [
            linear.flatten(1),
            self.centers,
            self.tapers[:, None],
            self.colors,
            self.paint_colors,
            self.paint_planes,
            self.paint_periods[:, None],
        ]
        return torch.cat([column.double() for column in columns], dim=1).numpy()

    def contains_each(self, points: Float[Tensor, "N 3"]) -> Bool[Tensor, "N P"]:
        """For each primitive, whether each point is inside or on its surface."""
        local = torch.einsum("pij,npj->npi", self.world_to_local, points[:, None] - self.centers)
        in_ball = local.square().sum(-1) <= 1
        in_cube = local.abs().amax(-1) <= 1
        radius = frustum_radius(self.tapers, local[..., 2]).clamp(min=0)
        in_frustum = (local[..., :2].square().sum(-1) <= radius**2) & (local[..., 2].abs() <= 1)
        inside = torch.stack([in_ball, in_cube, in_frustum])
        return inside.gather(0, self.kinds.expand(1, *in_ball.shape)).squeeze(0)

    def colors_at(self, primitives: Int[Tensor, "N"], local_points: Float[Tensor, "N 3"]) -> Float[Tensor, "N 3"]:
        """The paint, without light, at points given in their primitive's local coordinates."""
        normals, offsets, periods = torch.cat([self.paint_planes, self.paint_periods[:, None]], dim=1)[
            primitives
        ].split([3, 1, 1], dim=1)
        heights = (local_points * normals).sum(1) - offsets[:, 0]
        is_painted = torch.remainder(heights, periods[:, 0]) < 0.5 * periods[:, 0]
        palette = torch.cat([self.colors, self.paint_colors])
        return palette[primitives + len(self) * is_painted]


def frustum_radius(tapers: Float[Tensor, "..."], z: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
    """Radius of the unit frustum at local height z: 1 at z = -1, the taper at z = 1."""
    return 0.5 * (1 + tapers) + 0.5 * (tapers - 1) * z


def pack(primitives: Sequence[Primitive]) -> Scene:
    """The scene of some primitives, float32 on the CPU.

    Raises:
        ValueError: there is no primitive, or one is flat.
    """
    if not primitives:
        raise ValueError("a scene needs at least one primitive")
    flat = [primitive for primitive in primitives if min(primitive.half_sizes) <= 0]
    if flat:
        raise ValueError(f"every half size must be positive, got {flat[0]}")
    ordered = sorted(primitives, key=lambda primitive: KINDS.index(primitive.kind))
    rotations, half_sizes = _stack(ordered, "rotation"), _stack(ordered, "half_sizes")
    paints = [primitive.paint or Paint(primitive.color, (0, 0, 1)) for primitive in ordered]
    toward = _stack(paints, "toward")
    toward /= np.linalg.norm(toward, axis=1, keepdims=True)
    local_normals = np.einsum("pji,pj->pi", rotations, toward) * half_sizes
    offsets = _stack(paints, "beyond")[:, None]
    return Scene(
        kinds=torch.tensor([KINDS.index(primitive.kind) for primitive in ordered]),
        centers=_float_tensor(_stack(ordered, "center")),
        half_sizes=_float_tensor(half_sizes),
        rotations=_float_tensor(rotations),
        tapers=_float_tensor(_stack(ordered, "taper")),
        colors=_float_tensor(_stack(ordered, "color")),
        paint_colors=_float_tensor(_stack(paints, "color")),
        paint_planes=_float_tensor(np.concatenate([local_normals, offsets], axis=1)),
        paint_periods=_float_tensor(_stack(paints, "period")),
    )


def _stack(items: Sequence[Primitive | Paint], name: str) -> np.ndarray:
    """One field of all, float64."""
    return np.array([getattr(item, name) for item in items], dtype=float)


def _float_tensor(values: np.ndarray) -> Tensor:
    return torch.as_tensor(values.astype(np.float32))
