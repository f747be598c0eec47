"""A field whose density is known: a cone of the given height, exp(10 (1 - r / 0.5)), gray."""

import torch
from splatdream.fields.radiance_field import FieldOptions
from splatdream.fields.volume import Volume

RADIUS, HEIGHT, STEP = 0.5, 10.0, 0.02


def gray_sphere() -> Volume:
    options = FieldOptions(
        coarsest=4, finest=8, num_levels=2, density_activation="exp", blob_scale=HEIGHT, blob_radius=RADIUS
    )
    volume = Volume(options, occupancy_resolution=32, step_size=STEP)
    with torch.no_grad():
        volume.field.encoding.table.zero_()
    return volume


def black_and_white_sphere() -> Volume:
    """The same, black below z = 0 and white above."""
    volume = gray_sphere()
    encoding, color = volume.field.encoding, volume.field.networks["color"]
    encoding.active_levels = 1
    with torch.no_grad():
        encoding.table[: 5**3, 0] = (torch.arange(5.0) - 2).repeat(25)
        color[0].weight.zero_()
        color[0].weight[0, 0], color[0].weight[1, 0] = 1, -1
        color[2].weight.zero_()
        color[2].weight[:, 0], color[2].weight[:, 1] = 100, -100
        volume.field.networks["density"][2].weight.zero_()
    return volume
