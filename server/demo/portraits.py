"""Draws the synthetic people: moving portraits and slides as YUV 4:2:0 planes.

No picture library: every shape is a run of equal samples in a row, so a frame is
a few hundred slice assignments. Knows no codec.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

Yuv = tuple[int, int, int]


def yuv(rgb: str) -> Yuv:
    """Convert ``#rrggbb`` to BT.601 limited-range YUV."""
    r, g, b = (int(rgb[i : i + 2], 16) for i in (1, 3, 5))
    y = 16 + (65.738 * r + 129.057 * g + 25.064 * b) / 256
    u = 128 + (-37.945 * r - 74.494 * g + 112.439 * b) / 256
    v = 128 + (112.439 * r - 94.154 * g - 18.285 * b) / 256
    return round(y), round(u), round(v)


class Canvas:
    """One picture in YUV 4:2:0: a full-size Y plane, quarter-size U and V planes."""

    def __init__(self, width: int, height: int) -> None:
        self.width, self.height = width, height
        self.y = bytearray(width * height)
        self.u = bytearray(width * height // 4)
        self.v = bytearray(width * height // 4)

    def span(self, row: int, left: float, right: float, colour: Yuv) -> None:
        """Fill ``left <= x < right`` of one row; what lies outside is clipped."""
        if not 0 <= row < self.height:
            return
        a, b = max(0, round(left)), min(self.width, round(right))
        if a >= b:
            return
        start = row * self.width
        self.y[start + a : start + b] = bytes((colour[0],)) * (b - a)
        if row % 2 == 0:
            half = (row // 2) * (self.width // 2)
            ca, cb = a // 2, (b + 1) // 2
            self.u[half + ca : half + cb] = bytes((colour[1],)) * (cb - ca)
            self.v[half + ca : half + cb] = bytes((colour[2],)) * (cb - ca)

    def rectangle(self, left: float, top: float, right: float, bottom: float, colour: Yuv) -> None:
        for row in range(max(0, round(top)), min(self.height, round(bottom))):
            self.span(row, left, right, colour)

    def ellipse(
        self,
        cx: float,
        cy: float,
        rx: float,
        ry: float,
        colour: Yuv,
        *,
        above: float = math.inf,
    ) -> None:
        """Fill an ellipse; ``above`` keeps only the part over that row."""
        for row in range(max(0, math.ceil(cy - ry)), min(self.height, math.floor(cy + ry) + 1)):
            if row > above:
                return
            reach = rx * math.sqrt(max(0.0, 1 - ((row - cy) / ry) ** 2))
            self.span(row, cx - reach, cx + reach, colour)

    def gradient(self, top: Yuv, bottom: Yuv) -> None:
        for row in range(self.height):
            f = row / (self.height - 1)
            shade = tuple(round(a + (b - a) * f) for a, b in zip(top, bottom, strict=True))
            self.span(row, 0, self.width, (shade[0], shade[1], shade[2]))


@dataclass(frozen=True)
class Looks:
    """How one synthetic person looks: colours as ``#rrggbb``."""

    sky: str
    ground: str
    skin: str
    hair: str
    coat: str
    long_hair: bool = False
    glasses: bool = False


def draw_portrait(canvas: Canvas, looks: Looks, phase: float, *, speaking: bool) -> None:
    """Draw a person at ``phase`` (0..1 of a loop that meets its start)."""
    w, h = canvas.width, canvas.height
    turn = 2 * math.pi * phase
    canvas.gradient(yuv(looks.sky), yuv(looks.ground))
    light = yuv("#ffffff")
    for i in range(3):  # slow clouds behind, so that even a listener's picture moves
        x = ((phase + i / 3) % 1.0) * (w + 240) - 120
        y = h * (0.16 + 0.13 * i)
        base = yuv(looks.sky)
        cloud = (min(235, base[0] + 14), base[1], base[2])
        canvas.ellipse(x, y, 90, 13, cloud)
        canvas.ellipse(x + 34, y - 9, 46, 13, cloud)
    sway = math.sin(turn) * w * 0.012
    nod = math.sin(2 * turn) * h * 0.008
    cx, cy, r = w / 2 + sway, h * 0.42 + nod, h * 0.19
    skin, hair, coat = yuv(looks.skin), yuv(looks.hair), yuv(looks.coat)
    if looks.long_hair:
        canvas.ellipse(cx, cy + r * 0.55, r * 1.12, r * 1.55, hair)
    canvas.ellipse(w / 2 + sway * 0.4, h * 1.08, w * 0.27, h * 0.42, coat)
    canvas.rectangle(cx - r * 0.34, cy + r * 0.7, cx + r * 0.34, h * 0.73, skin)
    canvas.ellipse(cx, h * 0.72, r * 0.5, r * 0.32, skin)
    canvas.ellipse(cx, cy, r * 0.84, r * 1.06, skin)
    canvas.ellipse(cx, cy - r * 0.28, r * 0.92, r * 0.95, hair, above=cy - r * 0.5)
    blink = (phase * 4) % 1.0 < 0.06
    eye = yuv("#1a1c22")
    for side in (-1, 1):
        ex, ey = cx + side * r * 0.33, cy + r * 0.02
        canvas.ellipse(ex, ey, r * 0.1, r * 0.02 if blink else r * 0.1, eye)
        if not blink:
            canvas.ellipse(ex + r * 0.03, ey - r * 0.03, r * 0.03, r * 0.03, light)
        if looks.glasses:
            frame = yuv("#2b2f3a")
            canvas.rectangle(ex - r * 0.24, ey - r * 0.2, ex + r * 0.24, ey - r * 0.16, frame)
            canvas.rectangle(ex - r * 0.24, ey + r * 0.16, ex + r * 0.24, ey + r * 0.2, frame)
            canvas.rectangle(ex - r * 0.24, ey - r * 0.2, ex - r * 0.2, ey + r * 0.2, frame)
            canvas.rectangle(ex + r * 0.2, ey - r * 0.2, ex + r * 0.24, ey + r * 0.2, frame)
    opening = abs(math.sin(turn * 9) * math.sin(turn * 4)) if speaking else 0.06
    canvas.ellipse(cx, cy + r * 0.56, r * 0.26, r * (0.03 + 0.15 * opening), yuv("#8e3b3b"))


GLYPHS: dict[str, tuple[int, ...]] = {
    "A": (14, 17, 17, 31, 17, 17, 17),
    "B": (30, 17, 17, 30, 17, 17, 30),
    "C": (14, 17, 16, 16, 16, 17, 14),
    "E": (31, 16, 16, 30, 16, 16, 31),
    "G": (14, 17, 16, 23, 17, 17, 15),
    "I": (14, 4, 4, 4, 4, 4, 14),
    "L": (16, 16, 16, 16, 16, 16, 31),
    "N": (17, 25, 21, 19, 17, 17, 17),
    "R": (30, 17, 17, 30, 20, 18, 17),
    "T": (31, 4, 4, 4, 4, 4, 4),
    "Y": (17, 17, 10, 4, 4, 4, 4),
    " ": (0,) * 7,
}
"""The letters of the slide's title: seven rows of five bits, the leftmost highest."""


def draw_text(
    canvas: Canvas, text: str, left: float, top: float, height: float, colour: Yuv
) -> None:
    """Write one line in letters of ``GLYPHS``, ``height`` pixels high."""
    dot = height / 7
    for place, letter in enumerate(text):
        for row, bits in enumerate(GLYPHS[letter]):
            for column in range(5):
                if bits >> (4 - column) & 1:
                    x, y = left + (place * 6 + column) * dot, top + row * dot
                    canvas.rectangle(x, y, x + dot, y + dot, colour)


def draw_slide(canvas: Canvas, phase: float) -> None:
    """Draw a roadshow slide whose bars grow and whose marker walks along the axis."""
    w, h = canvas.width, canvas.height
    canvas.rectangle(0, 0, w, h, yuv("#f7f8fb"))
    canvas.rectangle(0, 0, w, h * 0.14, yuv("#111a2c"))
    draw_text(canvas, "BATTERY RECYCLING", w * 0.05, h * 0.045, h * 0.055, yuv("#edf1f8"))
    canvas.rectangle(w * 0.86, h * 0.05, w * 0.95, h * 0.09, yuv("#6aa5ff"))
    base = h * 0.84
    for i in range(7):
        grow = 0.5 - 0.5 * math.cos(2 * math.pi * (phase + i / 14))
        top = base - h * (0.1 + 0.075 * i) * (0.55 + 0.45 * grow)
        left = w * (0.08 + 0.122 * i)
        canvas.rectangle(left, top, left + w * 0.075, base, yuv("#1b5fc1" if i % 2 else "#187a55"))
    canvas.rectangle(w * 0.06, base, w * 0.95, base + 2, yuv("#2a3650"))
    for i in range(3):
        canvas.rectangle(
            w * 0.06,
            h * (0.89 + 0.03 * i),
            w * (0.5 + 0.1 * i),
            h * (0.9 + 0.03 * i),
            yuv("#d3dae6"),
        )
    canvas.ellipse(w * (0.08 + 0.85 * phase), base, 7, 7, yuv("#965600"))
