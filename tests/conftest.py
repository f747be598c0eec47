"""Annotations are checked while testing: every jaxtyping shape in the package must be true."""

import os

# One thread each: the suite runs beside other work, and results must not depend on the machine.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("SPLATDREAM_HOST", "embedded")

from jaxtyping import install_import_hook
from splatdream.startup.annotations import annotated_modules

_hook = install_import_hook(annotated_modules(), "typechecker.checked")

import pytest  # noqa: E402
import torch  # noqa: E402
from headless_chromium import browser  # noqa: E402, F401 - a fixture


@pytest.fixture
def generator() -> torch.Generator:
    """A seeded CPU generator."""
    return torch.Generator().manual_seed(0)
