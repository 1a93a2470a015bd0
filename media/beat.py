"""The worker's clock: looks after whoever waits, and ticks. Idle, it wakes for ticks alone."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from media.downlink import Downlink
from media.filler import BEAT_S
from media.switchboard import Switchboard

TICK_S = 0.1

_log = logging.getLogger(__name__)


class Beat:
    """Owner: the worker. Lifetime: until ``close``.

    Attributes:
        late_s: how late it was called at worst; whoever reads it sets it back to 0.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        board: Switchboard,
        *,
        tick: Callable[[float], None],
        broken: Callable[[Downlink], None],
    ) -> None:
        """Args:
        tick: called ten times a second with ``loop.time()``.
        broken: a downlink raised and is looked after no more.
        """
        self.late_s = 0.0
        self._loop = loop
        self._board = board
        self._tick = tick
        self._broken = broken
        self._closed = False
        self._tick_at = loop.time() + TICK_S
        self._timer = loop.call_at(self._tick_at, self._beat)
        board.rouse = self._rouse

    def close(self) -> None:
        self._closed = True
        self._timer.cancel()

    def _rouse(self) -> None:
        """Somebody waits, who need not wait for the next tick."""
        soon = self._loop.time() + BEAT_S
        if not self._closed and soon < self._timer.when():
            self._timer.cancel()
            self._timer = self._loop.call_at(soon, self._beat)

    def _beat(self) -> None:
        now = self._loop.time()
        self.late_s = max(self.late_s, now - self._timer.when())
        try:
            self._attend(now)
            if now >= self._tick_at:
                self._tick_at = now + TICK_S
                self._tick(now)
        finally:
            waiting = self._board.attention or self._board.unsettled
            at = min(self._tick_at, now + BEAT_S) if waiting else self._tick_at
            if not self._closed:
                self._timer = self._loop.call_at(at, self._beat)

    def _attend(self, now: float) -> None:
        attention, unsettled = self._board.attention, self._board.unsettled
        for layer in tuple(attention):
            try:
                if layer.attend(now):
                    continue
            except Exception:
                _log.exception("a layer of %s cannot be looked after", layer.track.id)
            attention.discard(layer)
        for link in tuple(unsettled):
            try:
                if link.attend(now):
                    continue
            except Exception:
                self._broken(link)
            unsettled.discard(link)
