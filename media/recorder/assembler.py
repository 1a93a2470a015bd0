"""One stream's packets, put in order, waited for, and joined into frames. Pure: time is told.

What is missing is being asked for by the track itself; here it is only waited for.
Behind a hole that nobody fills a picture begins again at a keyframe, sound just goes on.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from media.core.frames import joiner
from media.core.source import MAX_DROPOUT
from media.recorder.wire import Taken

WAIT_S = 1.0
"""Longest wait for a missing packet: ten requests, the last of which may still be answered."""
MAX_PENDING = 4_096


@dataclass(frozen=True, slots=True)
class Frame:
    """A frame as files store it. ``ts``: extended RTP timestamp."""

    ts: int
    keyframe: bool
    data: bytes


class Assembler:
    """Owner: the recorder, one per stream.

    Attributes:
        lost: packets that never came.
        wants_keyframe: nothing can be joined before the next one.
    """

    def __init__(self, codec: str, *, picture: bool, fmtp: str = "") -> None:
        self.lost = 0
        self.wants_keyframe = picture
        self._picture = picture
        self._join = joiner(codec, fmtp)
        self._next: int | None = None
        self._pending: dict[int, Taken] = {}
        self._frame: list[Taken] = []
        self._ready: deque[Frame] = deque()

    def take(self, packet: Taken) -> None:
        """Take a packet; duplicates and those behind a hole given up are nothing."""
        if self._next is None:
            if self._picture and not packet.keyframe:
                # Perhaps it overtook the first packet of the keyframe.
                self._pending[packet.seq] = packet
                self._bound()
                return
            self._begin(packet.seq)
        assert self._next is not None
        if packet.seq >= self._next:
            self._pending[packet.seq] = packet
            self._advance()

    def frames(self, now: float, *, last: bool = False) -> list[Frame]:
        """Return what is complete, giving up holes that are too old (or with ``last``, all)."""
        while self._next is not None and self._pending:
            oldest = min(self._pending)
            if not (
                last
                or now - self._pending[oldest].arrival > WAIT_S
                or len(self._pending) > MAX_PENDING
            ):
                break
            self._skip_to(oldest)
        ready = list(self._ready)
        self._ready.clear()
        return ready

    def _begin(self, seq: int) -> None:
        self._next = seq
        self.wants_keyframe = False
        for early in [s for s in self._pending if s < seq]:
            del self._pending[early]

    def _skip_to(self, seq: int) -> None:
        assert self._next is not None
        if seq - self._next < MAX_DROPOUT:  # beyond it, the sender began anew
            self.lost += seq - self._next
        self._frame.clear()
        if not self._picture:
            self._next = seq
            self._advance()
            return
        keyframes = [s for s, packet in self._pending.items() if packet.keyframe]
        if keyframes:
            self._begin(min(keyframes))
            self._advance()
        else:
            self._next = None
            self.wants_keyframe = True
            self._bound()

    def _bound(self) -> None:
        while len(self._pending) > MAX_PENDING:
            del self._pending[min(self._pending)]

    def _advance(self) -> None:
        assert self._next is not None
        while (packet := self._pending.pop(self._next, None)) is not None:
            self._next += 1
            if not self._picture:
                if packet.payload:
                    self._ready.append(Frame(packet.ts, True, packet.payload))
                continue
            if self._frame and self._frame[0].ts != packet.ts:
                self._finish()
            if packet.payload:  # padding alone is no part of a frame
                self._frame.append(packet)
            if packet.marker:
                self._finish()

    def _finish(self) -> None:
        frame, self._frame = self._frame, []
        if not frame:
            return
        data = self._join([packet.payload for packet in frame])
        if data is not None:
            keyframe = any(packet.keyframe for packet in frame)
            self._ready.append(Frame(frame[0].ts, keyframe, data))
