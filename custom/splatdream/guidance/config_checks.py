"""What a guidance configuration must satisfy before a run begins, so that no mistake waits for the step it bites."""

from collections.abc import Callable
from typing import Any

from ..options.option_range import check_choice, schedule_steps, schedule_values
from .methods.declaration import GuidanceMethod
from .reward import STRATEGIES
from .step import ANYWHERE
from .timesteps import ANNEALINGS
from .weighting import WEIGHTINGS


def check_config(cfg: Any, method: GuidanceMethod, value_at: Callable[[object, int, int], float]) -> None:
    """
    Args:
        cfg: the guidance's `Config`, as the host parsed it; every field is within its range.
        value_at: (number or schedule, epoch, step) -> number, the host's.

    Raises:
        ValueError: the first setting that no run could use, or that would be without effect; with the remedy.
    """
    method.check_options(dict(cfg.method_options))
    check_choice("guidance.weighting", cfg.weighting, WEIGHTINGS)
    check_choice("guidance.timestep_sampling", cfg.timestep_sampling, [ANYWHERE, *ANNEALINGS])
    if cfg.timestep_sampling != ANYWHERE and cfg.annealing_steps < 1:
        raise ValueError(
            f"guidance.timestep_sampling {cfg.timestep_sampling} follows the run; "
            "set guidance.annealing_steps, e.g. to ${trainer.max_steps}"
        )
    if cfg.guidance_rescale > 0 and method.without_rescale:
        raise ValueError(
            f"guidance.guidance_rescale has no effect on {method.name}, {method.without_rescale}; "
            "leave guidance_rescale at 0"
        )
    if method.keeps_noise:
        _check_kept_noise(cfg, method)
    if cfg.reward_type:
        _check_draws(cfg.reward_draws, cfg.reward_strategy)
    elif cfg.reward:
        raise ValueError("guidance.reward has no effect without a reward; set guidance.reward_type, or leave it out")
    _check_order(cfg.min_step_fraction, cfg.max_step_fraction, value_at)


def _check_kept_noise(cfg: Any, method: GuidanceMethod) -> None:
    if cfg.reward_type:
        raise ValueError(
            f"guidance.reward_type {cfg.reward_type} has no draws to choose among: {method.name} keeps its noise; "
            "leave it out, or choose another guidance.method"
        )
    if cfg.flip_probability > 0:
        raise ValueError(
            f"guidance.flip_probability {cfg.flip_probability:g} mirrors views, and the noise of {method.name} stays "
            "with the surface; leave it at 0"
        )


def _check_draws(draws: object, strategy: str) -> None:
    check_choice("guidance.reward_strategy", strategy, STRATEGIES)
    fewest = STRATEGIES[strategy][1]
    for number in schedule_values("guidance.reward_draws", draws):
        if 1 < number < fewest:
            raise ValueError(
                f"guidance.reward_draws is {number:g}, but {strategy} needs {fewest} to choose among, or 1 to choose "
                "none; raise it, or set guidance.reward_strategy: best"
            )


def _check_order(low: object, high: object, value_at: Callable[[object, int, int], float]) -> None:
    """Both are linear between their corners, so that it is enough to compare them there."""
    for step in sorted({*schedule_steps(low), *schedule_steps(high)}):
        first, last = value_at(low, 0, step), value_at(high, 0, step)
        if first > last:
            raise ValueError(
                f"guidance.min_step_fraction is {first:g} at step {step}, above max_step_fraction, {last:g}; "
                "lower the one or raise the other"
            )
