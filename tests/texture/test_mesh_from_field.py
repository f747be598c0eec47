"""A mesh of a field has its shape and its colors."""

from known_fields import black_and_white_sphere
from splatdream.meshing.extraction import ExtractionOptions
from splatdream.texture.mesh_from_cloud import BakingOptions
from splatdream.texture.mesh_from_field import mesh_from_field
from splatdream.texture.textured_mesh import sample_texture


def test_the_upper_half_of_a_sphere_is_white_and_the_lower_one_black():
    volume = black_and_white_sphere()
    volume.after_step(0)
    result = mesh_from_field(volume, ExtractionOptions(resolution=24, target_faces=300), BakingOptions(texture_size=64))
    textured = result.textured
    colors = sample_texture(textured.texture, textured.layout.corners.mean(1)).mean(-1)
    heights = textured.mesh.vertices[textured.mesh.faces].mean(1)[:, 2]
    radius = float(textured.mesh.vertices.norm(dim=-1).mean())
    assert result.report["mesh"]["num_open_edges"] == 0
    assert colors[heights > 0.3 * radius].min() > 0.9
    assert colors[heights < -0.3 * radius].max() < 0.1
