"""A page on this machine that shows a cloud while it changes."""

import math
import time
from collections.abc import Callable

from ..export.model_page import FRONT_VIEW, ViewerCamera
from ..gaussians.cloud import GaussianCloud
from ..gaussians.rotations import quat_to_matrix
from ..gaussians.spherical_harmonics import sh0_to_rgb

_NODE = "/gaussians"


class LiveView:
    """A viser server with one cloud. The page shows the color of SH degree 0; viser has no higher harmonics.

    Args:
        port: TCP port; the next free one is taken when it is in use, so read `url`.
        host: address to listen at. The default lets only this machine in; "0.0.0.0" lets everyone in, without password.
        title: of the page; for a generated asset its prompt.
        camera: the first view.
        min_interval_s: an update that comes sooner after the last one that was sent is skipped.
        clock: seconds, for the interval.

    Raises:
        ImportError: viser is not installed.
    """

    def __init__(
        self,
        port: int = 8080,
        host: str = "127.0.0.1",
        title: str = "splatdream",
        camera: ViewerCamera = FRONT_VIEW,
        min_interval_s: float = 0.5,
        clock: Callable[[], float] = time.monotonic,
    ):
        try:
            import viser
        except ImportError as error:
            raise ImportError("the live view needs viser: pip install viser") from error

        self._server = viser.ViserServer(host=host, port=port, label=title, verbose=False)
        self._server.scene.set_up_direction("+z")
        elevation, azimuth = math.radians(camera.elevation_deg), math.radians(camera.azimuth_deg)
        x, y, z = camera.target
        self._server.initial_camera.position = (
            x + camera.distance * math.cos(elevation) * math.cos(azimuth),
            y + camera.distance * math.cos(elevation) * math.sin(azimuth),
            z + camera.distance * math.sin(elevation),
        )
        self._server.initial_camera.look_at = (x, y, z)
        self._server.initial_camera.fov = math.radians(camera.fovy_deg)
        self._status = self._server.gui.add_markdown("")
        self._host = host
        self._min_interval_s = min_interval_s
        self._clock = clock
        self._last_update_s = -math.inf

    @property
    def url(self) -> str:
        """What to type into a browser on this machine."""
        host = "127.0.0.1" if self._host == "0.0.0.0" else self._host
        return f"http://{host}:{self._server.get_port()}"

    def update(self, cloud: GaussianCloud, status: str = "") -> bool:
        """Shows the cloud and a line of text, unless the last update was too short ago; says whether it did.

        Costs nothing but a look at the clock when it is too soon, so a training loop may call it at every step.
        """
        now = self._clock()
        if now - self._last_update_s < self._min_interval_s:
            return False
        self._last_update_s = now
        cloud = cloud.detach().to("cpu")
        axes = quat_to_matrix(cloud.quats) * cloud.scales[:, None, :]
        with self._server.atomic():
            self._server.scene.add_gaussian_splats(
                _NODE,
                centers=cloud.means.numpy(),
                covariances=(axes @ axes.mT).numpy(),
                rgbs=sh0_to_rgb(cloud.sh0[:, 0]).clamp(0, 1).numpy(),
                opacities=cloud.opacities[:, None].numpy(),
            )
            self._status.content = f"{status}\n\n{len(cloud):,} Gaussians".strip()
        return True

    def close(self) -> None:
        """Ends the server; the page stays in the browser as it is."""
        self._server.stop()
