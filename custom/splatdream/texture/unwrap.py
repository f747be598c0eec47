"""Places in the texture for every face, by xatlas. The only file that imports xatlas.

F faces.
"""

from dataclasses import dataclass

import numpy as np
import torch

from ..meshing.mesh import Mesh, check_mesh
from .textured_mesh import UvLayout

# More than this many faces take minutes; nobody wants that unasked.
MAX_FACES = 200_000


@dataclass(frozen=True)
class Unwrapping:
    layout: UvLayout
    num_charts: int
    used_share: float
    """Share of the texture that charts cover."""

    def facts(self) -> dict[str, object]:
        """Plain values for a JSON file."""
        return {"num_charts": self.num_charts, "used_share": self.used_share}


def unwrap(mesh: Mesh, texture_size: int, padding: int = 4) -> Unwrapping:
    """Cuts the mesh into charts and packs them into a square texture. Deterministic.

    Args:
        texture_size: pixels along a side.
        padding: pixels between charts.

    Raises:
        ImportError: xatlas is missing.
        ValueError: the mesh is empty or broken, or has too many faces to be unwrapped in reasonable time.
    """
    check_mesh(mesh)
    if len(mesh) > MAX_FACES:
        raise ValueError(
            f"{len(mesh)} faces are too many to unwrap (at most {MAX_FACES}); decimate first, e.g. to 50000 faces"
        )
    if not 16 <= texture_size <= 16384:
        raise ValueError(f"texture_size {texture_size} must be between 16 and 16384 pixels")
    try:
        import xatlas
    except ImportError as error:
        raise ImportError(f"unwrapping needs xatlas: pip install xatlas ({error})") from error
    atlas = xatlas.Atlas()
    atlas.add_mesh(mesh.vertices.cpu().numpy().astype(np.float32), mesh.faces.cpu().numpy().astype(np.uint32))
    chart_options, pack_options = xatlas.ChartOptions(), xatlas.PackOptions()
    pack_options.resolution = texture_size
    pack_options.padding = padding
    atlas.generate(chart_options, pack_options)
    _, uv_faces, uvs = atlas.get_mesh(0)
    # xatlas scales width and height to 1 each; pixels of a square texture must stay square.
    longest = max(atlas.width, atlas.height)
    uvs = uvs * np.array([atlas.width / longest, atlas.height / longest], dtype=np.float32)
    layout = UvLayout(
        torch.from_numpy(uvs).to(mesh.vertices), torch.from_numpy(uv_faces.astype(np.int64)).to(mesh.faces)
    )
    return Unwrapping(layout, atlas.chart_count, float(_used_share(layout)))


def _used_share(layout: UvLayout) -> torch.Tensor:
    a, b, c = layout.corners.unbind(1)
    return 0.5 * ((b - a)[:, 0] * (c - a)[:, 1] - (b - a)[:, 1] * (c - a)[:, 0]).abs().sum()
