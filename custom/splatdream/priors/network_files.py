"""Networks of a folder in diffusers layout, with all of their weights.

Where weights are missing, the libraries put random numbers or none in their place and go on.
"""

from collections.abc import Collection

import torch
from torch import nn

from .model_files import ModelFiles


def read_network(files: ModelFiles, network_type: type, part: str) -> nn.Module:
    """The network of one part, of a class of diffusers or transformers, on the CPU.

    Raises:
        ValueError: the part is damaged, or of another kind.
    """
    with files.reading(part):
        network, told = network_type.from_pretrained(
            files.path,
            subfolder=part,
            variant=files.variant(part),
            local_files_only=True,
            output_loading_info=True,
        )
        return whole(network, told["missing_keys"])


def whole(network: nn.Module, missing: Collection[str] = ()) -> nn.Module:
    """The same network.

    Args:
        missing: names of weights that its file lacks.

    Raises:
        ValueError: it lacks weights, or holds numbers that are not finite.
    """
    absent = {*missing, *(name for name, weight in network.named_parameters() if weight.is_meta)}
    if absent:
        raise ValueError(f"{len(absent)} of its tensors are missing, {min(absent)} first")
    for name, weight in network.named_parameters():
        # A sum is one pass without a copy; a finite sum of 32 bits has finite summands.
        if not weight.sum(dtype=torch.float32).isfinite():
            raise ValueError(f"{name} holds numbers that are not finite")
    return network
