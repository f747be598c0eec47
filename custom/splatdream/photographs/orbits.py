"""Views that a model always makes from the same places: their cameras by its name.

Azimuths count from the front, or from the image that a model was given, counterclockwise as seen from above.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import torch

from ..cameras.batch import CameraBatch, orbit_cameras
from ..options.option_range import check_choice

_DISTANCE, _FOVY_DEG = 2.5, 49.1
"""Of our cameras, world units and degrees: others stand where things look as large."""


@dataclass(frozen=True)
class Orbit:
    azimuths_deg: tuple[float, ...]
    elevations_deg: tuple[float, ...]
    fovy_deg: float
    source: str
    """Where it is said."""

    def cameras(self, width: int, height: int) -> CameraBatch:
        half_tangent = torch.tan(torch.deg2rad(torch.tensor([_FOVY_DEG, self.fovy_deg])) / 2)
        distance = _DISTANCE * float(half_tangent[0] / half_tangent[1])
        return orbit_cameras(self.elevations_deg, self.azimuths_deg, distance, self.fovy_deg, width, height)


_SIX = (30.0, 90.0, 150.0, 210.0, 270.0, 330.0)

ORBITS: Mapping[str, Orbit] = {
    "mvdream": Orbit((0.0, 90.0, 180.0, 270.0), (15.0,) * 4, _FOVY_DEG, "MVDream, get_camera; its lens varied"),
    "zero123plus-1.1": Orbit(_SIX, (30.0, -20.0) * 3, 30.0, "Zero123++'s README; field of view as of 1.2"),
    "zero123plus-1.2": Orbit(_SIX, (20.0, -10.0) * 3, 30.0, "InstantMesh, get_zero123plus_input_cameras"),
    # The image that it was given comes last.
    "sv3d": Orbit(
        tuple(360 / 21 * frame % 360 for frame in range(1, 22)),
        (10.0,) * 21,
        33.8,
        "generative-models, simple_video_sample.py, the direction from its assets/sv3d.gif; arXiv:2403.12008",
    ),
}
"""By the name that `--orbit` takes."""


def orbit_of(name: str, num_images: int) -> Orbit:
    """
    Raises:
        ValueError: there is no such orbit, or it has another number of views.
    """
    check_choice("the orbit", name, ORBITS)
    orbit = ORBITS[name]
    if num_images != len(orbit.azimuths_deg):
        raise ValueError(f"{name} makes {len(orbit.azimuths_deg)} views, and the folder holds {num_images} images")
    return orbit
