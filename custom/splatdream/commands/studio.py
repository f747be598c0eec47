"""`splatdream studio`: real runs, steered and watched from a page in the browser."""

import argparse
import signal
import socket
import threading
from collections.abc import Sequence
from pathlib import Path

from .arguments import whole

_PORT = 8080


def configure(parser: argparse.ArgumentParser, arguments: Sequence[str]) -> None:
    parser.description = (
        "Serves a page on this machine alone. Closing the page stops nothing; Ctrl-C here stops the run under way as "
        "Ctrl-C in its own terminal would, and the next studio can resume it. docs/studio.md."
    )
    parser.add_argument("--port", type=whole(1, 65535), help=f"of the page (default: {_PORT}, or the next free one)")
    parser.add_argument("--output", default="outputs/studio", metavar="FOLDER", help="default: outputs/studio")
    parser.add_argument("--config", default="quickstart", metavar="YAML", help="to begin with (default: quickstart)")
    parser.add_argument("--prompt", default="", metavar="TEXT", help="to begin with (default: the configuration's)")
    parser.add_argument("--gpu", metavar="ID", help="CUDA device of the runs, or 'cpu', as for train")


def run(args: argparse.Namespace) -> int:
    from ..studio.page import StudioPage
    from ..studio.steering import Steering
    from .generate import config_of_prior

    # A job that a shell put into the background ignores Ctrl-C, and so would its runs.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    steering = Steering(Path(args.output), ["--gpu", args.gpu] if args.gpu else [])
    page = StudioPage(steering, _port(args.port), args.config, args.prompt, config_of_prior)
    try:
        print(f"the studio is at {page.url} (Ctrl-C ends it, and stops a run under way)", flush=True)
        threading.Event().wait()
    except KeyboardInterrupt:
        pass
    finally:
        page.close()
        print(steering.close(), flush=True)
    return 0


def _port(wanted: int | None) -> int:
    """The one that is wanted, else a free one.

    Raises:
        OSError: it is taken.
    """
    if wanted is None:
        return _PORT  # viser takes the next one that is free
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", wanted))
        except OSError as error:
            raise OSError(f"port {wanted} is taken ({error.strerror}); choose another, or leave --port out") from error
    return wanted
