import pytest
import torch
from splatdream.cameras.evaluation import turntable_cameras
from splatdream.evaluation.recognition import recognize
from splatdream.rendering.render import render
from splatdream.scenes.sources import surface_cloud
from splatdream.toybox.objects import build_scene
from splatdream.toybox.ray_tracer import composite, trace

RING = turntable_cameras(12, 15.0, 2.5, 49.1, 64, 64)
NAMES = ("bear", "cake", "cat", "duck", "frog", "owl", "robot", "sphere")


def _ring(name):
    return composite(trace(build_scene(f"an orange {name}"), RING), torch.ones(len(RING), 3))


def _recognize(renders, name="cat"):
    others = [other for other in NAMES if other != name]
    return recognize(renders, _ring(name), torch.stack([_ring(other) for other in others]))


def test_the_true_object_is_recognizable_also_pale_noisy_or_repeated(generator):
    views = _ring("cat")
    noise = 0.1 * torch.randn(views.shape, generator=generator)
    for renders in (views, 1 - 0.3 * (1 - views), (views + noise).clamp(0, 1), views[[0, 1, 11] * 4]):
        assert _recognize(renders).is_recognizable


@pytest.mark.parametrize("name", ["cat", "robot"])
def test_loose_gaussians_on_the_surface_are_recognizable_and_have_one_face(name):
    cloud = surface_cloud(f"an orange {name}")
    renders = render(cloud, RING, torch.ones(len(RING), 3), 0).rgb.clamp(0, 1)
    assert _recognize(renders, name).is_recognizable


def test_another_object_is_not_recognizable():
    assert not _recognize(_ring("bear")).is_recognizable


def test_noise_and_an_empty_image_are_not_recognizable(generator):
    assert not _recognize(torch.rand(12, 64, 64, 3, generator=generator)).is_recognizable
    assert not _recognize(torch.ones(12, 64, 64, 3)).is_recognizable
