"""What meshes are measured against."""

import pytest
import torch
from splatdream.evaluation.mesh_quality import sample_outside
from splatdream.toybox.primitives import ball
from splatdream.toybox.scene import pack

GRAY = (0.5, 0.5, 0.5)


def test_surface_points_lie_on_the_union_and_are_spread_by_area(generator):
    # Two overlapping unit balls one apart: each keeps its surface beyond the middle, a cap of height 1.5.
    scene = pack([ball((-0.5, 0, 0), 1.0, GRAY), ball((0.5, 0, 0), 1.0, GRAY), ball((0, 0, 0), 0.2, GRAY)])
    points = sample_outside(scene, 8000, generator).points
    centers = torch.tensor([[-0.5, 0, 0], [0.5, 0, 0]])
    distance = torch.cdist(points, centers).amin(dim=1)
    torch.testing.assert_close(distance, torch.ones_like(distance), atol=5e-3, rtol=0)
    # Archimedes: on a sphere, area is even in x. x runs to 1.5 either side of the middle.
    assert points[:, 0].abs().mean().item() == pytest.approx(0.75, abs=0.02)
