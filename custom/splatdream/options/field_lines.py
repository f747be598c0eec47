"""What is written below each field of a configuration."""

import ast
import inspect
import textwrap
from collections.abc import Mapping
from functools import cache


@cache
def field_lines(config: type) -> Mapping[str, str]:
    """The docstring line below each field of a class by its name, those of the parents included."""
    lines: dict[str, str] = {}
    for cls in reversed(config.__mro__):
        if cls.__module__ == "builtins":
            continue
        (node,) = ast.parse(textwrap.dedent(inspect.getsource(cls))).body
        for field, following in zip(node.body, node.body[1:], strict=False):
            is_text = isinstance(following, ast.Expr) and isinstance(following.value, ast.Constant)
            if isinstance(field, ast.AnnAssign) and is_text:
                lines[field.target.id] = " ".join(following.value.value.split())
    return lines
