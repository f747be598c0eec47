"""From a radiance field to a textured mesh: extract, unwrap, and look at every place of the surface straight ahead."""

import torch

from ..fields.ray_samples import Rays
from ..fields.view_rendering import gather_colors
from ..fields.volume import Volume
from ..meshing.extraction import ExtractionOptions, extract_surface, timed
from ..meshing.field_density import FieldDensity
from ..meshing.mesh import Mesh
from .baking import MIN_ALPHA, Bake
from .finishing import fill_between_charts, inpaint
from .mesh_from_cloud import BakingOptions, MeshingResult, painted
from .texels import TexelMap
from .textured_mesh import Material

# Rays begin this many samples before the surface: the color is gathered round it, not at one density.
_SAMPLES_BEFORE = 3
PREVIEW_EXTRACTION = ExtractionOptions(resolution=64, target_faces=4000)
PREVIEW_BAKING = BakingOptions(texture_size=256)
"""Of meshes for pages: seconds, and less than a megabyte."""


@torch.no_grad()
def mesh_from_field(
    volume: Volume,
    extraction: ExtractionOptions = PREVIEW_EXTRACTION,
    baking: BakingOptions = PREVIEW_BAKING,
    material: Material = Material(),  # noqa: B008 - frozen
) -> MeshingResult:
    """A closed mesh with the colors of the field, which are the same from everywhere: no cameras are needed.

    Args:
        extraction: its threshold is the opacity of one sample, between 0 and 1.

    Raises:
        ValueError: the field is empty, or has no surface at the threshold.
        ImportError: scikit-image, fast-simplification, xatlas or embreex is missing.
    """
    extracted = extract_surface(FieldDensity(volume), extraction)

    def baked(mesh: Mesh, texels: TexelMap, seconds: dict[str, float]) -> Bake:
        with timed(seconds, "bake"):
            return _bake(volume, mesh, texels)

    return painted(extracted, baked, baking, material)


def _bake(volume: Volume, mesh: Mesh, texels: TexelMap) -> Bake:
    points, normals = texels.at_texels(mesh.corners), mesh.face_normals[texels.face_ids]
    starts = points + _SAMPLES_BEFORE * volume.step_size * normals
    device = volume.field.encoding.table.device
    gathered = gather_colors(volume, Rays(starts.to(device), -normals.to(device)))
    premultiplied, alphas = (values.to(points) for values in gathered)
    is_seen = alphas[:, 0] > MIN_ALPHA
    colors = inpaint(premultiplied / alphas.clamp(min=MIN_ALPHA), points, is_seen).clamp(0, 1)
    texture = fill_between_charts(texels.image(colors), texels.covered())
    return Bake(texture, is_seen[texels.is_inside].float().mean().item(), num_views=0)
