"""How the cost of a packet changes with the number of sessions and of publishers."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.bench.chart import Line, chart
from tests.bench.contenders import YARDSTICKS, Contender, ready
from tests.bench.forward import doubts
from tests.bench.load import Load, Shape, Window
from tests.bench.machine import circumstances, cores, pinned
from tests.bench.ramp import MAX_LOST
from tests.bench.report import Picture, Section, Table, progress

HOW = """\
Load, cost and cores are those of the first section. The servers run one after the other here, and
each is joined by more and more people, all but two of whom only count; a figure is one window. A dash: more than \
{lost:.1%} of the packets were lost, or not all came in: that is beyond the server's one core."""

Measured = dict[str, dict[Shape, Window]]


@dataclass(frozen=True)
class Curve:
    """One measurement.

    Attributes:
        name: on the command line.
        shapes: in growing order.
    """

    name: str
    title: str
    axis: str
    shapes: tuple[Shape, ...]

    def at(self, shape: Shape) -> int:
        """Where a shape is on the axis."""
        return shape.sessions if self.name == "subscribers" else shape.publishers


SUBSCRIBERS = Curve(
    "subscribers",
    "Growth: more and more sessions of one publisher",
    "sessions of one publisher",
    tuple(Shape(1, sessions) for sessions in (10, 30, 100, 200, 300, 500)),
)
PUBLISHERS = Curve(
    "publishers",
    "Growth: more and more publishers of ten sessions each",
    "publishers, ten sessions each",
    tuple(Shape(publishers, 10) for publishers in (1, 5, 10, 20, 40)),
)


async def measure(curve: Curve, contenders: Sequence[str], seconds: float) -> Section:
    """Walk along the curve with every server.

    Raises:
        SkippedError: this is not Linux.
    """
    remarks: list[str] = []
    found = ready(contenders, remarks)
    server_core, load_core = cores()
    told = circumstances()
    measured: Measured = {}
    with pinned(load_core):
        for contender in found:
            windows: dict[Shape, Window] = {}
            measured[contender.name] = windows
            try:
                await _walk(curve, contender, seconds, server_core, windows, remarks)
            except (ConnectionError, TimeoutError) as failed:
                remarks.append(f"{contender.name} stopped after {len(windows)} steps: {failed}.")
    return Section(
        curve.name,
        curve.title,
        HOW.format(lost=MAX_LOST),
        told,
        _table(curve, measured),
        remarks,
        [_picture(curve, measured)],
    )


async def _walk(
    curve: Curve,
    contender: Contender,
    seconds: float,
    core: int | None,
    windows: dict[Shape, Window],
    remarks: list[str],
) -> None:
    with tempfile.TemporaryDirectory() as name:
        async with (
            contender.start(Path(name), core) as server,
            Load.open(server, server.pid, curve.shapes[0], hasty=True) as load,
        ):
            for shape in curve.shapes:
                await load.grow(shape)
                window = await load.window(seconds)
                if window.lost >= MAX_LOST:
                    return
                windows[shape] = window
                progress(f"{contender.name}, {shape}: {window.us_per_packet:.1f} µs")
                remarks += doubts(f"{contender.name}, {shape}", load, window)


def _table(curve: Curve, measured: Measured) -> Table:
    ours = [name for name in measured if name not in YARDSTICKS]
    theirs = [name for name in measured if name in YARDSTICKS]
    head = [
        curve.axis,
        *(f"{our} ÷ {their}" for our in ours for their in theirs),
        *(f"{name}, µs" for name in measured),
    ]
    rows = []
    for shape in curve.shapes:
        costs = {
            name: windows[shape].us_per_packet
            for name, windows in measured.items()
            if shape in windows
        }
        ratios = [
            f"**{costs[our] / costs[their]:.2f}**" if our in costs and their in costs else "–"
            for our in ours
            for their in theirs
        ]
        cells = [f"{costs[name]:.1f}" if name in costs else "–" for name in measured]
        rows.append([str(curve.at(shape)), *ratios, *cells])
    return Table(head, rows)


def _picture(curve: Curve, measured: Measured) -> Picture:
    lines = [
        Line(name, [(curve.at(shape), window.us_per_packet) for shape, window in windows.items()])
        for name, windows in measured.items()
    ]
    title = "CPU time per forwarded packet, µs"
    described = "; ".join(
        f"{line.name}: " + ", ".join(f"{x} → {y:.1f}" for x, y in line.points) for line in lines
    )
    return Picture(
        f"performance-{curve.name}.svg",
        f"{title}, by {curve.axis}. {described}.",
        chart(title, curve.axis, lines),
    )
