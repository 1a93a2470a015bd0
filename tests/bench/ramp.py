"""The highest rate each server sustains on one core, and the latency at half of it."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.bench.contenders import YARDSTICKS, Contender, ready
from tests.bench.load import Load, Shape, Window
from tests.bench.machine import circumstances, cores, pinned
from tests.bench.report import Section, Table, percentile, percentiles, progress

TITLE = "Highest sustained rate on one core"
MAX_LOST = 0.001
MAX_P99_NS = 25_000_000
HOPELESS_LOST = 0.05
OWN_LIMIT = 0.92
"""Share of its core above which it is the load that gives way."""
STEP = 1.25
REFINEMENTS = 2
MAX_WINDOWS = 14
FIRST_GUESS = 0.75

METHOD = f"""\
The load of the first section, but its publishers raise their frame rate from window to window; a
frame stays four packets, so no server gets longer bursts to work with. A rate is sustained when
less than {MAX_LOST:.1%} of the packets due are missing and 99 of 100 are on their way for less than
{MAX_P99_NS / 1e6:.0f} ms, at the second attempt at the latest. The first rate is {FIRST_GUESS:.0%} of what the cost at 30 frames promises; from there
it grows or shrinks by a quarter until it has been too much and not too much, then twice the
gap is halved. All but two of the sessions only count here, so that the load's own core suffices;
where it does not, the figure says “at least”. Latency is that of another window, at half of the
rate found. One server at a time runs."""

HEAD = [
    "server", *(f"rate ÷ {name}" for name in YARDSTICKS), "packets/s sustained",
    "transit there p50 / p99 ms", "at half of it p50 / p95 / p99 ms", "load's core",
]  # fmt: skip


@dataclass
class Found:
    """What the search for one server's limit has found.

    Attributes:
        best: the fastest window that was sustained.
        own_limit: the load gave way first.
    """

    best: Window | None = None
    half: Window | None = None
    own_limit: bool = False
    tried: list[Window] = field(default_factory=list)

    @property
    def rate(self) -> float:
        return self.best.got / self.best.seconds if self.best is not None else 0.0


async def measure(shape: Shape, contenders: Sequence[str], seconds: float) -> Section:
    """Find every server's limit.

    Raises:
        SkippedError: this is not Linux.
    """
    remarks: list[str] = []
    ready_ones = ready(contenders, remarks)
    server_core, load_core = cores()
    told = circumstances()
    found: dict[str, Found] = {}
    with pinned(load_core):
        for contender in ready_ones:
            try:
                found[contender.name] = await _search(contender, shape, seconds, server_core, remarks)  # fmt: skip
            except (ConnectionError, TimeoutError) as failed:
                remarks.append(f"{contender.name}: not measured; {failed}.")
    method = f"{METHOD} The shape is {shape}."
    return Section("ramp", TITLE, method, told, Table(HEAD, _rows(found)), remarks)


async def _search(
    contender: Contender, shape: Shape, seconds: float, core: int | None, remarks: list[str]
) -> Found:
    found = Found()
    with tempfile.TemporaryDirectory() as name:
        async with (
            contender.start(Path(name), core) as server,
            Load.open(server, server.pid, shape, hasty=True) as load,
        ):
            easy = await load.window(seconds)
            low, high = 0.0, 0.0
            rate = FIRST_GUESS * 1e6 / easy.us_per_packet
            refined = 0
            while len(found.tried) < MAX_WINDOWS and refined < REFINEMENTS:
                load.set_rate(rate)
                window = await load.window(seconds)
                if not sustained(window, rate) and window.lost < HOPELESS_LOST:
                    window = await load.window(seconds)  # it may have been the machine
                found.tried.append(window)
                refined += bool(low and high)
                progress(
                    f"{contender.name}: {window.got / window.seconds:,.0f} packets/s,"
                    f" {window.lost:.2%} lost, p99 {percentiles(window.transit_ns, 0.99, scale=1e-6)} ms,"
                    f" load's core {window.own_s / window.seconds:.0%}"
                )
                if sustained(window, rate):
                    low, found.best = rate, window
                elif window.own_s > OWN_LIMIT * window.seconds:
                    found.own_limit = True
                    break
                else:
                    high = rate
                rate = (low + high) / 2 if low and high else low * STEP or high / STEP
            if found.best is not None:
                load.set_rate(low / 2)
                found.half = await load.window(seconds)
            if load.faults:
                seen = ", ".join(f"{n} {what}" for what, n in sorted(load.faults.items()))
                remarks.append(f"{contender.name}, above its limit too: {seen}.")
    return found


def sustained(window: Window, rate: float) -> bool:
    """Whether the server kept up; the load must have sent what it was to, too."""
    return (
        window.lost < MAX_LOST
        and bool(window.transit_ns)
        and percentile(window.transit_ns, 0.99) < MAX_P99_NS
        and window.expected > 0.97 * rate * window.seconds
    )


def _rows(found: dict[str, Found]) -> list[list[str]]:
    rows = []
    for name, each in found.items():
        if each.best is None:
            rows.append([name, *("–" for _ in YARDSTICKS), "–", "–", "–", "–"])
            continue
        at_least = "≥ " if each.own_limit else ""
        rows.append(
            [
                name,
                *(_ratio(each, found.get(yardstick), at_least) for yardstick in YARDSTICKS),
                f"{at_least}{each.rate:,.0f}",
                percentiles(each.best.transit_ns, 0.5, 0.99, scale=1e-6, digits=2),
                percentiles(each.half.transit_ns, 0.5, 0.95, 0.99, scale=1e-6, digits=2)
                if each.half is not None
                else "–",
                f"{each.best.own_s / each.best.seconds:.0%}",
            ]
        )
    return rows


def _ratio(ours: Found, theirs: Found | None, at_least: str) -> str:
    if theirs is None or not theirs.rate:
        return "–"
    return "1" if ours is theirs else f"{at_least}**{ours.rate / theirs.rate:.2f}**"
