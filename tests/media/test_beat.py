"""The worker's clock: nobody waits longer than a beat, and nothing wakes it while nobody waits."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, cast

from media.beat import TICK_S, Beat
from media.downlink import Downlink
from media.filler import BEAT_S
from media.switchboard import Switchboard


class Timer:
    def __init__(self, at: float, call: Callable[[], None]) -> None:
        self.at, self.call, self.cancelled = at, call, False

    def when(self) -> float:
        return self.at

    def cancel(self) -> None:
        self.cancelled = True


class Loop:
    """Time that passes when the test says so."""

    def __init__(self) -> None:
        self.now = 100.0
        self.timers: list[Timer] = []
        self.wakes = 0

    def time(self) -> float:
        return self.now

    def call_at(self, at: float, call: Callable[[], None]) -> Timer:
        self.timers.append(Timer(at, call))
        return self.timers[-1]

    def run(self, seconds: float) -> None:
        end = self.now + seconds
        while True:
            self.timers = [timer for timer in self.timers if not timer.cancelled]
            due = min(self.timers, key=Timer.when)
            if due.at > end:
                break
            self.timers.remove(due)
            self.now = due.at
            self.wakes += 1
            due.call()
        self.now = end


class Waits:
    """A layer or downlink with something to do for some beats."""

    track = None

    def __init__(self, beats: int, *, breaks: bool = False) -> None:
        self.left = beats
        self.at: list[float] = []
        self._breaks = breaks

    def attend(self, now: float) -> bool:
        self.at.append(now)
        if self._breaks:
            raise RuntimeError("a fault of this one")
        self.left -= 1
        return self.left > 0


def beating() -> tuple[Loop, Switchboard, list[float], list[Downlink], Beat]:
    loop, board = Loop(), Switchboard()
    ticks: list[float] = []
    broken: list[Downlink] = []
    beat = Beat(
        cast(asyncio.AbstractEventLoop, loop), board, tick=ticks.append, broken=broken.append
    )
    return loop, board, ticks, broken, beat


def test_idle_it_wakes_for_ticks_alone() -> None:
    loop, _, ticks, _, _ = beating()
    loop.run(10.05)
    assert loop.wakes == len(ticks) == 100


def test_who_waits_is_looked_at_each_beat_until_it_has_nothing_more_to_do() -> None:
    loop, board, ticks, _, _ = beating()
    loop.run(TICK_S + 0.001)
    layer, link = Waits(7), Waits(1)
    began = loop.now
    board.attention.add(cast(Any, layer))
    loop.run(BEAT_S / 2)
    board.unsettled.add(cast(Any, link))
    loop.run(1.0)
    assert layer.at[0] == link.at[0] == began + BEAT_S
    assert len(layer.at) == 7
    assert all(b - a < BEAT_S + 1e-9 for a, b in zip(layer.at, layer.at[1:], strict=False))
    assert len(link.at) == 1
    assert len(ticks) == 11
    assert not board.attention
    assert not board.unsettled


def test_one_that_breaks_is_given_up_and_time_goes_on() -> None:
    loop, board, ticks, broken, _ = beating()
    bad, good = Waits(1, breaks=True), Waits(2)
    board.unsettled.add(cast(Any, bad))
    board.unsettled.add(cast(Any, good))
    loop.run(1.05)
    assert broken == [cast(Any, bad)]
    assert len(good.at) == 2
    assert len(ticks) == 10


def test_closed_it_is_roused_no_more() -> None:
    loop, board, _, _, beat = beating()
    beat.close()
    board.attention.add(cast(Any, Waits(1)))
    assert all(timer.cancelled for timer in loop.timers)
