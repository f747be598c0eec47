"""LoRA files (arXiv:2106.09685): low-rank changes of a network and its text encoders, added to their weights.

Added, not kept beside them: predictions cost what they did, and methods put low-rank weights of their own on top.
"""

import logging
import math
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from .model_files import LORA_FILE, check_header, file_sha256

_ADAPTER = "file"
_FIRST_DIFFUSERS = (0, 34)
"""Whose reader of LoRA files also gives their metadata."""
_TEXT_ENCODERS = ("text_encoder", "lora_te")
"""What the names of a text encoder's tensors start with, in diffusers' layout and in kohya's."""


@dataclass(frozen=True)
class Lora:
    """One file, and how strongly it counts."""

    path: Path
    weight: float

    def content(self) -> dict[str, object]:
        """What an answer depends on."""
        return {"file": file_sha256(self.path), "weight": self.weight}

    def changes_texts(self) -> bool:
        """Whether it changes a text encoder, too."""
        return any(name.startswith(_TEXT_ENCODERS) for name in self._names())

    def read(self, network_config: Mapping[str, object] | None) -> "LoraTensors":
        """Its tensors under diffusers' names, whichever of the two layouts it has.

        Args:
            network_config: of Stable Diffusion XL's network, whose blocks some files count otherwise; None for others.

        Raises:
            ImportError: diffusers is too old.
            ValueError: it is in neither layout.
        """
        import diffusers
        from diffusers.loaders import StableDiffusionLoraLoaderMixin

        if tuple(map(int, diffusers.__version__.split(".")[:2])) < _FIRST_DIFFUSERS:
            raise ImportError(f"LoRA files need diffusers 0.34 or newer, and {diffusers.__version__} is installed")
        unread = [name for name in self._names() if not _is_low_rank(name)]
        if unread:
            raise ValueError(
                f"the LoRA file {self.path} holds '{unread[0]}', which is no low-rank change of weights in diffusers' "
                "or kohya's layout (DoRA, LoHa, LoKr and whole weights are not read)"
            )
        with _one_sentence(f"the LoRA file {self.path} is in neither diffusers' nor kohya's layout"):
            return LoraTensors(
                *StableDiffusionLoraLoaderMixin.lora_state_dict(
                    str(self.path.parent),
                    weight_name=self.path.name,
                    use_safetensors=True,
                    local_files_only=True,
                    unet_config=network_config,
                    return_lora_metadata=True,
                )
            )

    def _names(self) -> list[str]:
        from safetensors import safe_open

        check_header(self.path)
        with safe_open(self.path, "pt") as file:
            return list(file.keys())


@dataclass(frozen=True)
class LoraTensors:
    """A file's tensors by diffusers' names, each with the part of the pipeline in front."""

    tensors: Mapping[str, torch.Tensor]
    alphas: Mapping[str, float] | None
    metadata: Mapping[str, object] | None

    def parts(self) -> dict[str, int]:
        """Part of the pipeline -> how many tensors are for it."""
        parts = [name.partition(".")[0] for name in self.tensors]
        return {part: parts.count(part) for part in dict.fromkeys(parts)}


def loras_of(entries: Sequence[object]) -> tuple[Lora, ...]:
    """The files that a configuration names.

    Raises:
        ValueError: an entry is not of the form {path, weight}, or its file is none of safetensors, or damaged.
        FileNotFoundError: a file is not there.
    """
    return tuple(map(_lora_of, entries))


def add_to_network(network: nn.Module, loras: Sequence[Lora], text_encoders: Sequence[str]) -> None:
    """Changes the weights of diffusers' UNet.

    Args:
        text_encoders: folders of those that the model has; their part is added by `add_to_text_encoder`.

    Raises:
        ValueError: a file is for another network.
    """
    from diffusers.loaders import StableDiffusionLoraLoaderMixin

    for lora in loras:
        read = lora.read(_counting_config(network))
        homeless = set(read.parts()) - {"unet", *text_encoders}
        if homeless:
            raise ValueError(
                f"the LoRA file {lora.path} changes {', '.join(sorted(homeless))}, which this model does not have; "
                "it was made for another model"
            )
        _add(lora, read, "unet", network, StableDiffusionLoraLoaderMixin.load_lora_into_unet)


def add_to_text_encoder(encoder: nn.Module, loras: Sequence[Lora], part: str) -> None:
    """The same for transformers' text encoder of the folder `part`."""
    from diffusers.loaders import StableDiffusionLoraLoaderMixin

    def load(tensors: object, alphas: object, encoder: nn.Module, **options: object) -> None:
        StableDiffusionLoraLoaderMixin.load_lora_into_text_encoder(tensors, alphas, encoder, prefix=part, **options)

    for lora in loras:
        if lora.changes_texts():
            _add(lora, lora.read(None), part, encoder, load)


def _lora_of(entry: object) -> Lora:
    form = "prior.loras is a list of {path: file.safetensors, weight: 1.0}"
    if not isinstance(entry, Mapping) or "path" not in entry or set(entry) - {"path", "weight"}:
        raise ValueError(f"{form}, and {entry} is none of these")
    path, weight = Path(str(entry["path"])).expanduser(), entry.get("weight", 1.0)
    if isinstance(weight, bool) or not isinstance(weight, int | float) or not math.isfinite(weight):
        raise ValueError(f"{form}, and weight {weight} is no finite number")
    if path.is_dir():
        path = path / LORA_FILE
    if path.suffix != ".safetensors":
        raise ValueError(f"{form}, and {path} is no .safetensors file; other kinds can hold code and are not read")
    if not path.is_file():
        raise FileNotFoundError(f"the LoRA file {path} of prior.loras is not there; give the path of a file")
    check_header(path)
    return Lora(path.resolve(), float(weight))


def _is_low_rank(name: str) -> bool:
    in_kohyas = name.startswith(("lora_unet_", "lora_te"))
    if in_kohyas:
        return name.endswith((".lora_down.weight", ".lora_up.weight", ".alpha"))
    return name.startswith(("unet.", "text_encoder")) and "lora" in name and name.endswith((".weight", ".bias"))


def _counting_config(network: nn.Module) -> Mapping[str, object] | None:
    return network.config if network.config.addition_embed_type == "text_time" else None


def _add(lora: Lora, read: LoraTensors, part: str, module: nn.Module, load: Callable[..., None]) -> None:
    expected = read.parts().get(part, 0)
    if not expected:
        return
    misfit = f"the LoRA file {lora.path} does not fit the {part} of this model; it was made for another one"
    # peft draws first weights, which are replaced, from the global generator.
    with torch.random.fork_rng(devices=[]), _one_sentence(misfit), warnings.catch_warnings():
        # So peft tells of scales of single layers that it does not apply.
        warnings.simplefilter("error", RuntimeWarning)
        load(read.tensors, read.alphas, module, adapter_name=_ADAPTER, metadata=read.metadata)
        found = sum(f".{_ADAPTER}." in name for name, _ in module.named_parameters())
        if found != expected:
            raise ValueError(f"{expected} tensors, {found} of them have a place")
        _merge(module, lora.weight)


def _merge(module: nn.Module, weight: float) -> None:
    """Adds the low-rank product to the weights and takes peft's layers away."""
    from diffusers.utils import recurse_remove_peft_layers
    from peft.tuners.tuners_utils import BaseTunerLayer

    for layer in [each for each in module.modules() if isinstance(each, BaseTunerLayer)]:
        layer.scale_layer(weight)
        layer.merge(safe_merge=True)
    recurse_remove_peft_layers(module)
    del module.peft_config
    module._hf_peft_config_loaded = False


@contextmanager
def _one_sentence(problem: str) -> Iterator[None]:
    """The libraries tell in many lines, and log them, what is one thing to the user."""
    loggers = [logging.getLogger(name) for name in ("diffusers", "transformers")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL)
    try:
        yield
    except ImportError as error:
        raise ImportError(f"LoRA files are read through peft: pip install peft ({error})") from error
    except (ValueError, RuntimeError, KeyError, TypeError, AttributeError, RuntimeWarning) as error:
        raise ValueError(f"{problem} ({str(error).strip().partition(chr(10))[0]})") from error
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
