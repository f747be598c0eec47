"""A textured mesh against a toybox object, whose geometry and looks are known from every side.

N points on a surface.
"""

from dataclasses import dataclass

import torch

from ..cameras.batch import CameraBatch
from ..cameras.sampling import OrbitRanges, sample_cameras
from ..meshing.checks import check_report
from ..meshing.comparison import SurfaceSamples, sample_surface, surface_distance
from ..meshing.mesh import Mesh
from ..texture.finishing import find_seams, measure_seams
from ..texture.mesh_rendering import paint, rasterize
from ..texture.ray_casting import RayCaster
from ..texture.textured_mesh import TexturedMesh
from ..toybox.mesh import is_hidden, scene_mesh
from ..toybox.objects import build_scene
from ..toybox.ray_tracer import composite, trace
from ..toybox.scene import Scene
from .image_metrics import psnr, psnr_of_mean_squares, silhouette_iou

_TOLERANCE_SHARE = 0.01
_HELD_OUT = OrbitRanges(
    elevation_deg=(-15.0, 65.0), azimuth_deg=(-180.0, 180.0), distance=(2.5, 2.5), fovy_deg=(49.1, 49.1)
)


@dataclass(frozen=True)
class MeshQuality:
    chamfer: float
    """Mean distance between the surfaces, both ways, world units; objects have a radius of about 1."""
    normal_consistency: float
    """Mean |cosine| between the normals of nearest points; 1 is perfect."""
    f_score: float
    """At 1 % of the object's diagonal."""
    psnr: float
    """Of whole images before white over held-out cameras, decibels, mean over the views."""
    psnr_inside: float
    """Only over pixels that both the mesh and the object fill: what the texture is to blame for."""
    silhouette_iou: float
    is_watertight: bool
    num_intersecting_faces: int
    seam_difference: float
    """Mean color difference across chart borders, in steps of 1/255."""


def evaluate_mesh(
    textured: TexturedMesh, caption: str, num_views: int = 16, size: int = 128, num_points: int = 30_000
) -> MeshQuality:
    """Compares geometry and images with the true object of a toybox caption.

    Args:
        caption: as for the toybox's prompts, e.g. "an orange cat".
        num_views: random held-out cameras over the elevations that training cameras use.

    Raises:
        ValueError: the caption has words that the toybox does not know.
    """
    scene = build_scene(caption)
    generator = torch.Generator().manual_seed(0)
    truth = sample_outside(scene, num_points, generator)
    diagonal = (truth.points.amax(0) - truth.points.amin(0)).norm().item()
    distance = surface_distance(
        sample_surface(textured.mesh, num_points, generator), truth, _TOLERANCE_SHARE * diagonal
    )
    cameras = sample_cameras(_HELD_OUT, num_views, size, size, generator)
    psnr, psnr_inside, iou = compare_images(textured, scene, cameras)
    report = check_report(textured.mesh)
    seams = measure_seams(textured.texture, find_seams(textured.mesh.faces, textured.layout))
    return MeshQuality(
        chamfer=distance.chamfer,
        normal_consistency=distance.normal_consistency,
        f_score=distance.f_score,
        psnr=psnr,
        psnr_inside=psnr_inside,
        silhouette_iou=iou,
        is_watertight=report.is_watertight,
        num_intersecting_faces=report.num_intersecting_faces,
        seam_difference=seams.mean_difference,
    )


def sample_outside(scene: Scene, num_points: int, generator: torch.Generator) -> SurfaceSamples:
    """About `num_points` points with normals, evenly over what can be seen of the scene from outside of it."""
    pieces = scene_mesh(scene, resolution=64)
    mesh = Mesh(torch.from_numpy(pieces.vertices).float(), torch.from_numpy(pieces.faces).long())
    samples = sample_surface(mesh, num_points, generator)
    owners = torch.from_numpy(pieces.face_primitives).long()[samples.face_ids]
    return samples[~is_hidden(scene, samples.points, owners)]


@torch.no_grad()
def compare_images(textured: TexturedMesh, scene: Scene, cameras: CameraBatch) -> tuple[float, float, float]:
    """(PSNR, PSNR inside, silhouette IoU), each a mean over the cameras."""
    white = torch.ones(len(cameras), 3)
    rgba = trace(scene, cameras)
    truth = composite(rgba, white)
    fragments = rasterize(RayCaster(textured.mesh), cameras)
    images = paint(fragments, textured.layout, textured.texture, white)
    squares = (images - truth).square().mean(-1)
    mesh_alpha, true_alpha = fragments.alphas[..., 0], rgba[..., 3]
    both = ((mesh_alpha > 0.99) & (true_alpha > 0.99)).float()
    of_images = psnr(images, truth).mean().item()
    of_insides = (squares * both).sum(dim=(1, 2)) / both.sum(dim=(1, 2)).clamp(min=1)
    ious = silhouette_iou(fragments.alphas, rgba[..., 3:])
    return of_images, psnr_of_mean_squares(of_insides).mean().item(), ious.mean().item()
