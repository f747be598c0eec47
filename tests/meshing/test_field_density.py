"""Surfaces of fields whose shape is known."""

import math

import pytest
import torch
from known_fields import HEIGHT, RADIUS, STEP, gray_sphere
from splatdream.meshing.extraction import ExtractionOptions, extract_surface
from splatdream.meshing.field_density import FieldDensity


@pytest.mark.parametrize("threshold", [0.05, 0.5])
def test_the_surface_of_a_sphere_lies_where_its_density_says(threshold):
    volume = gray_sphere()
    options = ExtractionOptions(resolution=40, threshold=threshold, smoothing_iterations=0, target_faces=0)
    extracted = extract_surface(FieldDensity(volume), options)
    # exp(height (1 - r / radius)) step = -log(1 - threshold)
    expected = RADIUS * (1 - math.log(-math.log1p(-threshold) / STEP) / HEIGHT)
    distances = extracted.mesh.vertices.norm(dim=-1)
    assert extracted.report.is_watertight
    torch.testing.assert_close(distances, torch.full_like(distances, expected), rtol=0, atol=0.01)


def test_the_chosen_level_is_where_half_of_the_light_is_gone():
    volume = gray_sphere()
    volume.after_step(0)
    mesh = extract_surface(FieldDensity(volume), ExtractionOptions(resolution=48, target_faces=0)).mesh
    # Seen from infinity at distance s from the axis: exp(- integral of the density) = 1 / 2.
    t = torch.linspace(-1, 1, 4001)
    s = torch.linspace(0, 1, 1001)[:, None]
    density = torch.exp(HEIGHT * (1 - (s.square() + t.square()).sqrt() / RADIUS))
    half = s[(density.sum(1) * (t[1] - t[0]) > math.log(2)).sum() - 1]
    assert float(mesh.vertices.norm(dim=-1).mean()) == pytest.approx(float(half), abs=0.03)


def test_an_empty_field_has_no_surface():
    volume = gray_sphere()
    volume.occupancy.estimator.binaries.fill_(False)
    with pytest.raises(ValueError, match="the field is empty everywhere"):
        extract_surface(FieldDensity(volume))
