"""Score distillation into 3D Gaussians: a threestudio-style plugin that also runs without threestudio.

`import splatdream` is quick and registers nothing, unless threestudio is importing its plugins. What it offers
(docs/python.md) is imported when it is asked for.
"""

from importlib import import_module

from .startup.registration import register_under_threestudio

__version__ = "0.1.0"

_PUBLIC = {
    "CameraBatch": "cameras.batch",
    "GaussianCloud": "gaussians.cloud",
    "Views": "priors.base",
    "ball": "gaussians.initialization",
    "distill": "api.calls",
    "evaluate": "api.calls",
    "fit": "api.calls",
    "lab": "api.calls",
    "load_prior": "api.calls",
    "orbit_cameras": "cameras.batch",
    "rasterize": "api.rasterizing",
    "read_ply": "gaussians.ply",
    "read_splat": "gaussians.splat_file",
    "render": "rendering.render",
    "to_mesh": "api.calls",
    "write_compressed_ply": "gaussians.ply",
    "write_glb": "texture.mesh_files",
    "write_obj": "texture.mesh_files",
    "write_ply": "gaussians.ply",
    "write_splat": "gaussians.splat_file",
}
"""Where each public name is."""


def __getattr__(name: str) -> object:
    if name not in _PUBLIC:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_PUBLIC[name]}", __name__), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_PUBLIC])


register_under_threestudio()
