"""Cloned into the `custom` folder of a threestudio checkout, this repository is one of its extensions.

The clone may have any name: when it is called splatdream, this module stands for the package.
"""

import sys
from pathlib import Path

_PACKAGES = Path(__file__).parent / "custom"
sys.path.insert(0, str(_PACKAGES))
__path__.insert(0, str(_PACKAGES / "splatdream"))

from splatdream.startup.registration import register_under_threestudio  # noqa: E402

register_under_threestudio()
