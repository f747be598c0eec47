"""Known positions, round trips and orthonormality of the camera conventions."""

import math

import pytest
import torch
from splatdream.cameras.batch import CameraBatch, cat, orbit_cameras
from splatdream.cameras.conventions import (
    intrinsics,
    look_at,
    opengl_to_opencv_viewmats,
    orbit_positions,
    wrap_degrees,
)


def test_azimuth_zero_is_on_plus_x_and_ninety_on_plus_y():
    positions = orbit_positions(torch.zeros(2), torch.tensor([0.0, 90.0]), torch.full((2,), 2.0))
    torch.testing.assert_close(positions, torch.tensor([[2.0, 0, 0], [0, 2.0, 0]]), atol=1e-6, rtol=0)


def test_seen_from_the_front_world_y_is_image_right_and_world_z_is_image_up():
    camera = orbit_cameras([0.0], [0.0])
    right, up = camera.c2w[0, :3, 0], camera.c2w[0, :3, 1]
    torch.testing.assert_close(right, torch.tensor([0.0, 1, 0]), atol=1e-6, rtol=0)
    torch.testing.assert_close(up, torch.tensor([0.0, 0, 1]), atol=1e-6, rtol=0)


@pytest.mark.parametrize("num_cameras", [1, 2, 3, 4])
def test_camera_axes_are_orthonormal_for_every_batch_size(num_cameras):
    # torch.cross without dim breaks exactly at batch size 3.
    cameras = orbit_cameras(torch.linspace(-30, 80, num_cameras), torch.linspace(-170, 170, num_cameras))
    rotation = cameras.c2w[:, :3, :3]
    identity = torch.eye(3).expand(num_cameras, 3, 3)
    torch.testing.assert_close(rotation @ rotation.mT, identity, atol=1e-6, rtol=0)
    torch.testing.assert_close(torch.linalg.det(rotation), torch.ones(num_cameras))


def test_looking_straight_down_is_the_limit_of_rising_elevation():
    near_pole = orbit_cameras([89.99], [0.0]).c2w
    at_pole = look_at(torch.tensor([[0.0, 0, 2.5]]), torch.zeros(1, 3), torch.tensor([[0.0, 0, 1.0]]))
    torch.testing.assert_close(at_pole, near_pole, atol=1e-3, rtol=0)


def test_viewmats_have_opencv_axes_and_put_the_target_straight_ahead():
    cameras = orbit_cameras([15.0, -5.0], [33.0, 200.0], distance=2.0)
    # Rows of a world-to-camera rotation are the camera's axes in the world: right, down, forward.
    right, up, backward = cameras.c2w[:, :3, :3].unbind(-1)
    axes = torch.stack([right, -up, -backward], dim=1)
    torch.testing.assert_close(cameras.viewmats[:, :3, :3], axes, atol=1e-5, rtol=0)
    origin_in_camera = cameras.viewmats[:, :3, 3]
    torch.testing.assert_close(origin_in_camera, torch.tensor([[0.0, 0, 2.0]]).expand(2, 3), atol=1e-5, rtol=0)


def test_a_ray_through_a_pixel_center_projects_back_onto_it():
    cameras = orbit_cameras([20.0], [70.0], width=5, height=4)
    points = cameras.positions[:, None, None] + 1.7 * cameras.ray_directions
    viewmat, K = opengl_to_opencv_viewmats(cameras.c2w)[0], cameras.Ks[0]
    in_camera = points[0] @ viewmat[:3, :3].T + viewmat[:3, 3]
    pixels = in_camera @ K.T
    pixels = pixels[..., :2] / pixels[..., 2:]
    u, v = torch.meshgrid(torch.arange(5) + 0.5, torch.arange(4) + 0.5, indexing="xy")
    torch.testing.assert_close(pixels, torch.stack([u, v], dim=-1), atol=1e-4, rtol=0)


def test_a_field_of_view_of_ninety_degrees_has_a_focal_length_of_half_the_height():
    K = intrinsics(torch.tensor([math.pi / 2]), width=30, height=20)[0]
    torch.testing.assert_close(K, torch.tensor([[10.0, 0, 15], [0, 10.0, 10], [0, 0, 1]]))


def test_angles_wrap_into_minus_180_to_180():
    wrapped = wrap_degrees(torch.tensor([-180.0, 180.0, 190.0, 360.0, -190.0]))
    torch.testing.assert_close(wrapped, torch.tensor([-180.0, -180.0, -170.0, 0.0, 170.0]))


def test_a_batch_survives_the_upstream_dictionary():
    cameras = orbit_cameras([10.0, 20.0, 30.0], [0.0, 120.0, 240.0], width=7, height=3)
    restored = CameraBatch.from_batch(cameras.to_batch() | {"unknown": 1})
    torch.testing.assert_close(restored.c2w, cameras.c2w)
    assert (restored.width, restored.height) == (7, 3)


def test_a_batch_without_a_camera_key_is_refused_by_name():
    batch = orbit_cameras([0.0], [0.0]).to_batch()
    del batch["fovy"]
    with pytest.raises(KeyError, match="no fovy"):
        CameraBatch.from_batch(batch)


def test_cameras_of_different_sizes_do_not_mix():
    with pytest.raises(ValueError, match="one image size"):
        cat([orbit_cameras([0.0], [0.0], width=8), orbit_cameras([0.0], [0.0], width=16)])


def test_the_model_view_projection_matrix_agrees_with_the_intrinsics():
    cameras = orbit_cameras([25.0], [40.0], width=32, height=16)
    point = torch.tensor([0.2, -0.1, 0.3, 1.0])
    clip = cameras.to_batch()["mvp_mtx"][0] @ point
    ndc = clip[:2] / clip[3]
    in_camera = cameras.viewmats[0] @ point
    pixel = cameras.Ks[0] @ in_camera[:3]
    pixel = pixel[:2] / pixel[2]
    # y points down in both.
    expected = torch.stack([2 * pixel[0] / 32 - 1, 2 * pixel[1] / 16 - 1])
    torch.testing.assert_close(ndc, expected, atol=1e-5, rtol=0)
