import sys
from pathlib import Path

import pytest
import torch
from splatdream.assets.finished import open_asset
from splatdream.assets.gaussians import GaussianGeometry
from splatdream.cameras.batch import orbit_cameras
from splatdream.export.exporter import GaussianExporter
from splatdream.gaussians.initialization import from_points
from splatdream.gaussians.ply import read_ply
from splatdream.gaussians.splat_file import read_splat
from splatdream.host import BaseBackground, BaseMaterial, find
from splatdream.rendering.render import render


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


def written(folder: Path, geometry: GaussianGeometry, **config) -> dict[str, Path]:
    """The files of an export by name."""
    for output in _exporter(geometry, **config)():
        output.params["write"](folder / output.save_name)
    return {path.name: path for path in folder.iterdir()}


def test_every_format_is_a_file_that_its_reader_opens(tmp_path, geometry):
    pytest.importorskip("gaussforge")
    formats = list(GaussianExporter.formats)
    files = written(tmp_path, geometry, formats=formats, title="an orange cat")
    assert set(files) == {"cloud.ply", "cloud.compressed.ply", "cloud.splat", "viewer.html"} | {
        "cloud.spz",
        "cloud.sog",
        "cloud.glb",
    }
    for name, tensor in geometry.cloud().tensors().items():
        assert torch.equal(getattr(read_ply(files["cloud.ply"]), name), tensor.detach()), name
    assert len(read_ply(files["cloud.compressed.ply"])) == len(read_splat(files["cloud.splat"])) == 20
    assert {len(open_asset(files[f"cloud.{suffix}"]).cloud) for suffix in ("spz", "sog", "glb")} == {20}
    assert files["cloud.compressed.ply"].stat().st_size < files["cloud.ply"].stat().st_size
    assert "an orange cat" in files["viewer.html"].read_text()


def test_the_default_is_a_ply_a_splat_and_a_page(geometry):
    outputs = _exporter(geometry)()
    assert [output.save_name for output in outputs] == ["cloud.ply", "cloud.splat", "viewer.html"]
    assert {output.save_type for output in outputs} == {"asset"}


def test_the_page_starts_where_the_configuration_says(tmp_path, geometry):
    files = written(tmp_path, geometry, formats=["html"], camera_distance=4.0, camera_elevation_deg=-10.0)
    page = files["viewer.html"].read_text()
    assert '"distance": 4.0' in page and '"elevation_deg": -10.0' in page


def test_every_file_holds_the_smoothed_gaussians_and_training_those_behind_them(tmp_path, geometry):
    bare = geometry.cloud().detach()
    geometry.set_view_pixel(0.2)
    smoothed = (bare.scales.square() + 0.2 * 0.2**2).sqrt().sort(dim=0).values
    files = written(tmp_path, geometry, formats=["ply", "splat"])
    for cloud in (read_ply(files["cloud.ply"]), read_splat(files["cloud.splat"])):
        torch.testing.assert_close(cloud.scales.sort(dim=0).values, smoothed)
    assert torch.equal(geometry.log_scales.detach(), bare.log_scales)


def test_a_needle_shows_the_same_light_at_every_resolution():
    # At 16 pixels the needle is a tenth of a pixel wide.
    cloud = from_points(torch.zeros(1, 3), torch.zeros(1, 3), opacity=0.95, scale=0.01)
    cloud.log_scales = torch.tensor([[0.01, 0.01, 0.5]]).log()

    def coverage(size, mode):
        cameras = orbit_cameras([0.0], [0.0], width=size, height=size)
        return render(cloud, cameras, torch.ones(1, 3), 0, rasterize_mode=mode).alpha.mean().item()

    # What is fainter than 1 / 255 is not drawn, which takes the needle's rim away.
    assert coverage(16, "antialiased") == pytest.approx(coverage(128, "antialiased"), rel=0.3)
    assert coverage(16, "classic") > 2 * coverage(128, "classic")


def test_an_unknown_format_is_an_error_before_anything_is_written(geometry):
    with pytest.raises(ValueError, match="formats has obj; the formats are ply, compressed_ply, splat, spz, sog"):
        _exporter(geometry, formats=["ply", "obj"])


def test_a_format_whose_library_is_missing_is_an_error_before_a_run(geometry, monkeypatch):
    monkeypatch.setitem(sys.modules, "gaussforge", None)
    with pytest.raises(ImportError, match="pip install gaussforge"):
        _exporter(geometry, formats=["spz"])
