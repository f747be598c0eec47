"""Gaussians as a sample (3DGS-MCMC, arXiv:2404.09591): transparent ones move to opaque ones, and centers are shaken.

N Gaussians before a refinement.
"""

from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass
from typing import Annotated, Any

import torch
from jaxtyping import Bool, Int
from torch import Tensor, nn

from ..cameras.random_streams import generator_for
from ..gaussians.cloud import GaussianCloud
from ..gaussians.composition import select
from ..gaussians.row_surgery import append_rows, assign_rows, cloud_of, select_rows
from ..options.option_range import OptionRange
from .criteria import is_among_largest, is_transparent
from .refinement_config import RefinementConfig, check_config, check_strategy, is_due
from .relocation import center_noise, shared


@dataclass
class MCMCConfig(RefinementConfig):
    """Options of `mcmc`."""

    growth: Annotated[float, OptionRange(0, 1, "more than double at once", "the default is 0.05")] = 0.05
    """Share by which the cloud grows at each refinement, up to max_num_gaussians."""
    noise_lr: Annotated[float, OptionRange(0, remedy="0 is no noise")] = 1e4
    """Noise on centers after every step, relative to their learning rate, per world unit."""


class MCMCRefinement:
    """`assets.base.Refinement` of Gaussians that remembers nothing: opacities say where, (seed, step) gives the draws.

    Args:
        config: an `MCMCConfig`, or an omegaconf node of one.
        seed: of relocations and noise.
        params: a view of the raw parameters, which refining replaces.

    Raises:
        ValueError: an option beyond its range.
    """

    def __init__(self, config: Any, seed: int, params: MutableMapping[str, nn.Parameter]) -> None:
        check_config(config, MCMCConfig)
        self.config = config
        self._seed = seed
        self._params = params

    def accumulate(self, step: int, rendered: Mapping[str, Tensor], batch: Mapping[str, Any]) -> None:
        """No gradient is asked."""

    def refine(self, step: int, optimizer: torch.optim.Optimizer) -> dict[str, float]:
        """Relocate and grow where that is due, then shake.

        Raises:
            ValueError: nothing is opaque enough to receive the others.
        """
        report = self._relocate(step, optimizer) if is_due(self.config, step) else {}
        self._shake(step, optimizer)
        return report

    def state_dict(self) -> dict[str, object]:
        return {"strategy": self.config.strategy}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """
        Raises:
            ValueError: it is of another strategy.
        """
        check_strategy(self.config, state)

    def _relocate(self, step: int, optimizer: torch.optim.Optimizer) -> dict[str, float]:
        cap, old = self.config.max_num_gaussians, cloud_of(self._params).detach()
        dead = is_transparent(old.opacity_logits, self.config.min_opacity)
        if dead.all():
            raise ValueError(
                f"all {len(dead)} Gaussians are transparent at step {step}: the run has diverged, or "
                "densification.min_opacity or the weight of a regularizer of opacities is too large"
            )
        kept = ~dead & is_among_largest(old.opacities, cap)
        target = min(cap, int((1 + self.config.growth) * len(dead)))
        parents = _drawn(old, kept, target - int(kept.sum()), generator_for(self._seed, "relocation", step))
        counts = torch.bincount(parents, minlength=len(dead)) + 1
        new = shared(old, counts)
        has_copies = counts > 1
        assign_rows(self._params, has_copies, select(new, has_copies))
        select_rows(self._params, optimizer, kept)
        append_rows(self._params, optimizer, select(new, parents))
        numbers = {"num_relocated": int(dead.sum()), "num_copies": len(parents), "num_gaussians": target}
        return {f"densification/{name}": float(number) for name, number in numbers.items()}

    @torch.no_grad()
    def _shake(self, step: int, optimizer: torch.optim.Optimizer) -> None:
        rate = next(group["lr"] for group in optimizer.param_groups if group.get("name") == "means")
        strength = self.config.noise_lr * rate
        if strength > 0:
            generator = generator_for(self._seed, "center noise", step)
            self._params["means"].add_(center_noise(cloud_of(self._params), strength, generator))


def _drawn(
    cloud: GaussianCloud, allowed: Bool[Tensor, "N"], count: int, generator: torch.Generator
) -> Int[Tensor, "count"]:
    """Rows with a probability proportional to their opacity, with replacement; none where the count is not positive."""
    if count <= 0:
        return torch.zeros(0, dtype=torch.long, device=cloud.means.device)
    weights = (cloud.opacities * allowed).to(generator.device)
    return torch.multinomial(weights, count, replacement=True, generator=generator).to(cloud.means.device)
