"""A finished asset on a page of this machine."""

import threading
from pathlib import Path

from ..gaussians.cloud import GaussianCloud
from ..gaussians.ply import read_ply
from ..gaussians.splat_file import read_splat
from .live_view import LiveView


def read_asset(path: str | Path) -> GaussianCloud:
    """The Gaussians of a .ply (plain or compressed) or .splat file.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the suffix is another one, or the file is broken.
    """
    path = Path(path)
    readers = {".ply": read_ply, ".splat": read_splat}
    if not path.is_file():
        raise FileNotFoundError(f"there is no file {path}")
    if path.suffix.lower() not in readers:
        raise ValueError(f"{path} ends in '{path.suffix}'; an asset to view is a {' or a '.join(readers)} file")
    return readers[path.suffix.lower()](path)


def view_asset(path: str | Path, port: int = 8080, host: str = "127.0.0.1") -> LiveView:
    """Serves a page with the asset until the result is closed; `url` says where.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is not an asset that can be read.
        ImportError: viser is not installed.
    """
    cloud = read_asset(path)
    view = LiveView(port=port, host=host, title=Path(path).name)
    view.update(cloud, status=f"**{Path(path).name}**")
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
