"""A finished asset on a page of this machine, or on a page of its own."""

import threading
from pathlib import Path

from ..assets.finished import open_asset
from ..export.model_page import page_html
from ..storage.atomic_file import write_text
from .page_server import PageServer


def write_asset_page(path: str | Path, page: str | Path) -> Path:
    """Writes one HTML file that shows the asset and needs no network; raises what `open_asset` and `write_text` do."""
    return write_text(page, _page(path))


def view_asset(path: str | Path, port: int = 8080) -> PageServer:
    """Serves a page with the asset until the result is closed; `url` says where. Raises what `open_asset` does."""
    return PageServer(_page(path), port)


def serve_asset(path: str | Path, port: int = 8080) -> None:
    """Serves a page with the asset until Ctrl-C; prints its address. Raises what `open_asset` does."""
    view = view_asset(path, port)
    print(f"{Path(path).name} is at {view.url} (Ctrl-C ends)", flush=True)
    try:
        threading.Event().wait()
    except KeyboardInterrupt:
        pass
    finally:
        view.close()


def _page(path: str | Path) -> str:
    return page_html([open_asset(path).page_model()], Path(path).name, camera=None)
