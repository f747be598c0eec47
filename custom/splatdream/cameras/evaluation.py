"""Where evaluation cameras stand: the turntable, and the grid of a contact sheet."""

from collections.abc import Sequence

import torch

from .batch import CameraBatch, orbit_cameras


def turntable_cameras(
    num_views: int,
    elevation_deg: float,
    distance: float,
    fovy_deg: float,
    width: int,
    height: int,
) -> CameraBatch:
    """Evenly spaced azimuths of one full turn; the first view is not repeated at the end."""
    azimuths = torch.arange(num_views) * (360.0 / num_views)
    elevations = torch.full((num_views,), float(elevation_deg))
    return orbit_cameras(elevations, azimuths, distance, fovy_deg, width, height)


def contact_sheet_cameras(
    elevations_deg: Sequence[float],
    num_azimuths: int,
    distance: float,
    fovy_deg: float,
    size: int,
) -> CameraBatch:
    """Row by row: every elevation with `num_azimuths` evenly spaced azimuths that start at the front."""
    elevations = torch.tensor(elevations_deg, dtype=torch.float32).repeat_interleave(num_azimuths)
    azimuths = (torch.arange(num_azimuths) * (360.0 / num_azimuths)).repeat(len(elevations_deg))
    return orbit_cameras(elevations, azimuths, distance, fovy_deg, size, size)
