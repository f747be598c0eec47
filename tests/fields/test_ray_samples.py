"""Uniform samples against a search through all of them."""

import torch
from splatdream.fields.ray_samples import Rays, box_distances, uniform_samples


def rays(count: int = 40) -> Rays:
    generator = torch.Generator().manual_seed(0)
    origins = 3 * torch.nn.functional.normalize(torch.randn(count, 3, generator=generator), dim=-1)
    targets = 0.8 * torch.randn(count, 3, generator=generator)
    return Rays(origins, torch.nn.functional.normalize(targets - origins, dim=-1))


def test_a_ray_enters_and_leaves_a_box_where_geometry_says():
    straight = Rays(torch.tensor([[3.0, 0, 0], [3.0, 0, 5]]), torch.tensor([[-1.0, 0, 0], [-1.0, 0, 0]]))
    enter, leave = box_distances(straight, -torch.ones(3), torch.ones(3))
    assert (float(enter[0]), float(leave[0])) == (2, 4)
    assert leave[1] <= enter[1]


def test_samples_are_all_bins_whose_middle_lies_in_an_occupied_cell():
    is_occupied = torch.rand(8, 8, 8, generator=torch.Generator().manual_seed(1)) < 0.1
    jitter = torch.rand(40, generator=torch.Generator().manual_seed(2))
    found = uniform_samples(rays(), is_occupied, radius=1.0, step=0.05, jitter=jitter)
    expected = 0
    for ray in range(40):
        middles = 0.05 * (torch.arange(200) + 0.5 + jitter[ray])
        places = ((rays().origins[ray] + middles[:, None] * rays().directions[ray] + 1) * 4).floor().long()
        is_inside = ((places >= 0) & (places < 8)).all(-1)
        hit = is_occupied[tuple(places.clamp(0, 7).T)] & is_inside
        mine = found.middles[found.ray_indices == ray]
        torch.testing.assert_close(mine, middles[hit], rtol=0, atol=1e-5)
        expected += int(hit.sum())
    assert len(found.starts) == expected > 50
    assert (found.ray_indices.diff() >= 0).all()


def test_nothing_is_sampled_where_nothing_is():
    empty = torch.zeros(4, 4, 4, dtype=torch.bool)
    assert len(uniform_samples(rays(), empty, 1.0, 0.1).starts) == 0
    away = Rays(rays().origins, rays().origins / 3)
    assert len(uniform_samples(away, ~empty, 1.0, 0.1).starts) == 0
