"""The closed-form prior of several views: the exact denoiser of one object seen by several cameras at once.

The object stands at one of K yaws, all equally likely; which one is unknown, but it is the same for the V views of a
group, whose cameras are known. So the data are K groups of V images, x_k = (x_k1, ..., x_kV), and

    E[x_0v | x_t] = sum_k w_k x_kv,    w = softmax(-sum_v |x_tv - a_v x_kv|^2 / (2 (s_v^2 + a_v^2 tau^2))):

views weigh the yaws together, and so agree on one. For a prior of single views, v stands alone in the sum.
"""

import math
from collections import OrderedDict
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float, Int
from torch import Tensor

from ..cameras.batch import CameraBatch
from ..toybox.image_set import unconditional_captions
from ..toybox.objects import build_scene
from ..toybox.ray_tracer import trace
from ..toybox.vocabulary import ToyboxCaption
from .base import Views
from .closed_form_base import ExactPrior, check_square
from .empirical_distribution import EmpiricalDistribution, NoisyImages
from .noise_process import NoiseProcess

_KEPT = 4
"""Groups whose images are kept: a step asks for the same ones more than once. Bounds memory."""
_SAME_POSE = 1e-4
"""Distance of camera matrices below which two cameras see the same image."""


class MultiViewClosedFormPrior(ExactPrior):
    """Knows a caption's object from everywhere, but not how it is turned. Latents as in `ClosedFormPrior`.

    Images are traced for the cameras that come in. With evenly spaced cameras and a number of yaws that is a multiple
    of theirs, the views of a group share their images: K of them instead of K V.
    """

    def __init__(
        self,
        views_per_group: int = 4,
        num_yaws: int = 36,
        num_unconditional_yaws: int = 4,
        tau: float = 0.0,
        size: int = 64,
        schedule: NoiseProcess | None = None,
    ) -> None:
        """
        Args:
            views_per_group: V, consecutive views that are views of one object.
            num_yaws: K, evenly spaced.
            num_unconditional_yaws: of each object in each color, for the empty text: 176 times as many groups.
            tau, size, schedule: see `ExactPrior`.
        """
        super().__init__(tau, size, schedule)
        counts = {
            "views_per_group": views_per_group,
            "num_yaws": num_yaws,
            "num_unconditional_yaws": num_unconditional_yaws,
        }
        for name, count in counts.items():
            if count < 1:
                raise ValueError(f"{name} {count} must be at least 1; the default is {36 if name == 'num_yaws' else 4}")
        self.views_per_group = views_per_group
        self._num_yaws = num_yaws
        self._num_unconditional_yaws = num_unconditional_yaws
        self._kept: OrderedDict[tuple[object, ...], _KnownGroups] = OrderedDict()

    def _posterior_mean(
        self, noisy: NoisyImages, captions: tuple[ToyboxCaption | None, ...], views: Views
    ) -> Float[Tensor, "B 3 size size"]:
        """Of the views of each group together."""
        check_square(views)
        if len(views) % self.views_per_group:
            raise ValueError(
                f"{len(views)} views do not divide into groups of {self.views_per_group}; "
                "set data.batch_size to a multiple"
            )
        cameras = views.cameras.to(noisy.images.device).resized(self._size, self._size)
        clean = torch.empty_like(noisy.images)
        for start in range(0, len(views), self.views_per_group):
            rows = slice(start, start + self.views_per_group)
            known = self._groups_of(_shared_caption(captions[rows]), cameras[rows])
            clean[rows] = known.posterior_mean(noisy[rows])
        return clean

    def manifest(self) -> dict[str, object]:
        return {
            "name": "closed-form",
            "condition": "multi_view",
            "views_per_group": self.views_per_group,
            "num_yaws": self._num_yaws,
            "tau": self._tau,
            "size": self._size,
        }

    def _groups_of(self, caption: ToyboxCaption | None, cameras: CameraBatch) -> "_KnownGroups":
        poses = torch.cat([cameras.c2w.flatten(1), cameras.fovy_rad[:, None]], dim=1)
        key = (caption, poses.device, poses.cpu().numpy().tobytes())
        if key not in self._kept:
            captions = unconditional_captions() if caption is None else (caption,)
            num_yaws = self._num_unconditional_yaws if caption is None else self._num_yaws
            self._kept[key] = _KnownGroups.trace(captions, cameras, num_yaws, self._tau)
        self._kept.move_to_end(key)
        while len(self._kept) > _KEPT:
            self._kept.popitem(last=False)
        return self._kept[key]


@dataclass(frozen=True)
class _KnownGroups:
    """K groups of V images, stored as N different images."""

    images: EmpiricalDistribution
    members: Int[Tensor, "K V"]
    """Which image each view of each group is."""

    @staticmethod
    def trace(captions: tuple[ToyboxCaption, ...], cameras: CameraBatch, num_yaws: int, tau: float) -> "_KnownGroups":
        """Every object at every yaw, seen by the cameras."""
        turned = _seen_by_turned_objects(cameras, num_yaws)
        poses = torch.cat([turned.c2w.flatten(1), turned.fovy_rad[:, None]], dim=1)
        # Not by matrix products: their rounding is larger than the difference looked for.
        distances = torch.cdist(poses, poses, compute_mode="donot_use_mm_for_euclid_dist")
        same_as = (distances < _SAME_POSE).int().argmax(dim=1)
        first, which = torch.unique(same_as, return_inverse=True)
        different = turned[first]
        rgba = torch.cat([trace(build_scene(caption), different) for caption in captions])
        members = which.view(num_yaws, len(cameras))
        offsets = len(different) * torch.arange(len(captions), device=which.device)
        return _KnownGroups(EmpiricalDistribution(rgba, tau), (offsets[:, None, None] + members).flatten(0, 1))

    def posterior_mean(self, noisy: NoisyImages) -> Float[Tensor, "V 3 height width"]:
        by_image = self.images.log_weights(noisy)
        # A constant for each view is the same for every group, so that sums over views compare groups.
        by_view = by_image.gather(1, self.members.T)
        weights = by_view.sum(dim=0).softmax(dim=0)
        shares = torch.zeros_like(by_image).scatter_add(1, self.members.T, weights.expand_as(by_view))
        return self.images.mean(shares, noisy)


def _shared_caption(captions: tuple[ToyboxCaption | None, ...]) -> ToyboxCaption | None:
    """The one caption of a group; its views may differ in their view words, which say nothing new here."""
    different = {caption and caption.without_view for caption in captions}
    if len(different) > 1:
        raise ValueError(f"the views of one group show one object, got the captions {sorted(map(str, different))}")
    return different.pop()


def _seen_by_turned_objects(cameras: CameraBatch, num_yaws: int) -> CameraBatch:
    """For every yaw all the cameras, turned back by it: the object turned by a yaw is seen as if they were."""
    yaws = torch.arange(num_yaws, device=cameras.c2w.device, dtype=torch.float64) * (-2 * math.pi / num_yaws)
    turn = torch.eye(4, dtype=torch.float64, device=yaws.device).repeat(num_yaws, 1, 1)
    turn[:, 0, 0] = turn[:, 1, 1] = yaws.cos()
    turn[:, 1, 0], turn[:, 0, 1] = yaws.sin(), -yaws.sin()
    c2w = turn[:, None] @ cameras.c2w.double()[None]
    every = torch.arange(len(cameras), device=yaws.device).repeat(num_yaws)
    azimuth_deg = cameras.azimuth_deg[every] + torch.rad2deg(yaws).to(cameras.azimuth_deg).repeat_interleave(
        len(cameras)
    )
    return replace(cameras[every], c2w=c2w.flatten(0, 1).to(cameras.c2w), azimuth_deg=azimuth_deg)
