"""What a second media worker adds: one worker with a room; two with one each; two that share a room."""

from __future__ import annotations

import tempfile
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

from tests.bench.forward import doubts
from tests.bench.load import Load, Shape, Window
from tests.bench.machine import can_count, circumstances
from tests.bench.report import Section, SkippedError, Table
from tests.bench.servers import node

TITLE = "Two media workers"
METHOD = """\
The load of the first section on four nodes, in turns. Nothing is pinned: workers, node and load
share the machine's cores as the kernel deals them out. A room lies on one worker; one with more
sessions than a worker takes goes on on another, and a relay link joins them.

The cores do not suffice to drive two workers to their limit and make the load too. So the limit is
reckoned: the packets of all workers, by the CPU time of the *busiest* worker, is the rate at which
that one would fill a core. A packet costs less where there are more of them at a time, so there
are two yardsticks, and the truth lies between: one worker that carries all of it, which flatters
the one worker, and one that carries what each of the two carries, which flatters the two (a ratio
above 2 is no more than that). Both show whether the work divides evenly and without added cost
while both workers run and share caches and kernel with each other and with the load. Neither shows
what two workers at full speed would do to each other through memory, caches and a network card;
nor was the rate sent."""

HEAD = [
    "node", "limit ÷ one worker with all of it", "÷ one worker with half of it", "packets/s at which the busiest worker fills a core",
    "CPU of each worker, µs per packet of its own", "packets/s in this run", "lost",
]  # fmt: skip


@dataclass(frozen=True)
class Arm:
    """A node to measure.

    Attributes:
        rooms: how many, each of ``size`` times the sessions of the smallest.
    """

    name: str
    workers: int
    rooms: int
    size: int = 1

    def shape(self, sessions: int) -> Shape:
        return Shape(self.rooms, sessions * self.size)


ALL, HALF = Arm("one worker, all of it", 1, 2), Arm("one worker, half of it", 1, 1)
APART, JOINED = Arm("two workers, a room each", 2, 2), Arm("two workers, one room", 2, 1, 2)
ARMS = (ALL, HALF, APART, JOINED)


async def measure(sessions: int, windows: int, seconds: float) -> Section:
    """Measure with so many sessions on each worker.

    Raises:
        SkippedError: this is not Linux.
    """
    if not can_count():
        raise SkippedError("workers: it counts with Linux's /proc")
    told = circumstances()
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        loads: dict[Arm, Load] = {}
        for number, arm in enumerate(ARMS):
            own = folder / str(number)
            own.mkdir()
            started = node(arm.name, native=True, workers=arm.workers)(own, None)
            server = await stack.enter_async_context(started)
            opened = Load.open(server, server.pid, arm.shape(sessions))
            loads[arm] = await stack.enter_async_context(opened)
        measured = {arm: Window() for arm in ARMS}
        for turn in range(windows):
            for arm in ARMS if turn % 2 == 0 else reversed(ARMS):
                measured[arm] += await loads[arm].window(seconds)
    remarks = [
        doubt
        for arm in ARMS
        for doubt in doubts(f"{arm.name}, {arm.shape(sessions)}", loads[arm], measured[arm])
    ]
    rows = [_row(arm, sessions, measured) for arm in ARMS]
    return Section("workers", TITLE, METHOD, told, Table(HEAD, rows), remarks)


def _row(arm: Arm, sessions: int, measured: dict[Arm, Window]) -> list[str]:
    window = measured[arm]
    limit = _limit(window, arm)
    share = window.got / arm.workers
    return [
        f"{arm.name} ({arm.shape(sessions)})",
        *(_ratio(arm, yardstick, measured) for yardstick in (ALL, HALF)),
        f"{limit:,.0f}",
        " and ".join(f"{cpu_s * 1e6 / share:.1f}" for cpu_s in _workers_s(window, arm)),
        f"{window.got / window.seconds:,.0f}",
        f"{window.lost:.2%}" if window.lost else "none",
    ]


def _ratio(arm: Arm, yardstick: Arm, measured: dict[Arm, Window]) -> str:
    ratio = _limit(measured[arm], arm) / _limit(measured[yardstick], yardstick)
    return "1" if arm is yardstick else f"**{ratio:.2f}**" if arm.workers > 1 else f"{ratio:.2f}"


def _workers_s(window: Window, arm: Arm) -> list[float]:
    """CPU seconds of the media workers: of a node's processes those that do most."""
    used = sorted((usage.cpu_s for usage in window.usages.values()), reverse=True)
    return used[: arm.workers]


def _limit(window: Window, arm: Arm) -> float:
    """Packets per second at which the busiest worker would need a whole core."""
    return window.got / max(_workers_s(window, arm)[0], 0.01)
