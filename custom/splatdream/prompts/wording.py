"""How a view direction is put into words. The only file that knows the phrases."""

from collections.abc import Mapping

from .directions import ViewDirection

_SUFFIX = {
    ViewDirection.SIDE: "{prompt}, side view",
    ViewDirection.FRONT: "{prompt}, front view",
    ViewDirection.BACK: "{prompt}, back view",
    ViewDirection.OVERHEAD: "{prompt}, overhead view",
}
_PREFIX = {
    ViewDirection.SIDE: "side view of {prompt}",
    ViewDirection.FRONT: "front view of {prompt}",
    ViewDirection.BACK: "backside view of {prompt}",
    ViewDirection.OVERHEAD: "overhead view of {prompt}",
}
STYLES: Mapping[str, Mapping[ViewDirection, str]] = {"suffix": _SUFFIX, "prefix": _PREFIX}


def describe_view(prompt: str, direction: ViewDirection, style: str = "suffix") -> str:
    """The prompt with its view word.

    Args:
        style: "suffix" ("a cat, front view"; DreamFusion, arXiv:2209.14988, sec. 3.2) or "prefix"
            ("front view of a cat").
    """
    if style not in STYLES:
        raise ValueError(f"view wording {style!r} is unknown; choose one of {', '.join(STYLES)}")
    return STYLES[style][direction].format(prompt=prompt)
