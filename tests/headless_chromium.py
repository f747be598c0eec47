"""A headless Chromium that tests drive over its DevTools protocol, on loopback only."""

import base64
import io
import json
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

_FLAGS = [
    "--headless=new",
    "--no-sandbox",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
    "--remote-debugging-port=0",
]
_TIMEOUT_S = 60.0
# The viewer page says "drawn" or "error".
_HAS_DRAWN = "document.documentElement?.dataset.state"
SCREENS = {"phone": (390, 844), "desk": (1280, 800)}
"""Width and height, CSS pixels, that every page must be good at."""
# A control is reachable where a click in its middle reaches it, or what it is a part of; pages in frames count, too.
_FAULTS = """[window, ...Array.from(frames)].flatMap(({document, innerWidth}) => {
    const faults = [], width = document.documentElement.scrollWidth;
    if (width > innerWidth) faults.push(`the page is ${width} px wide`);
    const name = (element) => `<${element.localName}> ${element.ariaLabel ?? element.id} ${element.innerText ?? ''}`;
    for (const control of document.querySelectorAll('a[href], button, input, select, textarea, [role=tab]')) {
        if (!control.checkVisibility({opacityProperty: true, visibilityProperty: true})) continue;
        control.scrollIntoView({block: 'center', inline: 'center', behavior: 'instant'});
        const box = control.getClientRects()[0];
        if (!box?.width || !box.height) continue;
        if (box.left < -1 || box.right > innerWidth + 1) faults.push(`${name(control)} sticks out`);
        const at = document.elementFromPoint(box.x + box.width / 2, box.y + box.height / 2);
        if (!at || !(control.contains(at) || at.contains(control)))
            faults.push(`${name(control)} is covered by ${at && name(at)}`);
    }
    return faults;
})"""


class Browser:
    """One tab of a fresh headless Chromium; remembers every request, console message and exception."""

    def __init__(self, profile: Path):
        from websockets.sync.client import connect

        command = ["chromium", *_FLAGS, f"--user-data-dir={profile}", "about:blank"]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.pid = self._process.pid
        port_file = profile / "DevToolsActivePort"
        deadline = time.monotonic() + _TIMEOUT_S
        while not port_file.exists() or len(port_file.read_text().split()) < 2:
            assert self._process.poll() is None, f"chromium ended with code {self._process.returncode}"
            assert time.monotonic() < deadline, "chromium did not open its DevTools port"
            time.sleep(0.05)
        port, target = port_file.read_text().split()
        # A loaded machine answers pings late.
        self._socket = connect(f"ws://127.0.0.1:{port}{target}", max_size=None, proxy=None, ping_interval=None)
        self._count = 0
        self._session = None
        self.requests: list[str] = []
        self.messages: list[str] = []
        self.errors: list[str] = []
        """Those of the messages that say that something went wrong."""
        targets = self.call("Target.getTargets")["targetInfos"]
        tab = next(info["targetId"] for info in targets if info["type"] == "page")
        self._session = self.call("Target.attachToTarget", targetId=tab, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **params) -> dict:
        """The result of a DevTools command; events that arrive meanwhile are recorded."""
        self._count += 1
        message = {"id": self._count, "method": method, "params": params}
        if self._session:
            message["sessionId"] = self._session
        self._socket.send(json.dumps(message))
        while True:
            answer = json.loads(self._socket.recv(timeout=_TIMEOUT_S))
            if answer.get("id") == self._count:
                assert "error" not in answer, f"{method}: {answer['error']}"
                return answer["result"]
            self._record(answer.get("method"), answer.get("params", {}))

    def _record(self, event: str | None, params: dict) -> None:
        if event == "Network.requestWillBeSent":
            self.requests.append(params["request"]["url"])
        elif event == "Runtime.consoleAPICalled":
            self._note(" ".join(str(arg.get("value")) for arg in params["args"]), params["type"] == "error")
        elif event == "Runtime.exceptionThrown":
            self._note(str(params["exceptionDetails"]), True)
        elif event == "Log.entryAdded":
            self._note(params["entry"]["text"], params["entry"]["level"] == "error")

    def _note(self, message: str, is_error: bool) -> None:
        self.messages.append(message)
        if is_error:
            self.errors.append(message)

    def evaluate(self, expression: str):
        """The JSON value of a JavaScript expression."""
        result = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in result, result
        return result["result"].get("value")

    def open(self, url: str, width: int, height: int, is_ready: str = _HAS_DRAWN) -> None:
        """Loads the page in a view of this size and waits until an expression is true."""
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=False,
        )
        self.call("Page.navigate", url="about:blank")
        self.evaluate("1")  # what the last page still had to say is read
        for heard in (self.requests, self.messages, self.errors):
            heard.clear()
        self.call("Page.navigate", url=url)
        deadline = time.monotonic() + _TIMEOUT_S
        while not self.evaluate(f"Boolean({is_ready})"):
            assert time.monotonic() < deadline, f"nothing was drawn: {self.messages}"
            time.sleep(0.05)

    def screenshot(self) -> np.ndarray:
        """What the tab shows, float in [0, 1], [height, width, 3]; after the frame that is being drawn."""
        self.evaluate("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
        data = self.call("Page.captureScreenshot", format="png")["data"]
        image = Image.open(io.BytesIO(base64.b64decode(data))).convert("RGB")
        return np.asarray(image, dtype=np.float32) / 255

    def faults(self) -> list[str]:
        """What is wrong with the page at the size that it is open in: errors, sideways scrolling, hidden controls."""
        faults = self.evaluate(_FAULTS)
        self.evaluate("scrollTo(0, 0)")
        return self.errors + faults

    def picture_of(self, selector: str) -> np.ndarray:
        """What is on the screen where the element is, [height, width, 3]; it must be smaller than the tab."""
        x, y, width, height = self.evaluate(
            f"""(element => {{
                element.scrollIntoView({{block: 'center', behavior: 'instant'}});
                const box = element.getBoundingClientRect();
                return [box.x, box.y, box.width, box.height].map(Math.round);
            }})(document.querySelector('{selector}'))"""
        )
        return self.screenshot()[y : y + height, x : x + width]

    def lose_context(self) -> None:
        """Takes the graphics context from the page's canvas and waits until it is given back."""
        self.evaluate(
            """new Promise(done => {
                const canvas = document.getElementById('view');
                const extension = canvas.getContext('webgl2').getExtension('WEBGL_lose_context');
                canvas.addEventListener('webglcontextlost', () => setTimeout(() => extension.restoreContext(), 0));
                canvas.addEventListener('webglcontextrestored', () => setTimeout(done, 0));
                extension.loseContext();
            })"""
        )

    def close(self) -> None:
        self._session = None
        try:
            self.call("Browser.close")
            self._process.wait(timeout=10)
        except Exception:
            self._process.kill()
            self._process.wait()
        finally:
            self._socket.close()


def colored(picture: np.ndarray) -> np.ndarray:
    """Where it is neither white, gray nor black, as text and buttons are, [height, width]."""
    return picture.max(axis=-1) - picture.min(axis=-1) > 0.15


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    if shutil.which("chromium") is None:
        pytest.skip("no chromium on the PATH; install it to run the tests of the viewer page")
    browser = Browser(tmp_path_factory.mktemp("chromium-profile"))
    yield browser
    browser.close()
