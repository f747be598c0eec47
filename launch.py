"""threestudio's command line on whichever host is here; `python launch.py --help` explains it."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "custom"))  # this checkout, installed or not

from splatdream.startup.launching import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
