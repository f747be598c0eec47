"""What is remembered about each Gaussian between two refinements.

N Gaussians, C views of one image size.

Units. A rasterizer gives d loss / d means2d per pixel, of a loss that is a mean over the views. Half the image's width
(height) times the x (y) part is the gradient per unit of NDC, in which the image is 2 wide: the unit of 3DGS and of
gsplat, independent of the resolution. Times the number of views it is the gradient of one view's own loss: independent
of the batch size.
"""

from dataclasses import dataclass, field, fields

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor


@dataclass
class DensificationState:
    """Sums since the last refinement; all empty before the first view."""

    gradient_norm_sums: Float[Tensor, "N"] = field(default_factory=lambda: torch.zeros(0))
    """Over the views that saw the Gaussian, per NDC unit."""
    view_counts: Float[Tensor, "N"] = field(default_factory=lambda: torch.zeros(0))
    """Views that saw the Gaussian."""
    max_screen_fractions: Float[Tensor, "N"] = field(default_factory=lambda: torch.zeros(0))
    """Largest radius on the screen, as a fraction of the image's longer side."""

    def state_dict(self) -> dict[str, Tensor]:
        """Tensors only, for a checkpoint."""
        return {item.name: getattr(self, item.name) for item in fields(self)}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        for item in fields(self):
            setattr(self, item.name, state[item.name])

    def clear(self) -> None:
        """Forget everything; the next view may show any number of Gaussians."""
        self.load_state_dict(DensificationState().state_dict())

    @property
    def mean_gradient_norms(self) -> Float[Tensor, "N"]:
        """Over the views that saw the Gaussian, per NDC unit; 0 where none did."""
        return self.gradient_norm_sums / self.view_counts.clamp_min(1)


def view_gradient_norms(means2d_grad: Float[Tensor, "C N 2"], width: int, height: int) -> Float[Tensor, "C N"]:
    """Norm of each view's own gradient, per NDC unit (see the head of this file).

    Args:
        means2d_grad: derivative, per pixel, of a loss that is a mean over the C views.
    """
    x, y = means2d_grad.unbind(-1)
    num_views = len(means2d_grad)
    return torch.stack([num_views * 0.5 * width * x, num_views * 0.5 * height * y], dim=-1).norm(dim=-1)


def is_visible(radii: Int[Tensor, "C N 2"] | Float[Tensor, "C N 2"]) -> Bool[Tensor, "C N"]:
    """True where the rasterizer drew the Gaussian."""
    return (radii > 0).all(dim=-1)


def accumulate(
    state: DensificationState,
    means2d_grad: Float[Tensor, "C N 2"],
    radii: Int[Tensor, "C N 2"] | Float[Tensor, "C N 2"],
    width: int,
    height: int,
) -> None:
    """Add the views of one step to `state`.

    Args:
        means2d_grad: derivative of the distillation loss alone, per pixel; regularizers must not decide where
            Gaussians are added.
        radii: in pixels, 0 where the Gaussian was not drawn.

    Raises:
        ValueError: the state counts another number of Gaussians than the gradient.
    """
    num_gaussians = means2d_grad.shape[1]
    if len(state.view_counts) == 0:
        zeros = means2d_grad.new_zeros(num_gaussians)
        state.gradient_norm_sums, state.view_counts, state.max_screen_fractions = zeros, zeros.clone(), zeros.clone()
    if len(state.view_counts) != num_gaussians:
        raise ValueError(
            f"statistics of {len(state.view_counts)} Gaussians cannot take a gradient of {num_gaussians}: "
            "rows changed without a refinement"
        )
    visible = is_visible(radii)
    norms = view_gradient_norms(means2d_grad, width, height) * visible
    fractions = radii.amax(dim=-1) / max(width, height) * visible  # [C, N]
    # Not in place: a checkpoint may still hold the old tensors.
    state.gradient_norm_sums = state.gradient_norm_sums.to(norms) + norms.sum(dim=0)
    state.view_counts = state.view_counts.to(norms) + visible.sum(dim=0)
    state.max_screen_fractions = torch.maximum(state.max_screen_fractions.to(norms), fractions.amax(dim=0))
