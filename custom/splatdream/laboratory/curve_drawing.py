"""Curves as a drawing inside a page (SVG), which needs no library and stays sharp at every width."""

import math
from collections.abc import Callable, Mapping, Sequence
from itertools import cycle

from ..export.web_page import escaped
from .curves import Point
from .findings import shown

_COLORS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#333333")
"""Told apart with every kind of color vision (Okabe and Ito, 2008)."""
_WIDTH, _HEIGHT = 460, 280
_LEFT, _RIGHT, _TOP, _BOTTOM = 52, 12, 12, 40
_NUM_TICKS = 5
_STYLES = [(dash, color) for dash in ("", "6 3", "2 3") for color in _COLORS]
Scale = Callable[[float], float]


def drawing(curves: Mapping[str, Sequence[Point]], cost: str, column: str) -> str:
    """A line a variant with 95 % intervals; the cost is logarithmic. Curves without points are left out."""
    curves = {label: points for label, points in curves.items() if points}
    every = [point for points in curves.values() for point in points]
    costs = sorted({point.cost for point in every})
    ends = [value for point in every for value in (point.mean, *(point.interval or ()))]
    low, high = min(ends), max(ends)
    x, y = _across(costs[0], costs[-1]), _down(low, high)
    parts = [_axes(costs, low, high, x, y), _text(_WIDTH / 2, _HEIGHT - 6, f"{cost} (logarithmic)", "middle")]
    parts += [_line(points, *style, x, y) for points, style in zip(curves.values(), cycle(_STYLES), strict=False)]
    title = f"{column} against {cost}"
    return (
        f'<figure class="curve"><svg role="img" aria-label="{escaped(title)}" viewBox="0 0 {_WIDTH} {_HEIGHT}">'
        f"{''.join(parts)}</svg><figcaption><b>{escaped(title)}</b><br>{_legend(list(curves))}</figcaption></figure>"
    )


def _legend(labels: Sequence[str]) -> str:
    return "".join(
        f'<span><svg width="26" height="10"><path d="M0 5H26" stroke="{color}" stroke-width="2" '
        f'stroke-dasharray="{dash}"/></svg> {escaped(label)}</span> '
        for label, (dash, color) in zip(labels, cycle(_STYLES), strict=False)
    )


def _across(first: float, last: float) -> Scale:
    """Costs to pixels, logarithmic."""
    low, high = (math.log(max(value, 1e-9)) for value in (first, last))

    def scale(value: float) -> float:
        share = (math.log(max(value, 1e-9)) - low) / (high - low) if high > low else 0.5
        return _LEFT + 12 + share * (_WIDTH - _LEFT - _RIGHT - 24)

    return scale


def _down(low: float, high: float) -> Scale:
    """Values to pixels; more is higher."""
    margin = 0.06 * (high - low) or 1.0
    return lambda value: _TOP + (high + margin - value) / (high - low + 2 * margin) * (_HEIGHT - _TOP - _BOTTOM)


def _axes(costs: Sequence[float], low: float, high: float, x: Scale, y: Scale) -> str:
    parts, last = [], -math.inf
    for cost in costs:
        if x(cost) - last > 40:
            parts.append(_text(x(cost), _HEIGHT - _BOTTOM + 16, shown(round(cost, 1)), "middle"))
            last = x(cost)
    for number in range(_NUM_TICKS):
        value = low + (high - low) * number / (_NUM_TICKS - 1)
        parts.append(f'<path d="M{_LEFT} {y(value):.1f}H{_WIDTH - _RIGHT}" stroke="#e4e4e4"/>')
        parts.append(_text(_LEFT - 6, y(value) + 4, shown(value), "end"))
        if high == low:
            break
    return "".join(parts)


def _line(points: Sequence[Point], dash: str, color: str, x: Scale, y: Scale) -> str:
    path = " ".join(f"{x(point.cost):.1f},{y(point.mean):.1f}" for point in points)
    style = f'stroke="{color}" fill="none"'
    parts = [f'<polyline points="{path}" {style} stroke-width="2" stroke-dasharray="{dash}"/>']
    for point in points:
        parts.append(f'<circle cx="{x(point.cost):.1f}" cy="{y(point.mean):.1f}" r="3.5" fill="{color}"/>')
        if point.interval:
            low, high = map(y, point.interval)
            parts.append(f'<path d="M{x(point.cost):.1f} {low:.1f}V{high:.1f}" {style} opacity="0.5"/>')
    return "".join(parts)


def _text(x: float, y: float, text: str, anchor: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="11" fill="#555">{escaped(text)}</text>'
