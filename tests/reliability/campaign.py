"""Attempts to break what the program promises; the table at the end says how they went.

python tests/reliability/campaign.py                      # everything; hours
python tests/reliability/campaign.py inputs --count 2000
python tests/reliability/campaign.py kills --count 5 --small
"""

import argparse
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from disks import can_mount, full_disks
from inputs import inputs
from kills import kills
from outcome import Tally, table
from together import little_memory, two_at_once


def _disks(folder: Path, count: int, args: argparse.Namespace) -> Iterator[Tally]:
    if not can_mount():
        print("full disks are left out: mounting one needs to be root", file=sys.stderr)
        return
    yield from full_disks(folder, count)


_PARTS: Mapping[str, tuple[int, Callable[[Path, int, argparse.Namespace], Iterator[Tally]]]] = {
    "inputs": (100_000, lambda folder, count, args: inputs(folder, count, args.seed, args.only)),
    "kills": (20, lambda folder, count, args: kills(folder, count, args.seed, args.small)),
    "disks": (12, _disks),
    "together": (3, lambda folder, count, args: two_at_once(folder, count)),
    "memory": (6, lambda folder, count, args: little_memory(folder, count)),
}
"""Attempts of each, and what makes them."""


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the parts that are named, all without a name; 1 where anything was not clean."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", metavar="PART", help=", ".join(_PARTS))
    parser.add_argument("--count", type=int, help="attempts of each part")
    parser.add_argument("--seed", type=int, default=0, help="of what is drawn")
    parser.add_argument("--only", default="", metavar="PATTERN", help="inputs: the readers to try")
    parser.add_argument("--small", action="store_true", help="kills: the smallest run only")
    args = parser.parse_args(argv)
    if unknown := set(args.parts) - set(_PARTS):
        parser.error(f"there is no part {', '.join(unknown)}; choose among {', '.join(_PARTS)}")
    tallies = []
    for part in args.parts or _PARTS:
        usual, attempt = _PARTS[part]
        with tempfile.TemporaryDirectory() as folder:
            for tally in attempt(Path(folder) / part, args.count or usual, args):
                print(tally.row(), file=sys.stderr, flush=True)
                tallies.append(tally)
    print(table(tallies))
    return int(any(tally.findings for tally in tallies))


if __name__ == "__main__":
    sys.exit(main())
