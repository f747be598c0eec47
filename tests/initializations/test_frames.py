"""Files of other programs come out upright, front first and as large as that program shows them."""

import math

import pytest
import torch
from splatdream.initializations.frames import FRAMES, find_frame


@pytest.mark.parametrize("name", FRAMES)
def test_up_and_front_arrive_at_the_axes_of_the_world(name):
    frame = FRAMES[name]
    # The exact matrix is checked to be a rotation: a mirror image would have determinant -1.
    assert torch.linalg.det(frame.rotation).item() == pytest.approx(1.0, abs=1e-6)
    torch.testing.assert_close(frame.rotation @ torch.tensor(frame.front), torch.tensor([1.0, 0.0, 0.0]))
    torch.testing.assert_close(frame.rotation @ torch.tensor(frame.up), torch.tensor([0.0, 0.0, 1.0]))


@pytest.mark.parametrize(
    ("first", "second", "to_first", "to_second"),
    [
        # Both from TRELLIS' own axes (z up, front toward -y): its save_ply, and its export of a GLB.
        ("trellis", "trellis-glb", lambda x, y, z: (x, -z, y), lambda x, y, z: (x, z, -y)),
        # Both from InstantMesh' own axes: run.py writes them, app.py writes (y, z, x).
        ("instantmesh", "instantmesh-glb", lambda x, y, z: (x, y, z), lambda x, y, z: (y, z, x)),
        # Blender's importer turns glTF (x, y, z) to (x, -z, y).
        ("gltf", "blender", lambda x, y, z: (x, y, z), lambda x, y, z: (x, -z, y)),
    ],
)
def test_two_files_of_one_object_are_one_object(first, second, to_first, to_second):
    place = (0.1, -0.3, 0.45)
    arrived = [
        FRAMES[name].scale * FRAMES[name].rotation @ torch.tensor(write(*place))
        for name, write in ((first, to_first), (second, to_second))
    ]
    torch.testing.assert_close(*arrived)


def test_what_fills_the_picture_of_another_program_fills_ours():
    # LGM looks from 1.5 with the lens that our configurations have at 2.5.
    assert FRAMES["lgm"].scale == pytest.approx(2.5 / 1.5)
    # The top of TripoSR's picture, seen from 1.9 through 40 degrees, is the top of ours.
    top = 1.9 * math.tan(math.radians(20))
    assert FRAMES["triposr"].scale * top / 2.5 == pytest.approx(math.tan(math.radians(49.1 / 2)))


def test_an_unknown_frame_is_named_with_the_known_ones():
    with pytest.raises(ValueError, match=r"initialization_frame 'lmg' is unknown; choose one of splatdream, .*lgm"):
        find_frame("lmg")
