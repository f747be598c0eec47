"""Which cells of space are worth a look: nerfacc's occupancy grid, and samples by it.

R rays, S samples of all rays together.
"""

from collections.abc import Callable

import torch
from jaxtyping import Bool, Float
from nerfacc import OccGridEstimator
from torch import Tensor, nn

from ..cameras.random_streams import generator_for
from .ray_samples import Rays, RaySamples, uniform_samples
from .volume_rendering import transmittances

DensityFunction = Callable[[Float[Tensor, "P 3"]], Float[Tensor, "P"]]
VISIBLE = 1e-3
"""A sample that less light than this comes from cannot be seen."""
# A cell is occupied where a sample in it would have at least this opacity, or more than the mean cell has.
_OCCUPIED_ALPHA = 0.01
_UPDATE_EVERY = 16


class OccupancyGrid(nn.Module):
    """Cells of a cube round the origin; all of them occupied until the first update.

    Args:
        radius: half the side of the cube, world units.
        resolution: cells along a side.
        seed: of the places in the cells where the density is looked up.
    """

    def __init__(self, radius: float, resolution: int, seed: int = 0) -> None:
        super().__init__()
        self.radius = radius
        self._seed = seed
        self.estimator = OccGridEstimator([-radius] * 3 + [radius] * 3, resolution)
        self.estimator.binaries.fill_(True)

    @property
    def is_occupied(self) -> Bool[Tensor, "X X X"]:
        return self.estimator.binaries[0]

    def contains(self, points: Float[Tensor, "P 3"]) -> Bool[Tensor, "P"]:
        """Whether each point lies in an occupied cell."""
        places = torch.floor((points / (2 * self.radius) + 0.5) * len(self.is_occupied)).long()
        is_inside = ((places >= 0) & (places < len(self.is_occupied))).all(-1)
        x, y, z = places.clamp(0, len(self.is_occupied) - 1).unbind(-1)
        return is_inside & self.is_occupied[x, y, z]

    def update(self, step: int, density: DensityFunction, step_size: float) -> None:
        """After an optimizer step; every 16th changes something (Instant NGP, arXiv:2201.05989, appendix C)."""
        if step % _UPDATE_EVERY:
            return
        with torch.random.fork_rng():
            # nerfacc draws from the global generator; a resumed run must draw the same.
            torch.manual_seed(generator_for(self._seed, "occupancy", step).initial_seed())
            self.estimator.update_every_n_steps(
                step, lambda points: step_size * density(points)[:, None], _OCCUPIED_ALPHA, n=_UPDATE_EVERY
            )

    @torch.no_grad()
    def samples(
        self, rays: Rays, density: DensityFunction, step_size: float, jitter: Float[Tensor, "R"] | None = None
    ) -> RaySamples:
        """Those in occupied cells that can be seen, by nerfacc's sampler where it runs, which is CUDA.

        Args:
            step_size: length of a sample, world units.
            jitter: shifts the samples of each ray by this share of one.
        """
        if rays.origins.is_cuda:
            return self._samples_of_nerfacc(rays, density, step_size, jitter)
        samples = uniform_samples(rays, self.is_occupied, self.radius, step_size, jitter)
        return samples.chosen(transmittances(samples, density(samples.points(rays))) >= VISIBLE)

    def _samples_of_nerfacc(
        self, rays: Rays, density: DensityFunction, step_size: float, jitter: Tensor | None
    ) -> RaySamples:
        def densities(starts: Tensor, ends: Tensor, ray_indices: Tensor) -> Tensor:
            return density(RaySamples(ray_indices, starts, ends).points(rays))

        near = None if jitter is None else step_size * jitter
        ray_indices, starts, ends = self.estimator.sampling(
            rays.origins,
            rays.directions,
            sigma_fn=densities,
            t_min=near,
            render_step_size=step_size,
            early_stop_eps=VISIBLE,
        )
        return RaySamples(ray_indices, starts, ends)
