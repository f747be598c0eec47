"""The field of a known blob."""

import pytest
import torch
from known_fields import HEIGHT, RADIUS, gray_sphere
from splatdream.fields.radiance_field import FieldOptions, RadianceField


def test_a_cone_has_its_density_and_its_normals_point_outward():
    points = torch.tensor([[0.3, 0, 0], [0, -0.2, 0.2], [0.1, 0.2, 0.25]])
    field = gray_sphere().field
    expected = torch.exp(HEIGHT * (1 - points.norm(dim=-1) / RADIUS))
    torch.testing.assert_close(field.density(points), expected)
    cosines = (field.normals(points, 1e-3) * torch.nn.functional.normalize(points, dim=-1)).sum(-1)
    torch.testing.assert_close(cosines, torch.ones(3), rtol=0, atol=1e-2)


def test_a_bell_under_softplus_is_that_of_dreamfusion():
    field = RadianceField(FieldOptions(blob="bell", blob_scale=5.0, blob_radius=0.2))
    field.encoding.table.data.zero_()
    points = torch.tensor([[0.2, 0, 0]])
    expected = torch.nn.functional.softplus(5 * torch.exp(torch.tensor([-0.5])))
    torch.testing.assert_close(field.density(points), expected)


def test_weights_depend_on_the_seed_alone():
    one, other, third = (RadianceField(FieldOptions(), seed).state_dict() for seed in (3, 3, 4))
    assert all(torch.equal(one[name], other[name]) for name in one)
    assert not any(torch.equal(one[name], third[name]) for name in one)


@pytest.mark.parametrize(
    ("option", "sentence"),
    [
        ({"blob": "cube"}, "blob 'cube' must be one of cone, bell"),
        ({"density_activation": "relu"}, "density_activation 'relu' must be one of softplus, exp"),
        ({"num_levels": 0}, "num_levels is 0; it must be at least 1"),
        ({"radius": 0.0}, "radius is 0.0; it must be above 0"),
        ({"coarsest": 64, "finest": 16}, "finest 16 must not be below coarsest 64"),
    ],
)
def test_options_out_of_range_are_refused_by_name(option, sentence):
    with pytest.raises(ValueError, match=sentence):
        FieldOptions(**option)
