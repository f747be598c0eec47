"""When a cloud is refined and how large it may become: what every strategy lets one choose."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from ..options.option_range import OptionRange, check_fields


@dataclass
class RefinementConfig:
    """Steps are optimizer steps, counted from 1."""

    strategy: str = "gradient"
    """Who decides where Gaussians come and go; one of `STRATEGIES` (strategies.py)."""
    refine_from: Annotated[int, OptionRange(0, remedy="the default is 300")] = 300
    """First step that may refine."""
    refine_until: Annotated[int, OptionRange(0, remedy="0 never refines")] = 15000
    """Last step that may refine."""
    refine_every: Annotated[int, OptionRange(1, remedy="the default is 100")] = 100
    """Steps between refinements."""
    min_opacity: Annotated[float, OptionRange(0, 1, remedy="the default is 0.005")] = 0.005
    """A Gaussian below it goes at the next refinement."""
    max_num_gaussians: Annotated[int, OptionRange(1, remedy="the default is 100000")] = 100000
    """Never more than these."""


def check_config(config: Any, config_class: type[RefinementConfig]) -> None:
    """
    Args:
        config: of this class, or an omegaconf node of one.

    Raises:
        ValueError: a value beyond its range.
    """
    check_fields("system.densification", config, config_class)


def check_strategy(config: Any, state: Mapping[str, Any]) -> None:
    """
    Args:
        state: of a refinement, from a checkpoint.

    Raises:
        ValueError: it is of another strategy; what that one summed up means nothing to this one.
    """
    of_checkpoint = state["strategy"]
    if of_checkpoint != config.strategy:
        raise ValueError(
            f"the checkpoint was refined with system.densification.strategy={of_checkpoint}, and {config.strategy} is "
            f"asked for: resume with {of_checkpoint}, or begin another run with system.weights=CHECKPOINT"
        )


def is_due(config: Any, step: int) -> bool:
    """True if a refinement belongs after this step (the number of optimizer steps that were made)."""
    return config.refine_from <= step <= config.refine_until and step % config.refine_every == 0
