"""Draws a line chart as SVG that is readable on light and on dark pages, and in print without colour."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

WIDTH, HEIGHT = 760, 380
LEFT, RIGHT, TOP, BOTTOM = 52, 150, 44, 52
LABEL_STEP = 17
MARKS = ("circle", "square", "triangle", "diamond")

STYLE = """
.page { fill: #ffffff } .grid { stroke: #d8dde3 } text { fill: #24303c; font: 13px system-ui, sans-serif }
.title { font-weight: 600; font-size: 14px }
.s0 { --c: #0b5fb3 } .s1 { --c: #0f7a5a } .s2 { --c: #b3450b } .s3 { --c: #8a3ab0 }
@media (prefers-color-scheme: dark) {
  .page { fill: #14191f } .grid { stroke: #333c46 } text { fill: #e4e9ee }
  .s0 { --c: #6db3ff } .s1 { --c: #5fd3ab } .s2 { --c: #ffa061 } .s3 { --c: #d59bf2 }
}
polyline { fill: none; stroke: var(--c); stroke-width: 2 } .mark { fill: var(--c) }
"""


@dataclass(frozen=True)
class Line:
    """Attributes:
    points: by growing x, which must be positive.
    """

    name: str
    points: Sequence[tuple[float, float]]


def chart(title: str, axis: str, lines: Sequence[Line]) -> str:
    """Draw up to four lines; x is logarithmic, y begins at 0."""
    drawn = [line for line in lines if line.points]
    xs = sorted({x for line in drawn for x, _ in line.points}) or [1.0]
    step = _step(max((y for line in drawn for _, y in line.points), default=1.0))
    top = step * math.ceil(max((y for line in drawn for _, y in line.points), default=1.0) / step)

    def at_x(x: float) -> float:
        span = math.log(xs[-1] / xs[0]) or 1.0
        return LEFT + (WIDTH - LEFT - RIGHT) * math.log(x / xs[0]) / span

    def at_y(y: float) -> float:
        return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * y / top

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img">',
        f"<title>{escape(title)}, by {escape(axis)}</title><style>{STYLE}</style>",
        f'<rect class="page" width="{WIDTH}" height="{HEIGHT}" rx="8"/>',
        f'<text class="title" x="{LEFT}" y="24">{escape(title)}</text>',
        f'<text x="{(LEFT + WIDTH - RIGHT) / 2:.0f}" y="{HEIGHT - 12}" text-anchor="middle">{escape(axis)}</text>',
    ]
    for i in range(round(top / step) + 1):
        y = at_y(i * step)
        parts.append(f'<path class="grid" d="M{LEFT} {y:.1f}H{WIDTH - RIGHT}"/>')
        parts.append(f'<text x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{i * step:g}</text>')
    for x in xs:
        parts.append(
            f'<text x="{at_x(x):.1f}" y="{HEIGHT - BOTTOM + 20}" text-anchor="middle">{x:g}</text>'
        )
    heights = _apart([at_y(line.points[-1][1]) for line in drawn])
    for number, (line, height) in enumerate(zip(drawn, heights, strict=True)):
        places = [(at_x(x), at_y(y)) for x, y in line.points]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
        marks = "".join(_mark(MARKS[number % 4], x, y) for x, y in places)
        end = WIDTH - RIGHT
        parts.append(f'<g class="s{number % 4}"><polyline points="{path}"/>{marks}')
        parts.append(_mark(MARKS[number % 4], end + 16, height) + "</g>")
        parts.append(f'<text x="{end + 27}" y="{height + 4:.1f}">{escape(line.name)}</text>')
    return "\n".join([*parts, "</svg>"]) + "\n"


def _step(most: float) -> float:
    """A round distance of grid lines, four to ten of them."""
    rough = most / 5
    power = 10.0 ** math.floor(math.log10(rough))
    return next(power * m for m in (1, 2, 5, 10) if power * m >= rough)


def _apart(heights: Sequence[float]) -> list[float]:
    """Move labels down until none lies on another."""
    placed = list(heights)
    order = sorted(range(len(placed)), key=lambda i: placed[i])
    for above, below in itertools.pairwise(order):
        placed[below] = max(placed[below], placed[above] + LABEL_STEP)
    return placed


def _mark(kind: str, x: float, y: float) -> str:
    match kind:
        case "circle":
            return f'<circle class="mark" cx="{x:.1f}" cy="{y:.1f}" r="4"/>'
        case "square":
            return f'<path class="mark" d="M{x - 4:.1f} {y - 4:.1f}h8v8h-8z"/>'
        case "triangle":
            return f'<path class="mark" d="M{x - 5:.1f} {y + 4:.1f}h10l-5 -9z"/>'
        case _:
            return f'<path class="mark" d="M{x:.1f} {y - 5.5:.1f}l5.5 5.5l-5.5 5.5l-5.5 -5.5z"/>'
