"""Small drawings inside a page (SVG): curves over steps, shares of a whole, the yaw map. web/run.css has the colors."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from .web_page import escaped

_COLORS = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#d55e00", "#56b4e9", "#999999")
"""Told apart with every kind of color vision (Okabe and Ito, 2008)."""
_WIDTH, _HEIGHT, _LEFT, _BOTTOM = 300, 150, 46, 18
_MOST_POINTS = 300
_TURN_DEG = 360.0


@dataclass(frozen=True)
class Curve:
    """A number over the steps of a run."""

    label: str
    steps: Sequence[float]
    values: Sequence[float]
    """Finite, as many as steps."""


@dataclass(frozen=True)
class YawPoints:
    """Which side of the true object each side of a result shows."""

    azimuth_deg: Sequence[float]
    matched_azimuth_deg: Sequence[float]
    words: str
    """What follows from it."""


def curve_plot(curve: Curve) -> str:
    """A figure with the curve, the ends of both axes, and its last value; long ones are thinned out evenly."""
    stride = -(-len(curve.steps) // _MOST_POINTS)
    first, last = curve.steps[0], curve.steps[-1]
    low, high = min(curve.values), max(curve.values)
    points = [
        (_across(step, first, last), _down(value, low, high))
        for step, value in zip(curve.steps[::stride], curve.values[::stride], strict=True)
    ]
    labels = (
        _text(_LEFT - 4, 10, _number(high), "end"),
        _text(_LEFT - 4, _HEIGHT - _BOTTOM, _number(low), "end"),
        _text(_LEFT, _HEIGHT - 4, _number(first), "start"),
        _text(_WIDTH, _HEIGHT - 4, f"step {_number(last)}", "end"),
    )
    line = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    return _figure(
        curve.label,
        f'{_frame(_WIDTH, _HEIGHT)}{"".join(labels)}<polyline class="curve" points="{line}"/>',
        f"{escaped(curve.label)}, at last {_number(curve.values[-1])}",
    )


def share_bar(seconds: Mapping[str, float]) -> str:
    """One bar with the seconds of every stage beside each other, and a legend."""
    total = sum(seconds.values()) or 1.0
    parts, legend, start = [], [], 0.0
    for index, (name, value) in enumerate(seconds.items()):
        color = _COLORS[index % len(_COLORS)]
        width = 1000 * value / total
        parts.append(f'<rect x="{start:.1f}" width="{width:.1f}" height="40" fill="{color}"/>')
        legend.append(f'<span><i style="background:{color}"></i>{escaped(name)} {value:.1f} s</span>')
        start += width
    svg = f'<svg role="img" aria-label="Seconds by stage" viewBox="0 0 1000 40">{"".join(parts)}</svg>'
    return f'<figure>{svg}<figcaption class="legend">{" ".join(legend)}</figcaption></figure>'


def yaw_plot(yaw: YawPoints) -> str:
    """A dot for every view: where it is seen from, and the side of the true object that it is most like."""
    side = _WIDTH - _LEFT
    dots = [
        f'<circle class="dot" cx="{_LEFT + side * (azimuth % _TURN_DEG) / _TURN_DEG:.1f}" '
        f'cy="{side * (1 - (matched % _TURN_DEG) / _TURN_DEG):.1f}" r="5"/>'
        for azimuth, matched in zip(yaw.azimuth_deg, yaw.matched_azimuth_deg, strict=True)
    ]
    height = side + _BOTTOM
    labels = (
        _text(_LEFT - 4, 10, "360°", "end"),
        _text(_LEFT - 4, side, "0°", "end"),
        _text(_LEFT, height - 4, "0°", "start"),
        _text(_WIDTH, height - 4, "360°", "end"),
    )
    ideal = f'<path class="ideal" d="M{_LEFT} {side}L{_WIDTH} 0"/>'
    return _figure(
        "Yaw map", _frame(_WIDTH, height) + ideal + "".join(labels + tuple(dots)), escaped(yaw.words), height
    )


def _figure(title: str, inside: str, caption: str, height: float = _HEIGHT) -> str:
    svg = f'<svg role="img" aria-label="{escaped(title)}" viewBox="0 0 {_WIDTH} {height}">{inside}</svg>'
    return f"<figure>{svg}<figcaption>{caption}</figcaption></figure>"


def _frame(width: float, height: float) -> str:
    return f'<path class="frame" d="M{_LEFT} 0V{height - _BOTTOM}H{width}"/>'


def _across(step: float, first: float, last: float) -> float:
    return _LEFT + (_WIDTH - _LEFT) * (step - first) / ((last - first) or 1)


def _down(value: float, low: float, high: float) -> float:
    return 4 + (_HEIGHT - _BOTTOM - 8) * (1 - (value - low) / ((high - low) or 1))


def _text(x: float, y: float, text: str, anchor: str) -> str:
    return f'<text x="{x}" y="{y}" text-anchor="{anchor}">{escaped(text)}</text>'


def _number(value: float) -> str:
    return f"{value:,.0f}" if value == round(value) or abs(value) >= 1000 else f"{value:.3g}"
