"""Several clouds of Gaussians that one run trains together: VSD's particles (ProlificDreamer, arXiv:2305.16213)."""

from collections.abc import Callable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import torch
from torch import Tensor, nn

from ..cameras.random_streams import generator_for
from ..densification.refinement import CloudRefinement
from ..export.model_page import PageModel
from ..gaussians.cloud import GaussianCloud
from ..host import config_to_primitive, register
from ..options.option_range import OptionRange, check_fields
from .base import Asset, Refinement, Regularizer
from .gaussians import GaussianGeometry


@register("splatdream-gaussian-particles")
class GaussianParticles(Asset):
    """Each step trains one particle, drawn anew, under the one guidance of the run (algorithm 1 of the paper).

    Pictures, pages and the live view show the first particle; every one of them is exported.
    """

    @dataclass
    class Config(GaussianGeometry.Config):
        num_particles: Annotated[int, OptionRange(1)] = 4
        """Clouds, each from a start of its own."""

    cfg: Config

    def configure(self) -> None:
        check_fields("system.geometry", self.cfg, self.Config)
        settings = dict(config_to_primitive(self.cfg))
        del settings["num_particles"]
        # A multiple, so that no two runs with neighboring seeds share a start.
        seeds = [self.cfg.seed + 100_003 * index for index in range(self.cfg.num_particles)]
        self.particles = nn.ModuleList(GaussianGeometry(settings | {"seed": seed}) for seed in seeds)
        self._trained = 0

    @property
    def shown(self) -> GaussianGeometry:
        """The particle of this step in training, else the first."""
        return self.particles[self._trained if self.training else 0]

    def update_step(self, epoch: int, global_step: int, on_load_weights: bool = False) -> None:
        generator = generator_for(self.cfg.seed, "particle", global_step)
        self._trained = int(torch.randint(len(self.particles), (1,), generator=generator))
        for particle in self.particles:
            particle.update_step(epoch, global_step, on_load_weights)

    @property
    def reads_absgrad(self) -> bool:
        """Whether the refinement reads the absolute screen gradient; every particle has the same."""
        return self.shown.reads_absgrad

    @property
    def active_sh_degree(self) -> int:
        return self.shown.active_sh_degree

    def cloud(self) -> GaussianCloud:
        """Of the particle that is trained or shown."""
        return self.shown.cloud()

    def clouds(self) -> list[GaussianCloud]:
        """Of every particle."""
        return [particle.cloud() for particle in self.particles]

    def set_view_pixel(self, size: float) -> None:
        for particle in self.particles:
            particle.set_view_pixel(size)

    def params(self) -> MutableMapping[str, nn.Parameter]:
        return {
            f"{index}/{name}": tensor for index, of in enumerate(self.particles) for name, tensor in of.params().items()
        }

    def learning_rates(self, epoch: int, step: int) -> dict[str, float]:
        rates = self.particles[0].learning_rates(epoch, step)
        return {f"{index}/{name}": rate for index in range(len(self.particles)) for name, rate in rates.items()}

    def sizes(self) -> dict[str, int]:
        """Of all particles together."""
        return {"gaussians": sum(particle.sizes()["gaussians"] for particle in self.particles)}

    def regularizers(self) -> Mapping[str, Regularizer]:
        return self.shown.regularizers()

    def refinement(self, settings: Mapping[str, Any], seed: int) -> Refinement:
        """Of each particle by what its own steps left on the screen; a cap is for each.

        Raises:
            ValueError: the strategy shakes at every step, and a particle is not trained at every step.
        """
        if settings.get("strategy") == "mcmc":
            raise ValueError(
                "system.densification.strategy mcmc is for one cloud; take gradient or absgrad for particles"
            )
        return _ParticleRefinement([each.refinement(settings, seed) for each in self.particles], lambda: self._trained)

    def page_model(self) -> PageModel:
        return self.particles[0].page_model()

    def shown_cloud(self) -> GaussianCloud:
        return self.particles[0].shown_cloud()

    def draw(self, scene: Any) -> None:
        self.particles[0].draw(scene)

    def export(self, **kwargs: object) -> dict[str, Tensor]:
        return self.particles[0].export(**kwargs)


class _ParticleRefinement:
    """`assets.base.Refinement` of several clouds, of which a step trains one."""

    def __init__(self, refinements: Sequence[CloudRefinement], trained: Callable[[], int]) -> None:
        self._refinements = refinements
        self._trained = trained
        self._has_steps = [False] * len(refinements)

    def accumulate(self, step: int, rendered: Mapping[str, Tensor], batch: Mapping[str, Any]) -> None:
        self._refinements[self._trained()].accumulate(step, rendered, batch)
        self._has_steps[self._trained()] = True

    def refine(self, step: int, optimizer: torch.optim.Optimizer) -> dict[str, float]:
        """Particles without a step since the last time stay as they are."""
        numbers: dict[str, float] = {}
        for index, refinement in enumerate(self._refinements):
            if self._has_steps[index] and (report := refinement.refine(step, optimizer)):
                self._has_steps[index] = False
                numbers |= {f"{name}/{index}": number for name, number in report.items()}
        return numbers

    def state_dict(self) -> dict[str, object]:
        return {"particles": [each.state_dict() for each in self._refinements], "has_steps": list(self._has_steps)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self._has_steps = list(state["has_steps"])
        for refinement, of_particle in zip(self._refinements, state["particles"], strict=True):
            refinement.load_state_dict(of_particle)
