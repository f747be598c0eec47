"""Which strategies there are. A new one is a declaration and its name in `STRATEGIES`."""

from collections.abc import Callable, Mapping, MutableMapping
from dataclasses import dataclass, fields
from typing import Any

from torch import nn

from ..options.option_range import check_choice
from .controller import AbsgradConfig, DensificationConfig
from .mcmc import MCMCConfig, MCMCRefinement
from .refinement import CloudRefinement
from .refinement_config import RefinementConfig


@dataclass(frozen=True)
class DensificationStrategy:
    """What decides where Gaussians come and go."""

    name: str
    paper: str
    """Where it comes from."""
    config_class: type[RefinementConfig]
    """Its options."""
    refinement: Callable[[Any, int, MutableMapping[str, nn.Parameter]], Any]
    """(options, seed, raw parameters) -> `assets.base.Refinement`."""
    reads_absgrad: bool = False
    """Whether it reads what a rasterizer leaves under `absgrad=True`."""

    def options(self, settings: Mapping[str, Any]) -> Mapping[str, Any]:
        """The settings that are its own. Options of other strategies may be there as null: a variant of a configuration
        takes back so what its base gives.

        Raises:
            ValueError: an option of another strategy that is not null.
        """
        foreign = [name for name in settings if name not in _option_names(self) and _owners(name)]
        for name in foreign:
            if settings[name] is not None:
                raise ValueError(
                    f"system.densification.{name} is an option of {' and '.join(_owners(name))}, not of {self.name}; "
                    "leave it out, or set it to null where a base gives it"
                )
        if not foreign:
            return settings
        return {name: value for name, value in settings.items() if name not in foreign}


STRATEGIES: Mapping[str, DensificationStrategy] = {
    strategy.name: strategy
    for strategy in (
        DensificationStrategy("gradient", "3DGS, arXiv:2308.04079", DensificationConfig, CloudRefinement),
        DensificationStrategy("absgrad", "AbsGS, arXiv:2404.10484", AbsgradConfig, CloudRefinement, reads_absgrad=True),
        DensificationStrategy("mcmc", "3DGS-MCMC, arXiv:2404.09591", MCMCConfig, MCMCRefinement),
    )
}
"""By the name that `system.densification.strategy` takes."""


def strategy_of(settings: Mapping[str, Any]) -> DensificationStrategy:
    """The strategy that `system.densification` names; `gradient` where it names none.

    Raises:
        ValueError: there is no such strategy.
    """
    name = settings.get("strategy", RefinementConfig.strategy)
    check_choice("system.densification.strategy", name, STRATEGIES)
    return STRATEGIES[name]


def _option_names(strategy: DensificationStrategy) -> list[str]:
    return [item.name for item in fields(strategy.config_class)]


def _owners(option: str) -> list[str]:
    return [name for name, strategy in STRATEGIES.items() if option in _option_names(strategy)]
