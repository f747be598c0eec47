"""Clone, split and prune by the gradient: which rows, and the order in which that happens.

N Gaussians before a refinement, C views.
"""

from collections.abc import Callable, MutableMapping
from dataclasses import dataclass
from typing import Annotated, Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from ..gaussians.composition import cat, select
from ..gaussians.row_surgery import append_rows, assign_rows, cloud_of, replace_tensor, select_rows
from ..options.option_range import OptionRange
from . import operations
from .criteria import is_among_largest, is_large, is_large_on_screen, is_transparent, is_under_reconstructed
from .refinement_config import RefinementConfig, check_config, is_due
from .statistics import DensificationState


@dataclass
class DensificationConfig(RefinementConfig):
    """Options of `gradient`. At the cap the Gaussians with the largest gradients grow, as far as others make room."""

    gradient_threshold: Annotated[float, OptionRange(0, remedy="the default is 0.0005")] = 0.0005
    """Mean norm of the screen-space distillation gradient above which a Gaussian grows, per NDC unit of one view. With
    the guidance gradient scaled to unit size, about one Gaussian in ten exceeds the default early in a run."""
    split_scale: Annotated[float, OptionRange(0, remedy="the default is 0.03")] = 0.03
    """Longest standard deviation, world units, above which a Gaussian that grows is split, below which it is cloned."""
    max_scale: float | None = None
    """Longest standard deviation, world units, above which a Gaussian is pruned; null never prunes by it."""
    max_screen_fraction: float | None = None
    """Radius relative to the image's longer side above which a Gaussian is pruned; null never prunes by it."""
    opacity_reset_every: Annotated[int, OptionRange(0, remedy="0 never resets")] = 0
    """Steps between cutting all opacities to opacity_reset_to, a multiple of refine_every; 0 never does."""
    opacity_reset_to: float = 0.1
    """The opacity that none exceeds after a reset."""
    max_displaced_share: Annotated[float, OptionRange(0, 1, remedy="the default is 0.02")] = 0.02
    """At the cap, the Gaussians that contribute least make room, as long as together they are at most this share of
    the pictures since the last refinement."""


@dataclass
class AbsgradConfig(DensificationConfig):
    """Options of `absgrad`."""

    gradient_threshold: float = 0.002
    """As of `gradient`, for sums of absolute values: four times its default, the ratio of gsplat's advice."""


@dataclass(frozen=True)
class RefinementReport:
    """What one refinement did."""

    num_cloned: int
    num_split: int
    num_pruned: int
    """Transparent or too large."""
    num_displaced: int
    """Pruned to make room under the cap."""
    num_gaussians: int
    """Afterwards."""
    has_reset_opacities: bool


class DensificationController:
    """Decides when; the statistics, criteria and operations decide where and how.

    A step is: backward of the distillation term, `statistics.accumulate`, backward of the regularizers, optimizer step,
    and only then, if `is_due`, `refine`. The state belongs to the caller, who keeps it in the checkpoint.

    Args:
        config: a `DensificationConfig`, or an omegaconf node of one.

    Raises:
        ValueError: settings that contradict each other.
    """

    def __init__(self, config: Any) -> None:
        self.config = config
        check_config(config, DensificationConfig)
        if config.opacity_reset_every % config.refine_every:
            raise ValueError(
                f"densification.opacity_reset_every {config.opacity_reset_every} must be a multiple of "
                f"refine_every {config.refine_every}"
            )
        if not config.min_opacity < config.opacity_reset_to < 1:
            raise ValueError(
                f"densification.opacity_reset_to {config.opacity_reset_to} must lie between min_opacity "
                f"{config.min_opacity} and 1, or a reset would have everything pruned"
            )

    def is_collecting(self, step: int) -> bool:
        """True while statistics of this step can still matter to a refinement."""
        return step <= self.config.refine_until

    def is_due(self, step: int) -> bool:
        """See `refinement_config.is_due`."""
        return is_due(self.config, step)

    def refine(
        self,
        step: int,
        params: MutableMapping[str, nn.Parameter],
        optimizer: torch.optim.Optimizer | None,
        state: DensificationState,
        generator: torch.Generator,
        contributions_fn: Callable[[], Float[Tensor, "N"]],
    ) -> RefinementReport:
        """Prune, grow as far as the cap allows, perhaps reset the opacities, and clear the state.

        Args:
            contributions_fn: gives the sum of blending weights of each Gaussian as it is before the refinement, over
                the views since the last one; called only when the cap would be exceeded.

        Raises:
            ValueError: nothing would be left.
        """
        config = self.config
        pruned = self._is_pruned(params, state)
        if pruned.all():
            raise ValueError(
                f"all {len(pruned)} Gaussians are to be pruned at step {step}: the run has diverged, or "
                "densification.min_opacity, max_scale or max_screen_fraction is too strict"
            )
        norms = self._mean_gradient_norms(params, state)
        grows = is_under_reconstructed(norms, config.gradient_threshold) & ~pruned
        num_wanted = len(pruned) - int(pruned.sum()) + int(grows.sum())
        displaced = torch.zeros_like(pruned)
        if num_wanted > config.max_num_gaussians:
            displaced, grows = self._within_cap(pruned, grows, norms, contributions_fn())
        large = is_large(params["log_scales"].detach(), config.split_scale)
        _grow(params, optimizer, ~pruned & ~displaced, grows & ~large, grows & large, generator)
        has_reset = config.opacity_reset_every > 0 and step % config.opacity_reset_every == 0
        if has_reset:
            faded = operations.faded(params["opacity_logits"].detach(), config.opacity_reset_to)
            replace_tensor(params, optimizer, "opacity_logits", faded)
        state.clear()
        return RefinementReport(
            num_cloned=int((grows & ~large).sum()),
            num_split=int((grows & large).sum()),
            num_pruned=int(pruned.sum()),
            num_displaced=int(displaced.sum()),
            num_gaussians=len(params["means"]),
            has_reset_opacities=has_reset,
        )

    def _within_cap(
        self,
        pruned: Bool[Tensor, "N"],
        grows: Bool[Tensor, "N"],
        norms: Float[Tensor, "N"],
        contributions: Float[Tensor, "N"],
    ) -> tuple[Bool[Tensor, "N"], Bool[Tensor, "N"]]:
        """Which rows make room, and which of those that want to may grow: the ones with the largest gradients.

        Children never compete with their parents: a clone that is pruned again would halve the opacity of the other.
        """
        config = self.config
        num_kept = len(pruned) - int(pruned.sum())
        order = torch.sort(contributions.masked_fill(pruned, torch.inf), stable=True).indices[:num_kept]
        shares = contributions[order].cumsum(dim=0) / contributions[order].sum().clamp_min(1e-12)
        num_negligible = int((shares <= config.max_displaced_share).sum())
        num_free = config.max_num_gaussians - num_kept  # below 0 where the cap was lowered
        # Each one that goes makes a place, but if it wanted to grow itself, there is one less to fill the places.
        places = torch.arange(1, num_kept + 1, device=order.device) + grows[order].cumsum(dim=0)
        num_useful = int((places <= int(grows.sum()) - num_free).sum())
        num_displaced = max(-num_free, min(num_negligible, num_useful))
        displaced = torch.zeros_like(pruned)
        displaced[order[:num_displaced]] = True
        candidates = grows & ~displaced
        largest = is_among_largest(norms.masked_fill(~candidates, -1.0), num_free + num_displaced)
        return displaced, candidates & largest

    def _is_pruned(self, params: MutableMapping[str, nn.Parameter], state: DensificationState) -> Bool[Tensor, "N"]:
        config = self.config
        pruned = is_transparent(params["opacity_logits"].detach(), config.min_opacity)
        if config.max_scale is not None:
            pruned |= is_large(params["log_scales"].detach(), config.max_scale)
        if config.max_screen_fraction is not None and len(state.view_counts):
            pruned |= is_large_on_screen(state.max_screen_fractions.to(pruned.device), config.max_screen_fraction)
        return pruned

    def _mean_gradient_norms(
        self, params: MutableMapping[str, nn.Parameter], state: DensificationState
    ) -> Float[Tensor, "N"]:
        if len(state.view_counts) == 0:
            return torch.zeros_like(params["opacity_logits"].detach())
        return state.mean_gradient_norms.to(params["means"].device)


def _grow(
    params: MutableMapping[str, nn.Parameter],
    optimizer: torch.optim.Optimizer | None,
    kept: Bool[Tensor, "N"],
    cloned: Bool[Tensor, "N"],
    split: Bool[Tensor, "N"],
    generator: torch.Generator,
) -> None:
    """Replace the rows: those kept and not split, then one twin of each clone, then two halves of each split."""
    old = cloud_of(params).detach()
    twins = operations.clone(select(old, cloned))
    halves = operations.split(select(old, split), generator)
    assign_rows(params, cloned, twins)
    select_rows(params, optimizer, kept & ~split)
    append_rows(params, optimizer, cat([twins, halves]))
