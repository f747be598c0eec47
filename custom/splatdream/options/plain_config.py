"""Configurations that are read at every step."""

from typing import TypeVar

from omegaconf import OmegaConf

Config = TypeVar("Config")


def plain_config(cfg: Config) -> Config:
    """An instance of the dataclass that a host parsed, in place of the node that it gives.

    Asking the node for one value takes as long as the smallest kernels of a step, and a step asks for dozens.
    """
    return OmegaConf.to_object(cfg)
