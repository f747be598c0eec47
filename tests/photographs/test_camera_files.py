"""Camera files of other programs: what they say of a known point is what our cameras see."""

import json
import struct
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from splatdream.cameras.batch import orbit_cameras
from splatdream.photographs.folder import read_photographs
from splatdream.photographs.orbits import ORBITS
from splatdream.photographs.posed_images import PosedImages
from splatdream.photographs.transforms_file import write_views

SIZE = 16
POINT = torch.tensor([0.2, -0.3, 0.4])


def views(num: int = 4) -> PosedImages:
    rgba = torch.randint(0, 256, (num, SIZE, SIZE, 4), generator=torch.Generator().manual_seed(0)).to(torch.uint8)
    cameras = orbit_cameras([5.0, 20.0, 35.0, 50.0][:num], [10.0, 100.0, 190.0, 280.0][:num], width=SIZE, height=SIZE)
    return PosedImages(rgba, cameras, tuple(f"images/{place}.png" for place in range(num)))


def pixels(cameras, point=POINT):
    """Where the cameras see a point, [B, 2]."""
    in_camera = cameras.viewmats[:, :3, :3] @ point + cameras.viewmats[:, :3, 3]
    on_screen = (cameras.Ks @ in_camera[..., None])[..., 0]
    return on_screen[:, :2] / on_screen[:, 2:]


@pytest.fixture
def folder(tmp_path):
    write_views(tmp_path, views())
    return tmp_path


def changed(folder, **keys):
    path = folder / "transforms.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | keys))
    return folder


def write_colmap(folder, images: PosedImages, is_binary: bool, camera="PINHOLE", extra=()):
    """A model by COLMAP's documentation, with poses from scipy."""
    from scipy.spatial.transform import Rotation

    write_views(folder, images)
    (folder / "transforms.json").unlink()
    model = folder / "sparse" / "0"
    model.mkdir(parents=True)
    K = images.cameras.Ks[0].tolist()
    numbers = [K[0][0], K[1][1], K[0][2], K[1][2], *extra]
    poses = []
    for viewmat in images.cameras.viewmats.double():
        x, y, z, w = Rotation.from_matrix(viewmat[:3, :3].numpy()).as_quat()
        poses.append([w, x, y, z, *viewmat[:3, 3].tolist()])
    names = [name.removeprefix("images/") for name in images.names]
    if is_binary:
        kind = {"PINHOLE": 1, "OPENCV": 4}[camera]
        (model / "cameras.bin").write_bytes(
            struct.pack("<QiiQQ", 1, 7, kind, SIZE, SIZE) + struct.pack(f"<{len(numbers)}d", *numbers)
        )
        content = struct.pack("<Q", len(names))
        for place, (pose, name) in enumerate(zip(poses, names, strict=True)):
            content += struct.pack("<i7di", place, *pose, 7) + name.encode() + b"\0"
            content += struct.pack("<Q", place) + struct.pack("<ddq", 1.0, 2.0, -1) * place
        (model / "images.bin").write_bytes(content)
        return
    words = " ".join(map(str, numbers))
    (model / "cameras.txt").write_text(f"# comment\n7 {camera} {SIZE} {SIZE} {words}\n")
    lines = ["# comment"]
    for place, (pose, name) in enumerate(zip(poses, names, strict=True)):
        lines += [f"{place} {' '.join(map(str, pose))} 7 {name}", "1.0 2.0 -1" if place else ""]
    (model / "images.txt").write_text("\n".join(lines) + "\n")


def test_written_views_are_read_as_they_were(folder):
    read = read_photographs(folder, is_centered=False).training
    torch.testing.assert_close(read.rgba, views().rgba)
    torch.testing.assert_close(read.cameras.c2w, views().cameras.c2w)
    torch.testing.assert_close(read.cameras.fovy_rad, views().cameras.fovy_rad)
    torch.testing.assert_close(read.cameras.azimuth_deg, torch.tensor([10.0, 100.0, -170.0, -80.0]))
    torch.testing.assert_close(read.cameras.elevation_deg, views().cameras.elevation_deg)


def test_blenders_scenes_have_their_test_views_in_a_file_of_their_own_and_names_without_suffix(folder):
    content = json.loads((folder / "transforms.json").read_text())
    (folder / "transforms.json").unlink()
    frames = [frame | {"file_path": frame["file_path"].removesuffix(".png")} for frame in content["frames"]]
    for name, part in (("train", frames[:3]), ("test", frames[3:])):
        blender = {"camera_angle_x": content["camera_angle_x"], "frames": part}
        (folder / f"transforms_{name}.json").write_text(json.dumps(blender))
    read = read_photographs(folder, is_centered=False)
    assert len(read.training) == 3
    torch.testing.assert_close(pixels(read.held_out.cameras), pixels(views().cameras)[3:])


def test_test_filenames_are_held_out(tmp_path):
    write_views(tmp_path, views()[range(3)], views()[[3]])
    read = read_photographs(tmp_path, is_centered=False)
    assert (len(read.training), read.held_out.names) == (3, ("3.png",))


@pytest.mark.parametrize("is_binary", [True, False], ids=["binary", "text"])
def test_a_colmap_model_sees_points_where_colmaps_formula_puts_them(tmp_path, is_binary):
    write_colmap(tmp_path, views(), is_binary)
    read = read_photographs(tmp_path, is_centered=False).training
    torch.testing.assert_close(pixels(read.cameras), pixels(views().cameras), rtol=1e-4, atol=1e-4)


def test_a_colmap_world_is_turned_upright_with_its_first_camera_on_the_front(tmp_path):
    ring = replace(views(), cameras=orbit_cameras([20.0] * 4, [10.0, 100.0, 190.0, 280.0], width=SIZE, height=SIZE))
    turn = torch.tensor([[0.36, 0.48, -0.8, 0], [-0.8, 0.6, 0, 0], [0.48, 0.64, 0.6, 0], [0, 0, 0, 1]])
    write_colmap(tmp_path, replace(ring, cameras=replace(ring.cameras, c2w=turn @ ring.cameras.c2w)), is_binary=True)
    read = read_photographs(tmp_path).training.cameras
    expected = torch.tensor([0.0, 90.0, 180.0, 270.0])
    torch.testing.assert_close(torch.remainder(read.azimuth_deg + 1, 360) - 1, expected, rtol=0, atol=1e-2)
    torch.testing.assert_close(read.elevation_deg, torch.full((4,), 20.0), rtol=0, atol=1e-2)


def test_centering_undoes_any_move_and_scale_of_the_world(folder):
    moved = views()
    c2w = moved.cameras.c2w.clone()
    c2w[:, :3, 3] = 7 * c2w[:, :3, 3] + torch.tensor([3.0, -2.0, 5.0])
    write_views(folder, replace(moved, cameras=replace(moved.cameras, c2w=c2w)))
    read = read_photographs(folder)
    torch.testing.assert_close(read.training.cameras.c2w, views().cameras.c2w, rtol=1e-4, atol=1e-4)
    assert read.scale == pytest.approx(1 / 7, rel=1e-4)
    torch.testing.assert_close(read.center, torch.tensor([3.0, -2.0, 5.0]), rtol=1e-4, atol=1e-4)


def test_a_principal_point_beside_the_middle_crops_the_image_about_it(folder):
    point = read_photographs(changed(folder, cx=6.0), is_centered=False).training
    assert (point.cameras.width, point.cameras.height) == (12, SIZE)
    torch.testing.assert_close(point.rgba, views().rgba[:, :, :12])
    torch.testing.assert_close(pixels(point.cameras), pixels(views().cameras) - torch.tensor([2.0, 0.0]))


def test_a_camera_of_a_larger_copy_is_scaled_with_its_image(folder):
    whole = json.loads((folder / "transforms.json").read_text())
    larger = {key: 4 * whole[key] for key in ("w", "h", "fl_x", "fl_y")} | {"cx": 32.0, "cy": 32.0}
    read = read_photographs(changed(folder, **larger), is_centered=False).training
    torch.testing.assert_close(pixels(read.cameras), pixels(views().cameras))


def test_reducing_keeps_the_field_of_view(folder):
    read = read_photographs(folder, size=8, is_centered=False).training
    assert read.rgba.shape[1:3] == (8, 8)
    torch.testing.assert_close(pixels(read.cameras), pixels(views().cameras) / 2)


def test_every_eighth_view_is_held_out_where_the_folder_names_none(tmp_path):
    two = [views(), views()]
    many = PosedImages(
        torch.cat([part.rgba for part in two]),
        orbit_cameras(torch.linspace(0, 30, 8), torch.arange(8) * 45.0, width=SIZE, height=SIZE),
        tuple(f"images/{place}.png" for place in range(8)),
    )
    write_views(tmp_path, many)
    read = read_photographs(tmp_path)
    assert read.held_out.names == ("0.png",) and len(read.training) == 7
    assert read_photographs(tmp_path, hold_out_every=0).held_out is None


def test_the_views_of_a_known_model_need_no_cameras(tmp_path):
    for place in range(6):
        Image.new("RGB", (SIZE, SIZE)).save(tmp_path / f"{place}.png")
    read = read_photographs(tmp_path, orbit="zero123plus-1.2").training
    torch.testing.assert_close(read.cameras.elevation_deg, torch.tensor([20.0, -10.0] * 3), rtol=0, atol=1e-3)
    # As large on the screen as our own cameras at 2.5 units and 49.1 degrees show it.
    seen = read.cameras.distances * torch.tan(read.cameras.fovy_rad / 2)
    torch.testing.assert_close(seen, torch.full((6,), 2.5 * np.tan(np.radians(49.1) / 2)).float())


def nan_pose(folder):
    content = json.loads((folder / "transforms.json").read_text())
    content["frames"][1]["transform_matrix"][0][3] = float("nan")
    return changed(folder, **content)


def sheared_pose(folder):
    content = json.loads((folder / "transforms.json").read_text())
    content["frames"][1]["transform_matrix"][0][0] += 0.5
    return changed(folder, **content)


def missing_image(folder):
    (folder / "images" / "2.png").unlink()
    return folder


def other_size(folder):
    Image.new("RGB", (SIZE, SIZE // 2)).save(folder / "images" / "2.png")
    content = json.loads((folder / "transforms.json").read_text())
    for key in ("w", "h"):
        content.pop(key)
    (folder / "transforms.json").write_text(json.dumps(content))
    return folder


def cut_image(folder):
    path = folder / "images" / "2.png"
    path.write_bytes(path.read_bytes()[:60])
    return folder


def cut_colmap(folder):
    write_colmap(folder / "scene", views(), is_binary=True)
    path = folder / "scene" / "sparse" / "0" / "images.bin"
    path.write_bytes(path.read_bytes()[:-30])
    return folder / "scene"


def distorted_colmap(folder):
    write_colmap(folder / "scene", views(), is_binary=False, camera="OPENCV", extra=(0.1, 0, 0, 0))
    return folder / "scene"


def no_cameras(folder):
    (folder / "transforms.json").unlink()
    return folder


def one_place(folder):
    content = json.loads((folder / "transforms.json").read_text())
    for frame in content["frames"]:
        frame["transform_matrix"] = content["frames"][0]["transform_matrix"]
    return changed(folder, **content)


@pytest.mark.parametrize(
    ("broken", "sentence"),
    [
        (nan_pose, "images/1.png holds NaN"),
        (sheared_pose, "images/1.png is scaled, sheared or mirrored"),
        (missing_image, "there is no image .*2.png"),
        (other_size, "images must have one size"),
        (cut_image, "2.png is no image that can be read"),
        (lambda folder: changed(folder, w=99), "was cropped or turned"),
        (lambda folder: changed(folder, k1=0.1), "undistort"),
        (lambda folder: changed(folder, frames=3), "no JSON with a list of frames"),
        (lambda folder: changed(folder, fl_x=float("nan")), "focal length"),
        (lambda folder: folder / "nowhere", "there is no folder"),
        (no_cameras, "holds no cameras"),
        (cut_colmap, "cut off or damaged"),
        (distorted_colmap, "image_undistorter"),
    ],
)
def test_what_cannot_be_read_is_said_in_a_sentence(folder, broken, sentence):
    with pytest.raises((ValueError, FileNotFoundError), match=sentence):
        read_photographs(broken(folder))


def test_what_is_nearest_moves_to_the_left_from_frame_to_frame_as_in_sv3ds_own_animation():
    # assets/sv3d.gif of generative-models; by 360 / 21 degrees a frame, the last of which is the given image.
    cameras = ORBITS["sv3d"].cameras(SIZE, SIZE)
    for before in (20, 0, 7, 13):
        near = 0.3 * cameras.c2w[before, :3, 3]
        now, next_ = (pixels(cameras, near)[frame, 0] for frame in (before, (before + 1) % 21))
        assert now == pytest.approx(SIZE / 2, abs=1e-3) and next_ < now - 0.5
    assert (cameras.elevation_deg - 10).abs().max() < 1e-3


def test_views_of_another_number_than_a_model_makes_are_refused(tmp_path):
    Image.new("RGB", (SIZE, SIZE)).save(tmp_path / "one.png")
    with pytest.raises(ValueError, match="sv3d makes 21 views, and the folder holds 1"):
        read_photographs(tmp_path, orbit="sv3d")
    with pytest.raises(ValueError, match="choose one of mvdream"):
        read_photographs(tmp_path, orbit="sv4d")


def test_cameras_in_one_place_that_look_one_way_are_refused(folder):
    with pytest.raises(ValueError, match="all look the same way"):
        read_photographs(one_place(folder))
