"""Who makes the runs of an experiment: options that actions share."""

import argparse
from typing import Any

from ..arguments import number, whole


def configure_crew(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--workers", type=whole(0, 256), default=0, help="local processes (default: 0, this process)")
    parser.add_argument(
        "--ray",
        nargs="?",
        const="",
        metavar="ADDRESS",
        help="workers on Ray: on this machine, or on the cluster at the address, whose machines share the folder",
    )
    parser.add_argument(
        "--gpus", type=number(0, 256), default=0.0, help="of each Ray worker, also a part of one (default: 0)"
    )


def chosen_crew(args: argparse.Namespace) -> Any:
    """Raises ValueError where there cannot be so many workers."""
    from ...laboratory.ray_workers import ray_workers
    from ...laboratory.workers import local_processes, this_process

    if args.ray is None and args.gpus:
        raise ValueError(f"--gpus {args.gpus} is of Ray workers; add --ray")
    if args.ray is not None:
        return ray_workers(args.ray, args.workers or 1, args.gpus)
    return local_processes(args.workers) if args.workers else this_process()
