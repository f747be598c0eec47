"""How many steps a method may take when it may ask the denoiser only so often: methods at equal cost, not equal steps.

The steps of a run are gone through without a network. Timesteps and cameras are drawn from streams that depend on seed
and step alone, so that what is counted is what the run will ask for, evaluation by evaluation.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from omegaconf import OmegaConf

from ..cameras.datamodule import CameraDataModule, training_cameras
from ..guidance.guidance import Guidance
from ..host import find
from ..prompts.processor import PromptProcessor
from ..runner.request import RunRequest
from ..startup.registration import register_all

_ROUNDS = 6
"""Schedules that follow the length of a run change its cost, and so its length; this settles in two or three rounds."""
_SIZE = 2
"""Pixels of the images that stand in for renders."""


@dataclass(frozen=True)
class StepPlan:
    """The length of a run."""

    steps: int
    evaluations: int
    """Of the denoiser in all these steps; at most the budget, unless the first step costs more."""


def plan_steps(config: Mapping[str, object], budget: int) -> StepPlan:
    """As many steps as a run of this configuration can take within a budget of denoiser evaluations.

    Args:
        config: a whole configuration, as it stands in a YAML; its `trainer.max_steps` is replaced.

    Raises:
        ValueError: the budget is not positive, or the guidance refuses its configuration.
    """
    if budget < 1:
        raise ValueError(f"the budget is {budget} denoiser evaluations; it must be at least 1")
    register_all()
    steps, tried = budget, {}
    for _ in range(_ROUNDS):
        if steps in tried:
            break
        tried[steps] = _fitting(config, steps, budget)
        steps = tried[steps].steps
    # A length that would have room for itself; when lengths take turns, the shortest of them has.
    fitting = [length for length, plan in tried.items() if plan.steps >= length] or [min(tried)]
    longest = max(fitting)
    return StepPlan(longest, _total(config, longest))


def steps_within(run: RunRequest, evaluations: int) -> int:
    """The steps of `plan_steps` for a run."""
    config = OmegaConf.merge(OmegaConf.load(run.config), OmegaConf.from_dotlist(run.settings()))
    return plan_steps(OmegaConf.to_container(config, resolve=False), evaluations).steps


def _fitting(config: Mapping[str, object], max_steps: int, budget: int) -> StepPlan:
    """The steps that fit when schedules believe in `max_steps`."""
    counter = _StepCounter(config, max_steps)
    spent = counter.evaluations(0)
    steps = 1
    while spent <= budget:
        cost = counter.evaluations(steps)
        if spent + cost > budget:
            break
        spent, steps = spent + cost, steps + 1
    return StepPlan(steps, spent)


def _total(config: Mapping[str, object], max_steps: int) -> int:
    counter = _StepCounter(config, max_steps)
    return sum(counter.evaluations(step) for step in range(max_steps))


class _StepCounter:
    """The guidance of a run on a prior that says nothing."""

    def __init__(self, config: Mapping[str, object], max_steps: int) -> None:
        resolved = OmegaConf.create(dict(config))
        resolved.trainer.max_steps = max_steps
        guidance = OmegaConf.to_container(resolved.system.guidance, resolve=True)
        data = OmegaConf.to_container(resolved.data, resolve=True)
        prompts = OmegaConf.to_container(resolved.system.prompt_processor, resolve=True)
        guidance_class = find(resolved.system.guidance_type)
        if not issubclass(guidance_class, Guidance):
            raise ValueError(
                f"{resolved.system.guidance_type} does not spend its evaluations step by step; give this variant its "
                "numbers as settings, without a budget of evaluations"
            )
        self._cameras = CameraDataModule(data).cfg
        null = {"views_per_group": self._cameras.views_per_group}
        self._guidance = guidance_class(guidance | {"prior_type": "splatdream-null-prior", "prior": null})
        self._prompts = PromptProcessor(prompts)()

    def evaluations(self, step: int) -> int:
        self._guidance.update_step(0, step)
        cameras = training_cameras(self._cameras, step).resized(_SIZE, _SIZE)
        rgb = torch.zeros(len(cameras), _SIZE, _SIZE, 3)
        return self._guidance(rgb, self._prompts, **cameras.to_batch())["denoiser_evaluations"]
