"""Every random draw comes from a generator that its purpose and its step name; nothing draws from a global one.

A resumed run therefore draws what the uninterrupted run would have drawn, whatever was drawn elsewhere before.
"""

import hashlib

import torch


def generator_for(seed: int, stream: str, step: int) -> torch.Generator:
    """A fresh CPU generator that depends on nothing but its three arguments.

    Args:
        seed: of the run.
        stream: what the numbers are for ("camera", "noise", "split"); streams are independent of each other.
        step: the optimizer step, or any other counter within the stream.
    """
    digest = hashlib.blake2b(f"{seed}/{stream}/{step}".encode(), digest_size=8).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest, "little", signed=True))
