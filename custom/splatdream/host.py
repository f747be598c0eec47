"""Names of the host, whichever it is (startup/host_choice.py). All other files of the plugin take them from here."""

from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import yaml
from omegaconf import OmegaConf

from .startup.host_choice import chosen_host

HOST = chosen_host()
"""'upstream' or 'embedded'."""

if HOST == "upstream":
    try:
        from threestudio import find, info, register, warn
        from threestudio.models.background.base import BaseBackground
        from threestudio.models.exporters.base import Exporter, ExporterOutput
        from threestudio.models.geometry.base import BaseGeometry
        from threestudio.models.materials.base import BaseMaterial
        from threestudio.models.renderers.base import Renderer
        from threestudio.systems.base import BaseLift3DSystem as _BaseLift3DSystem
        from threestudio.systems.base import BaseSystem
        from threestudio.systems.utils import parse_optimizer as _parse_optimizer
        from threestudio.systems.utils import parse_scheduler
        from threestudio.utils.base import BaseModule, BaseObject, Updateable
        from threestudio.utils.config import config_to_primitive, parse_structured
        from threestudio.utils.misc import C as _C
        from threestudio.utils.misc import find_last_path, load_module_weights
    except Exception as error:
        raise ImportError(
            f"threestudio is installed but cannot be imported ({type(error).__name__}: {error}); "
            "repair it, or set SPLATDREAM_HOST=embedded"
        ) from error

    class BaseLift3DSystem(_BaseLift3DSystem):
        """threestudio's, which can also start from a checkpoint of another system.

        threestudio reads the configuration of that system with the Config of this one, and so refuses what only the
        other knows.
        """

        def configure(self) -> None:
            checkpoint = find_last_path(self.cfg.geometry_convert_from)
            if checkpoint and not self.cfg.weights and not self.resumed:
                previous = yaml.safe_load((Path(checkpoint).parent.parent / "configs" / "parsed.yaml").read_text())
                self.Config = find(previous["system_type"]).Config
            try:
                super().configure()
            finally:
                self.__dict__.pop("Config", None)

    def C(value: Any, *now: int, **how: str) -> float:
        """threestudio's, which knows the lists of a configuration alone, for plain lists, too."""
        return _C(OmegaConf.create(value) if isinstance(value, list) else value, *now, **how)

    def parse_optimizer(config: Mapping, model: Any) -> Any:
        """threestudio's, given plain values: an omegaconf list in a parameter group makes checkpoints unreadable."""
        return _parse_optimizer(SimpleNamespace(**config_to_primitive(config)), model)

else:
    from .embedded_host.base import BaseModule, BaseObject, Updateable, load_module_weights
    from .embedded_host.config import config_to_primitive, parse_structured
    from .embedded_host.messages import info, warn
    from .embedded_host.models import (
        BaseBackground,
        BaseGeometry,
        BaseMaterial,
        Exporter,
        ExporterOutput,
        Renderer,
    )
    from .embedded_host.optimization import parse_optimizer, parse_scheduler
    from .embedded_host.registry import find, register
    from .embedded_host.schedules import C
    from .embedded_host.system import BaseLift3DSystem, BaseSystem

__all__ = [
    "HOST",
    "BaseBackground",
    "BaseGeometry",
    "BaseLift3DSystem",
    "BaseMaterial",
    "BaseModule",
    "BaseObject",
    "BaseSystem",
    "C",
    "Exporter",
    "ExporterOutput",
    "Renderer",
    "Updateable",
    "config_to_primitive",
    "find",
    "info",
    "load_module_weights",
    "parse_optimizer",
    "parse_scheduler",
    "parse_structured",
    "register",
    "warn",
]
