"""Small scenes for the rasterizer tests, and one call that renders them with gradients."""

import math

import torch


def random_scene(num_gaussians: int, seed: int, scale: float = 0.06) -> dict[str, torch.Tensor]:
    """Gaussians in the unit ball, float64."""
    generator = torch.Generator().manual_seed(seed)
    kwargs = {"generator": generator, "dtype": torch.float64}
    directions = torch.nn.functional.normalize(torch.randn(num_gaussians, 3, **kwargs), dim=-1)
    return {
        "means": directions * torch.rand(num_gaussians, 1, **kwargs) ** (1 / 3),
        "quats": torch.randn(num_gaussians, 4, **kwargs),
        "scales": scale * (0.5 + torch.rand(num_gaussians, 3, **kwargs)),
        "opacities": 0.1 + 0.85 * torch.rand(num_gaussians, **kwargs),
        "colors": torch.rand(num_gaussians, 3, **kwargs),
    }


def ring_of_cameras(num_cameras: int, width: int, height: int, radius: float = 2.5) -> dict:
    """Cameras that look at the origin from different heights (OpenCV axes), float64."""
    viewmats = []
    for index in range(num_cameras):
        azimuth, elevation = 2 * math.pi * index / num_cameras + 0.3, 0.2 + 0.25 * index
        position = radius * torch.tensor(
            [
                math.cos(elevation) * math.cos(azimuth),
                math.cos(elevation) * math.sin(azimuth),
                math.sin(elevation),
            ],
            dtype=torch.float64,
        )
        forward = -position / radius
        right = torch.linalg.cross(forward, torch.tensor([0.0, 0.0, 1.0], dtype=torch.float64), dim=-1)
        right = right / right.norm()
        rotation = torch.stack([right, torch.linalg.cross(forward, right, dim=-1), forward])
        viewmat = torch.eye(4, dtype=torch.float64)
        viewmat[:3, :3], viewmat[:3, 3] = rotation, -rotation @ position
        viewmats.append(viewmat)
    K = torch.tensor([[1.1 * height, 0, 0.5 * width], [0, 1.05 * height, 0.5 * height], [0, 0, 1]], dtype=torch.float64)
    return {
        "viewmats": torch.stack(viewmats),
        "Ks": K.expand(num_cameras, 3, 3).contiguous(),
        "width": width,
        "height": height,
    }


def convert(arguments: dict, dtype: torch.dtype, device: str = "cpu") -> dict:
    """Fresh leaf tensors of another type; what describes the Gaussians and the background asks for gradients."""
    result = {}
    for name, value in arguments.items():
        if isinstance(value, torch.Tensor):
            leaf = value.detach().to(dtype=dtype, device=device).clone()
            result[name] = leaf.requires_grad_(name not in ("viewmats", "Ks"))
        else:
            result[name] = value
    return result


def render_with_gradients(rasterization, arguments: dict, dtype: torch.dtype, device: str = "cpu") -> dict:
    """Images, alphas, info and, of a fixed random weighting of all pixels, every gradient; all float64 on the CPU."""
    arguments = convert(arguments, dtype, device)
    images, alphas, info = rasterization(**arguments)
    generator = torch.Generator().manual_seed(11)
    image_weights = torch.randn(images.shape, generator=generator, dtype=torch.float64)
    alpha_weights = torch.randn(alphas.shape, generator=generator, dtype=torch.float64)
    loss = (images * image_weights.to(images)).sum() + (alphas * alpha_weights.to(alphas)).sum()
    loss.backward()
    result = {"images": images, "alphas": alphas, "radii": info["radii"], "means2d": info["means2d"]}
    result["grad means2d"] = info["means2d"].grad
    if "RGB" in arguments.get("render_mode", "RGB"):
        result["contributions"] = info["means2d"].contributions
    if arguments.get("absgrad"):
        result["absgrad means2d"] = info["means2d"].absgrad
    for name, value in arguments.items():
        if isinstance(value, torch.Tensor) and value.requires_grad:
            # None: what the render mode does not show has no gradient in the reference.
            result[f"grad {name}"] = torch.zeros_like(value) if value.grad is None else value.grad
    return {name: value.detach().double().cpu() for name, value in result.items()}


def relative_error(actual: torch.Tensor, expected: torch.Tensor) -> float:
    return float((actual - expected).norm() / expected.norm().clamp(min=1e-12))
