"""Base classes of the nouns: geometry, material, background, renderer, exporter."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from .base import BaseModule, BaseObject


class BaseGeometry(BaseModule):
    @staticmethod
    def create_from(other: "BaseGeometry", cfg: Mapping | None = None, **kwargs: Any) -> "BaseGeometry":
        """A geometry made from another one, for `system.geometry_convert_from`."""
        raise TypeError(f"this geometry cannot be created from {type(other).__name__}")

    def export(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        return {}


class BaseMaterial(BaseModule):
    requires_normal: bool = False
    requires_tangent: bool = False

    def export(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        return {}


class BaseBackground(BaseModule):
    def forward(self, dirs: Float[Tensor, "B H W 3"]) -> Float[Tensor, "B H W C"]:
        """Colors in [0, 1] behind the object, by world direction."""
        raise NotImplementedError


@dataclass
class Parts:
    """What a renderer and an exporter look at. Kept in a dataclass, so that no parameter is registered twice."""

    geometry: BaseGeometry
    material: BaseMaterial
    background: BaseBackground


class _HasParts:
    _parts: Parts

    @property
    def geometry(self) -> BaseGeometry:
        return self._parts.geometry

    @property
    def material(self) -> BaseMaterial:
        return self._parts.material

    @property
    def background(self) -> BaseBackground:
        return self._parts.background


class Renderer(BaseModule, _HasParts):
    @dataclass
    class Config(BaseModule.Config):
        radius: float = 1.0
        """Half the side of the box round the scene, world units."""

    cfg: Config

    def configure(self, geometry: BaseGeometry, material: BaseMaterial, background: BaseBackground) -> None:
        self._parts = Parts(geometry, material, background)
        radius = self.cfg.radius
        self.register_buffer("bbox", torch.tensor([[-radius] * 3, [radius] * 3]))

    def forward(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        raise NotImplementedError


class Exporter(BaseObject, _HasParts):
    @dataclass
    class Config(BaseObject.Config):
        save_video: bool = False
        """Also render the test views and save their video."""

    cfg: Config

    def configure(self, geometry: BaseGeometry, material: BaseMaterial, background: BaseBackground) -> None:
        self._parts = Parts(geometry, material, background)

    def __call__(self, *args: Any, **kwargs: Any) -> "list[ExporterOutput]":
        raise NotImplementedError


@dataclass
class ExporterOutput:
    """One file to be written by the system's `save_<save_type>(save_name, **params)`."""

    save_name: str
    save_type: str
    params: dict[str, Any]
