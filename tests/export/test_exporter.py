from pathlib import Path

import pytest
import torch
from splatdream.export.exporter import GaussianExporter
from splatdream.export.saving import GaussianSaverMixin
from splatdream.gaussians.geometry import GaussianGeometry
from splatdream.gaussians.ply import read_ply
from splatdream.gaussians.splat_file import read_splat
from splatdream.host import BaseBackground, BaseMaterial, find


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


def test_an_unknown_format_is_an_error_before_anything_is_written(geometry):
    with pytest.raises(ValueError, match="formats has obj; the formats are ply, compressed_ply, splat, html"):
        _exporter(geometry, formats=["ply", "obj"])
