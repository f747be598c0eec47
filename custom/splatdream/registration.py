"""Every module that registers a class, in one list."""

import importlib
import sys

REGISTERING_MODULES: tuple[str, ...] = (
    ".cameras.datamodule",
    ".export.exporter",
    ".gaussians.geometry",
    ".guidance.denoising",
    ".guidance.guidance",
    ".guidance.presets",
    ".priors.registered",
    ".priors.registered_networks",
    ".prompts.processor",
    ".rendering.background",
    ".rendering.material",
    ".rendering.renderer",
    ".systems.distillation",
    ".systems.mesh_exporter",
    ".systems.mesh_geometry",
    ".systems.mesh_renderer",
    ".systems.texture_refinement",
)
"""Names relative to this package."""


def register_all() -> None:
    """Import every registering module; a second call does nothing."""
    for name in REGISTERING_MODULES:
        importlib.import_module(name, __package__)


def register_under_threestudio() -> None:
    """Register when threestudio is running, which imports plugins in order to have them registered."""
    if "threestudio" in sys.modules:
        register_all()
