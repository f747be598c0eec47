"""The closed-form prior: the exact denoiser of the toybox's images. No weights, no training, no approximation.

For images x_i, E[x_0 | x_t] = sum_i w_i x_i with w = softmax(-|x_t - a x_i|^2 / (2 (s^2 + a^2 tau^2))): the minimizer
of the denoising loss over all functions when the training set is exactly those images (arXiv:2206.00364, app. B.3).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from ..prompts.directions import ViewDirection, classify_views
from ..toybox.image_set import ImageSet
from ..toybox.objects import build_scene
from ..toybox.ray_tracer import composite, trace
from ..toybox.vocabulary import ToyboxCaption
from .base import Views
from .closed_form_base import ExactPrior, check_square
from .empirical_distribution import EmpiricalDistribution, NoisyImages
from .noise_process import NoiseProcess

CONDITIONS = ("view_blind", "view_words", "camera")


class ClosedFormPrior(ExactPrior):
    """Knows the images of a caption by heart. Latents are images in [-1, 1], [B, 3, size, size].

    What "the images of a caption" are depends on `condition`:
        view_blind: all images of the object, whatever the text says of the view.
        view_words: those that the text's view word describes; all if it names none.
        camera: the one image seen by the exact camera. Distillation then amounts to a photometric fit.
    """

    def __init__(
        self,
        image_set_of: Callable[[ToyboxCaption | None], ImageSet],
        condition: str = "view_words",
        tau: float = 0.0,
        size: int = 64,
        schedule: NoiseProcess | None = None,
    ) -> None:
        """
        Args:
            image_set_of: the images of a caption (without view word), or of no caption in particular.
            tau: standard deviation of the round Gaussian that stands at each image, in latent units.
            size: height and width of the images, pixels.
            schedule: Stable Diffusion's by default.
        """
        if condition not in CONDITIONS:
            raise ValueError(f"condition '{condition}' must be one of {', '.join(CONDITIONS)}")
        super().__init__(tau, size, schedule)
        self._image_set_of = image_set_of
        self._condition = condition
        self._known: dict[ToyboxCaption | None, _KnownImages] = {}

    def _posterior_mean(
        self, noisy: NoisyImages, captions: tuple[ToyboxCaption | None, ...], views: Views
    ) -> Float[Tensor, "B 3 size size"]:
        clean = torch.empty_like(noisy.images)
        for caption, rows in _rows_by_caption(captions).items():
            of_rows = torch.tensor(rows, device=clean.device)
            if self._condition == "camera" and caption:
                clean[of_rows] = self._from_camera(caption, noisy[of_rows], views[of_rows])
            else:
                words = [captions[row] and captions[row].view_word for row in rows]
                clean[of_rows] = self._from_set(caption, words, noisy[of_rows])
        return clean

    def manifest(self) -> dict[str, object]:
        return {"name": "closed-form", "condition": self._condition, "tau": self._tau, "size": self._size}

    def _from_set(
        self, caption: ToyboxCaption | None, words: Sequence[str | None], noisy: NoisyImages
    ) -> Float[Tensor, "B 3 size size"]:
        known = self._images_of(caption, noisy.images.device)
        is_member = None
        if self._condition == "view_words" and any(words):
            is_member = torch.stack([known.is_described_by(word) for word in words])
        return known.distribution.posterior_mean(noisy, is_member)

    def _from_camera(self, caption: ToyboxCaption, noisy: NoisyImages, views: Views) -> Float[Tensor, "B 3 size size"]:
        """The posterior given the camera, which decides the image; a view word adds nothing to it."""
        check_square(views)
        images, (signal, sigma) = noisy.images, (scale.view(-1, 1, 1, 1) for scale in (noisy.signal, noisy.sigma))
        rgba = trace(build_scene(caption), views.cameras.resized(self._size, self._size)).to(images.device)
        image = 2 * composite(rgba, views.background.to(rgba)).movedim(-1, 1).to(images) - 1
        share = signal * self._tau**2 / (sigma.square() + (signal * self._tau).square())
        return image + share * (images - signal * image)

    def _images_of(self, caption: ToyboxCaption | None, device: torch.device) -> "_KnownImages":
        known = self._known.get(caption)
        if known is None:
            known = _KnownImages.learn(self._image_set_of(caption), self._tau)
        if known.distribution.device != device:
            known = known.to(device)
        self._known[caption] = known
        return known


@dataclass(frozen=True)
class _KnownImages:
    """An image set, ready to be compared with, and what each image is called."""

    distribution: EmpiricalDistribution
    directions: Int[Tensor, "N"]
    """The `ViewDirection` of each image."""

    @staticmethod
    def learn(images: ImageSet, tau: float) -> "_KnownImages":
        return _KnownImages(
            EmpiricalDistribution(images.rgba.float() / 255, tau),
            classify_views(images.elevation_deg, images.azimuth_deg),
        )

    def to(self, device: torch.device) -> "_KnownImages":
        return _KnownImages(self.distribution.to(device), self.directions.to(device))

    def is_described_by(self, word: str | None) -> Tensor:
        """[N] True for the images that a view word describes; without a word, for all."""
        if word is None:
            return torch.ones_like(self.directions, dtype=torch.bool)
        is_described = self.directions == ViewDirection[word.upper()]
        if not is_described.any():
            raise ValueError(f"the image set has no {word} view; raise the prior's num_images")
        return is_described


def _rows_by_caption(captions: Sequence[ToyboxCaption | None]) -> dict[ToyboxCaption | None, list[int]]:
    """Rows that share a caption, apart from its view word, are denoised together."""
    groups: dict[ToyboxCaption | None, list[int]] = {}
    for row, caption in enumerate(captions):
        groups.setdefault(caption and caption.without_view, []).append(row)
    return groups
