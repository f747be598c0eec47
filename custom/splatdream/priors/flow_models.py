"""What the published rectified flows have in common on disk: a transformer, and a flow-matching scheduler."""

import json

from torch import nn

from .model_files import ModelFiles
from .network_files import read_network
from .noise_process import RectifiedFlow

_PRIOR_OF = {
    "SD3Transformer2DModel": "splatdream-sd3-prior",
    "FluxTransformer2DModel": "splatdream-flux-prior",
}


def load_transformer(files: ModelFiles, class_name: str) -> nn.Module:
    """diffusers' transformer of that class.

    Raises:
        ValueError: the folder holds a transformer of another class.
    """
    import diffusers

    with files.reading("transformer"):
        config = dict(json.loads((files.path / "transformer" / "config.json").read_bytes()))
    found = config.get("_class_name")
    if found != class_name:
        remedy = f"set guidance.prior_type: {_PRIOR_OF[found]}" if found in _PRIOR_OF else "no prior here takes it"
        raise ValueError(f"the transformer in {files.path} is a {found} and not a {class_name}; {remedy}")
    return read_network(files, getattr(diffusers, class_name), "transformer")


def load_flow(files: ModelFiles) -> RectifiedFlow:
    """The noise levels, from the folder's scheduler configuration.

    Raises:
        ValueError: it is not the scheduler of a flow, or its levels depend on the size of the image.
    """
    with files.reading("scheduler"):
        config = dict(json.loads((files.path / "scheduler" / "scheduler_config.json").read_bytes()))
    if config.get("_class_name") != "FlowMatchEulerDiscreteScheduler":
        raise ValueError(
            f"the scheduler in {files.path} is {config.get('_class_name')}, which is none of a rectified flow; "
            "this prior needs a FlowMatchEulerDiscreteScheduler"
        )
    if config.get("use_dynamic_shifting"):
        raise ValueError(
            f"the noise levels of {files.path} depend on the size of the image (use_dynamic_shifting), as those of "
            "FLUX.1-dev do; models with a fixed shift are supported: Stable Diffusion 3 and 3.5, FLUX.1-schnell"
        )
    with files.reading("scheduler"):
        return RectifiedFlow.shifted(config.get("shift", 1.0), config.get("num_train_timesteps", 1000))


def checked_side(image_size: int, token_size: int, most_tokens: int | None = None) -> int:
    """The side in pixels at which images are looked at.

    Args:
        token_size: side in pixels of what one token stands for.
        most_tokens: in a row, that the network has positions for; None for any number.

    Raises:
        ValueError: it does not divide into tokens, or into too many.
    """
    if image_size % token_size:
        raise ValueError(f"prior.image_size is {image_size}, but this network needs a multiple of {token_size}")
    if most_tokens is not None and image_size > token_size * most_tokens:
        raise ValueError(
            f"prior.image_size is {image_size}, but this network has positions for {token_size * most_tokens} at most"
        )
    return image_size
