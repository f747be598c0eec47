"""The run manifest: everything one needs to know to trust a number of a run, or to repeat it."""

import platform
import sys
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version

import torch

_PACKAGES = (
    "splatdream",
    "torch",
    "numpy",
    "numba",
    "pytorch-lightning",
    "omegaconf",
    "gsplat",
    "diffusers",
    "transformers",
    "peft",
    "threestudio",
)


def package_versions() -> dict[str, str | None]:
    """Versions of the packages that decide results; None where one is not there."""
    return {name: _version(name) for name in _PACKAGES}


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        # A checkout on the path: threestudio is never installed, and this package need not be.
        return getattr(sys.modules.get(name), "__version__", None)


def describe_machine(device: torch.device) -> dict[str, object]:
    """The device of the run and the machine round it."""
    return {
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else platform.processor() or "cpu",
        "device_type": device.type,
        "threads": torch.get_num_threads(),
        "platform": platform.platform(),
        "python": sys.version.split()[0],
    }


def make_manifest(
    config: Mapping[str, object], seed: int, device: torch.device, host: str, prior: Mapping[str, object]
) -> dict[str, object]:
    """What is known when a run begins; the system adds what it measured at the end."""
    return {
        "status": "running",
        "command": sys.argv,
        "seed": seed,
        "host": host,
        "machine": describe_machine(device),
        "packages": package_versions(),
        "prior": dict(prior),
        "config": dict(config),
    }
