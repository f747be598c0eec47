"""A textured cube for the tests of what browsers show."""

import sys
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).parents[1] / "meshing"))

from analytic import cube
from splatdream.meshing.mesh import Mesh
from splatdream.texture.textured_mesh import Material, TexturedMesh, UvLayout


def colored_cube() -> TexturedMesh:
    """Each side has its own half-tone gradient, in a chart of its own."""
    mesh = Mesh(1.2 * cube().vertices - 0.6, cube().faces)
    uvs, uv_faces = [], []
    for side in range(6):
        left, bottom = (side % 3) / 3, (side // 3) / 2
        uvs += [[left + 0.02 + x * 0.29, bottom + 0.02 + y * 0.46] for x, y in ((0, 0), (1, 0), (1, 1), (0, 1))]
        first = 4 * side
        uv_faces += [[first, first + 1, first + 2], [first, first + 2, first + 3]]
    rows, columns = torch.meshgrid(torch.linspace(0, 1, 96), torch.linspace(0, 1, 96), indexing="ij")
    texture = torch.stack([rows, columns, 0.5 + 0.4 * torch.sin(9 * rows)], dim=-1)
    return TexturedMesh(mesh, UvLayout(torch.tensor(uvs), torch.tensor(uv_faces)), texture, Material(is_unlit=True))
