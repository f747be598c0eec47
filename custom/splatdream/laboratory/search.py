"""What to try next for one variant: Optuna's tree-structured Parzen estimator, each trial with a seed of its own.

What was asked for and what came of it are plain values that the caller keeps, so that a search goes on where it was.
"""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass

from .tuned_settings import Parameters
from .tuning_plan import Range

_DIGITS = 4
"""Of a drawn number: settings are to be read and typed."""
PENDING, DONE, FAILED = "pending", "done", "failed"


@dataclass(frozen=True)
class Trial:
    parameters: Parameters
    state: str = PENDING
    value: float | None = None
    """Of a done one."""

    def told(self, value: float | None) -> "Trial":
        """What it came to; None, NaN and infinities are failures."""
        if value is None or not math.isfinite(value):
            return Trial(self.parameters, FAILED)
        return Trial(self.parameters, DONE, value)


def startup(trials: int) -> int:
    """Of so many trials those that are drawn at random: half of them."""
    return (trials + 1) // 2


def next_parameters(
    ranges: Sequence[Range], before: Sequence[Trial], trials: int, is_minimized: bool, seed: int
) -> Parameters:
    """What the next of so many trials is to try.

    Raises:
        ModuleNotFoundError: Optuna is not installed.
    """
    try:
        import optuna
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(f"tuning needs optuna; pip install optuna==5.0.0 ({error})") from error
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    states = {
        PENDING: optuna.trial.TrialState.RUNNING,
        DONE: optuna.trial.TrialState.COMPLETE,
        FAILED: optuna.trial.TrialState.FAIL,
    }
    sampler = optuna.samplers.TPESampler(
        seed=(seed * 100_003 + len(before)) % 2**32, n_startup_trials=startup(trials), constant_liar=True
    )
    study = optuna.create_study(sampler=sampler, direction="minimize" if is_minimized else "maximize")
    distributions = {item.name: _distribution(item) for item in ranges}
    for trial in before:
        drawn = {item.name: _stored(item, trial.parameters[item.name]) for item in ranges}
        study.add_trial(
            optuna.trial.create_trial(
                state=states[trial.state], value=trial.value, params=drawn, distributions=distributions
            )
        )
    asked = study.ask(distributions).params
    return {item.name: _setting(item, asked[item.name]) for item in ranges}


def _distribution(item: Range) -> object:
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    if item.choices:
        return CategoricalDistribution([json.dumps(choice) for choice in item.choices])
    return (IntDistribution if item.is_integer else FloatDistribution)(item.low, item.high, log=item.is_log)


def _stored(item: Range, value: object) -> object:
    return json.dumps(value) if item.choices else value


def _setting(item: Range, drawn: object) -> object:
    if item.choices:
        return json.loads(drawn)
    return drawn if item.is_integer else min(max(float(f"{drawn:.{_DIGITS}g}"), item.low), item.high)
