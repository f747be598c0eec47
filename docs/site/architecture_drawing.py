"""Draws the rooms of the package and who imports whom.

python docs/site/architecture_drawing.py > docs/images/architecture.svg

Every import in the package is read. A room stands above all that it imports; an arrow is left out where a longer way
says the same. `storage` and `options`, which every room may use, are the ground that the house stands on.
"""

import ast
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from itertools import pairwise
from pathlib import Path
from textwrap import wrap

PACKAGE = Path(__file__).parents[2] / "custom" / "splatdream"
GROUND = ("storage", "options")
KINDS = {
    "entrances": ("#ede4f7", "#7d4fb3", ("commands", "api", "gpu_suite", "startup", "embedded_host")),
    "runs and studies": ("#fdeee0", "#c46a1b", ("systems", "runner", "laboratory", "scenes", "viewer", "studio")),
    "what pulls": ("#fbe3e6", "#bd3a4c", ("prompts", "priors", "guidance", "losses")),
    "what is trained": ("#e2f1e6", "#2f8a4c", ("assets", "gaussians", "fields", "densification", "initializations")),
    "seen and written": ("#e1edf8", "#2a6fb0", ("cameras", "photographs", "rendering", "meshing", "texture", "export")),
    "known worlds, measures": ("#f5f0d8", "#8f7a14", ("toybox", "toybox_training", "evaluation")),
}
WIDTH, ROW, BOX, HEIGHT, WAY = 1000, 94, 148, 64, 16
"""Pixels: the drawing, from row to row, a box, its height, and the room that a passing arrow takes."""
SWEEPS = 60


@dataclass(eq=False)
class Node:
    """A room, or a place where a long arrow passes a row (no name)."""

    level: int
    name: str = ""
    below: list["Node"] = field(default_factory=list)
    above: list["Node"] = field(default_factory=list)
    x: float = 0.0

    @property
    def width(self) -> int:
        return BOX if self.name else WAY


def imports() -> Mapping[str, set[str]]:
    """The other rooms that each room imports."""
    rooms = {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    return {room: (_imported_rooms(PACKAGE / room) & rooms) - {room} for room in sorted(rooms)}


def _imported_rooms(folder: Path) -> set[str]:
    names: set[str] = set()
    for path in folder.rglob("*.py"):
        package = ["splatdream", *path.relative_to(PACKAGE).parent.parts]
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and node.level:
                base = [*package[: len(package) - node.level + 1], *(node.module or "").split(".")]
                names |= {".".join([*base, alias.name]).replace("..", ".") for alias in node.names}
    return {name.split(".")[1] for name in names}


def without_ground(graph: Mapping[str, set[str]]) -> dict[str, set[str]]:
    return {room: below - set(GROUND) for room, below in graph.items() if room not in GROUND}


def reachable(graph: Mapping[str, set[str]], start: str) -> set[str]:
    """What is imported, and what that imports, and so on."""
    found: set[str] = set()
    waiting = [start]
    while waiting:
        for room in graph[waiting.pop()] - found:
            found.add(room)
            waiting.append(room)
    return found


def levels(graph: Mapping[str, set[str]]) -> dict[str, int]:
    """The row of each room, 0 at the bottom; rooms that import each other share one."""
    reach = {room: reachable(graph, room) for room in graph}

    def level(room: str) -> int:
        lower = {other for other in reach[room] if room not in reach[other]}
        return 1 + max(map(level, lower), default=-1)

    return {room: level(room) for room in graph}


def arrows(graph: Mapping[str, set[str]]) -> list[tuple[str, str]]:
    """Imports that no longer way implies."""
    reach = {room: reachable(graph, room) for room in graph}
    return [
        (room, other)
        for room, below in graph.items()
        for other in sorted(below)
        if not any(other in reach[way] and room not in reach[way] for way in below - {other})
    ]


def placed(graph: Mapping[str, set[str]]) -> list[list[Node]]:
    """Rows of nodes from the bottom, in an order with few crossings, with the x of their middles."""
    rows = _connected(graph)
    for row in rows:
        _spread(row, [float(place) for place in range(len(row))])
    for sweep in range(SWEEPS):
        for row in rows[::-1] if sweep % 2 == 0 else rows:
            _settle(row, sweep)
    for node in (node for row in rows for node in row):
        node.below.sort(key=lambda other: other.x)
        node.above.sort(key=lambda other: other.x)
    return rows


def _connected(graph: Mapping[str, set[str]]) -> list[list[Node]]:
    """Rooms in their rows, and in between the places that arrows pass, joined."""
    level = levels(graph)
    nodes = {room: Node(level[room], room) for room in graph}
    rows = [[node for node in nodes.values() if node.level == height] for height in range(max(level.values()) + 1)]
    for room, other in arrows(graph):
        upper = nodes[room]
        for passed in range(level[room] - 1, level[other], -1):
            way = Node(passed)
            rows[passed].append(way)
            _join(upper, way)
            upper = way
        if level[room] != level[other]:
            _join(upper, nodes[other])
    return rows


def _settle(row: list[Node], sweep: int) -> None:
    """Moves nodes toward their neighbors: at first with a new order, by one side, then in that order, by both."""
    is_first_half = sweep < SWEEPS // 2
    wished = [_mean_x(node, not is_first_half, sweep % 2 == 0) for node in row]
    if is_first_half:
        order = sorted(range(len(row)), key=wished.__getitem__)
        row[:], wished = [row[place] for place in order], [wished[place] for place in order]
    _spread(row, wished)


def _join(upper: Node, lower: Node) -> None:
    upper.below.append(lower)
    lower.above.append(upper)


def _mean_x(node: Node, of_both: bool, is_down: bool) -> float:
    neighbors = node.above + node.below if of_both else (node.above if is_down else node.below)
    return sum(other.x for other in neighbors) / len(neighbors) if neighbors else node.x


def _spread(row: Sequence[Node], wished: Sequence[float]) -> None:
    """The nodes where they wish to be, as far as none touches another one or leaves the drawing."""
    gaps = [(left.width + right.width) / 2 + 12 for left, right in pairwise(row)]
    from_left, from_right = list(wished), list(wished)
    for place, gap in enumerate(gaps):
        from_left[place + 1] = max(wished[place + 1], from_left[place] + gap)
    for place, gap in reversed(list(enumerate(gaps))):
        from_right[place] = min(wished[place], from_right[place + 1] - gap)
    middles = [(left + right) / 2 for left, right in zip(from_left, from_right, strict=True)]
    for place, gap in enumerate(gaps):
        middles[place + 1] = max(middles[place + 1], middles[place] + gap)
    right_edge = WIDTH - 12 - row[-1].width / 2
    middles[-1] = min(middles[-1], right_edge)
    for place, gap in reversed(list(enumerate(gaps))):
        middles[place] = min(middles[place], middles[place + 1] - gap)
    middles[0] = max(middles[0], 12 + row[0].width / 2)
    for place, gap in enumerate(gaps):
        middles[place + 1] = max(middles[place + 1], middles[place] + gap)
    for node, x in zip(row, middles, strict=True):
        node.x = x


def drawing() -> str:
    """The SVG."""
    graph = imports()
    rows = placed(without_ground(graph))
    top = 74
    bottom = top + ROW * len(rows)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {bottom + 62}" '
        'font-family="Helvetica, Arial, sans-serif">',
        "<title>The rooms of splatdream, and which imports which</title>",
        f'<rect width="{WIDTH}" height="{bottom + 62}" fill="#ffffff"/>',
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" '
        'orient="auto-start-reverse"><path d="M0 0 8 4 0 8z" fill="#7b8794"/></marker></defs>',
        *_legend(),
    ]
    y_of = {id(node): bottom - ROW * (node.level + 1) for row in rows for node in row}
    rooms = [[node for node in row if node.name] for row in rows]
    for row in rooms:
        parts += _arrows(row, graph, y_of)
    parts += [_box(node, y_of[id(node)], graph[node.name]) for row in rooms for node in row]
    parts += [_ground(bottom), "</svg>"]
    return "\n".join(parts) + "\n"


def _arrows(row: Sequence[Node], graph: Mapping[str, set[str]], y_of: Mapping[int, float]) -> list[str]:
    """From the rooms of a row downward, and between neighbors that import each other."""
    sideways = [
        _sideways(left, right, y_of[id(left)])
        for left, right in pairwise(row)
        if left.name in graph[right.name] or right.name in graph[left.name]
    ]
    return [_arrow(path, y_of) for node in row for path in _ways(node)] + sideways


def _ways(node: Node) -> Iterator[list[Node]]:
    """From a room, over the places where it passes rows, to each room that it imports."""
    for lower in node.below:
        path = [node, lower]
        while not path[-1].name:
            path.append(path[-1].below[0])
        yield path


def _arrow(path: Sequence[Node], y_of: Mapping[int, float]) -> str:
    start, *_, end = path
    x, y = _port(start, start.below.index(path[1]), len(start.below)), y_of[id(start)] + HEIGHT
    commands = [f"M{x:.0f} {y:.0f}"]
    for place, node in enumerate(path[1:], 1):
        last = node is end
        to_x = _port(end, end.above.index(path[place - 1]), len(end.above)) if last else node.x
        to_y = y_of[id(node)] - (1 if last else 0)
        middle = (y + to_y) / 2
        commands.append(f"C{x:.0f} {middle:.0f} {to_x:.0f} {middle:.0f} {to_x:.0f} {to_y:.0f}")
        x, y = to_x, to_y
        if not last:
            y += HEIGHT
            commands.append(f"L{x:.0f} {y:.0f}")
    _, color = _colors(start.name)
    return (
        f'<path d="{" ".join(commands)}" fill="none" stroke="{color}" stroke-opacity="0.55" stroke-width="1.6" '
        'marker-end="url(#tip)"/>'
    )


def _sideways(left: Node, right: Node, y: float) -> str:
    """Between two rooms of a row, which import each other."""
    middle = y + HEIGHT / 2
    return (
        f'<path d="M{left.x + BOX / 2 + 1:.0f} {middle:.0f}H{right.x - BOX / 2 - 1:.0f}" stroke="#7b8794" '
        'stroke-width="1.6" marker-start="url(#tip)" marker-end="url(#tip)"/>'
    )


def _port(node: Node, place: int, count: int) -> float:
    """Where an arrow leaves or meets a box, spread over its width in the order of the other ends."""
    return node.x + (place - (count - 1) / 2) * min(18.0, (BOX - 30) / max(count, 1))


def _box(node: Node, y: float, below: set[str]) -> str:
    light, dark = _colors(node.name)
    purpose = _purpose(node.name)
    lines = "".join(
        f'<tspan x="{node.x:.0f}" dy="{12 if place else 0}">{escape(line)}</tspan>'
        for place, line in enumerate(wrap(_short(purpose), 27))
    )
    title = escape(f"{node.name}: {purpose} Imports {', '.join(sorted(below)) or 'no other room'}.")
    return (
        f'<g><title>{title}</title><rect x="{node.x - BOX / 2:.0f}" y="{y:.0f}" width="{BOX}" height="{HEIGHT}" rx="8" '
        f'fill="{light}" stroke="{dark}" stroke-width="1.3"/>'
        f'<text x="{node.x:.0f}" y="{y + 18:.0f}" text-anchor="middle" font-size="14" font-weight="bold" fill="{dark}">'
        f"{node.name}</text>"
        f'<text y="{y + 33:.0f}" text-anchor="middle" font-size="10.5" fill="#37424d">{lines}</text></g>'
    )


def _colors(room: str) -> tuple[str, str]:
    """Light and dark.

    Raises:
        ValueError: nobody has said what kind of room it is.
    """
    for light, dark, rooms in KINDS.values():
        if room in rooms:
            return light, dark
    raise ValueError(f"the room {room} is of no kind; add it to KINDS in {Path(__file__).name}")


def _purpose(room: str) -> str:
    """The first sentence about it in its own words."""
    text = ast.get_docstring(ast.parse((PACKAGE / room / "__init__.py").read_text())) or room
    return " ".join(text.split("\n\n")[0].split())


def _short(purpose: str) -> str:
    """Its first clause."""
    return re.split(r": | \(| beside|\. |; |\.$", purpose.replace("`", ""))[0]


def _legend() -> list[str]:
    parts = [
        f'<text x="{WIDTH / 2:.0f}" y="26" text-anchor="middle" font-size="16" fill="#1d2630">'
        "An arrow goes from a room to a room that it imports, and never upward</text>"
    ]
    x = 30.0
    for name, (light, dark, _) in KINDS.items():
        parts.append(
            f'<rect x="{x:.0f}" y="42" width="14" height="14" rx="3" fill="{light}" stroke="{dark}"/>'
            f'<text x="{x + 20:.0f}" y="54" font-size="12.5" fill="#37424d">{name}</text>'
        )
        x += 50 + 6.9 * len(name)
    return parts


def _ground(y: float) -> str:
    text = " &#183; ".join(
        f"<tspan font-weight='bold'>{room}</tspan> {escape(_short(_purpose(room)))}" for room in GROUND
    )
    return (
        f'<rect x="12" y="{y:.0f}" width="{WIDTH - 24}" height="42" rx="8" fill="#eceff1" stroke="#78858f"/>'
        f'<text x="{WIDTH / 2:.0f}" y="{y + 26:.0f}" text-anchor="middle" font-size="12.5" fill="#37424d">'
        f"{text} &#183; every room may use both</text>"
    )


if __name__ == "__main__":
    sys.stdout.write(drawing())
