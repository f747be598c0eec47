"""Scenes to RGBA images: the nearest hit of every ray, diffuse light fixed to the world, several rays a pixel.

Rays are not tested against every primitive. Each primitive is projected to a window of pixels, windows are cut
into rows of pixels, and all (pixel, primitive) pairs of a batch are intersected together; the nearest pair of each
pixel is shaded. B cameras, P primitives, R rows, N pairs.

A ray is o + t d with d reaching one unit forward, so that t is the depth along the camera's axis. x and y are
coordinates in the image plane at that unit distance (OpenCV axes).
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from ..cameras.batch import CameraBatch
from .primitives import KINDS
from .scene import Scene, frustum_radius

LIGHT_DIRECTION = (0.60, 0.36, 0.71)
"""Toward the light, in the world: from the front, above, and the object's left."""
AMBIENT = 0.5
"""Share of its color that a surface keeps when it faces away from the light."""

# Bounds memory: about this many rays are traced at a time.
_RAYS_AT_ONCE = 1 << 19
_NEAR = 1e-3


def trace(scene: Scene, cameras: CameraBatch, supersampling: int = 2) -> Float[Tensor, "B height width 4"]:
    """Images of the scene: red, green, blue PREMULTIPLIED by alpha, and alpha, all in [0, 1].

    `rgb + (1 - alpha) * background` (`composite`) is exactly the image in front of a plain background, since every ray
    either hits or misses. Each pixel averages a regular grid of supersampling x supersampling rays.
    """
    if supersampling < 1:
        raise ValueError(f"supersampling must be at least 1, got {supersampling}")
    height, width = cameras.height * supersampling, cameras.width * supersampling
    chunk = max(1, _RAYS_AT_ONCE // (height * width))
    images = []
    for start in range(0, len(cameras), chunk):
        fine = cameras[start : start + chunk].resized(width, height)
        hits = first_hits(scene, fine)
        rays = torch.zeros(len(fine) * height * width, 4, device=hits.rays.device)
        rays[hits.rays, :3] = _shade(scene, hits)
        rays[hits.rays, 3] = 1.0
        grid = rays.view(len(fine), cameras.height, supersampling, cameras.width, supersampling, 4)
        # Rows first, then columns: much faster than both at once.
        images.append(grid.sum(dim=2).sum(dim=3) / supersampling**2)
    return torch.cat(images)


def composite(
    rgba: Float[Tensor, "B height width 4"], background: Float[Tensor, "B 3"]
) -> Float[Tensor, "B height width 3"]:
    """Premultiplied images in front of one color each."""
    return rgba[..., :3] + (1 - rgba[..., 3:]) * background[:, None, None, :]


@dataclass(frozen=True)
class Hits:
    """The first hit of every ray that hits something."""

    rays: Int[Tensor, "N"]
    """Index into the flattened [B, height, width]."""
    depths: Float[Tensor, "N"]
    """Distance along the camera's axis."""
    primitives: Int[Tensor, "N"]
    local_points: Float[Tensor, "N 3"]


def trace_surface(
    scene: Scene, cameras: CameraBatch
) -> tuple[Float[Tensor, "B height width"], Float[Tensor, "B height width 3"]]:
    """Depth along the camera's axis and unit world normals at the pixel centers; 0 where the ray misses."""
    hits = first_hits(scene, cameras)
    shape = (len(cameras), cameras.height, cameras.width)
    depths = torch.zeros(len(cameras) * cameras.height * cameras.width, device=hits.rays.device)
    depths[hits.rays] = hits.depths
    local_normals = _local_normals(scene, hits)
    normals = torch.einsum(
        "nij,nj->ni", scene.rotations[hits.primitives], local_normals / scene.half_sizes[hits.primitives]
    )
    image = torch.zeros(len(depths), 3, device=depths.device)
    image[hits.rays] = torch.nn.functional.normalize(normals, dim=-1)
    return depths.view(shape), image.view(*shape, 3)


def first_hits(scene: Scene, cameras: CameraBatch) -> Hits:
    """The nearest hit of the rays through the pixel centers."""
    rows = _rows(scene, cameras)
    kinds = scene.kinds[rows.primitives]
    found = [
        intersect(rows, scene, (kinds == kind).nonzero().squeeze(1))
        for kind, intersect in enumerate((_intersect_ellipsoids, _intersect_boxes, _intersect_frustums))
    ]
    row_ids, steps, depths = (torch.cat(parts) for parts in zip(*found, strict=True))
    # Bits of positive floats are ordered like the floats, so the smallest key is the nearest pair, ties by pair index.
    keys = (depths.view(torch.int32).long() << 32) | torch.arange(len(depths), device=depths.device)
    nothing = torch.iinfo(torch.int64).max
    nearest = torch.full((len(cameras) * cameras.height * cameras.width,), nothing, device=keys.device)
    nearest.scatter_reduce_(0, rows.first_rays[row_ids] + steps, keys, "amin")
    hit_rays = (nearest < nothing).nonzero().squeeze(1)
    pairs = nearest[hit_rays] & 0xFFFFFFFF
    row_ids, depths = row_ids[pairs], depths[pairs]
    origins, directions = rows.rays(row_ids, steps[pairs])
    return Hits(hit_rays, depths, rows.primitives[row_ids], origins + depths[:, None] * directions)


@dataclass(frozen=True)
class _Rows:
    """Runs of neighboring pixels in one image row, whose rays may hit one primitive."""

    primitives: Int[Tensor, "R"]
    first_rays: Int[Tensor, "R"]
    """Ray index of the run's first pixel."""
    counts: Int[Tensor, "R"]
    """Number of pixels."""
    local_rays: Float[Tensor, "R 9"]
    """In the primitive's coordinates: origin, direction at the first pixel, change of direction per pixel."""

    def rays(
        self, row_ids: Int[Tensor, "N"], steps: Int[Tensor, "N"]
    ) -> tuple[Float[Tensor, "N 3"], Float[Tensor, "N 3"]]:
        """Local origins and directions of the pixels `steps` to the right of their run's first."""
        origins, first, change = self.local_rays[row_ids].split(3, dim=1)
        return origins, torch.addcmul(first, change, steps[:, None].to(first.dtype))


def _rows(scene: Scene, cameras: CameraBatch) -> _Rows:
    viewmats, Ks = cameras.viewmats, cameras.Ks
    focal, middle = Ks[:, [0, 1], [0, 1]], Ks[:, :2, 2]
    low, high = _projected_bounds(scene, viewmats)
    size = torch.tensor([cameras.width, cameras.height], device=focal.device)
    # Pixel j has its center at j + 0.5; the slack keeps rays that graze.
    first = (low * focal + middle - 0.501).ceil().clamp(min=0).minimum(size).long()
    end = (high * focal + middle + 0.501).floor().clamp(min=0).minimum(size).long()
    extent = (end - first).clamp(min=0).flatten(0, 1)
    first = first.flatten(0, 1)
    windows, image_rows = _expand(extent[:, 1] * (extent[:, 0] > 0))
    image_rows = image_rows + first[windows, 1]
    views = windows % len(cameras)
    world_to_local = scene.world_to_local
    camera_to_local = torch.einsum("pij,bkj->pbik", world_to_local, viewmats[:, :3, :3])
    origins = torch.einsum("pij,pbj->pbi", world_to_local, cameras.positions - scene.centers[:, None])
    right, down, forward = camera_to_local.flatten(0, 1)[windows].unbind(-1)
    x = (first[windows, 0] + 0.5 - middle[views, 0]) / focal[views, 0]
    y = (image_rows + 0.5 - middle[views, 1]) / focal[views, 1]
    return _Rows(
        primitives=windows // len(cameras),
        first_rays=(views * cameras.height + image_rows) * cameras.width + first[windows, 0],
        counts=extent[windows, 0],
        local_rays=torch.cat(
            [
                origins.flatten(0, 1)[windows],
                forward + x[:, None] * right + y[:, None] * down,
                right / focal[views, :1],
            ],
            dim=1,
        ),
    )


def _projected_bounds(
    scene: Scene, viewmats: Float[Tensor, "B 4 4"]
) -> tuple[Float[Tensor, "P B 2"], Float[Tensor, "P B 2"]]:
    """Lowest and highest x and y of each primitive in each camera; infinite if it is not wholly in front."""
    stretch = scene.rotations * scene.half_sizes[:, None, :]
    axes = torch.einsum("bij,pjk->pbik", viewmats[:, :3, :3], stretch)
    centers = torch.einsum("bij,pj->pbi", viewmats[:, :3, :3], scene.centers) + viewmats[:, :3, 3]
    # An ellipsoid's outline, by its dual conic c c^T - A A^T: x solves q22 x^2 - 2 q02 x + q00 = 0 at the tangents.
    conic = centers[..., :, None] * centers[..., None, :] - axes @ axes.transpose(-1, -2)
    q_xy_z, q_zz = conic[..., :2, 2], conic[..., 2, 2, None]
    root = (q_xy_z.square() - q_zz * conic.diagonal(dim1=-2, dim2=-1)[..., :2]).clamp(min=0).sqrt()
    low, high = (q_xy_z - root) / q_zz, (q_xy_z + root) / q_zz
    is_in_front = (q_zz > 0) & (centers[..., 2:] > _NEAR)
    # A box or frustum, by the corners of its cube.
    signs = torch.cartesian_prod(*[torch.tensor([-1.0, 1.0], device=axes.device)] * 3)
    corners = centers[..., None, :] + torch.einsum("pbij,cj->pbci", axes, signs)
    projected = corners[..., :2] / corners[..., 2:]
    is_ellipsoid = (scene.kinds == KINDS.index("ellipsoid"))[:, None, None]
    low = torch.where(is_ellipsoid, low, projected.amin(dim=-2))
    high = torch.where(is_ellipsoid, high, projected.amax(dim=-2))
    is_in_front = torch.where(is_ellipsoid, is_in_front, corners[..., 2].amin(-1, keepdim=True) > _NEAR)
    return torch.where(is_in_front, low, -torch.inf), torch.where(is_in_front, high, torch.inf)


def _expand(counts: Int[Tensor, "R"]) -> tuple[Int[Tensor, "N"], Int[Tensor, "N"]]:
    """For counts (2, 0, 3): the row of each element (0, 0, 2, 2, 2) and its place in the row (0, 1, 0, 1, 2)."""
    rows = torch.repeat_interleave(counts)
    ends = counts.cumsum(0)
    return rows, torch.arange(len(rows), device=counts.device) - (ends - counts)[rows]


_Pairs = tuple[Int[Tensor, "N"], Int[Tensor, "N"], Float[Tensor, "N"]]
"""Row, step along the row, and depth of each hit."""


def _intersect_ellipsoids(rows: _Rows, scene: Scene, row_ids: Int[Tensor, "R"]) -> _Pairs:
    """Unit balls. Along a row |o + t d|^2 = 1 has coefficients that are polynomials of the step."""
    origin, first, change = rows.local_rays[row_ids].split(3, dim=1)
    a = torch.stack([(first * first).sum(1), 2 * (first * change).sum(1), (change * change).sum(1)])
    b = torch.stack([(origin * first).sum(1), (origin * change).sum(1)])
    c = (origin * origin).sum(1) - 1
    # b^2 - a c is a quadratic q of the step: its roots bound the pixels that are hit, so no other pixel is visited.
    q0, q1, q2 = b[0] ** 2 - a[0] * c, b[0] * b[1] - 0.5 * a[1] * c, b[1] ** 2 - a[2] * c
    root = (q1 * q1 - q0 * q2).clamp(min=0).sqrt()
    last = rows.counts[row_ids] - 1
    ends = torch.stack([(-q1 + root) / q2, (-q1 - root) / q2]).nan_to_num()
    # From inside the ball every pixel is hit.
    low = torch.where(c > 0, ends[0].ceil().clamp(min=0), 0).minimum(last).long()
    high = torch.where(c > 0, ends[1].floor().minimum(last), last).long()
    in_subset, steps = _expand((high - low + 1).clamp(min=0))
    steps = steps + low[in_subset]
    table = torch.cat([a, b, c[None]]).T.contiguous()[in_subset]
    u = steps.to(a.dtype)
    half_b = table[:, 3] + table[:, 4] * u
    full_a = table[:, 0] + u * (table[:, 1] + u * table[:, 2])
    discriminant = half_b * half_b - full_a * table[:, 5]
    depths = (-half_b - discriminant.clamp(min=0).sqrt()) / full_a
    is_hit = (discriminant >= 0) & (depths > _NEAR)
    return row_ids[in_subset][is_hit], steps[is_hit], depths[is_hit]


def _intersect_boxes(rows: _Rows, scene: Scene, row_ids: Int[Tensor, "R"]) -> _Pairs:
    """Cubes [-1, 1]^3, by slabs."""
    in_subset, steps = _expand(rows.counts[row_ids])
    row_ids = row_ids[in_subset]
    origins, directions = rows.rays(row_ids, steps)
    inverse = 1 / torch.where(directions.abs() < 1e-9, 1e-9, directions)
    near_side = -origins * inverse - inverse.abs()
    far_side = near_side + 2 * inverse.abs()
    depths = near_side.amax(dim=1)
    is_hit = (depths <= far_side.amin(dim=1)) & (depths > _NEAR)
    return row_ids[is_hit], steps[is_hit], depths[is_hit]


def _intersect_frustums(rows: _Rows, scene: Scene, row_ids: Int[Tensor, "R"]) -> _Pairs:
    """Solids between two disks: the nearest of two hits of the side and two of the disks."""
    in_subset, steps = _expand(rows.counts[row_ids])
    row_ids = row_ids[in_subset]
    origins, directions = rows.rays(row_ids, steps)
    tapers = scene.tapers[rows.primitives[row_ids]]
    slope = 0.5 * (tapers - 1)
    radius, radius_change = frustum_radius(tapers, origins[:, 2]), slope * directions[:, 2]
    a = directions[:, :2].square().sum(1) - radius_change.square()
    b = (origins[:, :2] * directions[:, :2]).sum(1) - radius * radius_change
    c = origins[:, :2].square().sum(1) - radius.square()
    discriminant = b * b - a * c
    root = discriminant.clamp(min=0).sqrt()
    a = torch.where(a.abs() < 1e-9, 1e-9, a)
    sides = torch.stack([(-b - root) / a, (-b + root) / a])
    z = origins[:, 2] + sides * directions[:, 2]
    on_side = (discriminant >= 0) & (z.abs() <= 1) & (sides > _NEAR)
    z_direction = torch.where(directions[:, 2].abs() < 1e-9, 1e-9, directions[:, 2])
    disks = torch.stack([(-1 - origins[:, 2]) / z_direction, (1 - origins[:, 2]) / z_direction])
    across = origins[:, :2] + disks[..., None] * directions[:, :2]
    disk_radius = torch.stack([torch.ones_like(tapers), tapers])
    on_disk = (across.square().sum(-1) <= disk_radius.square()) & (disks > _NEAR)
    depths = torch.cat([sides, disks]).where(torch.cat([on_side, on_disk]), torch.inf).amin(dim=0)
    is_hit = depths < torch.inf
    return row_ids[is_hit], steps[is_hit], depths[is_hit]


def _local_normals(scene: Scene, hits: Hits) -> Float[Tensor, "N 3"]:
    """Outward normals of the unit shapes; not normalized."""
    points, kinds = hits.local_points, scene.kinds[hits.primitives]
    on_box = torch.where(points.abs() >= points.abs().amax(dim=1, keepdim=True), points.sign(), 0)
    tapers = scene.tapers[hits.primitives]
    is_on_disk = points[:, 2:].abs() > 1 - 1e-4
    slope = 0.5 * (1 - tapers) * frustum_radius(tapers, points[:, 2])
    on_side = torch.cat([points[:, :2], slope[:, None]], dim=1)
    along_axis = torch.cat([torch.zeros_like(points[:, :2]), points[:, 2:]], dim=1)
    on_frustum = torch.where(is_on_disk, along_axis, on_side)
    normals = torch.where((kinds == KINDS.index("box"))[:, None], on_box, points)
    return torch.where((kinds == KINDS.index("frustum"))[:, None], on_frustum, normals)


def _shade(scene: Scene, hits: Hits) -> Float[Tensor, "N 3"]:
    """Paint times half-Lambert light, (1 + cos) / 2 squared: soft, and never quite black."""
    light = torch.tensor(LIGHT_DIRECTION, device=scene.centers.device)
    light_to_local = torch.einsum("pji,j->pi", scene.rotations, light / light.norm()) / scene.half_sizes
    table = torch.cat([light_to_local, scene.half_sizes.reciprocal()], dim=1)
    light_to_local, inverse_sizes = table[hits.primitives].split(3, dim=1)
    normals = _local_normals(scene, hits)
    cosine = (normals * light_to_local).sum(1) / (normals * inverse_sizes).norm(dim=1).clamp(min=1e-12)
    brightness = AMBIENT + (1 - AMBIENT) * (0.5 + 0.5 * cosine).square()
    return scene.colors_at(hits.primitives, hits.local_points) * brightness[:, None]
