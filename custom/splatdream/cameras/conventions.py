"""Axes, angles and intrinsics. The only file that flips an axis.

World: right-handed, z up. Azimuth 0 looks at the front of the object from +x, azimuth 90 from +y. An elevation above
zero looks from above. `c2w` is camera-to-world with OpenGL camera axes (columns: right, up, backward, position);
`viewmats` are world-to-camera with OpenCV axes (x right, y down, z forward). The top left pixel has its center at
(0.5, 0.5).

B cameras.
"""

import torch
from jaxtyping import Float
from torch import Tensor


def orbit_positions(
    elevation_deg: Float[Tensor, "B"], azimuth_deg: Float[Tensor, "B"], distances: Float[Tensor, "B"]
) -> Float[Tensor, "B 3"]:
    """Camera positions on spheres round the origin, in world units."""
    elevation, azimuth = torch.deg2rad(elevation_deg), torch.deg2rad(azimuth_deg)
    directions = torch.stack(
        [elevation.cos() * azimuth.cos(), elevation.cos() * azimuth.sin(), elevation.sin()], dim=-1
    )
    return distances[:, None] * directions


def look_at(
    positions: Float[Tensor, "B 3"], targets: Float[Tensor, "B 3"], up: Float[Tensor, "B 3"]
) -> Float[Tensor, "B 4 4"]:
    """Camera-to-world matrices (OpenGL axes) of cameras at `positions` that look at `targets`.

    A camera that looks straight along `up` has no defined roll; its roll is the one that it
    has just before it gets there along azimuth 0.
    """
    backward = torch.nn.functional.normalize(positions - targets, dim=-1)
    right = torch.linalg.cross(up, backward, dim=-1)
    is_degenerate = right.norm(dim=-1, keepdim=True) < 1e-6
    # Seen from straight above, image up is the direction away from the front (-x), the limit of rising elevation.
    fallback_up = torch.zeros_like(up)
    fallback_up[:, 0] = -torch.sign(backward[:, 2])
    right = torch.where(is_degenerate, torch.linalg.cross(fallback_up, backward, dim=-1), right)
    right = torch.nn.functional.normalize(right, dim=-1)
    true_up = torch.linalg.cross(backward, right, dim=-1)
    c2w = torch.zeros(len(positions), 4, 4, dtype=positions.dtype, device=positions.device)
    c2w[:, :3] = torch.stack([right, true_up, backward, positions], dim=-1)
    c2w[:, 3, 3] = 1
    return c2w


def opengl_to_opencv_viewmats(c2w: Float[Tensor, "B 4 4"]) -> Float[Tensor, "B 4 4"]:
    """World-to-camera matrices with OpenCV axes, as gsplat takes them, from camera-to-world with OpenGL axes."""
    flipped = torch.cat([c2w[..., :1], -c2w[..., 1:3], c2w[..., 3:]], dim=-1)  # y and z
    return torch.linalg.inv_ex(flipped).inverse  # torch.linalg.inv would wait to see whether there is one


def opencv_viewmats_to_opengl(viewmats: Float[Tensor, "B 4 4"]) -> Float[Tensor, "B 4 4"]:
    """The opposite: camera-to-world matrices with OpenGL axes."""
    c2w = torch.linalg.inv_ex(viewmats).inverse
    return torch.cat([c2w[..., :1], -c2w[..., 1:3], c2w[..., 3:]], dim=-1)  # y and z


def intrinsics(fovy_rad: Float[Tensor, "B"], width: int, height: int) -> Float[Tensor, "B 3 3"]:
    """Pinhole matrices in pixels: square pixels, principal point in the middle of the image."""
    focal = 0.5 * height / torch.tan(0.5 * fovy_rad)
    Ks = torch.zeros(len(fovy_rad), 3, 3, dtype=fovy_rad.dtype, device=fovy_rad.device)
    Ks[:, 0, 0] = focal
    Ks[:, 1, 1] = focal
    Ks[:, 0, 2] = 0.5 * width
    Ks[:, 1, 2] = 0.5 * height
    Ks[:, 2, 2] = 1
    return Ks


def ray_directions(
    c2w: Float[Tensor, "B 4 4"], fovy_rad: Float[Tensor, "B"], width: int, height: int
) -> Float[Tensor, "B height width 3"]:
    """Unit directions, in the world, of the rays through the pixel centers; row 0 is the top row."""
    Ks = intrinsics(fovy_rad, width, height)
    u = torch.arange(width, dtype=c2w.dtype, device=c2w.device) + 0.5
    v = torch.arange(height, dtype=c2w.dtype, device=c2w.device) + 0.5
    x = (u[None, :] - Ks[:, 0, 2, None]) / Ks[:, 0, 0, None]  # [B, width]
    y = (v[None, :] - Ks[:, 1, 2, None]) / Ks[:, 1, 1, None]  # [B, height]
    # Term by term: a matrix product of 3 x 3 matrices takes several times as long.
    right, up, backward = c2w[:, :3, :3, None, None].unbind(2)  # [B, 3, 1, 1]
    in_world = right * x[:, None, None, :] - up * y[:, None, :, None] - backward
    return torch.nn.functional.normalize(in_world.movedim(1, -1).contiguous(), dim=-1)


def projection_matrices(
    fovy_rad: Float[Tensor, "B"], width: int, height: int, near: float, far: float
) -> Float[Tensor, "B 4 4"]:
    """OpenGL projection with the y row negated (image y points down), as threestudio's `proj_mtx`."""
    focal = 1 / torch.tan(0.5 * fovy_rad)
    projection = torch.zeros(len(fovy_rad), 4, 4, dtype=fovy_rad.dtype, device=fovy_rad.device)
    projection[:, 0, 0] = focal * height / width
    projection[:, 1, 1] = -focal
    projection[:, 2, 2] = -(far + near) / (far - near)
    projection[:, 2, 3] = -2 * far * near / (far - near)
    projection[:, 3, 2] = -1
    return projection


def wrap_degrees(angle_deg: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
    """The same angle in [-180, 180)."""
    return torch.remainder(angle_deg + 180.0, 360.0) - 180.0
