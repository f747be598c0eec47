"""gsplat on the GPU beside the CPU rasterizer, Warp beside Embree: the same images, and what they cost."""

import importlib.util
from functools import partial

import torch
from torch import Tensor

from ..cameras.batch import CameraBatch, orbit_cameras
from ..meshing.mesh import Mesh
from ..rendering.backends import choose_backend
from ..rendering.signature import screen_variance
from ..texture.mesh_rendering import rasterize
from ..texture.ray_casting import RayCaster
from .part import Goal, Part, Results, Settings
from .timing import host_seconds, median_seconds

NUM_CAMERAS = 4
SIZES = ((5_000, 128), (20_000, 256), (20_000, 512), (200_000, 512))
"""(Gaussians, pixels a side)."""
SMOKE_SIZES = ((200, 16),)
CPU_LIMIT = 20_000 * 512**2
"""Gaussians times pixels beyond which the CPU is not waited for."""


class Scene:
    """Random Gaussians in the unit ball, rendered with gradients to all of them."""

    def __init__(self, num_gaussians: int, pixels: int, device: torch.device) -> None:
        generator = torch.Generator().manual_seed(0)
        directions = torch.nn.functional.normalize(torch.randn(num_gaussians, 3, generator=generator), dim=-1)
        gaussians = (
            directions * torch.rand(num_gaussians, 1, generator=generator) ** (1 / 3),
            torch.randn(num_gaussians, 4, generator=generator),
            0.01 + 0.02 * torch.rand(num_gaussians, 3, generator=generator),
            0.1 + 0.8 * torch.rand(num_gaussians, generator=generator),
            torch.rand(num_gaussians, 3, generator=generator),
        )
        azimuths = [360.0 * i / NUM_CAMERAS for i in range(NUM_CAMERAS)]
        self.cameras = orbit_cameras([15.0] * NUM_CAMERAS, azimuths, width=pixels, height=pixels).to(device)
        self._leaves = [tensor.to(device).requires_grad_() for tensor in gaussians]
        self._rasterization = choose_backend("auto", device)

    def images(self, cameras: CameraBatch) -> Tensor:
        size, mode = (cameras.width, cameras.height), "antialiased"
        options = {"render_mode": "RGB+ED", "rasterize_mode": mode, "eps2d": screen_variance(mode)}
        return self._rasterization(*self._leaves, cameras.viewmats, cameras.Ks, *size, **options)[0]

    def forward(self) -> Tensor:
        with torch.no_grad():
            return self.images(self.cameras)

    def step(self) -> None:
        self.images(self.cameras).square().mean().backward()

    def step_camera_by_camera(self) -> None:
        for row in range(len(self.cameras)):
            (self.images(self.cameras[row : row + 1]).square().mean() / len(self.cameras)).backward()


def measure(settings: Settings, results: Results) -> None:
    device, repeats = settings.device, 2 if settings.is_smoke else 20
    for num_gaussians, pixels in SMOKE_SIZES if settings.is_smoke else SIZES:
        scene = Scene(num_gaussians, pixels, device)
        of_size = {
            "forward_seconds": median_seconds(scene.forward, device, repeats),
            "forward_host_seconds": host_seconds(scene.forward, device, repeats),
            "step_seconds": median_seconds(scene.step, device, repeats),
            "step_camera_by_camera_seconds": median_seconds(scene.step_camera_by_camera, device, repeats),
        }
        if num_gaussians * pixels**2 <= CPU_LIMIT:
            on_cpu = Scene(num_gaussians, pixels, torch.device("cpu"))
            expected, images = on_cpu.forward(), scene.forward().cpu()
            of_size["relative_error"] = float((images - expected).norm() / expected.norm())
            of_size["cpu_step_seconds"] = median_seconds(on_cpu.step, "cpu", 1)
        results.add(**{f"{num_gaussians}_gaussians_{pixels}_pixels": of_size})
    results.add(mesh=_rays(settings, repeats))


def _rays(settings: Settings, repeats: int) -> dict[str, float | str]:
    """Views of the second stage, of a mesh with as many faces, through both tracers."""
    missing = [name for name in ("embreex", "warp") if importlib.util.find_spec(name) is None]
    if missing:
        return {"rays": f"not compared: {' and '.join(missing)} missing"}
    pixels = 16 if settings.is_smoke else 512
    mesh = _triangles(200 if settings.is_smoke else 20_000).to(settings.device)
    cameras = orbit_cameras([15.0] * NUM_CAMERAS, [90.0 * i for i in range(NUM_CAMERAS)], width=pixels, height=pixels)
    cameras = cameras.to(settings.device)
    hits, measured = [], {"faces": len(mesh.faces), "pixels": pixels}
    for name in ("embree", "warp"):
        caster = RayCaster(mesh, name)
        measured[f"{name}_seconds"] = median_seconds(partial(rasterize, caster, cameras), settings.device, repeats)
        rays = cameras.ray_directions
        origins = cameras.positions[:, None, None].expand_as(rays)
        hits.append(caster.cast(origins.reshape(-1, 3), rays.reshape(-1, 3)).face_ids)
    measured["other_face_share"] = float((hits[0] != hits[1]).float().mean())
    return measured


def _triangles(count: int) -> Mesh:
    """Small ones, scattered."""
    generator = torch.Generator().manual_seed(0)
    centers = torch.nn.functional.normalize(torch.randn(count, 1, 3, generator=generator), dim=-1)
    corners = centers + 0.02 * torch.randn(count, 3, 3, generator=generator)
    return Mesh(corners.flatten(0, 1), torch.arange(3 * count).view(-1, 3))


PART = Part(
    "rasterizer",
    "the images of both rasterizers agree; one call for all cameras is faster than one for each, and the host is done "
    "with its call before the GPU is; rays hit the same faces of a mesh in Warp, which is faster, as in Embree.",
    measure,
    (Goal("*.relative_error", 5e-3), Goal("mesh.other_face_share", 1e-3)),
)
