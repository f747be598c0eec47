"""Gaussians as an asset: a cloud as a module, with its first state, its learning rates and its conversions.

N Gaussians.
"""

from collections.abc import Callable, Iterator, Mapping, MutableMapping
from dataclasses import dataclass, field, fields
from functools import cache, partial
from typing import Annotated, Any

import torch
from torch import Tensor, nn

from ..densification.strategies import strategy_of
from ..export.model_page import PageModel
from ..export.viewer_page import gaussian_model
from ..gaussians.cloud import GaussianCloud
from ..gaussians.composition import with_sh_degree
from ..gaussians.initialization import from_points
from ..gaussians.smoothing_filter import filter_scale, filtered
from ..gaussians.splat_arrays import splat_arrays
from ..host import BaseGeometry, C, config_to_primitive, parse_structured, register
from ..initializations.growth import GrowthConfig
from ..initializations.registry import Beginning, initial_cloud
from ..losses.regularizers import REGULARIZERS
from ..options.option_range import LearningRate, OptionRange, RangeOfEach, check_fields
from ..options.plain_config import plain_config
from ..priors.shap_e import ShapEConfig
from .base import SCENE_NAME, Asset, Refinement, Regularizer

RAW_NAMES = tuple(field.name for field in fields(GaussianCloud))


@register("splatdream-gaussians")
class GaussianGeometry(Asset):
    """A cloud of Gaussians under optimization.

    Its parameters are the raw tensors of `GaussianCloud`, so a checkpoint has `geometry.means` and so on; any number of
    rows can be loaded.
    """

    @dataclass
    class Config(BaseGeometry.Config):
        initialization: str = "ball"
        """A name ("ball", "shap-e", "toybox"), the path of a file (.ply, .splat, .glb, .obj, .npz, ...) or the folder
        of an earlier run; see docs/initializations.md."""
        initialization_frame: str = ""
        """Axes and scale of what is read, by the name of its program or convention, e.g. "trellis"; empty: as the kind
        of file says."""
        initialization_size: float | None = None
        """Longest side of the box about what is read, world units; none: as the frame says."""
        prompt: str = ""
        """For initializations that read it; write ${system.prompt_processor.prompt}."""
        num_points: Annotated[int, OptionRange(1)] = 1000
        """Gaussians in the initial ball, or points on a surface. Clouds and points in files bring their number."""
        initial_radius: Annotated[float, OptionRange(1e-9, 1000)] = 0.5
        """Of the ball, world units."""
        initial_opacity: Annotated[float, OptionRange(0.0001, 0.9999)] = 0.1
        """In (0, 1). Gaussians that are read have their own."""
        initial_scale: Annotated[float | None, OptionRange(1e-9, 1000)] = None
        """Standard deviation, world units; none takes it from the distances to the nearest neighbors."""
        initial_color: Annotated[list[float], RangeOfEach(0, 1)] = field(default_factory=lambda: [0.5, 0.5, 0.5])
        """Red, green and blue in [0, 1], where the points bring no color."""
        keeps_colors: bool = True
        """false: points that are read get initial_color even where they bring their own."""
        initial_flatness: Annotated[float, OptionRange(1e-4, 1)] = 1.0
        """Thickness of a Gaussian along the normal of its surface over its width, in (0, 1], where normals are known;
        1 is round."""
        initial_color_std: Annotated[float, OptionRange(0, 1)] = 0.0
        """Standard deviation of the color from point to point of the ball."""
        growth: dict[str, Any] = field(default_factory=dict)
        """More points about those that are read (GaussianDreamer): candidates, distance, color_shift; see
        GrowthConfig."""
        shap_e: dict[str, Any] = field(default_factory=dict)
        """Of the initialization "shap-e": model, steps, guidance_scale, ...; see ShapEConfig."""
        seed: Annotated[int, OptionRange(0, 2**63 - 1)] = 0
        """Of what the initialization draws; write ${seed} to follow the run's."""
        sh_degree: Annotated[int, OptionRange(0, 3)] = 0
        """Highest degree of the view-dependent color, 0 to 3. 0 is the same color from everywhere."""
        smoothing: Annotated[float, OptionRange(0, 1000)] = 0.2
        """Variance of the 3D smoothing filter (Mip-Splatting), in squared pixels of the views of training: no detail
        finer than they could show. 0 is no filter."""
        sh_degree_every: Annotated[int, OptionRange(0)] = 0
        """Steps between raising the degree that is rendered, from 0 to sh_degree; 0 renders all degrees at once."""
        position_lr: Annotated[Any, LearningRate()] = field(default_factory=lambda: [0, 1e-3, 2e-5, 1000])
        """World units per step; a number or [start_step, start, end, end_step], on a logarithm, as all rates here."""
        feature_lr: Annotated[Any, LearningRate()] = 0.01
        """Of the color coefficients of degree 0."""
        feature_rest_lr: Annotated[Any, LearningRate()] = 0.0005
        """Of the color coefficients above degree 0."""
        opacity_lr: Annotated[Any, LearningRate()] = 0.05
        """Of the opacity logits."""
        scaling_lr: Annotated[Any, LearningRate()] = 0.005
        """Of the logarithms of the scales."""
        rotation_lr: Annotated[Any, LearningRate()] = 0.005
        """Of the quaternions."""

    cfg: Config
    reads_absgrad = False
    """Whether its refinement reads the absolute screen gradient (`absgrad` of a rasterizer)."""

    def configure(self) -> None:
        check_fields("system.geometry", self.cfg, self.Config)
        self._set_cloud(initial_cloud(self._beginning()))
        self.cfg = plain_config(self.cfg)
        self.active_sh_degree = self.sh_degree_at(0)
        # In the checkpoint: whoever reads it sees the Gaussians as training did.
        self.register_buffer("filter_scale", torch.zeros(()))
        self._is_filtered = False

    def set_view_pixel(self, size: float) -> None:
        self.filter_scale.fill_(filter_scale(size, self.cfg.smoothing))
        self._is_filtered = bool(self.filter_scale > 0)

    def cloud(self) -> GaussianCloud:
        """The parameters as a cloud, through the 3D smoothing filter; gradients flow to them."""
        cloud = GaussianCloud(**{name: getattr(self, name) for name in RAW_NAMES})
        return filtered(cloud, self.filter_scale.expand(len(self.means))) if self._is_filtered else cloud

    def clouds(self) -> list[GaussianCloud]:
        """All clouds that are exported: this one."""
        return [self.cloud()]

    def params(self) -> MutableMapping[str, nn.Parameter]:
        """A view of the raw parameters by name. Assigning to it, as row surgery does, changes this module."""
        return _ParameterView(self)

    def sh_degree_at(self, step: int) -> int:
        """The highest SH degree that is rendered at this step."""
        if self.cfg.sh_degree_every <= 0:
            return self.cfg.sh_degree
        return min(self.cfg.sh_degree, step // self.cfg.sh_degree_every)

    def update_step(self, epoch: int, global_step: int, on_load_weights: bool = False) -> None:
        # Hosts call this several times for one step: it must depend on the step alone.
        self.active_sh_degree = self.sh_degree_at(global_step)

    def learning_rates(self, epoch: int, step: int) -> dict[str, float]:
        """By name of the raw tensor."""
        schedules = {
            "means": self.cfg.position_lr,
            "log_scales": self.cfg.scaling_lr,
            "quats": self.cfg.rotation_lr,
            "opacity_logits": self.cfg.opacity_lr,
            "sh0": self.cfg.feature_lr,
            "shN": self.cfg.feature_rest_lr,
        }
        return {name: C(value, epoch, step, interpolation="exp") for name, value in schedules.items()}

    def sizes(self) -> dict[str, int]:
        return {"gaussians": len(self.means)}

    def regularizers(self) -> Mapping[str, Regularizer]:
        cloud = cache(self.cloud)  # one for all, and none where no weight asks for it
        return {name: partial(_of, cloud, regularizer) for name, regularizer in REGULARIZERS.items()}

    def refinement(self, settings: Mapping[str, Any], seed: int) -> Refinement:
        strategy = strategy_of(settings)
        config = _options(strategy.config_class, strategy.options(settings))
        self.reads_absgrad = strategy.reads_absgrad
        return strategy.refinement(config, seed, self.params())

    def page_model(self) -> PageModel:
        return gaussian_model(self.cloud().detach().to("cpu"))

    def shown_cloud(self) -> GaussianCloud:
        return self.cloud().detach().to("cpu")

    def draw(self, scene: Any) -> None:
        """Shows the color of SH degree 0: all who look share one scene."""
        scene.add_gaussian_splats(SCENE_NAME, **splat_arrays(self.shown_cloud()))

    def export(self, **kwargs: object) -> dict[str, Tensor]:
        """The raw tensors by name, without gradient."""
        return self.cloud().detach().tensors()

    @staticmethod
    def create_from(other: object, cfg: object = None, **kwargs: object) -> BaseGeometry:
        """Gaussians from another geometry: its own cloud, or one Gaussian at each vertex of its isosurface.

        Raises:
            TypeError: the other geometry has neither `cloud()` nor `isosurface()`.
        """
        instance = GaussianGeometry(cfg)
        with torch.no_grad():
            instance._set_cloud(with_sh_degree(instance._cloud_from(other), instance.cfg.sh_degree))
        return instance

    def _beginning(self) -> Beginning:
        cfg = self.cfg
        return Beginning(
            source=cfg.initialization,
            prompt=cfg.prompt,
            seed=cfg.seed,
            num_points=cfg.num_points,
            radius=cfg.initial_radius,
            opacity=cfg.initial_opacity,
            scale=cfg.initial_scale,
            flatness=cfg.initial_flatness,
            color=tuple(cfg.initial_color),
            keeps_colors=cfg.keeps_colors,
            color_std=cfg.initial_color_std,
            sh_degree=cfg.sh_degree,
            frame=cfg.initialization_frame,
            size=cfg.initialization_size,
            growth=_options(GrowthConfig, cfg.growth),
            shap_e=_options(ShapEConfig, cfg.shap_e),
        )

    def _cloud_from(self, other: object) -> GaussianCloud:
        if hasattr(other, "cloud"):
            return other.cloud().detach()
        if not hasattr(other, "isosurface"):
            raise TypeError(f"cannot make Gaussians from {type(other).__name__}: no cloud() and no isosurface()")
        mesh = other.isosurface()
        points = mesh.v_pos.detach().float()
        colors = getattr(mesh, "v_rgb", None)
        if colors is None:
            colors = torch.tensor(list(self.cfg.initial_color), device=points.device).expand_as(points)
        return from_points(points, colors.detach(), self.cfg.initial_opacity, self.cfg.initial_scale)

    def _set_cloud(self, cloud: GaussianCloud) -> None:
        for name, tensor in cloud.tensors().items():
            setattr(self, name, nn.Parameter(tensor.detach().clone()))

    def _load_from_state_dict(self, state_dict, prefix, local_metadata, strict, missing, unexpected, errors) -> None:
        """Take as many rows as the checkpoint has; everything else is as strict as usual."""
        loaded = {name: state_dict[prefix + name] for name in RAW_NAMES if prefix + name in state_dict}
        counts = {name: len(tensor) for name, tensor in loaded.items() if tensor.ndim}
        if len(set(counts.values())) > 1:
            errors.append(f"the tensors of one cloud must have the same number of rows, the checkpoint has {counts}")
        for name, tensor in loaded.items():
            own = getattr(self, name)
            if tensor.ndim == own.ndim and tensor.shape[1:] == own.shape[1:] and len(tensor) != len(own):
                setattr(self, name, nn.Parameter(own.new_empty(tensor.shape), requires_grad=own.requires_grad))
        super()._load_from_state_dict(state_dict, prefix, local_metadata, strict, missing, unexpected, errors)
        self._is_filtered = bool(self.filter_scale > 0)


def _options(config_class: type, settings: Mapping[str, Any]) -> Any:
    """An instance of the dataclass `config_class` with these values, checked."""
    return config_class(**config_to_primitive(parse_structured(config_class, settings)))


def _of(
    cloud: Callable[[], GaussianCloud],
    regularizer: Callable[[GaussianCloud, Mapping[str, Tensor]], Tensor],
    rendered: Mapping[str, Tensor],
) -> Tensor:
    return regularizer(cloud(), rendered)


class _ParameterView(MutableMapping):
    """The raw parameters of a geometry as a mapping; reads and writes go to the module."""

    def __init__(self, module: nn.Module) -> None:
        self._module = module

    def __getitem__(self, name: str) -> nn.Parameter:
        if name not in RAW_NAMES:
            raise KeyError(name)
        return getattr(self._module, name)

    def __setitem__(self, name: str, param: nn.Parameter) -> None:
        if name not in RAW_NAMES:
            raise KeyError(name)
        setattr(self._module, name, param)

    def __delitem__(self, name: str) -> None:
        raise TypeError(f"a cloud needs all its tensors; {name} cannot be removed")

    def __iter__(self) -> Iterator[str]:
        return iter(RAW_NAMES)

    def __len__(self) -> int:
        return len(RAW_NAMES)
