"""Grid features against what they interpolate."""

import pytest
import torch
from splatdream.fields.grid_encoding import GridEncoding, corners_of, level_resolutions


def points(count: int = 50) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    inside = torch.rand(count, 3, generator=generator)
    return torch.cat([inside, torch.tensor([[0.0, 0, 0], [1, 1, 1], [0, 1, 0.5]])])


def test_a_grid_that_holds_its_own_coordinates_gives_back_the_point():
    encoding = GridEncoding(num_levels=1, num_features=3, coarsest=5, finest=5, log2_table_size=12)
    axes = [torch.arange(6) / 5] * 3
    encoding.table.data = torch.stack(torch.meshgrid(*axes, indexing="ij"), dim=-1).reshape(-1, 3)
    torch.testing.assert_close(encoding(points()), points())


def test_resolutions_grow_geometrically_from_the_coarsest_to_the_finest():
    assert level_resolutions(4, 16, 128) == [16, 32, 64, 128]
    assert level_resolutions(16, 16, 4096)[-1] == 4096
    assert level_resolutions(1, 16, 128) == [16]


def test_a_level_with_too_many_points_is_hashed_as_published():
    # Instant NGP, eq. 4: xor of the coordinates times 1, 2654435761 and 805459861, modulo the size of the table.
    where = torch.tensor([[0.31, 0.77, 0.52]])
    indices, weights = corners_of(where, resolution=100, largest=1024)
    low = (where[0] * 100).floor().long().tolist()
    expected = [
        (low[0] + x ^ (low[1] + y) * 2654435761 ^ (low[2] + z) * 805459861) % 1024
        for x in (0, 1)
        for y in (0, 1)
        for z in (0, 1)
    ]
    assert indices[0].tolist() == expected
    assert float(weights.sum()) == pytest.approx(1)


def test_the_gradient_of_the_table_is_that_of_plain_indexing():
    encoding = GridEncoding(num_levels=2, num_features=4, coarsest=4, finest=8, log2_table_size=8)
    direction = torch.randn(53, 8, generator=torch.Generator().manual_seed(1))
    (encoding(points()) * direction).sum().backward()
    table = encoding.table.detach().clone().requires_grad_()
    levels, start = [], 0
    for resolution in encoding.resolutions:
        indices, weights = corners_of(points(), resolution, 256)
        levels.append((table[start + indices.long()] * weights[..., None]).sum(1))
        start += min((resolution + 1) ** 3, 256)
    (torch.cat(levels, dim=1) * direction).sum().backward()
    torch.testing.assert_close(encoding.table.grad, table.grad)


def test_levels_that_are_not_active_are_zero_and_learn_nothing():
    encoding = GridEncoding(num_levels=3, num_features=2, coarsest=2, finest=8, log2_table_size=12)
    encoding.active_levels = 1
    features = encoding(points())
    features.sum().backward()
    assert features.shape == (53, 6) and features[:, :2].abs().max() > 0 and not features[:, 2:].any()
    assert encoding.table.grad[:27].any() and not encoding.table.grad[27:].any()
