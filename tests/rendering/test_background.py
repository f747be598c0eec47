"""What is behind the object: one color a view, or one for views that a prior looks at together."""

import pytest
import torch
from splatdream.rendering.background import PlainBackground


def colors(views, **cfg):
    """[B, 3] in training, at step 3."""
    background = PlainBackground({"random_probability": 0.5, "seed": 1, **cfg}).train()
    background.update_step(0, 3)
    painted = background(torch.zeros(views, 2, 2, 3))
    assert (painted == painted[:, :1, :1]).all()
    return painted[:, 0, 0]


def test_views_of_a_group_share_their_color_and_groups_do_not():
    grouped = colors(64, views_per_group=4).view(16, 4, 3)
    assert (grouped == grouped[:, :1]).all()
    # Half of the groups keep the white of the configuration, the others have colors of their own.
    is_white = (grouped[:, 0] == 1).all(dim=1)
    assert 3 <= is_white.sum() <= 13
    assert len(grouped[~is_white, 0].unique(dim=0)) == (~is_white).sum()


def test_without_groups_every_view_has_its_own():
    alone = colors(16)
    assert len(alone[(alone != 1).any(dim=1)].unique(dim=0)) > 3
    # The color of a group is that of a lone view in its place.
    assert torch.equal(colors(32, views_per_group=2)[::2], alone)


def test_views_that_do_not_divide_are_refused():
    with pytest.raises(ValueError, match=r"6 views do not divide into groups of background\.views_per_group 4"):
        colors(6, views_per_group=4)
