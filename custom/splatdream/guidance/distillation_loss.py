"""A gradient dressed as a loss, so that autograd can carry it on to the Gaussians.

B views.
"""

from jaxtyping import Float
from torch import Tensor


def distillation_loss(latents: Float[Tensor, "B ..."], gradient: Float[Tensor, "B ..."]) -> Float[Tensor, ""]:
    """A scalar whose derivative with respect to `latents` is `gradient` divided by the number of latent elements.

    It is half the mean square distance to the detached target latents - gradient. The mean over elements makes sizes
    comparable between resolutions; the mean over views makes them comparable between batch sizes.
    """
    target = (latents - gradient).detach()
    return 0.5 * (latents - target).square().mean()
