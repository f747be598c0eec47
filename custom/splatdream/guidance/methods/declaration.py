"""What a method declares of itself, at the end of its file: all that the rest of the package knows of it."""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache

from jaxtyping import Float
from torch import Tensor

from ...options.option_range import OptionRange, annotated_range, check_range
from ...priors.base import DiffusionPrior
from ..step import GuidedStep
from ..weighting import timestep_weights
from .learner import Learner


@dataclass(frozen=True)
class GuidanceMethod:
    """A guidance method.

    Options are the keyword arguments with a default of `gradient` and of the learner. Keyword arguments without one are
    supplied: `generator`, for further draws of the step, `first_timestep`, the lowest that it may draw, `seed`, the
    run's, `surface`, what the views show of one, and what the learner supplies.
    """

    name: str
    gradient: Callable[..., Tensor]
    """(denoiser, latents, timesteps, noise, and by keyword options and what is supplied) -> gradient without w(t)."""
    summary: str
    """The gradient as a formula; notation of docs/methods.md."""
    paper: str
    """Where it comes from."""
    cost: str
    """Denoiser evaluations a view and step with a negative prompt and a guidance scale that is not 1."""
    without_rescale: str = ""
    """Why guidance_rescale has no effect on it; empty if it has."""
    learner: type[Learner] | None = None
    """What is learned beside it."""
    stand_in: Callable[[GuidedStep], Mapping[str, object]] | None = None
    """What would be learned, known exactly where a step sees all there is: the playground needs no learner then."""
    needs_source: bool = False
    """Whether it moves away from source texts (`ViewPrompts.source_modifier`)."""
    keeps_noise: bool = False
    """Whether it has noise of its own that stays with the surface, in place of a draw a step."""
    noise_processes: tuple[str, ...] = ()
    """Kinds of noise process (`kind` of the prior's schedule) that it has a meaning on; empty for all."""

    @property
    def gradient_options(self) -> dict[str, float]:
        """Options of the gradient, each a number or a schedule, with their defaults."""
        keywords = _keywords(self.gradient).items()
        return {name: item.default for name, item in keywords if item.default is not item.empty}

    @property
    def learner_options(self) -> dict[str, float]:
        """Options of the learner, each a number, with their defaults."""
        return {} if self.learner is None else {name: item.default for name, item in _keywords(self.learner).items()}

    @property
    def options(self) -> dict[str, float]:
        """All options with their defaults."""
        return self.gradient_options | self.learner_options

    def check_options(self, given: Mapping[str, object]) -> None:
        """
        Raises:
            ValueError: an option that the method does not have, or a value that it cannot take.
        """
        known = self.options
        for option, value in given.items():
            key = f"guidance.method_options.{option}"
            if option not in known:
                choices = f"its options are {', '.join(known)}" if known else "it has none"
                raise ValueError(f"{key} is no option of {self.name}; {choices}")
            remedy = f"leave it out for {self.name}'s {known[option]}"
            if isinstance(known[option], bool):
                if not isinstance(value, bool):
                    raise ValueError(f"{key} is {value!r}, but must be true or false; {remedy}")
                continue
            if option in self.learner_options:
                _check_constant(key, value, known[option], remedy)
            check_range(key, value, self._range_of(option), remedy)

    def check_prior(self, prior: DiffusionPrior) -> None:
        """
        Raises:
            ValueError: the method has no meaning on the noise process of this prior, or needs texts that it reads.
        """
        kind = prior.schedule.kind
        if self.noise_processes and kind not in self.noise_processes:
            raise ValueError(
                f"guidance.method {self.name} is made for {' and '.join(self.noise_processes)}, "
                f"and the noise of {type(prior).__name__} is {kind}; choose another prior or method"
            )
        if self.needs_source and not prior.reads_texts:
            raise ValueError(
                f"guidance.method {self.name} moves away from a source text, and {type(prior).__name__} reads no "
                "texts; choose another prior or method"
            )

    def make_learner(self, prior: DiffusionPrior, seed: int, given: Mapping[str, object]) -> Learner | None:
        """The learner of a run, with those of the given options that are its own; None if nothing is learned."""
        if self.learner is None:
            return None
        return self.learner(prior, seed, **{name: given[name] for name in self.learner_options if name in given})

    def weighted_gradient(
        self, step: GuidedStep, options: Mapping[str, float], supplied: Mapping[str, object]
    ) -> Float[Tensor, "B ..."]:
        """w(t) times the gradient of a step.

        Args:
            options: of the gradient; what is left out takes its default.
            supplied: what the learner, or its stand-in, supplies.
        """
        offered = {
            "generator": lambda: step.generator("method"),
            "first_timestep": lambda: step.timestep_range()[0],
            "seed": lambda: step.settings.seed,
            "surface": lambda: step.surface,
        }
        supplied = {name: offered[name]() for name in _keywords(self.gradient) if name in offered} | dict(supplied)
        latents, timesteps = step.latents, step.timesteps()
        weights = timestep_weights(step.settings.weighting, step.prior.schedule, timesteps, latents)
        return weights * self.gradient(step.denoiser(), latents, timesteps, step.noise(), **options, **supplied)

    def _range_of(self, option: str) -> OptionRange:
        owner = self.gradient if option in self.gradient_options else self.learner
        return annotated_range(_keywords(owner)[option].annotation) or OptionRange()


@cache
def _keywords(function: Callable[..., object]) -> dict[str, inspect.Parameter]:
    """Keyword-only arguments of a function, or of the construction of a class."""
    parameters = inspect.signature(function).parameters
    return {name: item for name, item in parameters.items() if item.kind is inspect.Parameter.KEYWORD_ONLY}


def _check_constant(key: str, value: object, default: float, remedy: str) -> None:
    """What a learner is built with cannot change during the run."""
    if not isinstance(value, int | float):
        raise ValueError(f"{key} is {value}, but must be a number, the same for the whole run; {remedy}")
    if isinstance(default, int) and not isinstance(value, int):
        raise ValueError(f"{key} is {value}, but must be a whole number; {remedy}")
