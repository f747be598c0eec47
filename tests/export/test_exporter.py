from pathlib import Path

import pytest
import torch
from splatdream.assets.gaussians import GaussianGeometry
from splatdream.cameras.batch import orbit_cameras
from splatdream.cameras.pixel_size import pixel_size
from splatdream.export.exporter import GaussianExporter
from splatdream.export.saving import GaussianSaverMixin
from splatdream.gaussians.initialization import from_points
from splatdream.gaussians.ply import read_ply
from splatdream.gaussians.screen_blur import with_screen_blur
from splatdream.gaussians.splat_file import read_splat
from splatdream.host import BaseBackground, BaseMaterial, find
from splatdream.rendering.render import render


class System(GaussianSaverMixin):
    """As much of a system as saving needs."""

    def __init__(self, folder: Path):
        self.folder = folder

    def get_save_path(self, filename: str) -> str:
        return str(self.folder / filename)


@pytest.fixture
def geometry(generator: torch.Generator) -> GaussianGeometry:
    geometry = GaussianGeometry({"num_points": 20, "sh_degree": 1})
    with torch.no_grad():
        for parameter in geometry.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=generator))
    return geometry


def _exporter(geometry: GaussianGeometry, **config) -> GaussianExporter:
    parts = {"geometry": geometry, "material": BaseMaterial({}), "background": BaseBackground({})}
    return find("splatdream-exporter")(config, **parts)


def test_every_format_is_a_file_that_its_reader_opens(tmp_path, geometry):
    system = System(tmp_path)
    outputs = _exporter(geometry, formats=["ply", "compressed_ply", "splat", "html"], title="an orange cat")()
    paths = [Path(getattr(system, f"save_{output.save_type}")(output.save_name, **output.params)) for output in outputs]
    assert sorted(tmp_path.iterdir()) == sorted(paths)
    ply, compressed_ply, splat, page = paths
    for name, tensor in geometry.cloud().tensors().items():
        assert torch.equal(getattr(read_ply(ply), name), tensor.detach()), name
    assert len(read_ply(compressed_ply)) == len(read_splat(splat)) == 20
    assert compressed_ply.stat().st_size < ply.stat().st_size
    assert "an orange cat" in page.read_text()


def test_the_default_is_a_ply_a_splat_and_a_page(geometry):
    names = [output.save_name for output in _exporter(geometry)()]
    assert names == ["cloud.ply", "cloud.splat", "viewer.html"]


def test_the_page_starts_where_the_configuration_says(geometry):
    (output,) = _exporter(geometry, formats=["html"], camera_distance=4.0, camera_elevation_deg=-10.0)()
    assert (output.params["camera"].distance, output.params["camera"].elevation_deg) == (4.0, -10.0)


def test_the_blur_of_training_becomes_part_of_what_is_looked_at_and_not_of_the_ply(geometry):
    formats = ["ply", "compressed_ply", "splat", "html"]
    cloud = geometry.cloud().detach()
    clouds = {
        output.save_name: output.params["cloud"] for output in _exporter(geometry, formats=formats, trained_pixel=0.2)()
    }
    blurred = (cloud.scales.square() + 0.3 * 0.2**2).sqrt()
    assert torch.equal(clouds.pop("cloud.ply").log_scales, cloud.log_scales)
    for name, written in clouds.items():
        torch.testing.assert_close(written.scales, blurred, msg=name)
        assert torch.equal(written.means, cloud.means) and torch.equal(written.opacity_logits, cloud.opacity_logits)
    for output in _exporter(geometry, formats=formats)():
        assert torch.equal(output.params["cloud"].log_scales, cloud.log_scales), output.save_name
    (ply,) = _exporter(geometry, formats=["ply"], trained_pixel=0.2, blurred_formats=["ply"])()
    torch.testing.assert_close(ply.params["cloud"].scales, blurred)
    # What is trained on does not move.
    assert torch.equal(geometry.cloud().log_scales, cloud.log_scales)


def test_a_larger_picture_of_the_blurred_cloud_looks_like_the_small_one_that_was_trained_on():
    # A thin needle: at 16 pixels the rasterizer's blur makes most of what is seen of it.
    cloud = from_points(torch.zeros(1, 3), torch.zeros(1, 3), opacity=0.95, scale=0.01)
    cloud.log_scales = torch.tensor([[0.01, 0.01, 0.5]]).log()
    small, large = (orbit_cameras([0.0], [0.0], width=size, height=size) for size in (16, 128))
    pixel = pixel_size(2.5, 49.1, 16)

    def coverage(shown, cameras):
        return render(shown, cameras, torch.ones(1, 3), shown.sh_degree).alpha.mean().item()

    trained = coverage(cloud, small)
    assert coverage(with_screen_blur(cloud, pixel), large) == pytest.approx(trained, rel=0.03)
    assert coverage(cloud, large) < 0.5 * trained


def test_an_unknown_format_is_an_error_before_anything_is_written(geometry):
    with pytest.raises(ValueError, match="formats has obj; the formats are ply, compressed_ply, splat, html"):
        _exporter(geometry, formats=["ply", "obj"])
    with pytest.raises(ValueError, match="blurred_formats has glb"):
        _exporter(geometry, blurred_formats=["glb"])
