"""A device without memory or numbers (torch's "meta"), on which every look at a number fails, as it waits on a GPU.

Host and device are told apart as on a GPU: a copy to the device must not block, an operation has its large operands on
one device, and what is on the device cannot be read.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

DEVICE = torch.device("meta")


class _OneDevice(TorchDispatchMode):
    """Refuses what would wait for a GPU, or fail there, and what torch itself does not refuse on `DEVICE`."""

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        name = str(func)
        tensors = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)]
        on_host = [tensor for tensor in tensors if tensor.device.type == "cpu"]
        has_both = bool(on_host) and any(tensor.device == DEVICE for tensor in tensors)
        if name.startswith("aten._to_copy"):
            if on_host and kwargs.get("device") == DEVICE and not kwargs.get("non_blocking"):
                raise RuntimeError(f"a copy of {list(on_host[0].shape)} to the device waits for it")
        elif name.startswith("aten.copy_"):
            if has_both and not (kwargs.get("non_blocking") or (len(args) > 2 and args[2])):
                raise RuntimeError(f"a copy of {list(tensors[0].shape)} to the device waits for it")
        elif has_both and any(tensor.ndim for tensor in on_host):
            raise RuntimeError(f"{name} has operands on the host and on the device")
        if name.startswith("aten._linalg_check_errors"):
            raise RuntimeError(f"{name} reads from the device whether a matrix was singular")
        return func(*args, **kwargs)


class _NoListsToTheDevice(TorchFunctionMode):
    """On a GPU a tensor made of a list is copied there, which waits; on `DEVICE` there is nothing to copy."""

    def __torch_function__(self, func, types, args=(), kwargs=None):
        made = func(*args, **(kwargs or {}))
        if func in (torch.tensor, Tensor.new_tensor) and made.device == DEVICE:
            raise RuntimeError(f"a list of {list(made.shape)} numbers is copied to the device, which waits for it")
        return made


@contextmanager
def refusing_to_wait(device: torch.device) -> Iterator[None]:
    """Within the block, whatever waits for the device raises an error."""
    if device.type == "cuda":
        torch.cuda.set_sync_debug_mode("error")
        try:
            yield
        finally:
            torch.cuda.set_sync_debug_mode("default")
    else:
        with _OneDevice(), _NoListsToTheDevice():
            yield
