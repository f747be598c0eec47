"""Regularizers of fields by hand."""

import math

import pytest
import torch
from splatdream.losses.field_regularizers import opaque_loss, orientation_loss, sparsity_loss


def test_only_what_faces_away_from_the_camera_costs_by_the_square_of_its_cosine():
    normals = torch.tensor([[1.0, 0, 0], [-1, 0, 0], [0.6, 0.8, 0]])
    directions = torch.tensor([[1.0, 0, 0]]).expand(3, 3)
    weights = torch.tensor([0.5, 0.4, 0.25], requires_grad=True)
    opacity = torch.tensor([0.5, 0.65, 0.0, 0.0]).view(1, 2, 2, 1)
    loss = orientation_loss(weights, normals.requires_grad_(), directions, opacity)
    # Facing the camera costs nothing; two of the four pixels are covered.
    assert float(loss) == pytest.approx((0.5 + 0.25 * 0.36) / 2)
    loss.backward()
    assert weights.grad is None and normals.grad[0].any()


def test_an_empty_view_costs_a_tenth_and_a_full_one_hardly_more_than_one():
    assert float(sparsity_loss(torch.zeros(1, 2, 2, 1))) == pytest.approx(0.1)
    assert float(sparsity_loss(torch.ones(1, 2, 2, 1))) == pytest.approx(math.sqrt(1.01))


def test_half_covered_pixels_have_the_entropy_of_a_coin():
    assert float(opaque_loss(torch.full((1, 2, 2, 1), 0.5))) == pytest.approx(math.log(2))
    assert float(opaque_loss(torch.tensor([0.0, 1.0]).view(1, 1, 2, 1))) < 0.01
