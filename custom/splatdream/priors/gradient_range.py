"""Backward passes through a float16 network, with gradients as large as float16 can carry well.

A loss is a mean over latents, so the gradient of one element is about 1e-5; float16 has its smallest full precision
number at 6e-5. Without scaling the image, or the weights, would receive rounding errors instead of the gradient.
"""

from collections.abc import Callable, Iterable

import torch
from torch import Tensor, nn


def through_half_precision(network: Callable[[Tensor], Tensor], images: Tensor) -> Tensor:
    """`network(images)`, where `network` computes in float16 on its own account and returns the precision of `images`.

    In the backward pass the largest gradient is brought to 1 before the network and back after it, on the device and
    without waiting for it. The forward pass is untouched.
    """
    unit: list[Tensor] = []  # filled by the first of the two in the backward pass, emptied by the second
    return _Normalize.apply(network(_Restore.apply(images, unit)), unit)


TRAINING_AMPLIFICATION = 2.0**14
"""What the gradient of a mean square error is multiplied by inside the network; a power of two, so exactly undone."""


def train_through_half_precision(weights: Iterable[nn.Parameter]) -> None:
    """Undoes, in the gradient of these weights, the amplification of every prediction that `amplified` returned."""
    for weight in weights:
        weight.register_hook(lambda gradient: gradient / TRAINING_AMPLIFICATION)


def amplified(predicted: Tensor) -> Tensor:
    """The same prediction; gradients go into the network `TRAINING_AMPLIFICATION` times as large."""
    return _Amplify.apply(predicted)


class _Amplify(torch.autograd.Function):
    @staticmethod
    def forward(ctx: object, predicted: Tensor) -> Tensor:
        return predicted.view_as(predicted)

    @staticmethod
    def backward(ctx: object, gradient: Tensor) -> Tensor:
        return gradient * TRAINING_AMPLIFICATION


class _Normalize(torch.autograd.Function):
    """Identity; divides the gradient by its largest element and remembers that."""

    @staticmethod
    def forward(ctx: object, latents: Tensor, unit: list[Tensor]) -> Tensor:
        ctx.unit = unit
        return latents.view_as(latents)

    @staticmethod
    def backward(ctx: object, gradient: Tensor) -> tuple[Tensor, None]:
        largest = gradient.abs().amax()
        ctx.unit.append(torch.where(largest > 0, largest, torch.ones_like(largest)))
        return gradient / ctx.unit[-1], None


class _Restore(torch.autograd.Function):
    """Identity; multiplies the gradient by what the other one divided by."""

    @staticmethod
    def forward(ctx: object, images: Tensor, unit: list[Tensor]) -> Tensor:
        ctx.unit = unit
        return images.view_as(images)

    @staticmethod
    def backward(ctx: object, gradient: Tensor) -> tuple[Tensor, None]:
        return gradient * ctx.unit.pop(), None
