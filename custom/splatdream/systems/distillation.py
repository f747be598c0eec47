"""The registered system: one prompt becomes one asset, a cloud of Gaussians or another, by score distillation."""

from ..host import register
from .asset_system import AssetSystem


@register("splatdream-system")
class DistillationSystem(AssetSystem):
    """Render, ask the prior, pull the asset, refine it where the prior pulls hardest."""
