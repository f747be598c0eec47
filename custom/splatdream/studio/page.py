"""The page: viser's widgets and scene before `Steering` and `Look`, which do the work."""

import contextlib
import math
import re
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from ..export.exporter import GaussianExporter, write_format
from ..export.model_page import FRONT_VIEW
from ..startup.launching import error_text
from ..storage.images import to_uint8
from ..viewer.page_server import LOOPBACK
from ..viewer.run_window import Asked, ask
from .form import OrderForm
from .look import Look, Seen, pictures_sheet
from .processes import process_of
from .saved_runs import SavedRun, saved_run, saved_runs
from .scene import Viewer
from .steering import State, Steering
from .yaw import yaw_drawing

_TICK_S = 0.3
_BEHIND = 1.8
"""How much farther than the cameras of training the first view stands: they are to be seen."""
_ASK_EVERY_S = 1.0
_GALLERY_EVERY_S = 3.0
_IN_GALLERY = 12
_THUMBNAIL_PX = 640
_YAW_STYLE = (
    "<style>.yaw svg{width:100%} .yaw text{fill:#777;font-size:11px} .yaw .frame{fill:none;stroke:#bbb} "
    ".yaw .ideal{fill:none;stroke:#999;stroke-dasharray:4 4} .yaw .dot{fill:#0072b2} .yaw figure{margin:8px}</style>"
)


@contextlib.contextmanager
def _own_pages_only() -> Iterator[None]:
    """A server that is begun within the block lets in no page of another site that is open in the same browser.

    viser does not ask where a page is from, and what a page sends can begin runs. Programs that are no browsers name no
    origin and are let in.
    """
    from websockets.asyncio import server

    usual = server.serve
    server.serve = partial(usual, origins=[None, re.compile(rf"http://({re.escape(LOOPBACK)}|localhost):\d+")])
    try:
        yield
    finally:
        server.serve = usual


class StudioPage:
    """Serves until it is closed; only this machine is let in.

    Args:
        port: TCP port, or the next one that is free.
        config, prompt, config_of_prior: as of `OrderForm`.

    Raises:
        ImportError: viser is not installed.
        FileNotFoundError, ValueError: the configuration cannot be read.
    """

    def __init__(
        self, steering: Steering, port: int, config: str, prompt: str, config_of_prior: Callable[[str], str]
    ) -> None:
        try:
            import viser
        except ImportError as error:
            raise ImportError(f"the studio needs viser: pip install splatdream[viewer] ({error})") from error
        self._steering = steering
        self._look: Look | None = None
        self._seen: Seen | None = None
        self._viewers: dict[int, Viewer] = {}
        self._lock = threading.RLock()
        self._ended = threading.Event()
        self._last_asked_s = self._last_gallery_s = self._said_until_s = -math.inf
        self._in_gallery: Sequence[tuple[SavedRun, State]] = ()
        self._cards: list[Any] = []
        self._yaw_of: Path | None = None
        with _own_pages_only():
            self._server = viser.ViserServer(host=LOOPBACK, port=port, label="splatdream studio", verbose=False)
        try:
            self._build(config, prompt, config_of_prior)
        except Exception:
            self._server.stop()
            raise
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        """What to type into a browser on this machine."""
        return f"http://{LOOPBACK}:{self._server.get_port()}"

    def close(self) -> None:
        """Ends the server; runs are not touched."""
        self._ended.set()
        self._thread.join()
        self._server.stop()

    def _build(self, config: str, prompt: str, config_of_prior: Callable[[str], str]) -> None:
        self._server.scene.set_up_direction("+z")
        elevation, distance = math.radians(FRONT_VIEW.elevation_deg), _BEHIND * FRONT_VIEW.distance
        camera = self._server.initial_camera
        camera.position = (distance * math.cos(elevation), 0.0, distance * math.sin(elevation))
        camera.look_at, camera.fov = FRONT_VIEW.target, math.radians(FRONT_VIEW.fovy_deg)
        gui = self._server.gui
        # The share button would open a tunnel to another machine.
        gui.configure_theme(control_width="large", show_share_button=False, show_logo=False)
        gui.main_panel.dock_right()
        self._message = gui.add_markdown("Write a prompt and press Start.")
        self._progress = gui.add_progress_bar(0.0)
        tabs = gui.add_tab_group()
        with tabs.add_tab("Run"):
            self._form = OrderForm(gui, config, prompt, config_of_prior, self._guarded)
            self._buttons = {
                label: self._button(label, action)
                for label, action in {
                    "Start": self._start,
                    "Pause": lambda: self._steering.pause(self._folder()),
                    "Resume": self._resume,
                    "Stop": lambda: self._steering.stop(self._folder()),
                }.items()
            }
        with tabs.add_tab("Look"):
            self._build_look(gui)
        self._gallery = tabs.add_tab("Runs")
        with self._gallery:
            self._no_runs = gui.add_markdown("No runs yet.")

    def _build_look(self, gui: Any) -> None:
        self._follows = gui.add_checkbox("Follow the run", True)
        self._slider = gui.add_slider("Saved step", min=0, max=1, step=1, initial_value=0, disabled=True)
        self._slider.on_update(lambda event: self._unfollow() if event.client is not None else None)
        self._every_s = gui.add_number("Seconds between looks", 1.0, min=0.5, max=60.0, step=0.5)
        self._shows_cameras = gui.add_checkbox("Cameras of the step", True)
        self._shows_prior = gui.add_checkbox(
            "The prior's view", False, hint="render, noisy, denoised, gradient; costs evaluations of the denoiser"
        )
        self._sheet = gui.add_image(np.full((8, 8, 3), 255, np.uint8), visible=False)
        self._yaw = gui.add_html("", visible=False)
        self._format = gui.add_dropdown("Format", list(GaussianExporter.formats))
        gui.add_button("Export what is shown").on_click(lambda event: self._guarded(lambda: self._export(event.client)))

    def _button(self, label: str, action: Callable[[], object]) -> Any:
        button = self._server.gui.add_button(label, disabled=label != "Start")
        button.on_click(lambda _: self._guarded(action))
        return button

    def _guarded(self, action: Callable[[], object]) -> None:
        """What goes wrong is said on the page; what looks like a bug in the terminal, too."""
        with self._lock:
            try:
                action()
            except Exception as error:
                text = error_text(error)
                if text is None:
                    traceback.print_exc()
                self._say(f"**{text or repr(error)}**")
            else:
                self._show_state()

    def _start(self) -> None:
        self._say("Checking what is asked for.")
        self._select(self._steering.start(self._form.request()))

    def _resume(self) -> None:
        folder = self._folder()
        self._steering.resume(folder)
        self._select(folder)

    def _folder(self) -> Path:
        if self._look is None:
            raise ValueError("no run is shown; start one, or take one from Runs")
        return self._look.folder

    def _select(self, folder: Path) -> None:
        if self._look is None or self._look.folder != folder:
            self._look, self._seen = Look(folder), None
        self._follows.value = True
        self._sheet.visible = self._yaw.visible = False
        self._yaw_of = None

    def _unfollow(self) -> None:
        self._follows.value = False

    def _export(self, client: Any) -> None:
        if self._seen is None or self._seen.cloud is None:
            raise ValueError(
                "there are no Gaussians to export; files of fields and meshes are in the folder of their run"
            )
        run = self._folder()
        title = getattr(saved_run(run), "prompt", run.name)
        path = write_format(self._format.value, run / "save" / f"it{self._seen.step}-export", self._seen.cloud, title)
        if client is not None:
            client.send_file_download(path.name, path.read_bytes())
        self._say(f"Step {self._seen.step}: {path}")

    def _say(self, text: str) -> None:
        self._said_until_s = time.monotonic() + 6
        self._message.content = text

    def _run(self) -> None:
        while not self._ended.wait(_TICK_S):
            clients = self._server.get_clients()
            if not clients:
                continue  # nobody looks: a run under way is asked for nothing
            with self._lock:
                try:
                    self._tick(clients)
                except Exception as error:  # the page must outlive a damaged checkpoint, a folder that goes, ...
                    text = error_text(error)
                    if text is None:
                        traceback.print_exc()
                    self._say(f"**{text or repr(error)}**")

    def _tick(self, clients: dict[int, Any]) -> None:
        now = time.monotonic()
        if now - self._last_gallery_s > _GALLERY_EVERY_S:
            self._last_gallery_s = now
            self._show_gallery()
        if self._look is not None:
            if now - self._last_asked_s > _ASK_EVERY_S and process_of(self._look.folder) is not None:
                self._last_asked_s = now
                ask(self._look.folder, Asked(self._every_s.value, self._shows_prior.value))
            self._show_look(self._look)
        self._viewers = {number: self._viewers.get(number) or Viewer(clients[number]) for number in clients}
        for viewer in self._viewers.values():
            self._show_scene(viewer)
        if now > self._said_until_s:
            self._show_state()

    def _show_scene(self, viewer: Viewer) -> None:
        live = None if self._seen is None else self._seen.live
        with self._server.atomic():
            viewer.show(None if self._seen is None else self._seen.drawn)
            viewer.show_cameras(live if self._shows_cameras.value else None)

    def _show_look(self, look: Look) -> None:
        is_live = process_of(look.folder) is not None
        steps = look.steps()
        if steps:
            self._slider.min, self._slider.max = min(steps[0], steps[-1] - 1), steps[-1]
            self._slider.disabled = False
        seen = self._what_to_see(look, steps, is_live)
        is_new = seen is not None and (self._seen is None or seen.live is not self._seen.live)
        self._seen = seen
        if is_new and seen.live is not None:
            self._show_pictures(seen)
        if not is_live:
            self._show_yaw(look)

    def _what_to_see(self, look: Look, steps: Sequence[int], is_live: bool) -> Seen | None:
        if not self._follows.value:
            return look.saved(self._slider.value)
        self._slider.value = steps[-1] if steps else 0
        return (look.live() if is_live else None) or look.saved()

    def _show_pictures(self, seen: Seen) -> None:
        sheet = pictures_sheet(seen.live)
        self._sheet.visible = sheet is not None and self._shows_prior.value
        if sheet is not None:
            self._sheet.image = to_uint8(sheet)

    def _show_yaw(self, look: Look) -> None:
        """Once, when a run has finished."""
        if self._yaw_of == look.folder or self._steering.state(look.folder) is not State.FINISHED:
            return
        self._yaw_of = look.folder
        run, last = saved_run(look.folder), look.saved()
        drawing = yaw_drawing(last.cloud, run.prompt, look.folder) if last and last.cloud is not None else ""
        self._yaw.content = f'<div class="yaw">{_YAW_STYLE}{drawing}</div>'
        self._yaw.visible = bool(drawing)

    def _show_state(self) -> None:
        state = self._steering.state(self._look.folder if self._look else None)
        self._buttons["Start"].disabled = self._steering.is_busy()
        self._buttons["Pause"].disabled = state is not State.RUNNING
        self._buttons["Resume"].disabled = state not in (State.PAUSED, State.STOPPED, State.FAILED)
        self._buttons["Stop"].disabled = state not in (State.RUNNING, State.PAUSED)
        if self._look is None:
            return
        run = saved_run(self._look.folder)
        step = 0 if self._seen is None else self._seen.step
        steps = f" of {run.max_steps}" if run else ""
        error = f"\n\n**{self._steering.error(self._look.folder)}**" if state is State.FAILED else ""
        self._message.content = (
            f"**{state.value}**: {self._look.folder.name}\n\nshown: step {step}{steps}{_in_words(self._seen)}{error}"
        )
        self._progress.value = 100 * step / run.max_steps if run and run.max_steps else 0.0

    def _show_gallery(self) -> None:
        runs = [(run, self._steering.state(run.folder)) for run in saved_runs(self._steering.folder)[:_IN_GALLERY]]
        if runs == self._in_gallery:
            return
        self._in_gallery = runs
        self._no_runs.visible = not runs
        for card in self._cards:
            card.remove()
        with self._gallery:
            self._cards = [self._card(run, state) for run, state in runs]

    def _card(self, run: SavedRun, state: State) -> Any:
        gui = self._server.gui
        card = gui.add_folder(run.prompt or run.name)
        with card:
            last = run.steps[-1] if run.steps else 0
            gui.add_markdown(f"{state.value}, {run.method}, {run.prior}, {last} of {run.max_steps} steps saved")
            if run.sheet is not None:
                with contextlib.suppress(OSError), Image.open(run.sheet) as sheet:
                    sheet.thumbnail((_THUMBNAIL_PX, _THUMBNAIL_PX))
                    gui.add_image(np.asarray(sheet.convert("RGB")))
            gui.add_button("Show").on_click(lambda _: self._guarded(lambda: self._select(run.folder)))
        return card


def _in_words(seen: Seen | None) -> str:
    """What the 3D view has of it."""
    if seen is None:
        return ""
    if seen.cloud is not None:
        return f", {len(seen.cloud):,} Gaussians"
    if seen.asset is None:
        return "; nothing to be seen in 3D before the first saved step"
    return f"; in 3D: step {seen.asset_step}, {seen.asset.drawn_as}"
