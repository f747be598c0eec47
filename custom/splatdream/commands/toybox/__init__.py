"""`splatdream toybox`: the small world for testing, teaching and benchmarking; one file an action."""

import argparse
from collections.abc import Sequence

from ..main import add_commands

_ACTIONS = {
    "gallery": "a picture of every object",
    "photograph": "views of an object with their cameras, for `splatdream fit`",
    "picture": "a picture of one object, to make it 3D again",
    "train": "train one of the small priors: first vae, then sd, then mvdream, flow or zero123",
    "blend": "a prior between two trainings",
    "calibrate": "thresholds of `splatdream evaluate`, from results put together from toybox objects",
    "score": "how often a small prior's images show the right object, color and view",
}


def configure(parser: argparse.ArgumentParser, arguments: Sequence[str]) -> None:
    actions = parser.add_subparsers(title="actions", required=True, metavar="ACTION")
    add_commands(actions, _ACTIONS, __package__, arguments)
