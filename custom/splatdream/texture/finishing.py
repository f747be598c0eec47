"""The last touch before a texture leaves the house."""

import torch

from .padding import fill_between_charts
from .seams import close_seams, find_seams
from .texels import map_texels
from .textured_mesh import TexturedMesh


@torch.no_grad()
def finished(textured: TexturedMesh) -> TexturedMesh:
    """Borders of charts closed, colors spread between the charts, all in [0, 1]."""
    height, width = textured.texture.shape[:2]
    covered = map_texels(textured.layout, height, width).covered()
    texture = fill_between_charts(textured.texture.detach().clamp(0, 1), covered)
    return textured.with_texture(close_seams(texture, find_seams(textured.mesh.faces, textured.layout)))
