import itertools

import pytest
import torch
from splatdream.cameras.batch import orbit_cameras
from splatdream.toybox.gallery import GALLERY_CAPTIONS, gallery_image
from splatdream.toybox.objects import BALL_RADIUS, build_primitives, build_scene
from splatdream.toybox.ray_tracer import composite, trace
from splatdream.toybox.scene import pack
from splatdream.toybox.vocabulary import ACCESSORIES, COLORS, FACED_OBJECTS, FRONTLESS_OBJECTS, OBJECTS


def _views(caption, elevations=(-10.0, 15.0, 45.0, 75.0), azimuth_step=30, size=64):
    directions = list(itertools.product(elevations, range(0, 360, azimuth_step)))
    cameras = orbit_cameras([e for e, _ in directions], [float(a) for _, a in directions], width=size, height=size)
    rgba = trace(build_scene(caption), cameras)
    return cameras, composite(rgba, torch.ones(len(cameras), 3)), rgba[..., 3]


def _closest_far_apart_views_psnr(caption):
    """The largest PSNR, in dB, between two views from directions at least 90 degrees apart."""
    cameras, images, _ = _views(caption, size=32)
    directions = torch.nn.functional.normalize(cameras.positions, dim=1)
    is_far_apart = directions @ directions.T < 1e-5
    errors = torch.cdist(images.flatten(1), images.flatten(1)).square() / images[0].numel()
    return float(-10 * torch.log10(errors[is_far_apart].min()))


@pytest.mark.parametrize("name", FACED_OBJECTS)
@pytest.mark.parametrize("color", ["white", "brown"])  # the least contrast with light fronts, and with dark backs
def test_no_two_views_of_a_faced_object_90_degrees_apart_look_alike(name, color):
    assert _closest_far_apart_views_psnr(f"a {color} {name}") < 20


@pytest.mark.slow
@pytest.mark.parametrize("name", FACED_OBJECTS)
def test_no_two_views_look_alike_in_any_color_and_dress(name):
    for color in COLORS:
        for dress in ("", *(f" wearing a {color} {accessory}" for accessory in ACCESSORIES)):
            assert _closest_far_apart_views_psnr(f"a {color} {name}{dress}") < 20


@pytest.mark.parametrize("name", FRONTLESS_OBJECTS)
def test_a_quarter_turn_leaves_the_outline_of_a_frontless_object(name):
    _, _, alphas = _views(f"a red {name}", elevations=(10.0,), azimuth_step=90)
    for alpha in alphas[1:]:
        assert (alpha - alphas[0]).abs().mean() < 1e-3


@pytest.mark.parametrize("name", OBJECTS)
@pytest.mark.parametrize("dress", ["", " wearing a white hat", " wearing a white scarf"])
def test_every_object_fits_the_ball_and_touches_it(name, dress):
    scene = build_scene(f"a red {name}{dress}")
    generator = torch.Generator().manual_seed(0)
    directions = torch.nn.functional.normalize(torch.randn(4000, 3, generator=generator), dim=1)
    assert not scene.contains_each((BALL_RADIUS + 3e-3) * directions).any()
    depth = 0.06 * BALL_RADIUS
    assert scene.contains_each((BALL_RADIUS - depth) * directions).any()


def test_every_view_lies_within_the_default_cameras():
    for name in OBJECTS:
        _, _, alpha = _views(f"a red {name}", azimuth_step=90)
        border = torch.cat([alpha[:, 0], alpha[:, -1], alpha[:, :, 0], alpha[:, :, -1]])
        assert border.sum() == 0
        assert alpha.mean() > 0.05


@pytest.mark.parametrize("name", OBJECTS)
def test_the_color_word_colors_the_object(name):
    front = orbit_cameras([15.0], [0.0])
    blue, red = (
        trace(build_scene(f"a {color} {name}"), front)[0, ..., :3].mean(dim=(0, 1)) for color in ("blue", "red")
    )
    assert red[0] - red[2] > blue[0] - blue[2] + 0.01


def test_accessories_change_the_picture_in_their_own_color():
    front = orbit_cameras([15.0], [0.0])
    for accessory in ACCESSORIES:
        red, blue = (
            trace(build_scene(f"a white rabbit wearing a {color} {accessory}"), front)[0, ..., :3].mean(dim=(0, 1))
            for color in ("red", "blue")
        )
        assert red[0] > blue[0]
        assert red[2] < blue[2]


def test_the_view_word_does_not_change_the_object():
    cameras = orbit_cameras([15.0], [40.0])
    torch.testing.assert_close(
        trace(build_scene("a red owl, back view"), cameras), trace(build_scene("a red owl"), cameras)
    )


def test_the_cube_is_a_cube_and_the_sphere_a_sphere():
    for caption, kind in (("a red cube", "box"), ("a blue ball", "ellipsoid")):
        (primitive,) = build_primitives(caption)
        assert primitive.kind == kind
        assert len(set(primitive.half_sizes)) == 1


def test_a_mirrored_primitive_looks_like_the_mirrored_image():
    primitives = build_primitives("a green dinosaur")
    cameras = orbit_cameras([20.0, 20.0], [50.0, -50.0])
    # The light is not mirrored, so silhouettes are compared.
    one, other = trace(pack(primitives), cameras[[0]]), trace(pack([p.mirrored() for p in primitives]), cameras[[1]])
    torch.testing.assert_close(one[..., 3], other[..., 3].flip(2), atol=0.26, rtol=0)
    assert (one[..., 3] - other[..., 3].flip(2)).abs().mean() < 1e-3


def test_a_scene_without_primitives_or_with_flat_ones_is_refused():
    with pytest.raises(ValueError, match="at least one"):
        pack([])
    primitive = build_primitives("a red cube")[0].scaled(0.0)
    with pytest.raises(ValueError, match="positive"):
        pack([primitive])


def test_the_gallery_shows_every_object():
    image = gallery_image(size=16, azimuth_deg=(0, 180))
    assert {caption.split()[-1] for caption in GALLERY_CAPTIONS} == set(OBJECTS)
    assert image.shape == (11 * 16, 2 * 2 * 16, 3)
    tiles = image.view(11, 16, 4, 16, 3)
    assert (tiles.amin(dim=(1, 3, 4)) < 0.9).all()
