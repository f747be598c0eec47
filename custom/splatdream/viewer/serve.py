"""A finished asset on a page of this machine, or on a page of its own."""

import threading
from pathlib import Path

from ..export.mesh_page import mesh_model
from ..export.model_page import PageModel, page_html
from ..export.viewer_page import gaussian_model
from ..gaussians.cloud import GaussianCloud
from ..gaussians.ply import holds_gaussians, read_ply
from ..gaussians.splat_file import read_splat
from ..storage.atomic_file import write_text
from ..texture.mesh_files import SUFFIXES, read_mesh
from .live_view import LiveView
from .page_server import PageServer


def read_asset(path: str | Path) -> GaussianCloud | PageModel:
    """The Gaussians of a .ply (plain or compressed) or .splat file; or a mesh, ready for a page.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the suffix is another one, or the file is broken.
        ImportError: trimesh, for meshes, is missing.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"there is no file {path}")
    suffix = path.suffix.lower()
    if suffix == ".splat":
        return read_splat(path)
    if suffix not in SUFFIXES:
        raise ValueError(f"{path} ends in '{path.suffix}'; an asset to view ends in .splat, {', '.join(SUFFIXES)}")
    if suffix == ".ply" and holds_gaussians(path):
        return read_ply(path)
    mesh, textured = read_mesh(path)
    return mesh_model(mesh if textured is None else textured)


def write_asset_page(path: str | Path, page: str | Path) -> Path:
    """Writes one HTML file that shows the asset and needs no network.

    Raises:
        FileNotFoundError, ValueError, ImportError: as `read_asset`.
        OSError: the page cannot be written.
    """
    return write_text(page, _page(read_asset(path), Path(path).name))


def view_asset(path: str | Path, port: int = 8080, host: str = "127.0.0.1") -> LiveView | PageServer:
    """Serves a page with the asset until the result is closed; `url` says where.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is not an asset that can be read.
        ImportError: viser, for Gaussians, or trimesh, for meshes, is missing.
    """
    asset, name = read_asset(path), Path(path).name
    if isinstance(asset, PageModel):
        return PageServer(_page(asset, name), port, host)
    view = LiveView(port=port, host=host, title=name)
    view.update(asset, status=f"**{name}**")
    return view


def serve_asset(path: str | Path, port: int = 8080, host: str = "127.0.0.1") -> None:
    """Serves a page with the asset until Ctrl-C; prints its address.

    Raises:
        FileNotFoundError, ValueError, ImportError: as `view_asset`.
    """
    view = view_asset(path, port, host)
    print(f"{Path(path).name} is at {view.url} (Ctrl-C ends)", flush=True)
    try:
        threading.Event().wait()
    except KeyboardInterrupt:
        pass
    finally:
        view.close()


def _page(asset: GaussianCloud | PageModel, title: str) -> str:
    return page_html([asset if isinstance(asset, PageModel) else gaussian_model(asset)], title, camera=None)
