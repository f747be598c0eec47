"""`python -m splatdream`: the `splatdream` command where its script is not on the PATH."""

import sys

from .commands.main import main

sys.exit(main())
