"""Finished assets: files of every kind behind one way to render them and to show them."""

import pytest
import torch
from splatdream.assets import finished
from splatdream.assets.finished import FinishedAsset, open_asset
from splatdream.cameras.batch import orbit_cameras
from splatdream.gaussians.initialization import from_points
from splatdream.gaussians.ply import write_ply
from splatdream.gaussians.splat_file import write_splat

# A square of 2 x 2 in the plane x = 0, seen from the front, in the file's axes: y up, the front toward z.
OBJ = "v -1 -1 0\nv 1 -1 0\nv 1 1 0\nv -1 1 0\nf 1 2 3\nf 1 3 4\n"
WHITE = torch.ones(1, 3)


def front(size: int = 32):
    """Sees 2 x 2 world units in the plane x = 0."""
    return orbit_cameras([0.0], [0.0], distance=2.0, fovy_deg=2 * 26.565, width=size, height=size)


def red_cloud(count: int = 5):
    return from_points(
        torch.linspace(-0.2, 0.2, count)[:, None].expand(-1, 3), torch.tensor([[1.0, 0, 0]] * count), 0.99
    )


def test_gaussians_from_every_format_look_alike(tmp_path):
    cloud = red_cloud()
    write_ply(tmp_path / "asset.PLY", cloud)
    write_splat(tmp_path / "asset.splat", cloud)
    seen = [open_asset(tmp_path / name).render(front(), WHITE) for name in ("asset.PLY", "asset.splat")]
    for rgb, alpha in seen:
        middle = rgb[0, 16, 16]
        assert middle[0] > 0.9 and middle[1] < 0.2 and alpha[0, 16, 16] > 0.8
        torch.testing.assert_close(rgb[0, 0, 0], torch.ones(3))
    torch.testing.assert_close(seen[0], seen[1], atol=0.03, rtol=0)


def test_a_bare_mesh_is_a_gray_shape_over_the_background(tmp_path):
    pytest.importorskip("trimesh")
    pytest.importorskip("embreex")
    (tmp_path / "square.obj").write_text(OBJ)
    asset = open_asset(tmp_path / "square.obj")
    cameras = orbit_cameras([0.0], [0.0], distance=4.0, fovy_deg=2 * 26.565, width=32, height=32)
    rgb, alpha = asset.render(cameras, torch.tensor([[0.0, 0.0, 1.0]]))
    # From twice the distance the square fills half of the width and height.
    assert alpha.mean().item() == pytest.approx(0.25, abs=0.01)
    red, green, blue = rgb[0, 16, 16]
    assert red == green == blue and 0.1 < red < 0.6
    torch.testing.assert_close(rgb[0, 0, 0], torch.tensor([0.0, 0.0, 1.0]))
    assert asset.page_model().kind == "mesh"


def test_a_new_kind_of_file_is_one_line(tmp_path, monkeypatch):
    class Fog(FinishedAsset):
        def render(self, cameras, background):
            return background[:, None, None].expand(1, 4, 4, 3), torch.zeros(1, 4, 4, 1)

        def page_model(self):
            raise NotImplementedError

        def sizes(self):
            return {}

        def visible_points(self):
            return torch.zeros(0, 3)

    monkeypatch.setitem(finished.OPENERS, ".fog", lambda path: Fog())
    (tmp_path / "morning.fog").touch()
    assert open_asset(tmp_path / "morning.fog").render(front(4), WHITE)[1].max() == 0


def test_what_is_not_an_asset_is_one_sentence(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"there is no file .*nothing\.ply"):
        open_asset(tmp_path / "nothing.ply")
    (tmp_path / "asset.png").write_text("")
    with pytest.raises(ValueError, match=r"ends in '\.png'; an asset ends in \.splat, \.spz, \.sog, \.glb"):
        open_asset(tmp_path / "asset.png")
    (tmp_path / "asset.obj").write_text("")
    with pytest.raises(ValueError, match=r"asset\.obj"):
        open_asset(tmp_path / "asset.obj")
