"""A radiance field as an asset: its start, its learning rates, its resolution by step, its regularizers."""

from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from ..export.mesh_page import mesh_model
from ..export.model_page import PageModel
from ..fields.radiance_field import FieldOptions
from ..fields.volume import Volume
from ..host import BaseGeometry, C, info, register
from ..losses.field_regularizers import opaque_loss, orientation_loss, sparsity_loss
from ..texture.mesh_from_field import mesh_from_field
from .base import SCENE_NAME, Asset, Regularizer

_SHOWN_ALPHA = 0.5


@register("splatdream-field")
class FieldGeometry(Asset):
    """A density and a color everywhere in a box: grid features and two small networks (`fields/`)."""

    @dataclass
    class Config(BaseGeometry.Config):
        radius: float = 1.0
        """Half the side of the box, world units; nothing is outside."""
        num_levels: int = 4
        """Grids, from the coarsest to the finest."""
        num_features: int = 4
        """Of each grid."""
        coarsest: int = 16
        """Cells along a side of the first grid."""
        finest: int = 64
        """Cells along a side of the last grid."""
        log2_table_size: int = 19
        """Grids with more points than two to this power are hashed."""
        hidden: int = 32
        """Width of the one hidden layer of the density's and of the color's network."""
        density_activation: str = "softplus"
        """"softplus", or "exp", which takes fewer steps to get opaque."""
        blob: str = "cone"
        """Of density at the start: "cone" (Magic3D) or "bell" (DreamFusion)."""
        blob_scale: float = 10.0
        """Height of the blob, before the activation."""
        blob_radius: float = 0.5
        """Where a cone has fallen to 0, the standard deviation of a bell; world units."""
        first_levels: int = 0
        """Grids that are used at the beginning; 0 uses all of them at once."""
        levels_from: int = 0
        """Step from which grids are added."""
        levels_every: int = 500
        """Steps between one more grid and the next."""
        step_size: float = 0.03
        """Length of a sample along a ray, world units."""
        occupancy_resolution: int = 32
        """Cells along a side of the grid that says where it is worth to look."""
        normal_step: float = 0.01
        """World units over which normals are differences of the density."""
        seed: int = 0
        """Of the first weights and of the occupancy; write ${seed} to follow the run's."""
        grid_lr: Any = 0.01
        """Of the grids; a number or [start_step, start, end, end_step], on a logarithm."""
        network_lr: Any = 0.01
        """Of both networks."""

    cfg: Config
    drawn_as = "a dot for every cell of the field that is more than half opaque"

    def configure(self) -> None:
        cfg = self.cfg
        if not 0 <= cfg.first_levels <= cfg.num_levels or cfg.levels_every < 1:
            raise ValueError(
                f"system.geometry.first_levels {cfg.first_levels} must be between 0 and num_levels {cfg.num_levels}, "
                f"and levels_every {cfg.levels_every} at least 1"
            )
        options = FieldOptions(
            radius=cfg.radius,
            num_levels=cfg.num_levels,
            num_features=cfg.num_features,
            coarsest=cfg.coarsest,
            finest=cfg.finest,
            log2_table_size=cfg.log2_table_size,
            hidden=cfg.hidden,
            density_activation=cfg.density_activation,
            blob=cfg.blob,
            blob_scale=cfg.blob_scale,
            blob_radius=cfg.blob_radius,
        )
        self.volume = Volume(options, cfg.occupancy_resolution, cfg.step_size, cfg.seed)
        self._step = 0
        self.update_step(0, 0)

    def params(self) -> MutableMapping[str, nn.Parameter]:
        return dict(self.volume.named_parameters())

    def learning_rates(self, epoch: int, step: int) -> dict[str, float]:
        rates = {
            is_grid: C(rate, epoch, step, interpolation="exp")
            for is_grid, rate in ((True, self.cfg.grid_lr), (False, self.cfg.network_lr))
        }
        return {name: rates["encoding" in name] for name in self.params()}

    def sizes(self) -> dict[str, int]:
        return {"parameters": self.volume.num_parameters}

    def levels_at(self, step: int) -> int:
        """Grids that are used at this step."""
        first = self.cfg.first_levels or self.cfg.num_levels
        return min(self.cfg.num_levels, first + max(step - self.cfg.levels_from, 0) // self.cfg.levels_every)

    def update_step(self, epoch: int, global_step: int, on_load_weights: bool = False) -> None:
        # Hosts call this several times for one step: it must depend on the step alone.
        self._step = global_step
        self.volume.field.encoding.active_levels = self.levels_at(global_step)

    def after_step(self) -> None:
        self.volume.after_step(self._step)

    def regularizers(self) -> Mapping[str, Regularizer]:
        return {
            "orient": lambda rendered: orientation_loss(
                rendered["weights"],
                self.normals(rendered["points"]),
                rendered["directions"],
                rendered["opacity"],
            ),
            "sparsity": lambda rendered: sparsity_loss(rendered["opacity"]),
            "opaque": lambda rendered: opaque_loss(rendered["opacity"]),
        }

    def normals(self, points: Tensor) -> Tensor:
        """[P, 3] unit vectors along which the density falls."""
        return self.volume.field.normals(points, self.cfg.normal_step)

    def page_model(self) -> PageModel | None:
        """Its surface; nothing while it has none."""
        try:
            return mesh_model(mesh_from_field(self.volume).textured)
        except ValueError as error:
            info(f"the page shows no model: {error}")
            return None

    @torch.no_grad()
    def draw(self, scene: Any) -> None:
        points = self.volume.solid_points(_SHOWN_ALPHA)
        if len(points) == 0:  # which the page of viser cannot draw
            return
        colors = self.volume.field(points)[1]
        size = 2 * self.cfg.radius / self.cfg.occupancy_resolution
        scene.add_point_cloud(SCENE_NAME, points=points.cpu().numpy(), colors=colors.cpu().numpy(), point_size=size)

    def export(self, **kwargs: object) -> dict[str, Tensor]:
        """The tensors by name, without gradient."""
        return {name: tensor.detach() for name, tensor in self.volume.state_dict().items()}
