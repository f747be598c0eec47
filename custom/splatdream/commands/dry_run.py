"""`--dry-run`: the resolved configuration of a run and what it will cost, from a trial that is thrown away."""

import argparse
from pathlib import Path
from tempfile import TemporaryDirectory

import yaml

from ..runner.checking import check_request
from ..runner.execution import InProcess
from ..runner.request import RunRequest
from ..runner.trial import trial
from ..startup.launching import parse_launch


def run(args: argparse.Namespace) -> int:
    """Of `splatdream train`; `args.arguments` is its whole command line."""
    verb, *rest = args.arguments
    options, overrides = parse_launch([f"--{verb}", *rest], f"splatdream {verb}")
    request = RunRequest(options.config, overrides)
    check_request(request)
    print(configuration_text(request))
    device = ["--gpu", options.gpu] if options.gpu else []
    with TemporaryDirectory() as folder:
        cost, _ = trial(request, Path(folder), InProcess(["--quiet", *device]))
    print(f"cost: {cost}")
    return 0


def configuration_text(request: RunRequest) -> str:
    """The resolved configuration, as YAML."""
    return yaml.safe_dump(request.configuration(), sort_keys=False, allow_unicode=True)
