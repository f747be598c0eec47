"""Every module that registers a class, in one list."""

import importlib
import sys
from collections.abc import Mapping

from .host_choice import chosen_host

REGISTERING_MODULES: tuple[str, ...] = (
    ".assets.field",
    ".assets.gaussian_particles",
    ".assets.gaussians",
    ".assets.textured_mesh",
    ".cameras.datamodule",
    ".export.exporter",
    ".export.field_exporter",
    ".export.mesh_exporter",
    ".guidance.clip_reward",
    ".guidance.denoising",
    ".guidance.guidance",
    ".guidance.photographs",
    ".guidance.presets",
    ".guidance.sampled_views",
    ".priors.registered",
    ".priors.registered_networks",
    ".prompts.processor",
    ".rendering.background",
    ".rendering.material",
    ".rendering.field_renderer",
    ".rendering.renderer",
    ".systems.distillation",
    ".systems.fit",
    ".systems.image_distillation",
    ".systems.texture_refinement",
    ".texture.renderer",
)
"""Names relative to the plugin's package."""
_PLUGIN = __package__.rpartition(".")[0]


def register_all() -> None:
    """Import every registering module; a second call does nothing."""
    for name in REGISTERING_MODULES:
        importlib.import_module(name, _PLUGIN)


def register_under_threestudio() -> None:
    """Register when threestudio is running, which imports plugins in order to have them registered."""
    if "threestudio" in sys.modules:
        register_all()


def registered_classes() -> Mapping[str, type]:
    """What this package registers, by name."""
    register_all()
    if chosen_host() == "upstream":
        classes = importlib.import_module("threestudio").__modules__
    else:
        classes = importlib.import_module("..embedded_host.registry", __package__).registered()
    return {name: cls for name, cls in sorted(classes.items()) if name.startswith("splatdream-")}
