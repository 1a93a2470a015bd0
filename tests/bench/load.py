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
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from tests.bench.datagrams import Datagrams
from tests.bench.link import certificate
from tests.bench.machine import Usage, resident_bytes, usages
from tests.bench.publisher import AUDIO_PER_S, PACKETS_PER_FRAME, Publisher, Signals
from tests.bench.viewer import Viewer

SWEEP_S = 0.01
IDLE_S = 0.1
JOINS_AT_ONCE = 4
WARM_S = 1.0
SETTLE_S = 0.3
POLL_S = 0.02
PATIENCE_POLLS = 50
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
        usage: of each of the server's processes.
        transit_ns: how long packets of verifying sessions were on their way.
        own_s: CPU time of the load itself.
        stall_s: by how much the load's own clock was late at worst.
    """

    seconds: float = 0.0
    expected: int = 0
    got: int = 0
    usages: dict[int, Usage] = field(default_factory=dict)
    transit_ns: list[int] = field(default_factory=list)
    own_s: float = 0.0
    stall_s: float = 0.0

    def __add__(self, other: Window) -> Window:
        return Window(
            self.seconds + other.seconds,
            self.expected + other.expected,
            self.got + other.got,
            {
                pid: self.usages.get(pid, Usage()) + other.usages.get(pid, Usage())
                for pid in self.usages | other.usages
            },
            self.transit_ns + other.transit_ns,
            self.own_s + other.own_s,
            max(self.stall_s, other.stall_s),
        )

    @property
    def usage(self) -> Usage:
        """Of the whole server."""
        return sum(self.usages.values(), Usage())

    @property
    def lost(self) -> float:
        """Share of the packets due that did not arrive."""
        return 1 - self.got / max(1, self.expected)

    @property
    def us_per_packet(self) -> float:
        """CPU time of the server for each packet that arrived."""
        return self.usage.cpu_s * 1e6 / max(1, self.got)


class Load:
    """Attributes:
    joins_s: from the first word of signalling to the first media packet, of each session.
    session_bytes: by how much each session made the server's memory grow.
    faults: what was wrong with what arrived, all windows together.
    """

    def __init__(self, server: Signals, pid: int, *, hasty: bool) -> None:
        self.joins_s: list[float] = []
        self.session_bytes = 0.0
        self.faults: Counter[str] = Counter()
        self._server = server
        self._pid = pid
        self._hasty = hasty
        self._certificate = certificate()
        self._sessions = 0
        self._publishers: list[Publisher] = []
        self._viewers: list[Viewer] = []
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
    async def open(
        cls, server: Signals, pid: int, shape: Shape, *, hasty: bool = False
    ) -> AsyncIterator[Load]:
        """Bring everybody in, then pause.

        Args:
            pid: the server's process, whose time and memory are counted with its children's.
            hasty: all but the verifying sessions only count, so that the load can be higher.

        Raises:
            ConnectionError, TimeoutError: somebody could not come in.
        """
        load = cls(server, pid, hasty=hasty)
        clocks = [asyncio.create_task(clock()) for clock in (load._beat, load._sweep)]
        try:
            await load.grow(shape)
            yield load
        finally:
            for clock in clocks:
                clock.cancel()
            await asyncio.gather(*clocks, return_exceptions=True)
            for link in [end.link for ends in (load._viewers, load._publishers) for end in ends]:
                link.close()

    async def grow(self, shape: Shape) -> None:
        """Bring in who is missing, then pause; nobody leaves.

        Raises:
            ConnectionError, TimeoutError: somebody could not come in.
        """
        while len(self._publishers) < shape.publishers:
            publisher = Publisher(self._certificate)
            await publisher.join(self._server, len(self._publishers))
            self._publishers.append(publisher)
        watched = [viewer.stream for viewer in self._viewers]
        missing = [stream for _ in range(shape.sessions) for stream in range(shape.publishers)]
        for stream in watched:
            missing.remove(stream)
        first = len(self._viewers)
        self._viewers += [
            Viewer(self._certificate, stream, verifies=n < VERIFYING, hasty=self._hasty)
            for n, stream in enumerate(missing, start=first)
        ]
        self._sessions = shape.sessions
        self._resume()
        await asyncio.sleep(WARM_S)
        before = resident_bytes(self._pid)
        await self._join_viewers(self._viewers[first:])
        self.session_bytes = (resident_bytes(self._pid) - before) / max(1, len(missing))
        self._sending.clear()
        await asyncio.sleep(SETTLE_S)
        self._owed = self._expected() - self._received()
        await self._pause()

    def set_rate(self, packets_per_s: float) -> None:
        """From now on publishers send so many frames that all sessions together are to receive that.

        Neither the size of a frame nor the sound changes.
        """
        each = packets_per_s / self._sessions / len(self._publishers)
        for publisher in self._publishers:
            publisher.frames_per_s = max(1.0, (each - AUDIO_PER_S) / PACKETS_PER_FRAME)

    @property
    def packets_per_s(self) -> float:
        """What all sessions together are to receive."""
        return self._sessions * sum(publisher.packets_per_s for publisher in self._publishers)

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
        used, own_s = usages(self._pid), time.process_time()
        self._stall_s = 0.0
        self._resume()
        await asyncio.sleep(seconds)
        await self._pause()
        window = Window(
            seconds=self._loop.time() - began,
            expected=self._expected() - sent,
            got=self._received() - got,
            usages={
                pid: usage - used.get(pid, Usage()) for pid, usage in usages(self._pid).items()
            },
            transit_ns=[ns for viewer in self._viewers for ns in viewer.transit_ns],
            own_s=time.process_time() - own_s,
            stall_s=self._stall_s,
        )
        gc.enable()
        for viewer in self._viewers:
            self.faults += viewer.faults
        return window

    async def _join_viewers(self, viewers: Sequence[Viewer]) -> None:
        before = len(self.joins_s)
        waiting = iter(viewers)

        async def join_some() -> None:
            for viewer in waiting:
                await self._join(viewer)

        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(JOINS_AT_ONCE):
                    group.create_task(join_some())
        except* (ConnectionError, TimeoutError) as failed:
            came, cause = len(self.joins_s) - before, failed.exceptions[0]
            raise ConnectionError(
                f"{self._server.name}: only {came} of {len(viewers)} sessions came in:"
                f" {str(cause) or 'the others had no answer in time'}"
            ) from cause

    async def _join(self, viewer: Viewer) -> None:
        came = asyncio.Event()

        def on_first() -> None:
            self.joins_s.append(self._loop.time() - began)
            viewer.link.stop_reading()
            self._swept.append(viewer)
            came.set()

        began = self._loop.time()
        await viewer.join(self._server, on_first)
        async with asyncio.timeout(FIRST_PACKET_S):
            await came.wait()

    def _resume(self) -> None:
        now = self._loop.time()
        for number, publisher in enumerate(self._publishers):
            publisher.resume(now, number / len(self._publishers) / publisher.frames_per_s)
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
        return self._sessions * sum(publisher.sent for publisher in self._publishers)

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
