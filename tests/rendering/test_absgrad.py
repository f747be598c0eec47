"""`absgrad` is what its definition says, pixel by pixel."""

import pytest
import torch
from rasterizer_scenes import convert, random_scene, ring_of_cameras
from splatdream.rendering import cpu, reference


@pytest.mark.parametrize("rasterize_mode", ["classic", "antialiased"])
@pytest.mark.parametrize("rasterization", [reference.rasterization, cpu.rasterization], ids=["reference", "cpu"])
def test_absgrad_is_the_sum_over_pixels_of_absolute_gradients(rasterization, rasterize_mode, generator):
    scene = {**random_scene(12, seed=3, scale=0.2), **ring_of_cameras(2, 6, 5), "rasterize_mode": rasterize_mode}
    arguments = convert(scene, torch.float32)
    images, _, info = rasterization(**arguments, absgrad=True)
    means2d = info["means2d"]
    per_pixel = (torch.randn(images.shape, generator=generator) * images).sum(dim=-1)
    expected = sum(torch.autograd.grad(pixel, means2d, retain_graph=True)[0].abs() for pixel in per_pixel.flatten())
    del means2d.absgrad  # of the last pixel
    per_pixel.sum().backward()
    assert (expected > 2 * means2d.grad.abs()).float().mean() > 0.2  # signs do cancel
    torch.testing.assert_close(means2d.absgrad, expected, rtol=1e-3, atol=1e-3)
