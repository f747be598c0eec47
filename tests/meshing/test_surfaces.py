"""Clean-up and checks of meshes whose faults are known."""

import math

import pytest
import torch
from analytic import cube, scaled, sphere_cloud, tetrahedron, together, turned_inside_out
from splatdream.meshing.cavities import hollow
from splatdream.meshing.checks import check_report, intersecting_pairs
from splatdream.meshing.comparison import sample_surface, surface_distance
from splatdream.meshing.connectivity import (
    boundary_loops,
    face_components,
    fill_holes,
    outer_components,
    winding_number,
    without_touching,
)
from splatdream.meshing.decimation import decimate
from splatdream.meshing.extraction import ExtractionOptions, extract_mesh
from splatdream.meshing.mesh import Mesh, check_mesh
from splatdream.meshing.smoothing import taubin_smooth


@pytest.fixture(scope="module")
def sphere() -> Mesh:
    return extract_mesh(sphere_cloud(), ExtractionOptions(resolution=64, target_faces=0, smoothing_iterations=0)).mesh


def test_volume_area_and_normals_of_a_cube():
    mesh = cube()
    assert mesh.volume == pytest.approx(1.0)
    assert mesh.face_areas.sum().item() == pytest.approx(6.0)
    assert ((mesh.vertex_normals * (mesh.vertices - 0.5)).sum(1) > 0).all()


def test_a_cube_passes_every_check():
    report = check_report(cube())
    assert report.is_watertight and report.is_manifold
    assert (report.num_components, report.euler_characteristic, report.num_intersecting_faces) == (1, 2, 0)
    assert report.num_degenerate_faces == 0


def test_checks_count_what_is_wrong():
    mesh = cube()
    open_report = check_report(Mesh(mesh.vertices, mesh.faces[1:]))
    assert open_report.num_open_edges == 3 and not open_report.is_watertight
    flipped = mesh.faces.clone()
    flipped[0] = flipped[0].flip(0)
    assert check_report(Mesh(mesh.vertices, flipped)).num_misoriented_edges == 3
    # Two tetrahedra on one edge, and two on one vertex.
    a = tetrahedron()
    edge = Mesh(
        torch.cat([a.vertices, -a.vertices[2:]]),
        torch.cat([a.faces, torch.tensor([[0, 1, 4], [0, 5, 1], [0, 4, 5], [1, 5, 4]])]),
    )
    assert check_report(edge).num_nonmanifold_edges == 1
    corner = Mesh(
        torch.cat([a.vertices, -a.vertices[1:]]), torch.cat([a.faces, torch.where(a.faces > 0, a.faces + 3, 0).flip(1)])
    )
    report = check_report(corner)
    assert report.num_nonmanifold_edges == 0 and report.num_nonmanifold_vertices == 1
    doubled = Mesh(mesh.vertices, torch.cat([mesh.faces, torch.tensor([[0, 0, 1]])]))
    assert check_report(doubled).num_degenerate_faces == 1


def test_touching_solids_part_where_they_touch():
    a = tetrahedron()
    edge = Mesh(
        torch.cat([a.vertices, -a.vertices[2:]]),
        torch.cat([a.faces, torch.tensor([[0, 1, 4], [0, 5, 1], [0, 4, 5], [1, 5, 4]])]),
    )
    parted = without_touching(edge)
    report = check_report(parted)
    assert report.is_watertight and report.is_manifold and report.num_components == 2
    torch.testing.assert_close(parted.corners, edge.corners)
    assert without_touching(cube()) is not None and len(without_touching(cube()).vertices) == 8


def test_faces_that_cut_each_other_are_found():
    one = cube()
    other = Mesh(one.vertices + torch.tensor([0.5, 0.45, 0.4]), one.faces)
    pairs = intersecting_pairs(together(one, other))
    # The three sides of each cube at the corner inside of the other are cut, and no others.
    assert len(pairs) > 0
    assert (pairs[:, 0] < 12).all() and (pairs[:, 1] >= 12).all()
    assert len(intersecting_pairs(together(one, scaled(cube(), 0.5, 0.25)))) == 0
    assert len(intersecting_pairs(one)) == 0


def test_intersections_agree_with_every_pair_tested(generator):
    vertices = torch.rand(60, 3, generator=generator)
    mesh = Mesh(vertices, torch.arange(60).reshape(20, 3))
    found = {tuple(pair) for pair in intersecting_pairs(mesh).tolist()}
    expected = set()
    for i in range(20):
        for j in range(i + 1, 20):
            a, b = mesh.corners[i].double(), mesh.corners[j].double()
            if _pierces(a, b) or _pierces(b, a):
                expected.add((i, j))
    assert found == expected and expected


def _pierces(a: torch.Tensor, b: torch.Tensor) -> bool:
    """Whether a side of triangle a crosses triangle b, by signed volumes."""

    def volume(p, q, r, s):
        return torch.linalg.det(torch.stack([q - p, r - p, s - p])).sign()

    for k in range(3):
        start, end = a[k], a[(k + 1) % 3]
        if volume(start, *b) == volume(end, *b):
            continue
        signs = {volume(start, end, b[i], b[(i + 1) % 3]).item() for i in range(3)}
        if len(signs) == 1:
            return True
    return False


def test_cavities_specks_and_what_is_inside_are_dropped():
    outer, wall = scaled(cube(), 4.0, -2.0), turned_inside_out(scaled(cube(), 2.0, -1.0))
    nested, speck, neighbor = scaled(cube(), 1.0, -0.5), scaled(cube(), 0.2, 5.0), scaled(cube(), 2.0, 6.0)
    kept = outer_components(together(outer, wall, nested, speck, neighbor), min_volume_share=0.05)
    assert kept.volume == pytest.approx(64.0 + 8.0)
    assert int(face_components(kept).max()) + 1 == 2


def test_winding_number_tells_inside_from_outside():
    assert winding_number(cube(), torch.tensor([0.5, 0.4, 0.6])) == pytest.approx(1.0)
    assert winding_number(cube(), torch.tensor([1.5, 0.4, 0.6])) == pytest.approx(0.0, abs=1e-6)


def test_inside_out_mesh_is_one_sentence():
    with pytest.raises(ValueError, match="encloses a volume"):
        outer_components(turned_inside_out(cube()))


def test_holes_are_found_and_closed():
    mesh = cube()
    without_one = Mesh(mesh.vertices, mesh.faces[1:])
    assert [len(loop) for loop in boundary_loops(without_one.faces)] == [3]
    assert check_report(fill_holes(without_one)).is_watertight
    without_side = Mesh(mesh.vertices, mesh.faces[2:])
    closed = fill_holes(without_side)
    assert check_report(closed).is_watertight and closed.volume == pytest.approx(1.0)


def test_smoothing_removes_noise_and_keeps_the_volume(sphere, generator):
    noisy = Mesh(sphere.vertices + 0.004 * torch.randn(sphere.vertices.shape, generator=generator), sphere.faces)
    smooth = taubin_smooth(noisy, 10)
    roughness = [mesh.vertices.norm(dim=1).std().item() for mesh in (noisy, smooth)]
    assert roughness[1] < 0.5 * roughness[0]
    assert smooth.volume == pytest.approx(noisy.volume, rel=0.01)
    torch.testing.assert_close(taubin_smooth(sphere, 0).vertices, sphere.vertices)


def test_decimation_keeps_the_shape(sphere):
    fewer = decimate(sphere, 1000)
    assert 990 <= len(fewer) <= 1000
    assert fewer.volume == pytest.approx(sphere.volume, rel=0.02)
    assert decimate(fewer, 5000) is fewer


def test_hollow_is_found_behind_a_leaking_wall():
    steps = torch.arange(40) - 19.5
    radius = torch.cartesian_prod(steps, steps, steps).norm(dim=1).reshape(40, 40, 40)
    shell = (radius < 16) & (radius > 12)
    shell[20:22, 20:22, :20] = False
    inside = hollow(shell)
    assert (inside == ((radius <= 12) & ~shell)).float().mean() > 0.99
    assert inside[20, 20, 20] and not inside[0, 0, 0]
    assert not hollow(radius < 16).any()


def test_a_shell_of_gaussians_becomes_one_solid_sphere():
    extraction = extract_mesh(sphere_cloud(), ExtractionOptions(resolution=64, target_faces=3000))
    report = extraction.report
    assert report.is_watertight and report.is_manifold and report.num_intersecting_faces == 0
    assert (report.num_components, report.euler_characteristic) == (1, 2)
    radii = extraction.mesh.vertices.norm(dim=1)
    assert radii.std() < 0.005
    assert report.volume == pytest.approx(4 / 3 * math.pi * radii.mean().item() ** 3, rel=0.02)


def test_chamfer_distance_of_concentric_spheres_is_the_gap(sphere, generator):
    bigger = Mesh(1.1 * sphere.vertices, sphere.faces)
    gap = 0.1 * sphere.vertices.norm(dim=1).mean().item()
    distance = surface_distance(
        sample_surface(bigger, 8000, generator), sample_surface(sphere, 8000, generator), 0.5 * gap
    )
    assert distance.chamfer == pytest.approx(gap, rel=0.1)
    assert distance.normal_consistency > 0.99 and distance.f_score == 0.0
    same = surface_distance(sample_surface(sphere, 8000, generator), sample_surface(sphere, 8000, generator), 0.05)
    assert same.chamfer < 0.2 * gap and same.f_score == 1.0


def test_samples_are_uniform_by_area(generator):
    samples = sample_surface(cube(), 6000, generator)
    assert (samples.points.mean(0) - 0.5).abs().max() < 0.02
    on_side = (samples.points[:, 0] == 1).float().mean().item()
    assert on_side == pytest.approx(1 / 6, abs=0.02)


BAD_CLOUDS = {
    "no Gaussians": lambda cloud: {name: tensor[:0] for name, tensor in cloud.tensors().items()},
    "NaN or infinite means": lambda cloud: {**cloud.tensors(), "means": cloud.means * float("nan")},
    "too faint": lambda cloud: {**cloud.tensors(), "opacity_logits": cloud.opacity_logits - 20},
}


@pytest.mark.parametrize("message", BAD_CLOUDS)
def test_bad_clouds_are_one_clear_sentence(message):
    cloud = sphere_cloud(50)
    bad = type(cloud)(**BAD_CLOUDS[message](cloud))
    with pytest.raises(ValueError, match=message) as error:
        extract_mesh(bad)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("threshold", [1e6, -1.0])
def test_a_threshold_outside_of_the_densities_is_one_clear_sentence(threshold):
    with pytest.raises(ValueError, match="threshold"):
        extract_mesh(sphere_cloud(100), ExtractionOptions(resolution=32, threshold=threshold))


def test_broken_meshes_are_one_clear_sentence():
    mesh = cube()
    with pytest.raises(ValueError, match="no faces"):
        check_mesh(Mesh(mesh.vertices, mesh.faces[:0]))
    with pytest.raises(ValueError, match="NaN"):
        check_mesh(Mesh(mesh.vertices * float("inf"), mesh.faces))
    with pytest.raises(ValueError, match="name vertices"):
        check_mesh(Mesh(mesh.vertices[:5], mesh.faces))
