"""Refinement in a run: contributions are summed up as the training views are drawn, and outlive a checkpoint."""

import pytest
import torch
from splatdream.cameras.batch import CameraBatch, orbit_cameras
from splatdream.densification.controller import DensificationConfig
from splatdream.densification.refinement import CloudRefinement
from splatdream.gaussians.initialization import ball
from splatdream.gaussians.optimizer_groups import make_adam
from splatdream.gaussians.row_surgery import cloud_of
from splatdream.rendering.render import RenderOutput, render
from torch import nn

VIEWS = [
    orbit_cameras([0.0, 20.0], [0.0, 90.0], width=40, height=30),
    orbit_cameras([-30.0], [200.0], 3.0, 50.0, 24, 24),
]


def draw(params: dict[str, nn.Parameter], cameras: CameraBatch, backend: str) -> RenderOutput:
    output = render(cloud_of(params), cameras, torch.ones(len(cameras), 3), 0, backend)
    output.rgb.square().mean().backward()
    return output


def accumulate(refinement: CloudRefinement, params: dict[str, nn.Parameter], cameras: CameraBatch) -> None:
    output = draw(params, cameras, "cpu")
    batch = {"width": cameras.width, "height": cameras.height}
    refinement.accumulate(1, {"means2d": output.means2d, "radii": output.radii}, batch)


@pytest.mark.parametrize("is_resumed", [False, True])
@pytest.mark.parametrize("num_threads", [1, 2])
def test_under_the_cap_those_stay_that_the_training_views_showed_most(is_resumed, num_threads):
    cloud = ball(50, 0.5, torch.Generator().manual_seed(0), scale=0.08, opacity=0.5)
    params = {name: nn.Parameter(tensor) for name, tensor in cloud.tensors().items()}
    optimizer = make_adam(params, dict.fromkeys(params, 0.0))
    config = DensificationConfig(refine_from=1, refine_every=1, max_num_gaussians=20)
    refinement = CloudRefinement(config, 0, params)
    before = torch.get_num_threads()
    torch.set_num_threads(num_threads)
    try:
        for cameras in VIEWS:
            accumulate(refinement, params, cameras)
            if is_resumed:
                state = refinement.state_dict()
                refinement = CloudRefinement(config, 0, params)
                refinement.load_state_dict(state)
    finally:
        torch.set_num_threads(before)
    shown = sum(draw(params, cameras, "reference").means2d.contributions.sum(dim=0) for cameras in VIEWS)
    expected = params["means"].detach()[shown.argsort(descending=True)[:20].sort().values]
    refinement.refine(1, optimizer)
    assert torch.equal(params["means"].detach(), expected)
    assert refinement.state_dict()["contributions"] == 0
