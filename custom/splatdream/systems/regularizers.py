"""The regularizers of a run, by the name that `system.loss.lambda_<name>` gives a weight to."""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from ..gaussians.cloud import GaussianCloud

Regularizer = Callable[[GaussianCloud, Mapping[str, Tensor]], Tensor]

REGULARIZERS: Mapping[str, Regularizer] = {}


def regularization(
    cloud: GaussianCloud, rendered: Mapping[str, Tensor], weights: Mapping[str, float]
) -> Tensor:
    """The weighted sum of the regularizers whose weight is not zero; without any, a constant without gradient."""
    total = torch.zeros((), device=cloud.means.device)
    for name, weight in weights.items():
        if weight != 0:
            total = total + weight * REGULARIZERS[name](cloud, rendered)
    return total
