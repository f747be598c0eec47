"""gsplat on a GPU against the CPU rasterizer and the reference: images and every gradient."""

import pytest
import torch
from rasterizer_scenes import random_scene, relative_error, render_with_gradients, ring_of_cameras
from splatdream.rendering import cpu, gsplat_backend, reference

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device"),
]


@pytest.mark.parametrize("render_mode", ["RGB", "D", "ED", "RGB+D", "RGB+ED"])
@pytest.mark.parametrize("absgrad", [False, True])
@pytest.mark.parametrize("rasterize_mode", ["classic", "antialiased"])
def test_cpu_and_gsplat_agree(render_mode, absgrad, rasterize_mode, generator):
    arguments = {**random_scene(300, seed=30), **ring_of_cameras(3, 61, 45)}
    arguments |= {"render_mode": render_mode, "absgrad": absgrad, "rasterize_mode": rasterize_mode}
    arguments["backgrounds"] = torch.rand(3, 3, generator=generator, dtype=torch.float64)
    exact = render_with_gradients(reference.rasterization, arguments, torch.float64)
    on_cpu = render_with_gradients(cpu.rasterization, arguments, torch.float32)
    on_gpu = render_with_gradients(gsplat_backend.rasterization, arguments, torch.float32, device="cuda")
    for name in exact:
        if "radii" not in name and name != "means2d":
            errors = [relative_error(other[name], exact[name]) for other in (on_cpu, on_gpu)]
            print(f"{render_mode:7} {name:16} relative error: cpu {errors[0]:.1e}, gsplat {errors[1]:.1e}")
            assert max(errors) < 5e-3, name


@pytest.mark.parametrize("degree", [0, 3])
def test_spherical_harmonics_agree(degree, generator):
    arguments = {**random_scene(100, seed=31), **ring_of_cameras(2, 40, 40), "sh_degree": degree}
    arguments["colors"] = torch.randn(100, (degree + 1) ** 2, 3, generator=generator, dtype=torch.float64)
    on_cpu = render_with_gradients(cpu.rasterization, arguments, torch.float32)
    on_gpu = render_with_gradients(gsplat_backend.rasterization, arguments, torch.float32, device="cuda")
    for name in ("images", "grad colors", "grad means"):
        assert relative_error(on_gpu[name], on_cpu[name]) < 5e-3, name
