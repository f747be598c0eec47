"""The guidance under names that users look for: the same class with published settings (sources in docs/methods.md)."""

from dataclasses import dataclass, field
from typing import Any

from ..host import register
from .guidance import Guidance


@register("splatdream-stable-diffusion-guidance")
class StableDiffusionGuidance(Guidance):
    """DreamFusion's method on Stable Diffusion with threestudio's settings."""

    @dataclass
    class Config(Guidance.Config):
        prior_type: str = "splatdream-stable-diffusion-prior"
        """Registered name of the diffusion prior."""
        guidance_scale: Any = 101.0
        """threestudio's 100, which starts from the conditional prediction, in this package's convention."""

    cfg: Config


@register("splatdream-mvdream-guidance")
class MVDreamGuidance(Guidance):
    """MVDream's reconstruction of x_0 from four views at a time with the settings of its threestudio extension."""

    @dataclass
    class Config(Guidance.Config):
        method: str = "x0_reconstruction"
        """What turns predictions into a gradient; see guidance/methods/registry.py."""
        prior_type: str = "splatdream-mvdream-prior"
        """Registered name of the diffusion prior."""
        guidance_scale: Any = 50.0
        """s in unconditional + s (conditional - unconditional)."""
        weighting: str = "uniform"
        """w(t)."""
        min_step_fraction: Any = field(default_factory=lambda: [0, 0.98, 0.02, 8000])
        """Lowest timestep as a fraction of the schedule."""
        max_step_fraction: Any = field(default_factory=lambda: [0, 0.98, 0.5, 8000])
        """Highest timestep, likewise."""

    cfg: Config
