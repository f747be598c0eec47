"""`save_*` methods for clouds, beside those that every system has for images and videos."""

from collections.abc import Callable, Mapping
from pathlib import Path

from jaxtyping import Float
from torch import Tensor

from ..gaussians.cloud import GaussianCloud
from ..gaussians.ply import write_compressed_ply, write_ply
from ..gaussians.splat_file import write_splat
from ..storage.atomic_file import write_text
from .model_page import FRONT_VIEW, ViewerCamera
from .summary_page import summary_html
from .viewer_page import write_viewer_html


class GaussianSaverMixin:
    """For a system that has `get_save_path`; each method takes a name below the save folder and returns the path.

    The exporter's outputs name these methods by their save type: ply, compressed_ply, splat, html.
    """

    get_save_path: Callable[[str], str]

    def save_ply(self, filename: str, cloud: GaussianCloud) -> str:
        """The PLY of 3DGS, every number as it is stored."""
        path = self.get_save_path(filename)
        write_ply(path, cloud)
        return path

    def save_compressed_ply(self, filename: str, cloud: GaussianCloud) -> str:
        """A PLY about a quarter as large, with rounded numbers."""
        path = self.get_save_path(filename)
        write_compressed_ply(path, cloud)
        return path

    def save_splat(self, filename: str, cloud: GaussianCloud) -> str:
        """The .splat of web viewers: 32 bytes a Gaussian, no higher harmonics."""
        path = self.get_save_path(filename)
        write_splat(path, cloud)
        return path

    def save_html(self, filename: str, cloud: GaussianCloud, title: str, camera: ViewerCamera = FRONT_VIEW) -> str:
        """One page to turn the cloud round in a browser."""
        path = self.get_save_path(filename)
        write_viewer_html(path, cloud, title, camera)
        return path

    def save_summary(
        self,
        filename: str,
        cloud: GaussianCloud,
        title: str,
        contact_sheet: Float[Tensor, "H W 3"],
        turntable: str | Path | None = None,
        facts: Mapping[str, str] | None = None,
        camera: ViewerCamera = FRONT_VIEW,
    ) -> str:
        """One page about the run, with the video file `turntable` inside; see `summary_html`."""
        path = self.get_save_path(filename)
        video = None if turntable is None else Path(turntable).read_bytes()
        write_text(path, summary_html(cloud, title, contact_sheet, video, facts, camera))
        return path
