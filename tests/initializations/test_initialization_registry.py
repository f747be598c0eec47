"""Where a cloud begins is one entry of a registry; what cannot be read is one sentence."""

import numpy as np
import pytest
import torch
from splatdream.assets.gaussians import GaussianGeometry
from splatdream.commands.main import main
from splatdream.gaussians.initialization import ball, from_points
from splatdream.gaussians.ply import write_ply
from splatdream.gaussians.spherical_harmonics import sh0_to_rgb
from splatdream.gaussians.splat_file import write_splat
from splatdream.initializations import registry
from splatdream.initializations.growth import GrowthConfig
from splatdream.initializations.registry import Beginning, Initialization, initial_cloud


def one_per_word(beginning: Beginning):
    words = beginning.prompt.split()
    return from_points(torch.arange(3.0 * len(words)).reshape(-1, 3), opacity=beginning.opacity)


@pytest.fixture
def cloud(generator):
    return ball(20, 0.5, generator, color_std=0.2, opacity=0.4)


def test_a_new_initialization_is_a_function_and_a_line_and_knows_the_prompt(monkeypatch):
    monkeypatch.setitem(registry.INITIALIZATIONS, "words", Initialization(one_per_word, ""))
    config = {"initialization": "words", "prompt": "an orange cat", "initial_opacity": 0.3}
    cloud = GaussianGeometry(config).cloud()
    assert len(cloud) == 3
    torch.testing.assert_close(cloud.opacities, torch.full((3,), 0.3))


def test_a_file_chooses_by_its_suffix(monkeypatch, tmp_path):
    monkeypatch.setitem(registry.INITIALIZATIONS, ".txt", Initialization(one_per_word, "splatdream"))
    (tmp_path / "points.TXT").touch()
    assert len(initial_cloud(Beginning(str(tmp_path / "points.TXT"), prompt="a cat"))) == 2


def test_a_splat_file_is_a_beginning_and_a_frame_turns_it(cloud, tmp_path):
    path = write_splat(tmp_path / "cloud.splat", cloud)
    plain = initial_cloud(Beginning(str(path)))
    turned = initial_cloud(Beginning(str(path), frame="blender"))
    # Blender's front is -y, ours +x.
    torch.testing.assert_close(turned.means, torch.stack([-plain.means[:, 1], plain.means[:, 0], plain.means[:, 2]], 1))
    torch.testing.assert_close(turned.scales, plain.scales)


def test_a_size_wins_over_the_scale_of_a_frame(cloud, tmp_path):
    path = write_ply(tmp_path / "cloud.ply", cloud)
    means = initial_cloud(Beginning(str(path), frame="lgm", size=1.7)).means
    assert (means.amax(0) - means.amin(0)).max().item() == pytest.approx(1.7, rel=1e-5)


def test_a_ply_in_the_worlds_axes_comes_back_bit_by_bit(cloud, tmp_path):
    again = initial_cloud(Beginning(str(write_ply(tmp_path / "cloud.ply", cloud))))
    assert all(torch.equal(a, b) for a, b in zip(again.tensors().values(), cloud.tensors().values(), strict=True))


@pytest.mark.parametrize("kind", ["npz", "npy"])
def test_points_in_arrays_keep_their_colors(kind, tmp_path):
    points, colors = np.eye(3), np.asarray([[1, 0, 0], [0, 0.5, 0], [0, 0, 0.25]])
    path = tmp_path / f"points.{kind}"
    if kind == "npz":
        np.savez(path, coords=points, **dict(zip("RGB", colors.T, strict=True)))  # as Point-E saves them
    else:
        np.save(path, np.concatenate([points, colors], axis=1))
    cloud = initial_cloud(Beginning(str(path)))
    torch.testing.assert_close(cloud.means, torch.eye(3))
    torch.testing.assert_close(sh0_to_rgb(cloud.sh0[:, 0]), torch.tensor(colors, dtype=torch.float32))


def test_a_run_begins_with_the_last_cloud_that_an_earlier_one_exported(cloud, tmp_path):
    for step, shown in ((100, cloud), (600, from_points(torch.eye(3)))):
        write_ply(tmp_path / "save" / f"it{step}-export" / "cloud.ply", shown)
    assert len(initial_cloud(Beginning(str(tmp_path)))) == 3


def test_the_toybox_gives_the_object_of_the_prompt():
    cloud = initial_cloud(Beginning("toybox", prompt="a red sphere", num_points=400))
    torch.testing.assert_close(cloud.means.norm(dim=1), torch.full((400,), 0.95), atol=0.01, rtol=0)
    red, green, blue = sh0_to_rgb(cloud.sh0[:, 0]).mean(0)
    assert red > 2 * max(green, blue)


@pytest.mark.parametrize(
    ("beginning", "message"),
    [
        (Beginning("bal"), r"initialization 'bal' is unknown; choose one of ball, shap-e, .*\.ply"),
        (Beginning("nan.ply"), r"nan\.ply has 1 of 20 Gaussians with values that are not finite"),
        (Beginning("cloud.ply", frame="lmg"), "initialization_frame 'lmg' is unknown"),
        (Beginning("cloud.ply", size=0.0), "initialization_size must be above 0"),
        (Beginning("cloud.ply", growth=GrowthConfig(candidates=5)), "growth adds points to points"),
        (Beginning("ball", frame="lgm"), "'ball' is made where it belongs"),
        (Beginning("empty"), "holds no exported cloud or mesh"),
        (Beginning("text.npz"), r"cannot read text\.npz as points"),
        (Beginning("wide.npy"), r"wide\.npy has the shape \(3, 4\)"),
        (Beginning("nan.npy"), "not finite"),
        (Beginning("nothing.npy"), r"nothing\.npy"),
        (Beginning("nothing.glb"), r"nothing\.glb"),
        (Beginning("toybox", prompt="a dragon"), "dragon"),
        (Beginning("shap-e"), "needs a prompt"),
    ],
    ids=str,
)
def test_what_cannot_begin_is_one_sentence(beginning, message, cloud, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_ply("cloud.ply", cloud)
    cloud.means[3, 1] = float("nan")
    write_ply("nan.ply", cloud)
    (tmp_path / "empty").mkdir()
    (tmp_path / "text.npz").write_text("no archive")
    np.save("wide.npy", np.zeros((3, 4)))
    np.save("nan.npy", np.full((3, 3), np.nan))
    with pytest.raises((ValueError, FileNotFoundError), match=message) as raised:
        initial_cloud(beginning)
    assert "\n" not in str(raised.value)


def test_the_command_shows_how_a_file_is_understood(cloud, tmp_path, capsys):
    source, picture, output = (str(tmp_path / name) for name in ("lgm.ply", "understood.png", "world.ply"))
    write_ply(source, cloud)
    assert main(["initialize", source, "--frame", "lgm", "--picture", picture, "--output", output]) == 0
    assert (tmp_path / "understood.png").stat().st_size > 1000
    torch.testing.assert_close(
        initial_cloud(Beginning(output)).means, initial_cloud(Beginning(source, frame="lgm")).means
    )
    assert main(["initialize", "--frames"]) == 0
    assert "trellis: microsoft/TRELLIS" in capsys.readouterr().out


def test_the_command_makes_nothing_of_an_unknown_frame(cloud, tmp_path, capsys):
    source = write_ply(tmp_path / "cloud.ply", cloud)
    assert main(["initialize", str(source), "--frame", "lmg", "--picture", str(tmp_path / "no.png")]) == 1
    assert "'lmg' is unknown" in capsys.readouterr().err
    assert not (tmp_path / "no.png").exists()


def test_the_command_says_that_a_file_is_not_there(tmp_path, capsys):
    assert main(["initialize", str(tmp_path / "absent.ply")]) == 1
    assert "there is no file" in capsys.readouterr().err
