"""What a guidance configuration must satisfy before a run begins, so that no mistake waits for the step it bites."""

from collections.abc import Callable
from typing import Any

from .methods.registry import check_options
from .option_range import OptionRange, check_choice, check_range, schedule_steps
from .timesteps import ANNEALINGS
from .weighting import WEIGHTINGS

ANYWHERE = "uniform"
"""The timestep sampling that follows no annealing."""

_NOT_NEGATIVE = OptionRange(0)
_SHARE = OptionRange(0, 1)
_RANGES = {
    "guidance_scale": (_NOT_NEGATIVE, "1 is no guidance"),
    "guidance_rescale": (_SHARE, "0 is off, 0.7 the paper's"),
    "perp_neg": (_NOT_NEGATIVE, "1 takes threestudio's weights, 0 is off"),
    "min_step_fraction": (_SHARE, "the default is 0.02"),
    "max_step_fraction": (_SHARE, "the default is 0.98"),
    "gradient_clip": (_NOT_NEGATIVE, "0 is no bound"),
    "annealing_steps": (_NOT_NEGATIVE, "set it to ${trainer.max_steps}"),
    "gradient_scale_steps": (_NOT_NEGATIVE, "0 leaves the gradient unscaled"),
    "lora_rank": (OptionRange(1), "the default is 4"),
    "lora_learning_rate": (_NOT_NEGATIVE, "the default is 1e-4"),
    "lora_camera_dropout": (_SHARE, "the default is 0.1"),
}
_WITHOUT_RESCALE = {
    "csd": "its gradient is a difference of predictions",
    "nfsd": "its gradient is a sum of differences of predictions",
    "x0_reconstruction": "set guidance.method_options.x0_rescale",
}


def check_config(cfg: Any, value_at: Callable[[object, int, int], float]) -> None:
    """
    Args:
        cfg: the guidance's `Config`, as the host parsed it.
        value_at: (number or schedule, epoch, step) -> number, the host's.

    Raises:
        ValueError: the first setting that no run could use, or that would be without effect; with the remedy.
    """
    check_options(cfg.method, dict(cfg.method_options))
    for name, (allowed, remedy) in _RANGES.items():
        check_range(f"guidance.{name}", getattr(cfg, name), allowed, remedy)
    check_choice("guidance.weighting", cfg.weighting, WEIGHTINGS)
    check_choice("guidance.timestep_sampling", cfg.timestep_sampling, [ANYWHERE, *ANNEALINGS])
    if cfg.timestep_sampling != ANYWHERE and cfg.annealing_steps < 1:
        raise ValueError(
            f"guidance.timestep_sampling {cfg.timestep_sampling} follows the run; "
            "set guidance.annealing_steps, e.g. to ${trainer.max_steps}"
        )
    if cfg.guidance_rescale > 0 and cfg.method in _WITHOUT_RESCALE:
        raise ValueError(
            f"guidance.guidance_rescale has no effect on {cfg.method}, {_WITHOUT_RESCALE[cfg.method]}; "
            "leave guidance_rescale at 0"
        )
    _check_order(cfg.min_step_fraction, cfg.max_step_fraction, value_at)


def _check_order(low: object, high: object, value_at: Callable[[object, int, int], float]) -> None:
    """Both are linear between their corners, so that it is enough to compare them there."""
    for step in sorted({*schedule_steps(low), *schedule_steps(high)}):
        first, last = value_at(low, 0, step), value_at(high, 0, step)
        if first > last:
            raise ValueError(
                f"guidance.min_step_fraction is {first:g} at step {step}, above max_step_fraction, {last:g}; "
                "lower the one or raise the other"
            )
