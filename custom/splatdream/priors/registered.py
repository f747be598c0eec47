"""The registered priors that need no weights: from a configuration to a `DiffusionPrior`."""

from dataclasses import dataclass
from typing import Annotated

from ..host import BaseObject, register
from ..options.option_range import OptionRange, RangeOfEnds, check_fields
from ..toybox.image_cache import cached_image_set
from ..toybox.image_set import ImageSet, ImageSetRecipe, unconditional_captions
from ..toybox.vocabulary import ToyboxCaption
from .closed_form import CONDITIONS, ClosedFormPrior
from .closed_form_base import ExactPrior
from .closed_form_multiview import MultiViewClosedFormPrior
from .null_prior import NullPrior

MULTI_VIEW = "multi_view"
"""The condition of the prior that looks at groups of views."""


@register("splatdream-closed-form-prior")
class RegisteredClosedFormPrior(BaseObject):
    """Calling it gives the exact denoiser of the toybox's images of the prompt."""

    @dataclass
    class Config(BaseObject.Config):
        condition: str = "view_words"
        """What chooses the images: "view_blind" (the object alone), "view_words" (also the text's view word), "camera"
        (the exact camera, which amounts to a photometric fit) or "multi_view" (several views of one object at a time,
        their cameras known, its yaw unknown)."""
        tau: Annotated[float, OptionRange(0, 100)] = 0.0
        """Standard deviation of the round Gaussian at each image, in latent units (pixels in [-1, 1])."""
        size: Annotated[int, OptionRange(1, 2048)] = 64
        """Height and width of the images, pixels."""
        num_images: Annotated[int, OptionRange(1)] = 500
        """Images of one caption, biased to the front like photos on the web."""
        num_unconditional_images: Annotated[int, OptionRange(1)] = 528
        """Images of all the objects in all the colors, for the empty text; at least 176, one of each."""
        seed: int = 0
        """Of the directions that the images are taken from."""
        camera_distance: Annotated[float, OptionRange(0.01, 1000)] = 2.5
        """Of the images, world units."""
        fovy_deg: Annotated[float, OptionRange(1, 170)] = 49.1
        """Vertical field of view of the images."""
        elevation_range_deg: Annotated[tuple[float, float], RangeOfEnds(-90, 90)] = (-10.0, 60.0)
        """Of the images that are not taken from overhead; set it to that of the training cameras."""
        overhead_share: Annotated[float, OptionRange(0, 1)] = 0.07
        """Share of the images taken from overhead (elevations above 60)."""
        views_per_group: Annotated[int, OptionRange(1)] = 4
        """Consecutive views of one object under multi_view; as data.views_per_group."""
        num_yaws: Annotated[int, OptionRange(1)] = 36
        """Yaws at which the object may stand under multi_view; a multiple of views_per_group is quickest."""
        num_unconditional_yaws: Annotated[int, OptionRange(1)] = 4
        """Likewise, of every object in every color, for the empty text."""

    cfg: Config

    def configure(self) -> None:
        check_fields("system.guidance.prior", self.cfg, self.Config)
        if self.cfg.condition not in (*CONDITIONS, MULTI_VIEW):
            raise ValueError(f"condition '{self.cfg.condition}' must be one of {', '.join((*CONDITIONS, MULTI_VIEW))}")
        if self.cfg.condition == MULTI_VIEW:
            self._prior: ExactPrior = MultiViewClosedFormPrior(
                self.cfg.views_per_group,
                self.cfg.num_yaws,
                self.cfg.num_unconditional_yaws,
                tau=self.cfg.tau,
                size=self.cfg.size,
            )
            return
        for caption in (None, unconditional_captions()[0]):
            self._recipe(caption)  # what a recipe refuses is refused now, not at the first step
        self._prior = ClosedFormPrior(
            self._image_set_of, condition=self.cfg.condition, tau=self.cfg.tau, size=self.cfg.size
        )

    def __call__(self) -> ExactPrior:
        return self._prior

    def _image_set_of(self, caption: ToyboxCaption | None) -> ImageSet:
        return cached_image_set(self._recipe(caption))

    def _recipe(self, caption: ToyboxCaption | None) -> ImageSetRecipe:
        return ImageSetRecipe(
            captions=unconditional_captions() if caption is None else (caption,),
            num_images=self.cfg.num_unconditional_images if caption is None else self.cfg.num_images,
            size=self.cfg.size,
            seed=self.cfg.seed,
            distance=self.cfg.camera_distance,
            fovy_deg=self.cfg.fovy_deg,
            elevation_range_deg=tuple(self.cfg.elevation_range_deg),
            overhead_share=self.cfg.overhead_share,
        )


@register("splatdream-null-prior")
class RegisteredNullPrior(BaseObject):
    """Calling it gives a prior that predicts no noise, for counting evaluations."""

    @dataclass
    class Config(BaseObject.Config):
        views_per_group: Annotated[int, OptionRange(1)] = 1
        """Consecutive views that one prediction looks at together."""

    cfg: Config

    def __call__(self) -> NullPrior:
        return NullPrior(self.cfg.views_per_group)
