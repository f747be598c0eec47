"""From a cloud, or a bare mesh, to a textured mesh: extract, unwrap, look from all sides, bake, close the seams."""

from collections.abc import Callable
from dataclasses import asdict, dataclass

import torch

from ..cameras.batch import CameraBatch
from ..gaussians.cloud import GaussianCloud
from ..meshing.extraction import Extraction, ExtractionOptions, extract_mesh, timed
from ..meshing.mesh import Mesh
from ..rendering.render import render
from .baking import Bake, Photographs, bake
from .finishing import close_seams, find_seams, measure_seams
from .ray_casting import RayCaster
from .texels import TexelMap, map_texels
from .textured_mesh import Material, TexturedMesh
from .unwrap import unwrap
from .viewpoints import surrounding_cameras


@dataclass(frozen=True)
class BakingOptions:
    texture_size: int = 1024
    """Pixels along a side of the texture."""
    padding: int = 4
    """Texels between charts."""
    num_views: int = 32
    """Views that the cloud is photographed from."""
    view_size: int = 512
    """Width and height of those views, pixels."""
    sharpness: float = 6.0
    """Power of the cosine between view and surface in a view's weight."""


@dataclass(frozen=True)
class MeshingResult:
    textured: TexturedMesh
    report: dict[str, object]
    """Plain values for a JSON file: what was chosen and measured, and the seconds of each part."""


@torch.no_grad()
def mesh_from_cloud(
    cloud: GaussianCloud,
    extraction: ExtractionOptions = ExtractionOptions(),  # noqa: B008 - frozen
    baking: BakingOptions = BakingOptions(),
    material: Material = Material(),  # noqa: B008 - frozen
) -> MeshingResult:
    """A closed mesh with the colors of the cloud.

    Raises:
        ValueError: the cloud is empty, too faint or not finite, or has no surface at the threshold.
        ImportError: scikit-image, fast-simplification, xatlas or embreex is missing.
    """
    extracted = extract_mesh(cloud, extraction)

    def baked(mesh: Mesh, texels: TexelMap, seconds: dict[str, float]) -> Bake:
        with timed(seconds, "photograph"):
            photographs = photograph(cloud, surrounding_cameras(mesh, baking.num_views, baking.view_size))
        with timed(seconds, "bake"):
            return bake(photographs, mesh, texels, RayCaster(mesh), baking.sharpness)

    return painted(extracted, baked, baking, material)


def painted(
    extracted: Extraction,
    baked: Callable[[Mesh, TexelMap, dict[str, float]], Bake],
    baking: BakingOptions,
    material: Material,
) -> MeshingResult:
    """The mesh unwrapped, painted by `baked`, which adds its seconds to those given, and closed at its seams."""
    mesh, seconds = extracted.mesh, dict(extracted.seconds)
    with timed(seconds, "unwrap"):
        unwrapping = unwrap(mesh, baking.texture_size, baking.padding)
    with timed(seconds, "texels"):
        texels = map_texels(unwrapping.layout, baking.texture_size, baking.texture_size)
    bake_of_mesh = baked(mesh, texels, seconds)
    with timed(seconds, "seams"):
        seams = find_seams(mesh.faces, unwrapping.layout)
        texture = close_seams(bake_of_mesh.texture, seams)
    report = {
        "mesh": {"threshold": extracted.threshold, **extracted.report.as_dict()},
        "unwrap": unwrapping.facts(),
        "bake": {
            "num_views": bake_of_mesh.num_views,
            "seen_share": bake_of_mesh.seen_share,
            "seams_before": asdict(measure_seams(bake_of_mesh.texture, seams)),
            "seams": asdict(measure_seams(texture, seams)),
        },
        "seconds": seconds,
    }
    return MeshingResult(TexturedMesh(mesh, unwrapping.layout, texture, material), report)


def gray_mesh(mesh: Mesh, baking: BakingOptions, material: Material) -> MeshingResult:
    """The mesh with a gray texture, to be refined."""
    seconds: dict[str, float] = {}
    with timed(seconds, "unwrap"):
        unwrapping = unwrap(mesh, baking.texture_size, baking.padding)
    gray = torch.full((baking.texture_size, baking.texture_size, 3), 0.5).to(mesh.vertices)
    textured = TexturedMesh(mesh, unwrapping.layout, gray, material)
    return MeshingResult(textured, {"unwrap": unwrapping.facts(), "seconds": seconds})


def photograph(cloud: GaussianCloud, cameras: CameraBatch) -> Photographs:
    """What the cameras see of the cloud, view by view to bound memory."""
    black = cameras.c2w.new_zeros(1, 3)
    views = [render(cloud, cameras[i : i + 1], black, cloud.sh_degree) for i in range(len(cameras))]
    return Photographs(cameras, torch.cat([view.rgb for view in views]), torch.cat([view.alpha for view in views]))
