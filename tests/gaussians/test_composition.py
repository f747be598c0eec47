"""Parts of a scene: joined, moved, chosen."""

import math

import pytest
import torch
from splatdream.cameras.batch import orbit_cameras
from splatdream.cameras.conventions import opengl_to_opencv_viewmats
from splatdream.gaussians.cloud import GaussianCloud
from splatdream.gaussians.composition import cat, select, transform, with_sh_degree
from splatdream.gaussians.rotations import matrix_to_quat, quat_multiply, quat_to_matrix
from splatdream.gaussians.spherical_harmonics import evaluate_sh, rotate_sh
from splatdream.rendering.reference import rasterization


def random_cloud(num_points: int, sh_degree: int, generator: torch.Generator) -> GaussianCloud:
    def draw(*shape: int) -> torch.Tensor:
        return torch.randn(num_points, *shape, generator=generator)

    return GaussianCloud(draw(3), draw(3), draw(4), draw(), draw(1, 3), draw((sh_degree + 1) ** 2 - 1, 3))


def random_rotation(generator: torch.Generator) -> torch.Tensor:
    return quat_to_matrix(torch.randn(1, 4, generator=generator, dtype=torch.float64))[0]


def covariances(cloud: GaussianCloud) -> torch.Tensor:
    axes = quat_to_matrix(cloud.quats) * cloud.scales[:, None, :]
    return axes @ axes.mT


@pytest.mark.parametrize("degree", [0, 1, 2, 3])
def test_rotated_harmonics_at_rotated_directions_are_the_old_ones(degree, generator):
    sh = torch.randn(20, (degree + 1) ** 2, 3, generator=generator, dtype=torch.float64)
    directions = torch.nn.functional.normalize(torch.randn(20, 3, generator=generator, dtype=torch.float64), dim=-1)
    rotation = random_rotation(generator)
    rotated = torch.cat([sh[:, :1], rotate_sh(sh[:, 1:], rotation)], dim=1)
    torch.testing.assert_close(
        evaluate_sh(degree, rotated, directions @ rotation.T), evaluate_sh(degree, sh, directions)
    )


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_quaternions_of_half_turns_and_of_no_turn(axis):
    # At half turns the scalar part is zero, where the usual formula by the trace divides by it.
    half_turn = -torch.eye(3, dtype=torch.float64)
    half_turn[axis, axis] = 1
    expected = torch.zeros(4, dtype=torch.float64)
    expected[axis + 1] = 1
    torch.testing.assert_close(matrix_to_quat(half_turn), expected)
    torch.testing.assert_close(matrix_to_quat(torch.eye(3)), torch.tensor([1.0, 0, 0, 0]))


def test_quaternion_products_are_matrix_products(generator):
    a, b = (torch.randn(8, 4, generator=generator, dtype=torch.float64) for _ in range(2))
    torch.testing.assert_close(quat_to_matrix(quat_multiply(a, b)), quat_to_matrix(a) @ quat_to_matrix(b))
    for rotation in quat_to_matrix(a):
        torch.testing.assert_close(quat_to_matrix(matrix_to_quat(rotation)[None])[0], rotation)


def test_means_and_covariances_follow_the_map(generator):
    cloud = random_cloud(30, 1, generator)
    rotation, translation, scale = random_rotation(generator).float(), torch.tensor([1.0, -2.0, 3.0]), 1.7
    moved = transform(cloud, rotation, translation, scale)
    torch.testing.assert_close(moved.means, scale * cloud.means @ rotation.T + translation)
    linear = scale * rotation
    torch.testing.assert_close(covariances(moved), linear @ covariances(cloud) @ linear.T, rtol=1e-4, atol=1e-4)


def test_a_transform_and_its_inverse_cancel(generator):
    cloud = random_cloud(30, 3, generator)
    rotation, translation, scale = random_rotation(generator).float(), torch.tensor([1.0, -2.0, 3.0]), 1.7
    there = transform(cloud, rotation, translation, scale)
    back = transform(transform(there, translation=-translation), rotation.T, scale=1 / scale)
    for name in ("means", "log_scales", "opacity_logits", "sh0", "shN"):
        torch.testing.assert_close(getattr(back, name), getattr(cloud, name), rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(covariances(back), covariances(cloud), rtol=1e-4, atol=1e-4)


def test_gradients_pass_through_a_transform(generator):
    cloud = random_cloud(3, 1, generator)
    cloud.means.requires_grad_()
    transform(cloud, scale=3.0).means.sum().backward()
    torch.testing.assert_close(cloud.means.grad, torch.full((3, 3), 3.0))


def test_joined_clouds_keep_their_order_and_take_the_higher_degree(generator):
    low, high = random_cloud(3, 0, generator), random_cloud(2, 2, generator)
    joined = cat([low, high])
    assert len(joined) == 5 and joined.sh_degree == 2
    torch.testing.assert_close(joined.means, torch.cat([low.means, high.means]))
    assert not joined.shN[:3].any()
    torch.testing.assert_close(joined.shN[3:], high.shN)
    chosen = select(joined, torch.tensor([False, False, False, True, True]))
    assert all(torch.equal(a, b) for a, b in zip(chosen.tensors().values(), high.tensors().values(), strict=True))
    torch.testing.assert_close(select(joined, torch.tensor([4, 0])).means, joined.means[[4, 0]])


def test_degrees_are_padded_with_zeros_and_cut(generator):
    cloud = random_cloud(3, 1, generator)
    assert with_sh_degree(cloud, 3).shN.shape == (3, 15, 3)
    torch.testing.assert_close(with_sh_degree(with_sh_degree(cloud, 3), 1).shN, cloud.shN)
    assert with_sh_degree(cloud, 0).sh_degree == 0
    with pytest.raises(ValueError, match="degree 4 is not supported"):
        with_sh_degree(cloud, 4)


def test_what_is_not_a_rotation_is_refused(generator):
    cloud = random_cloud(3, 0, generator)
    for matrix in (2 * torch.eye(3), torch.diag(torch.tensor([1.0, 1.0, -1.0]))):
        with pytest.raises(ValueError, match="not a rotation"):
            transform(cloud, matrix)
    with pytest.raises(ValueError, match="above 0"):
        transform(cloud, scale=-1.0)
    with pytest.raises(ValueError, match="at least one"):
        cat([])


def test_a_quarter_turn_about_z_takes_x_to_y(generator):
    cloud = random_cloud(1, 0, generator)
    cloud.means[0] = torch.tensor([1.0, 0.0, 0.0])
    angle = math.pi / 2
    turn = torch.tensor([[math.cos(angle), -math.sin(angle), 0], [math.sin(angle), math.cos(angle), 0], [0, 0, 1]])
    torch.testing.assert_close(transform(cloud, turn).means, torch.tensor([[0.0, 1.0, 0.0]]), atol=1e-6, rtol=0)


def test_a_moved_cloud_looks_the_same_to_a_camera_that_moved_along(generator):
    # Also the view-dependent colors: the cameras see the same picture only if the harmonics turned with the cloud.
    cloud = random_cloud(25, 3, generator)
    cloud.means, cloud.log_scales = 0.3 * cloud.means, 0.3 * cloud.log_scales - 2.5
    rotation, translation, scale = random_rotation(generator).float(), torch.tensor([0.4, -0.2, 0.3]), 1.5
    cameras = orbit_cameras([10.0, 50.0], [20.0, 130.0], distance=3.0, width=32, height=32)
    along = torch.zeros_like(cameras.c2w)
    along[:, :3, :3] = rotation @ cameras.c2w[:, :3, :3]
    along[:, :3, 3] = scale * cameras.positions @ rotation.T + translation
    along[:, 3, 3] = 1
    pictures = []
    for current, c2w in ((cloud, cameras.c2w), (transform(cloud, rotation, translation, scale), along)):
        splats = (current.means, current.quats, current.scales, current.opacities, current.sh)
        viewmats = opengl_to_opencv_viewmats(c2w)
        pictures.append(rasterization(*splats, viewmats, cameras.Ks, 32, 32, sh_degree=3)[0])
    assert pictures[0].std() > 0.05
    # Pixels where alpha is about 1/255 may flip.
    assert (pictures[0] - pictures[1]).abs().mean() < 1e-4


def test_a_cloud_in_front_covers_the_one_behind(generator):
    near, far = random_cloud(8, 0, generator), random_cloud(8, 0, generator)
    for cloud, x in ((near, 0.5), (far, -0.5)):
        cloud.means, cloud.log_scales = 0.1 * cloud.means, 0.2 * cloud.log_scales - 2.5
        cloud.means[:, 0] += x
    cameras = orbit_cameras([0.0], [0.0], width=32, height=32)  # from +x

    def picture(cloud: GaussianCloud) -> tuple[torch.Tensor, torch.Tensor]:
        splats = (cloud.means, cloud.quats, cloud.scales, cloud.opacities, cloud.sh)
        return rasterization(*splats, cameras.viewmats, cameras.Ks, 32, 32, sh_degree=0)[:2]

    (front, alpha), (behind, _), (both, _) = picture(near), picture(far), picture(cat([far, near]))
    torch.testing.assert_close(both, front + (1 - alpha) * behind, atol=1e-3, rtol=0)
