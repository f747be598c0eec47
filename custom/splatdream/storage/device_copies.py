"""Copies from the host to a GPU that nobody waits for."""

import torch
from torch import Tensor


def sent(tensor: Tensor, device: torch.device | str, dtype: torch.dtype | None = None) -> Tensor:
    """The tensor on the device, in `dtype` where one is given; itself where it is so already.

    A plain `.to(device)` waits until the GPU has done all that it was given before. This one is queued behind it: from
    pinned memory, since the driver may wait before it reads any other.
    """
    tensor = tensor if dtype is None else tensor.to(dtype)
    if tensor.device.type == "cpu" and torch.device(device).type == "cuda":
        tensor = tensor.pin_memory()
    return tensor.to(device, non_blocking=tensor.device.type == "cpu")
