"""The priors made of large networks, by their registered names."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, ClassVar

from ..cameras.picture import load_picture
from ..host import BaseObject, config_to_primitive, info, register
from ..options.option_range import OptionRange, check_choice
from ..storage.cache_folder import cache_folder
from .condition_cache import ConditionCache
from .content import files_content
from .flux import FLUX_PARTS, FluxPrior, load_flux
from .kept import kept_or_loaded
from .latent_diffusion import LatentDiffusionPrior, NetworkOptions
from .loras import Lora, loras_of
from .model_files import STABLE_DIFFUSION_PARTS, ModelFiles, file_sha256, locate_model
from .mvdream import ENCODER_PARTS, MVDreamPrior, load_mvdream
from .sd3_texts import T5_PARTS
from .sdxl import SDXL_PARTS, StableDiffusionXLPrior, load_sdxl
from .single_file import locate_folder_or_file
from .stable_diffusion import StableDiffusionPrior, load_stable_diffusion
from .stable_diffusion_3 import SD3_PARTS, StableDiffusion3Prior, load_stable_diffusion_3
from .zero123 import LAST_NUMBERS, ZERO123_PARTS, Zero123Prior, load_zero123, locate_zero123

_LARGEST_SHRINKING = 8
"""Pixels to a latent of the published autoencoders."""
_PLACES = ("model", "encoders", "revision", "offline", "cache_texts", "loras", "base")
"""Fields that say where things lie; what lies there counts instead."""


class NetworkPrior(BaseObject):
    """What the registered classes below have in common. Call it for the prior."""

    @dataclass
    class Config(BaseObject.Config):
        model: str = ""
        """Short name (sd21-base, sd15, ...), hub id, or folder in diffusers layout; docs/priors.md."""
        revision: str = ""
        """Commit, tag or branch on the hub; empty for the newest. The one that was loaded is in the manifest."""
        offline: bool = False
        """Never use the network; HF_HUB_OFFLINE=1 does the same for every run."""
        image_size: Annotated[int, OptionRange(0, 4096)] = 0
        """Side in pixels at which the network looks at an image; 0 for the one that it was trained on."""
        dtype: str = "auto"
        """auto (float16 on CUDA, float32 elsewhere), float32, float16 or bfloat16."""
        vae_slicing: bool = False
        """Encode one image at a time."""
        vae_checkpointing: bool = False
        """Encode again in the backward pass instead of keeping activations."""
        channels_last: bool = True
        """Memory format of convolutions on CUDA."""
        compile: bool = False
        """torch.compile the denoiser."""
        cache_texts: bool = True
        """Keep encoded texts in ~/.cache/splatdream/texts, or under SPLATDREAM_CACHE."""

    cfg: Config
    models: ClassVar[Mapping[str, tuple[str, ...]]] = {"model": STABLE_DIFFUSION_PARTS}
    """Fields that name a model, with the parts of it that are read."""

    def configure(self) -> None:
        if self.cfg.image_size < 0 or self.cfg.image_size % _LARGEST_SHRINKING:
            raise ValueError(
                f"prior.image_size is {self.cfg.image_size}, but must be a positive multiple of {_LARGEST_SHRINKING}; "
                "0 takes the size that the network was trained on"
            )

    def options(self) -> NetworkOptions:
        return NetworkOptions(
            dtype=self.cfg.dtype,
            vae_slicing=self.cfg.vae_slicing,
            vae_checkpointing=self.cfg.vae_checkpointing,
            channels_last=self.cfg.channels_last,
            compile=self.cfg.compile,
        )

    def parts(self) -> Mapping[str, tuple[str, ...]]:
        """The same for this configuration."""
        return self.models

    def content(self) -> dict[str, object]:
        """What the answers depend on: settings, and what is in the files, wherever they lie."""
        settings = {str(name): value for name, value in self.cfg.items() if name not in _PLACES}
        for name, parts in self.parts().items():
            if self.cfg[name]:
                settings[name] = files_content(self.files(name, parts))
        return settings

    def files(self, name: str, parts: tuple[str, ...]) -> ModelFiles:
        """Those of the model that the field `name` names."""
        revision = self.cfg.revision or None if name == "model" else None
        return locate_model(self.cfg[name], parts, revision, self.cfg.offline, self.options().prefers_half)

    def load(self, load: Callable[..., LatentDiffusionPrior], **more: object) -> LatentDiffusionPrior:
        """What `load` makes of the configuration. Says which weights were taken: a name stands for several places."""
        prior = kept_or_loaded(
            self.content,
            load,
            model=self.cfg.model,
            revision=self.cfg.revision or None,
            is_offline=self.cfg.offline,
            image_size=self.cfg.image_size,
            options=self.options(),
            text_cache=ConditionCache(cache_folder() / "texts") if self.cfg.cache_texts else None,
            **more,
        )
        info(f"{self.cfg.model}: {prior.files.model_id}, revision {prior.files.revision or 'local'}")
        return prior


class AdaptedPrior(NetworkPrior):
    """One whose networks LoRA files can change."""

    @dataclass
    class Config(NetworkPrior.Config):
        loras: list[Any] = field(default_factory=list)
        """LoRA files, each {path: file.safetensors, weight: 1.0}, added to the weights; docs/priors.md."""

    cfg: Config

    def configure(self) -> None:
        super().configure()
        self.loras: tuple[Lora, ...] = loras_of(config_to_primitive(self.cfg.loras))

    def content(self) -> dict[str, object]:
        loras = [lora.content() for lora in self.loras]
        return super().content() | ({"loras": loras} if loras else {})

    def load(self, load: Callable[..., LatentDiffusionPrior], **more: object) -> LatentDiffusionPrior:
        return super().load(load, loras=self.loras, **more)


@register("splatdream-stable-diffusion-prior")
class RegisteredStableDiffusionPrior(AdaptedPrior):
    """Stable Diffusion up to 2.1. Call it for the prior."""

    @dataclass
    class Config(AdaptedPrior.Config):
        model: str = "sd21-base"
        """Short name (sd21-base, sd15, sd21, toybox-sd), hub id, folder in diffusers layout, or .safetensors file."""
        base: str = ""
        """Model that a .safetensors file was trained from; empty for sd15 or sd21-base, whichever fits."""

    cfg: Config

    def files(self, name: str, parts: tuple[str, ...]) -> ModelFiles:
        revision, half = self.cfg.revision or None, self.options().prefers_half
        return locate_folder_or_file(self.cfg.model, self.cfg.base, revision, self.cfg.offline, half)

    def __call__(self) -> StableDiffusionPrior:
        return self.load(load_stable_diffusion, base=self.cfg.base)


@register("splatdream-sdxl-prior")
class RegisteredStableDiffusionXLPrior(AdaptedPrior):
    """Stable Diffusion XL base. Call it for the prior."""

    @dataclass
    class Config(AdaptedPrior.Config):
        model: str = "sdxl"
        """Short name (sdxl), hub id, or folder in diffusers layout."""

    cfg: Config
    models: ClassVar[Mapping[str, tuple[str, ...]]] = {"model": SDXL_PARTS}

    def __call__(self) -> StableDiffusionXLPrior:
        return self.load(load_sdxl)


@register("splatdream-mvdream-prior")
class RegisteredMVDreamPrior(NetworkPrior):
    """MVDream, which sees several views of one object at a time. Call it for the prior."""

    @dataclass
    class Config(NetworkPrior.Config):
        model: str = "mvdream-sd21"
        """Short name (mvdream-sd21, mvdream-sd15, toybox-mvdream), checkpoint file, hub id, or folder in diffusers
        layout."""
        encoders: str = ""
        """Stable Diffusion model that lends its encoders to a bare checkpoint; empty for the matching one."""
        views_per_group: Annotated[int, OptionRange(1)] = 4
        """Consecutive views of one object that attend to one another; as data.views_per_group."""
        prompt_suffix: str = ", 3d asset"
        """Added to the prompt, as in the captions that MVDream was trained on."""

    cfg: Config
    models = NetworkPrior.models | {"encoders": ENCODER_PARTS}

    def __call__(self) -> MVDreamPrior:
        return self.load(
            load_mvdream,
            encoders=self.cfg.encoders,
            views_per_group=self.cfg.views_per_group,
            prompt_suffix=self.cfg.prompt_suffix,
        )


@register("splatdream-zero123-prior")
class RegisteredZero123Prior(NetworkPrior):
    """Zero-1-to-3, which is told one picture and reads no texts. Call it for the prior."""

    @dataclass
    class Config(NetworkPrior.Config):
        model: str = "zero123-xl"
        """Short name (zero123-xl, stable-zero123), hub id, or folder in diffusers layout."""
        picture: dict = field(default_factory=dict)
        """What the object looks like, and the camera that saw it; `${system.picture}`."""
        last_number: str = ""
        """Fourth number of a camera: distance, by how much it is farther than the picture's; elevation, how far the
        picture's stands from overhead; empty: elevation where the model's name has "stable-zero123", else distance."""

    cfg: Config
    models: ClassVar[Mapping[str, tuple[str, ...]]] = {"model": ZERO123_PARTS}

    def configure(self) -> None:
        super().configure()
        if self.cfg.last_number:
            check_choice("prior.last_number", self.cfg.last_number, LAST_NUMBERS)

    def content(self) -> dict[str, object]:
        picture = config_to_primitive(self.cfg.picture)
        load_picture(picture)  # now: what shows no object must not cost a run's beginning
        path = Path(str(picture.pop("path"))).expanduser()
        return super().content() | {"picture": {"file": file_sha256(path), **picture}}

    def files(self, name: str, parts: tuple[str, ...]) -> ModelFiles:
        return locate_zero123(self.cfg.model, self.cfg.revision or None, self.cfg.offline, self.options().prefers_half)

    def __call__(self) -> Zero123Prior:
        picture = load_picture(config_to_primitive(self.cfg.picture))
        return self.load(load_zero123, picture=picture, last_number=self.cfg.last_number)


@register("splatdream-sd3-prior")
class RegisteredStableDiffusion3Prior(NetworkPrior):
    """Stable Diffusion 3 and 3.5. Call it for the prior."""

    @dataclass
    class Config(NetworkPrior.Config):
        model: str = "sd3"
        """Short name (sd3, sd35-medium, sd35-large), hub id, or folder in diffusers layout."""
        uses_t5: bool = False
        """Read texts with the third encoder, too; 19 GB of main memory while a text is encoded."""

    cfg: Config

    def parts(self) -> Mapping[str, tuple[str, ...]]:
        return {"model": SD3_PARTS + (T5_PARTS if self.cfg.uses_t5 else ())}

    def __call__(self) -> StableDiffusion3Prior:
        return self.load(load_stable_diffusion_3, uses_t5=self.cfg.uses_t5)


@register("splatdream-flux-prior")
class RegisteredFluxPrior(NetworkPrior):
    """FLUX.1-schnell. Call it for the prior."""

    @dataclass
    class Config(NetworkPrior.Config):
        model: str = "flux-schnell"
        """Short name (flux-schnell), hub id, or folder in diffusers layout."""

    cfg: Config
    models: ClassVar[Mapping[str, tuple[str, ...]]] = {"model": FLUX_PARTS}

    def __call__(self) -> FluxPrior:
        return self.load(load_flux)
