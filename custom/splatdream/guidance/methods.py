"""The guidance methods by name. A method turns a denoiser, latents, timesteps and noise into an unweighted gradient."""

from collections.abc import Callable, Mapping

from torch import Tensor

from .denoiser import Denoiser
from .sds import sds_gradient

GuidanceMethod = Callable[[Denoiser, Tensor, Tensor, Tensor], Tensor]

METHODS: Mapping[str, GuidanceMethod] = {"sds": sds_gradient}


def guidance_method(name: str) -> GuidanceMethod:
    """The method of that name.

    Raises:
        ValueError: there is none; the message lists those that exist.
    """
    if name not in METHODS:
        raise ValueError(f"guidance method {name!r} is unknown; choose one of {', '.join(METHODS)}")
    return METHODS[name]
