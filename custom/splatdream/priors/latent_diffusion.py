"""What the latent priors share: texts, the image autoencoder, precision, and what the network predicts.

B views, latents with c channels (4 or 16) and an eighth of the image's side (h, w).
"""

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from ..storage.device_copies import sent
from .base import Condition, DiffusionPrior, Views
from .cached_texts import CachedTexts
from .clip_texts import TextCondition
from .gradient_range import through_half_precision
from .loras import Lora
from .model_files import ModelFiles
from .noise_process import NoiseProcess

DTYPES = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}
PREDICTION_TYPES = ("epsilon", "v_prediction", "sample")


@dataclass(frozen=True)
class NetworkOptions:
    """How the networks run; none of it changes what they compute, but for rounding."""

    dtype: str = "auto"
    """auto (float16 on CUDA, float32 elsewhere), float32, float16 or bfloat16."""
    vae_slicing: bool = False
    """Encode and decode one image at a time: less memory, a little slower."""
    vae_checkpointing: bool = False
    """Compute the image encoder again in the backward pass instead of keeping its activations."""
    channels_last: bool = True
    """Memory format of the convolutions on CUDA."""
    compile: bool = False
    """torch.compile the denoiser: minutes at the first step, then faster on CUDA."""

    def __post_init__(self) -> None:
        if self.dtype != "auto" and self.dtype not in DTYPES:
            raise ValueError(f"dtype '{self.dtype}' must be auto, {', '.join(DTYPES)}")

    @property
    def prefers_half(self) -> bool:
        """Whether fp16 files of the networks will do where there are some."""
        return self.dtype in ("auto", "float16") and torch.cuda.is_available()

    def dtype_on(self, device: torch.device) -> torch.dtype:
        """The precision of the networks on that device."""
        if self.dtype == "auto":
            return torch.float16 if device.type == "cuda" else torch.float32
        return DTYPES[self.dtype]


class LatentDiffusionPrior(DiffusionPrior):
    """A denoiser of autoencoder latents, told what to denoise by encoded texts.

    The networks go to the device of the images or latents that they are given, and stay there.

    Attributes:
        files: where the weights came from; of the encoders, `encoder_files`.
        network: the denoiser (diffusers' UNet2DConditionModel or a transformer), frozen.
        vae: the autoencoder (diffusers' AutoencoderKL), frozen.
        image_size: side in pixels of the images that the denoiser was trained on.
    """

    def __init__(
        self,
        files: ModelFiles,
        network: nn.Module,
        time_embedding: nn.Module,
        vae: nn.Module,
        texts: CachedTexts | None,
        schedule: NoiseProcess,
        prediction_type: str,
        image_size: int,
        options: NetworkOptions,
        encoder_files: ModelFiles | None = None,
        loras: Sequence[Lora] = (),
    ) -> None:
        """
        Args:
            time_embedding: the part of `network` that embeds the timestep.
            texts: None where a subclass encodes them itself.
            encoder_files: where autoencoder and text encoder came from, if not from `files`.
            loras: what has been added to the weights of `network` and is added to the text encoder.
        """
        if prediction_type not in PREDICTION_TYPES:
            raise ValueError(f"prediction type '{prediction_type}' must be one of {', '.join(PREDICTION_TYPES)}")
        self.files = files
        self.encoder_files = encoder_files or files
        self._loras = tuple(loras)
        self.schedule = schedule
        self.network: nn.Module = network.eval().requires_grad_(False)
        self.time_embedding: nn.Module = time_embedding
        self.time_embedding_width = time_embedding.linear_2.out_features
        self.vae = vae.eval().requires_grad_(False)
        # Weights that a method adds later (LoRA) keep their own precision.
        self._own_weights = {id(weight) for part in (network, vae) for weight in part.parameters()}
        self.image_size = image_size
        self.prediction_type = prediction_type
        self._texts = texts
        self._options = options
        self._device: torch.device | None = None
        if options.compile:
            self.network.compile()

    def manifest(self) -> dict[str, object]:
        """What a run's record has to say about this prior: plain values only."""
        return {
            **self.files.manifest(),
            **({"encoders": self.encoder_files.manifest()} if self.encoder_files is not self.files else {}),
            **({"loras": [{"path": str(lora.path), **lora.content()} for lora in self._loras]} if self._loras else {}),
            "prediction_type": self.prediction_type,
            "image_size": self.image_size,
            "text_encoder_revision": None if self._texts is None else self._texts.revision,
            "dtype": None if self._device is None else str(self._dtype).removeprefix("torch."),
        }

    def encode_texts(self, texts: Sequence[str]) -> Condition:
        """One row a text, see `CachedTexts.condition`."""
        return self._texts.condition(texts)

    def encode_images(self, rgb: Float[Tensor, "B H W 3"]) -> Float[Tensor, "B c h w"]:
        """The means of the latents, scaled as the denoiser expects; bilinear resizing, antialiased when it shrinks.

        The mean and not a sample: a step draws no noise but that of its timestep.
        """
        height, width = rgb.shape[1:3]
        if height != width:
            raise ValueError(
                f"the images are {width} x {height}; this prior looks at squares, set data.width to data.height"
            )
        self._place(rgb.device)
        images = resized(rgb.movedim(-1, 1), self.image_size)
        if self._vae_dtype == torch.float16:
            return through_half_precision(self._encode, 2 * images - 1)
        return self._encode(2 * images - 1)

    def decode_latents(self, latents: Float[Tensor, "B c h w"]) -> Float[Tensor, "B H W 3"]:
        """Images in [0, 1] of the prior's own resolution. No step of a distillation needs it."""
        self._place(latents.device)
        scaled = self._network_input(latents / self.vae.config.scaling_factor + self._shift, self._vae_dtype)
        images = torch.cat([self.vae.decode(part).sample for part in self._slices(scaled)])
        return (images.to(latents.dtype) / 2 + 0.5).clamp(0, 1).movedim(1, -1)

    def predict_noise(
        self,
        noisy_latents: Float[Tensor, "B c h w"],
        timesteps: Int[Tensor, "B"],
        condition: Condition,
        views: Views,
    ) -> Float[Tensor, "B c h w"]:
        """See `DiffusionPrior.predict_noise`."""
        if not isinstance(condition, TextCondition):
            raise TypeError(f"a condition of type {type(condition).__name__} was made by another prior")
        self._place(noisy_latents.device)
        output = self._denoise(
            self._network_input(noisy_latents, self._dtype),
            sent(timesteps, noisy_latents.device),
            condition,
            views,
        ).to(noisy_latents.dtype)
        if self.prediction_type == "v_prediction":
            _, noise = self.schedule.clean_and_noise(noisy_latents, output, timesteps)
            return noise
        if self.prediction_type == "sample":
            return self.schedule.noise_from_clean(noisy_latents, output, timesteps)
        return output

    @abstractmethod
    def _denoise(
        self,
        noisy_latents: Float[Tensor, "B c h w"],
        timesteps: Int[Tensor, "B"],
        condition: TextCondition,
        views: Views,
    ) -> Float[Tensor, "B c h w"]:
        """What the network says, in its own parametrization and precision."""

    @property
    def _dtype(self) -> torch.dtype:
        return self._options.dtype_on(self._device)

    @property
    def _vae_dtype(self) -> torch.dtype:
        """The precision of the autoencoder."""
        return self._dtype

    def _place(self, device: torch.device) -> None:
        """The networks go where they are used."""
        if self._device == device:
            return
        self._device = device
        for part, dtype in ((self.network, self._dtype), (self.vae, self._vae_dtype)):
            for tensor in (*part.parameters(), *part.buffers()):
                if id(tensor) in self._own_weights:
                    tensor.data = self._network_input(tensor.data, dtype)
                else:
                    tensor.data = tensor.data.to(device)

    def _network_input(self, images: Tensor, dtype: torch.dtype) -> Tensor:
        """On the device, in the precision and, for images and convolutions, in the memory format of the networks."""
        images = images.to(self._device, dtype)
        is_channels_last = self._options.channels_last and self._device.type == "cuda" and images.ndim == 4
        return images.contiguous(memory_format=torch.channels_last) if is_channels_last else images

    def _slices(self, images: Tensor) -> Sequence[Tensor]:
        return images.split(1 if self._options.vae_slicing else len(images))

    def _encode(self, images: Float[Tensor, "B 3 H W"]) -> Float[Tensor, "B c h w"]:
        def means(images: Tensor) -> Tensor:
            return self.vae.encode(images).latent_dist.mean

        def means_recomputed(images: Tensor) -> Tensor:
            return torch.utils.checkpoint.checkpoint(means, images, use_reentrant=False, preserve_rng_state=False)

        encode = means_recomputed if self._options.vae_checkpointing else means
        latents = torch.cat([encode(part) for part in self._slices(self._network_input(images, self._vae_dtype))])
        return (latents.to(images.dtype) - self._shift) * self.vae.config.scaling_factor

    @property
    def _shift(self) -> float:
        """Subtracted from the autoencoder's latents before they are scaled."""
        return self.vae.config.shift_factor or 0.0


def resized(images: Float[Tensor, "B C H H"], side: int) -> Float[Tensor, "B C {side} {side}"]:
    """Square images of another size: bilinear, averaging when it shrinks, so that every pixel gets a gradient."""
    if images.shape[-1] == side:
        return images
    return nn.functional.interpolate(
        images, size=(side, side), mode="bilinear", align_corners=False, antialias=images.shape[-1] > side
    )
