"""The load on one server: P publishers with S sessions each, all in this process and loop.

Sends on a beat and sweeps the sessions' sockets on a timer instead of waiting on
them, so that the server is not charged for waking the load. A load that pauses sends
a frame now and then, so that no server takes its publishers for gone.
"""

from __future__ import annotations

import asyncio
import gc
import math
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from tests.bench.datagrams import Datagrams
from tests.bench.link import certificate
from tests.bench.machine import Usage, resident_bytes, usage
from tests.bench.publisher import FRAMES_PER_S, Publisher, Signals
from tests.bench.viewer import Viewer

SWEEP_S = 0.01
IDLE_S = 0.1
JOINS_AT_ONCE = 4
WARM_S = 1.0
POLL_S = 0.02
PATIENCE_POLLS = 100
BLINK_S = 0.6
FIRST_PACKET_S = 15.0
VERIFYING = 2


@dataclass(frozen=True)
class Shape:
    """How many publishers, and how many sessions watch each of them."""

    publishers: int
    sessions: int

    def __str__(self) -> str:
        return f"{self.publishers} x {self.sessions}"


@dataclass
class Window:
    """What happened while the publishers sent for a while.

    Attributes:
        expected: packets sent, times sessions.
        got: packets that arrived.
        own_s: CPU time of the load itself.
        stall_s: by how much the load's own clock was late at worst.
    """

    seconds: float = 0.0
    expected: int = 0
    got: int = 0
    usage: Usage = field(default_factory=Usage)
    own_s: float = 0.0
    stall_s: float = 0.0

    def __add__(self, other: Window) -> Window:
        return Window(
            self.seconds + other.seconds,
            self.expected + other.expected,
            self.got + other.got,
            self.usage + other.usage,
            self.own_s + other.own_s,
            max(self.stall_s, other.stall_s),
        )

    @property
    def us_per_packet(self) -> float:
        """CPU time of the server for each packet that arrived."""
        return self.usage.cpu_s * 1e6 / max(1, self.got)


class Load:
    """Attributes:
    joins_s: from the first word of signalling to the first media packet, of each session.
    session_bytes: by how much each session made the server's memory grow.
    transit_ns, faults: how long packets of verifying sessions were on their way, and what was wrong with
        what arrived, all windows together.
    """

    def __init__(self, server: Signals, pid: int, shape: Shape) -> None:
        own = certificate()
        self.joins_s: list[float] = []
        self.session_bytes = 0.0
        self.transit_ns: list[int] = []
        self.faults: Counter[str] = Counter()
        self._server = server
        self._pid = pid
        self._shape = shape
        self._publishers = [Publisher(own) for _ in range(shape.publishers)]
        self._viewers = [
            Viewer(own, verifies=number < VERIFYING)
            for number in range(shape.publishers * shape.sessions)
        ]
        self._swept: list[Viewer] = []
        self._plain, self._stamped = Datagrams(), Datagrams(stamped=True)
        self._sending = asyncio.Event()
        self._draining = False
        self._stall_s = 0.0
        self._blink_due = math.inf
        self._owed = 0  # sent before somebody came in, or lost: not in flight any more
        self._loop = asyncio.get_running_loop()

    @classmethod
    @asynccontextmanager
    async def open(cls, server: Signals, pid: int, shape: Shape) -> AsyncIterator[Load]:
        """Bring everybody in, then pause.

        Args:
            pid: the server's process, whose time and memory are counted with its children's.

        Raises:
            ConnectionError, TimeoutError: somebody could not come in.
        """
        load = cls(server, pid, shape)
        clocks = [asyncio.create_task(clock()) for clock in (load._beat, load._sweep)]
        try:
            for stream, publisher in enumerate(load._publishers):
                await publisher.join(server, stream)
            load._resume()
            await asyncio.sleep(WARM_S)
            before = resident_bytes(pid)
            await load._join_viewers()
            load.session_bytes = (resident_bytes(pid) - before) / len(load._viewers)
            await load._pause()
            yield load
        finally:
            for clock in clocks:
                clock.cancel()
            await asyncio.gather(*clocks, return_exceptions=True)
            for link in [end.link for ends in (load._viewers, load._publishers) for end in ends]:
                link.close()

    @property
    def profile(self) -> str:
        """The protection profile in use, of sessions."""
        return " and ".join(sorted({viewer.link.profile for viewer in self._viewers}))

    async def window(self, seconds: float) -> Window:
        """Send for a while, with nothing in flight before and after."""
        self._resume()
        await asyncio.sleep(WARM_S)
        await self._pause()
        for viewer in self._viewers:
            viewer.transit_ns.clear()
            viewer.faults.clear()
        gc.collect()
        gc.disable()
        began, sent, got = self._loop.time(), self._expected(), self._received()
        used, own_s = usage(self._pid), time.process_time()
        self._stall_s = 0.0
        self._resume()
        await asyncio.sleep(seconds)
        await self._pause()
        window = Window(
            seconds=self._loop.time() - began,
            expected=self._expected() - sent,
            got=self._received() - got,
            usage=usage(self._pid) - used,
            own_s=time.process_time() - own_s,
            stall_s=self._stall_s,
        )
        gc.enable()
        for viewer in self._viewers:
            self.transit_ns += viewer.transit_ns
            self.faults += viewer.faults
        return window

    async def _join_viewers(self) -> None:
        numbers = iter(range(len(self._viewers)))

        async def join_some() -> None:
            for number in numbers:
                await self._join(self._viewers[number], number % self._shape.publishers)

        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(JOINS_AT_ONCE):
                    group.create_task(join_some())
        except* (ConnectionError, TimeoutError) as failed:
            came, all_of_them = len(self.joins_s), len(self._viewers)
            cause = failed.exceptions[0]
            raise ConnectionError(
                f"{self._server.name}: only {came} of {all_of_them} sessions came in: {str(cause) or 'the others had no answer in time'}"
            ) from cause

    async def _join(self, viewer: Viewer, stream: int) -> None:
        came = asyncio.Event()

        def on_first() -> None:
            self.joins_s.append(self._loop.time() - began)
            viewer.link.stop_reading()
            self._swept.append(viewer)
            came.set()

        began = self._loop.time()
        await viewer.join(self._server, stream, on_first)
        async with asyncio.timeout(FIRST_PACKET_S):
            await came.wait()

    def _resume(self) -> None:
        now = self._loop.time()
        for number, publisher in enumerate(self._publishers):
            publisher.resume(now, number / len(self._publishers) / FRAMES_PER_S)
        self._sending.set()

    async def _pause(self) -> None:
        """Stop sending and wait until all has arrived, or for a while nothing of what is missing."""
        self._sending.clear()
        self._draining = True
        self._blink_due = self._loop.time() + BLINK_S
        least = missing = self._missing()
        polls = 0
        while missing > 0 and polls < PATIENCE_POLLS:
            await asyncio.sleep(POLL_S)
            missing = self._missing()
            polls = 0 if missing < least else polls + 1
            least = min(least, missing)
        self._owed += missing
        self._draining = False

    def _missing(self) -> int:
        return self._expected() - self._owed - self._received()

    def _expected(self) -> int:
        return self._shape.sessions * sum(publisher.sent for publisher in self._publishers)

    def _received(self) -> int:
        return sum(viewer.received for viewer in self._viewers)

    async def _beat(self) -> None:
        while True:
            await self._sending.wait()
            due = min(publisher.beat(self._loop.time()) for publisher in self._publishers)
            await asyncio.sleep(max(0.0, due - self._loop.time()))

    async def _sweep(self) -> None:
        before = self._loop.time()
        while True:
            interval_s = SWEEP_S if self._draining or self._sending.is_set() else IDLE_S
            await asyncio.sleep(interval_s)
            now = self._loop.time()
            self._stall_s = max(self._stall_s, now - before - interval_s)
            before = now
            blink = not self._sending.is_set() and now >= self._blink_due
            if blink:
                self._blink_due = now + BLINK_S
            for publisher in self._publishers:
                publisher.tick(now)
                if blink:
                    publisher.blink()
            for viewer in self._swept:
                viewer.sweep(self._stamped if viewer.verifies else self._plain, now)
