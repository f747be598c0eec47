"""Stable Diffusion in one .safetensors file, as communities share it: the weights of all networks, by their old names.

The file does not say how the networks are built and lacks the tokenizer. Both are small and come from the model that it
was trained from, whose weights are not needed.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from torch import nn

from .model_files import STABLE_DIFFUSION_PARTS, Hub, ModelFiles, locate_model
from .network_files import whole

_TEXT_KEY = "model.diffusion_model.input_blocks.1.1.transformer_blocks.0.attn2.to_k.weight"
"""Reads a text: as many columns as a text embedding has channels."""
_BASES = {768: "sd15", 1024: "sd21-base"}


def locate_folder_or_file(
    model: str,
    base: str = "",
    revision: str | None = None,
    is_offline: bool = False,
    prefers_half: bool = False,
    hub: Hub | None = None,
) -> ModelFiles:
    """`locate_model`, and for one file the configurations of its base, too.

    Args:
        base: what one file was trained from: a folder in diffusers layout, with or without weights, a short name, or a
            hub id; empty for sd15 or sd21-base by the channels of a text. A file from sd21, which predicts v, must
            say so: nothing in it does.

    Raises:
        FileNotFoundError: the model, or the base of a file, was not found.
        ValueError: the file is none of safetensors or holds no Stable Diffusion 1 or 2, or a folder is given a base.
    """
    files = locate_model(model, STABLE_DIFFUSION_PARTS, revision, is_offline, prefers_half, hub)
    if not files.path.is_file():
        if base:
            raise ValueError(
                f"prior.base is '{base}', but {files.path} is a folder, which says itself how it is built; leave it out"
            )
        return files
    if files.path.suffix != ".safetensors":
        raise ValueError(f"{files.path} is no .safetensors file; other kinds can hold code and are not read")
    base = base or _base_of(files)
    try:
        layout = locate_model(base, STABLE_DIFFUSION_PARTS, None, is_offline, hub=hub, has_weights=False)
    except FileNotFoundError as error:
        raise FileNotFoundError(
            f"{files.path} is there, but the configurations and the tokenizer of its base '{base}' (prior.base), which "
            f"take 2 MB, are not.\n{error}"
        ) from None
    if layout.path.is_file():
        raise ValueError(f"prior.base is the file {layout.path}, but must be a folder in diffusers layout, or its name")
    return replace(files, layout=layout)


def network_of(files: ModelFiles, network_type: type, part: str) -> nn.Module:
    """diffusers' network of one file.

    Raises:
        ValueError: the file does not hold it, or not as its base has it.
    """
    with _one_sentence(files, part):
        network = network_type.from_single_file(
            str(files.path), config=str(files.configurations), subfolder=part, local_files_only=True
        )
        return whole(network).float()


def text_encoder_of(files: ModelFiles) -> nn.Module:
    """transformers' text encoder of one file; errors as `network_of`."""
    from diffusers import StableDiffusionPipeline

    with _one_sentence(files, "text_encoder"):
        pipeline = StableDiffusionPipeline.from_single_file(
            str(files.path),
            config=str(files.configurations),
            unet=None,
            vae=None,
            safety_checker=None,
            feature_extractor=None,
            local_files_only=True,
        )
        return whole(pipeline.text_encoder)


def _base_of(files: ModelFiles) -> str:
    from safetensors import safe_open

    with safe_open(files.path, "pt") as file:
        if _TEXT_KEY not in file.keys():  # noqa: SIM118 - no mapping
            raise ValueError(f"{files.path} holds no Stable Diffusion 1 or 2: it lacks {_TEXT_KEY}")
        channels = file.get_slice(_TEXT_KEY).get_shape()[1]
    if channels not in _BASES:
        raise ValueError(
            f"{files.path} reads texts of {channels} channels, and Stable Diffusion 1 and 2 have "
            f"{', '.join(map(str, _BASES))}; if it is of their family, set prior.base to what it was trained from"
        )
    return _BASES[channels]


@contextmanager
def _one_sentence(files: ModelFiles, part: str) -> Iterator[None]:
    try:
        yield
    except Exception as error:  # diffusers has an error of its own, and torch several, for what is one mistake
        first_line = str(error).strip().partition("\n")[0]
        raise ValueError(
            f"{files.path} does not hold the {part} of {files.layout.name} ({first_line}); set prior.base to the model "
            "that it was trained from"
        ) from error
