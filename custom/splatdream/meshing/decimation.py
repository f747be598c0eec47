"""Fewer faces with the same shape, by quadric error edge collapse. The only file that imports fast_simplification."""

import numpy as np
import torch

from .mesh import Mesh, is_degenerate, without_faces

# fast_simplification's `agg`: 7, its default, pinches the surface more often; 1.5 stops before it reaches the target.
_AGGRESSIVENESS = 5.0


def decimate(mesh: Mesh, target_faces: int) -> Mesh:
    """The mesh with about `target_faces` faces; unchanged when it has no more than that.

    The result may touch itself in edges with four faces; `without_touching` parts them.

    Raises:
        ImportError: fast-simplification is missing.
        ValueError: the target is below 4.
    """
    if target_faces < 4:
        raise ValueError(f"target_faces {target_faces} must be at least 4, the faces of a tetrahedron")
    if len(mesh) <= target_faces:
        return mesh
    try:
        import fast_simplification
    except ImportError as error:
        raise ImportError(f"decimation needs fast-simplification: pip install fast-simplification ({error})") from error
    vertices, faces = fast_simplification.simplify(
        mesh.vertices.cpu().numpy().astype(np.float32),
        mesh.faces.cpu().numpy().astype(np.int32),
        target_count=target_faces,
        agg=_AGGRESSIVENESS,
    )
    simplified = Mesh(torch.from_numpy(vertices).to(mesh.vertices), torch.from_numpy(faces).to(mesh.faces))
    return without_faces(simplified, is_degenerate(simplified))
