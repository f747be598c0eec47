"""How the files of other programs lie: which way is up, which way is the front, how large things are.

Facts, each with its source. Turned into the world's axes: z up, front toward +x (docs/conventions.md).
"""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

WORLD_HALF_VIEW = 2.5 * math.tan(math.radians(49.1 / 2))
"""Half the height of what our usual camera (distance 2.5, 49.1 degrees) sees at the origin, world units."""

Direction = tuple[float, float, float]
_X, _Y, _Z = (1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)
_DOWN_Y, _BACK_Y, _BACK_Z = (0.0, -1.0, 0.0), (0.0, -1.0, 0.0), (0.0, 0.0, -1.0)
# TRELLIS's cube of half side 0.5 fills this share of half its picture; taken where a program's camera is unknown.
_CUBE_SHARE = 0.5 / (2.0 * math.tan(math.radians(20)))


@dataclass(frozen=True)
class Frame:
    """The axes and the scale of a file."""

    up: Direction
    front: Direction
    """Where the object looks, of unit length as is `up`."""
    source: str
    """Where this is said."""
    half_view: float | None = None
    """Half the height of what that program's own camera sees at the origin, in units of the file: things come out as
    large in our pictures as in theirs. None: the units of the file are world units."""

    @property
    def rotation(self) -> Float[Tensor, "3 3"]:
        """From the axes of the file to the world's."""
        front, up = (torch.tensor(direction, dtype=torch.float64) for direction in (self.front, self.up))
        return torch.stack([front, torch.linalg.cross(up, front), up]).float()

    @property
    def scale(self) -> float:
        """World units in a unit of the file."""
        return 1.0 if self.half_view is None else WORLD_HALF_VIEW / self.half_view


def _half_view(distance: float, fovy_deg: float) -> float:
    return distance * math.tan(math.radians(fovy_deg / 2))


FRAMES: dict[str, Frame] = {
    "splatdream": Frame(_Z, _X, "docs/conventions.md"),
    "gltf": Frame(_Y, _Z, "glTF 2.0, sec. 3.4: y up, front toward +z"),
    "blender": Frame(_Z, _BACK_Y, "what Blender makes of glTF: z up, front toward -y"),
    "lgm": Frame(
        _Y,
        _Z,
        "3DTopia/LGM, infer.py (kiui's orbit_camera: azimuth 0 at +z) and core/options.py (distance 1.5, 49.1 degrees)",
        _half_view(1.5, 49.1),
    ),
    "grm": Frame(
        _Z,
        (-math.sqrt(0.5), -math.sqrt(0.5), 0.0),
        "justimyhxu/GRM, test.py: z up, the input image at azimuth 225; distance 2.7, 50 degrees",
        _half_view(2.7, 50.0),
    ),
    "trellis": Frame(
        _DOWN_Y,
        _BACK_Z,
        "microsoft/TRELLIS: save_ply writes (x, -z, y) of a cloud with z up and the front toward -y; "
        "render_utils.py: distance 2, 40 degrees",
        _half_view(2.0, 40.0),
    ),
    "trellis-glb": Frame(
        _Y, _Z, "microsoft/TRELLIS: its GLB is glTF's; render_utils.py: distance 2, 40 degrees", _half_view(2.0, 40.0)
    ),
    "triposplat": Frame(
        _DOWN_Y,
        _BACK_Z,
        "yosun/TripoSplatWebGPU, docs/gaussian-conventions.md: the official export writes (x, -z, y), as TRELLIS does; "
        "the front and the cube of half side 0.5 are taken from TRELLIS, an assumption",
        _half_view(2.0, 40.0),
    ),
    "triposr": Frame(
        _Z,
        _X,
        "VAST-AI-Research/TripoSR, what run.py writes: tsr/utils.py (z up, azimuth 0 at +x), tsr/system.py (distance "
        "1.9, 40 degrees). The files of its web demo are mirrored: not these",
        _half_view(1.9, 40.0),
    ),
    "instantmesh": Frame(
        _Z,
        _X,
        "TencentARC/InstantMesh, the OBJ of run.py: src/utils/camera_util.py (z up, azimuth 0 at +x; distance 4, "
        "30 degrees)",
        _half_view(4.0, 30.0),
    ),
    "instantmesh-glb": Frame(
        _Y, _Z, "TencentARC/InstantMesh, app.py: writes (y, z, x) of the above, which is glTF's", _half_view(4.0, 30.0)
    ),
    "hunyuan3d": Frame(
        _Y,
        _Z,
        "Hunyuan3D 2, by users: glTF's axes; its option box_v, a cube of half side 1.01, gets the margin of TRELLIS's "
        "cube, an assumption",
        1.01 / _CUBE_SHARE,
    ),
    "shap-e": Frame(
        _Z,
        _BACK_Y,
        "diffusers, pipelines/shap_e/camera.py: z up, the first camera at -y; distance 4, 0.7 radians",
        _half_view(4.0, math.degrees(0.7)),
    ),
}
"""By name. A new program is a line here."""


def find_frame(name: str) -> Frame:
    """Raises ValueError, with the known names, for another one."""
    if name not in FRAMES:
        raise ValueError(
            f"system.geometry.initialization_frame '{name}' is unknown; choose one of {', '.join(FRAMES)}, "
            "or leave it out for what the kind of file says"
        )
    return FRAMES[name]
