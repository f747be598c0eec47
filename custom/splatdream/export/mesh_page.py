"""A mesh for a page in a browser, with the colors of its texture as they are in its files.

Colors are not lit and not converted: what the page shows is what KHR_materials_unlit asks viewers for, and what our own
mesh rasterizer shows. "Shape" shows the geometry in gray instead.

F faces, W vertices that are split where charts end.
"""

import numpy as np
from torch import Tensor

from ..meshing.mesh import Mesh, check_mesh
from ..storage.images import png_bytes
from ..texture.textured_mesh import TexturedMesh, joint_corners
from .model_page import PageModel


def mesh_model(mesh: TexturedMesh | Mesh) -> PageModel:
    """The mesh for a page; one without a texture is shown as a gray shape.

    Raises:
        ValueError: the mesh is empty or broken, or the texture is not finite.
    """
    if isinstance(mesh, Mesh):
        check_mesh(mesh)
        data = _buffers(mesh.vertices, mesh.vertices.new_zeros(len(mesh.vertices), 2), mesh.faces)
        return PageModel(
            "mesh", "Mesh", f"{len(mesh):,} faces, no texture", data, _bounds(mesh), {"has_shape_view": False}
        )
    check_mesh(mesh.mesh)
    pairs, faces = joint_corners(mesh)
    data = _buffers(mesh.mesh.vertices[pairs[:, 0]], mesh.layout.uvs[pairs[:, 1]], faces)
    data["texture"] = png_bytes(mesh.texture)
    height, width = mesh.texture.shape[:2]
    facts = f"{len(mesh.mesh):,} faces, {width} \u00d7 {height} texture"
    return PageModel("mesh", "Mesh", facts, data, _bounds(mesh.mesh), {"has_shape_view": True})


def _bounds(mesh: Mesh) -> tuple[tuple[float, float, float], tuple[float, float, float]]:
    low, high = mesh.bounds.tolist()
    return tuple(low), tuple(high)


def _buffers(positions: Tensor, uvs: Tensor, faces: Tensor) -> dict[str, bytes]:
    """Little-endian arrays as web/mesh.js decodes them: [W, 3] and [W, 2] floats, [F, 3] whole numbers."""
    return {
        "positions": _array(positions).astype("<f4").tobytes(),
        "uvs": _array(uvs).astype("<f4").tobytes(),
        "indices": _array(faces).astype("<u4").tobytes(),
    }


def _array(tensor: Tensor) -> np.ndarray:
    return tensor.detach().cpu().numpy()
