"""A page that shows an asset while it changes; only this machine is let in."""

import math
import time
from collections.abc import Callable
from typing import Any

from ..export.model_page import FRONT_VIEW
from .page_server import LOOPBACK

_MIN_INTERVAL_S = 0.5
"""An update that comes sooner after the last one that was sent is skipped."""


class LiveView:
    """A viser server with one asset.

    Args:
        port: TCP port; the next free one is taken when it is in use, so read `url`.
        title: of the page; for a generated asset its prompt.

    Raises:
        ImportError: viser is not installed.
    """

    def __init__(self, port: int = 8080, title: str = "splatdream") -> None:
        try:
            import viser
        except ImportError as error:
            raise ImportError(f"the live view needs viser: pip install viser ({error})") from error

        self._server = viser.ViserServer(host=LOOPBACK, port=port, label=title, verbose=False)
        self._server.scene.set_up_direction("+z")
        elevation, distance = math.radians(FRONT_VIEW.elevation_deg), FRONT_VIEW.distance
        self._server.initial_camera.position = (distance * math.cos(elevation), 0.0, distance * math.sin(elevation))
        self._server.initial_camera.look_at = FRONT_VIEW.target
        self._server.initial_camera.fov = math.radians(FRONT_VIEW.fovy_deg)
        self._status = self._server.gui.add_markdown("")
        self._last_update_s = -math.inf

    @property
    def url(self) -> str:
        """What to type into a browser on this machine."""
        return f"http://{LOOPBACK}:{self._server.get_port()}"

    def update(self, draw: Callable[[Any], None], status: str = "") -> bool:
        """Shows what `draw(scene)` puts on the viser scene, and a text, unless the last update was too short ago.

        Says whether it did.

        Costs nothing but a look at the clock when it is too soon, so a training loop may call it at every step.
        """
        now = time.monotonic()
        if now - self._last_update_s < _MIN_INTERVAL_S:
            return False
        self._last_update_s = now
        with self._server.atomic():
            draw(self._server.scene)
            self._status.content = status
        return True

    def close(self) -> None:
        """Ends the server; the page stays in the browser as it is."""
        self._server.stop()
