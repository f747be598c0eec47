"""Functions stay short enough to be understood at once."""

from pathlib import Path

import pytest
from radon.complexity import cc_visit

PACKAGE = Path(__file__).parents[2] / "custom" / "splatdream"
# Numba compiles whole loops: a kernel that is cut into functions is a slower one.
FILES = sorted(path for path in PACKAGE.rglob("*.py") if not path.name.startswith("numba_"))
LARGEST = 10
"""Branches and loops plus one (McCabe's cyclomatic complexity)."""


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_no_function_is_more_complex_than_the_limit(path):
    blocks = cc_visit(path.read_text())
    functions = blocks + [closure for block in blocks for closure in getattr(block, "closures", [])]
    too_complex = {block.fullname: block.complexity for block in functions if block.complexity > LARGEST}
    assert not too_complex, f"split by meaning: {too_complex}"
