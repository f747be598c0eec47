"""Choosing, recoloring and placing: closed forms of colors, boxes and turns."""

import pytest
import torch
from splatdream.gaussians.cloud import GaussianCloud
from splatdream.gaussians.recoloring import recolored
from splatdream.gaussians.rotations import quat_to_matrix
from splatdream.gaussians.selection import in_box, in_opacity, near_color
from splatdream.gaussians.spherical_harmonics import evaluate_sh, rgb_to_sh0
from splatdream.scenes.editing import Edit, Selection, edited
from splatdream.scenes.placement import Placement

LUMINANCE = torch.tensor([0.2126, 0.7152, 0.0722])
AXES = torch.cat([torch.eye(3), -torch.eye(3)])


def cloud_of(colors: torch.Tensor, means: torch.Tensor, opacities: torch.Tensor, degree: int = 0) -> GaussianCloud:
    count = len(colors)
    shN = 0.05 * torch.randn(count, (degree + 1) ** 2 - 1, 3, generator=torch.Generator().manual_seed(1))
    quats = torch.tensor([1.0, 0, 0, 0]).repeat(count, 1)
    log_scales = torch.full((count, 3), -3.0)
    return GaussianCloud(means, log_scales, quats, opacities.logit(), rgb_to_sh0(colors)[:, None], shN)


@pytest.fixture
def row() -> GaussianCloud:
    """Red, dark red, green, black, along x; the last one is faint."""
    colors = torch.tensor([[0.8, 0.1, 0.1], [0.4, 0.05, 0.05], [0.1, 0.8, 0.1], [0.0, 0.0, 0.0]])
    means = torch.tensor([[0.0, 0, 0], [1, 0, 0], [2, 0, 0], [3, 0, 0]])
    return cloud_of(colors, means, torch.tensor([0.9, 0.9, 0.9, 0.05]), degree=3)


def test_gaussians_are_chosen_by_place_color_and_opacity(row):
    assert in_box(row, [0.5, -1, -1], [2, 1, 1]).tolist() == [False, True, True, False]
    assert near_color(row, [0.8, 0.1, 0.1], 0.41).tolist() == [True, True, False, False]
    assert in_opacity(row, 0.0, 0.1).tolist() == [False, False, False, True]
    both = Selection(box=((0.5, -1, -1), (2, 1, 1)), color=(0.8, 0.1, 0.1), tolerance=0.45)
    assert both.mask(row).tolist() == [False, True, False, False]


def test_a_new_color_keeps_light_and_shade_from_every_direction(row):
    rows = torch.tensor([True, True, False, False])
    wanted = torch.tensor([0.2, 0.3, 0.9])
    changed = recolored(row, rows, wanted.tolist())
    for direction in AXES:
        before, after = (0.5 + evaluate_sh(3, cloud.sh, direction) for cloud in (row, changed))
        # Both have one opacity, so that the mean luminance is that of their middle color.
        mean = torch.tensor([[0.6, 0.075, 0.075]]) @ LUMINANCE
        torch.testing.assert_close(after[:2], (before[:2] @ LUMINANCE)[:, None] * wanted / mean)
        torch.testing.assert_close(after[2:], before[2:])


def test_what_is_black_gets_the_color_itself(row):
    changed = recolored(row, torch.tensor([False, False, False, True]), [0.2, 0.3, 0.9])
    torch.testing.assert_close(0.5 + evaluate_sh(3, changed.sh, AXES[:1])[3], torch.tensor([0.2, 0.3, 0.9]))


def test_edits_are_done_in_their_order(row):
    red = Selection(color=(0.8, 0.1, 0.1), tolerance=0.45)
    edits = (Edit("delete", Selection(opacity=(0.0, 0.1))), Edit("keep", red), Edit("recolor", red, (0.0, 0.0, 1.0)))
    left = edited(row, edits, "row")
    torch.testing.assert_close(left.means, row.means[:2])
    assert not (0.5 + evaluate_sh(0, left.sh, AXES[:1]))[:, :2].clamp(min=1e-6).gt(1e-5).any()


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (Edit("keep", Selection(box=((5, 5, 5), (6, 6, 6)))), r"edit 1 of 'row' finds none of its 4 Gaussians.*3\.00"),
        (Edit("delete", Selection()), "edit 1 of 'row' deletes all of its 4 Gaussians"),
    ],
)
def test_an_edit_that_finds_nothing_or_leaves_nothing_is_refused(edit, message, row):
    with pytest.raises(ValueError, match=message):
        edited(row, (edit,), "row")


@pytest.mark.parametrize(
    ("rotate_deg", "of_x", "of_y"),
    [
        ((0.0, 0.0, 90.0), (0.0, 1.0, 0.0), (-1.0, 0.0, 0.0)),
        ((90.0, 0.0, 0.0), (1.0, 0.0, 0.0), (0.0, 0.0, 1.0)),
        ((0.0, 90.0, 0.0), (0.0, 0.0, -1.0), (0.0, 1.0, 0.0)),
        # About x first, then about z: y goes to z and stays there.
        ((90.0, 0.0, 90.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)),
    ],
)
@pytest.mark.parametrize("degree", [1, 2, 3])
def test_a_turn_takes_axes_where_they_belong_and_colors_along(rotate_deg, of_x, of_y, degree):
    colors, opacities = torch.full((2, 3), 0.5), torch.full((2,), 0.5)
    cloud = cloud_of(colors, torch.eye(3)[:2], opacities, degree)
    placed = Placement(2.0, rotate_deg, (0.0, 0.0, 5.0)).placed(cloud)
    expected = 2 * torch.tensor([of_x, of_y]) + torch.tensor([0.0, 0, 5])
    torch.testing.assert_close(placed.means, expected, atol=1e-6, rtol=0)
    torch.testing.assert_close(quat_to_matrix(placed.quats)[0][:, 0], torch.tensor(of_x), atol=1e-6, rtol=0)
    x, y = torch.eye(3)[0], torch.eye(3)[1]
    for direction, turned in ((x, of_x), (y, of_y), (x + y, tuple(map(sum, zip(of_x, of_y, strict=True))))):
        # What was seen along a direction is seen along the turned one.
        torch.testing.assert_close(
            evaluate_sh(degree, placed.sh, torch.tensor(turned)), evaluate_sh(degree, cloud.sh, direction)
        )
