"""One page, from memory, to the browsers of this machine and to nobody else."""

import http.server
import re
import threading
from http import HTTPStatus

_PORTS_TRIED = 100
_MAX_PORT = 65535
_IDLE_S = 10.0
"""Seconds after which a connection that asks for nothing is closed."""
LOOPBACK = "127.0.0.1"
_NAMES = (LOOPBACK, "localhost", "[::1]")


class PageServer:
    """Serves one HTML page until it is closed.

    Args:
        page: the whole page; it must need no other file.
        port: TCP port; the next free one is taken when it is in use, so read `url`.

    Raises:
        OSError: no port is free.
    """

    def __init__(self, page: str, port: int = 8080):
        self._server = _bound(port, page.encode())
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        """What to type into a browser on this machine."""
        return f"http://{LOOPBACK}:{self._server.server_port}"

    def close(self) -> None:
        """Ends the server; the page stays in the browser as it is."""
        self._server.shutdown()
        self._server.server_close()


def _bound(port: int, content: bytes) -> http.server.ThreadingHTTPServer:
    class Handler(http.server.BaseHTTPRequestHandler):
        timeout = _IDLE_S

        def do_GET(self) -> None:
            # A page of the network may give its own name this machine's address, and then read what is served here.
            if re.sub(r":\d+$", "", self.headers.get("Host", "")) not in _NAMES:
                self.send_error(HTTPStatus.MISDIRECTED_REQUEST)
                return
            if self.path != "/":
                self.send_error(HTTPStatus.NOT_FOUND)
                return
            self.send_response(HTTPStatus.OK)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *args: object) -> None:
            """Nobody asked for a line a request."""

    for candidate in range(port, min(port + _PORTS_TRIED, _MAX_PORT + 1)):
        try:
            return _Server((LOOPBACK, candidate), Handler)
        except OSError as error:
            last_error = error
    raise OSError(f"no port from {port} to {candidate} can be listened at: {last_error.strerror}")


class _Server(http.server.ThreadingHTTPServer):
    # With address reuse a port that another program listens at would not be found out on every system.
    allow_reuse_address = False
    daemon_threads = True
