"""Lambert's law, and how often there is light."""

import torch
from splatdream.fields.lighting import PointLights, draw_lights


def test_light_falls_off_with_the_cosine_and_never_to_nothing():
    points, colors = torch.zeros(3, 3), torch.tensor([[0.2, 0.4, 1.0]]).expand(3, 3)
    normals = torch.tensor([[0.0, 0, 1], [0.8, 0, 0.6], [0, 0, -1]])
    positions = torch.tensor([[0.0, 0, 5]]).expand(3, 3)
    light = torch.tensor([[1.0], [0.1 + 0.9 * 0.6], [0.1]])
    lights = PointLights(positions[:1], is_textureless=False)
    torch.testing.assert_close(lights.on(colors, points, normals, positions), light * colors)
    white = PointLights(positions[:1], is_textureless=True).on(colors, points, normals, positions)
    torch.testing.assert_close(white, light.expand(3, 3))


def test_three_steps_in_four_are_lit_and_half_of_those_white():
    cameras = torch.tensor([[2.5, 0, 0]])
    drawn = [draw_lights(cameras, 0.75, 0.5, torch.Generator().manual_seed(seed)) for seed in range(400)]
    lit = [lights for lights in drawn if lights is not None]
    assert 0.68 < len(lit) / 400 < 0.82
    assert 0.4 < sum(lights.is_textureless for lights in lit) / len(lit) < 0.6
    distances = torch.cat([lights.positions for lights in lit]).norm(dim=-1)
    assert distances.min() >= 0.8 and distances.max() <= 1.5
    assert draw_lights(cameras, 0.0, 0.5, torch.Generator().manual_seed(0)) is None
