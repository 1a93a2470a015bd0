"""Round trips of those who only send to us: extended reports (RFC 3611) of reference time and answer.

We tell our clock (RRTR, §4.4); a sender's DLRR (§4.5) says how long ago it heard which
time. The parser never raises.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

XR = 207
RRTR, DLRR = 4, 5
MAX_TIMES = 8
"""Times remembered: at one a second they outlive any round trip."""
MAX_ANSWERS = 32

_RRTR = struct.Struct("!BBHIBxHQ")
_BLOCK = struct.Struct("!BxH")
_ANSWER = struct.Struct("!III")


def build_rrtr(ssrc: int, ntp64: int) -> bytes:
    """Make an XR packet that tells our clock, 32.32 fixed point."""
    return _RRTR.pack(0x80, XR, 4, ssrc, RRTR, 2, ntp64)


def answers(body: bytes) -> Iterator[tuple[int, int, int]]:
    """Yield (ssrc, lrr, dlrr in 1/65536 s) of the DLRR blocks in an XR packet.

    Args:
        body: what follows the packet's 4-byte header.
    """
    at, left = 4, MAX_ANSWERS
    while at + 4 <= len(body):
        kind, words = _BLOCK.unpack_from(body, at)
        end = at + 4 + 4 * words
        if end > len(body):
            return
        if kind == DLRR:
            for start in range(at + 4, end - 11, 12):
                if not left:
                    return
                left -= 1
                yield _ANSWER.unpack_from(body, start)
        at = end


class RoundTrip:
    """Measures one sender's round trip. Owner: the publisher.

    Attributes:
        rtt_s: smoothed (RFC 6298 §2), None until known.
    """

    __slots__ = ("_times", "rtt_s")

    def __init__(self) -> None:
        self.rtt_s: float | None = None
        self._times: dict[int, float] = {}

    def ask(self, ssrc: int, now: float) -> bytes:
        """Make the packet to be sent now."""
        ntp64 = int(now * 0x100000000) & 0xFFFFFFFFFFFFFFFF
        self._times[ntp64 >> 16 & 0xFFFFFFFF] = now
        if len(self._times) > MAX_TIMES:
            del self._times[next(iter(self._times))]
        return build_rrtr(ssrc, ntp64)

    def answered(self, ssrc: int, body: bytes, now: float) -> None:
        """Take an XR packet's body; answers to others, or to times long past, are left."""
        for to, lrr, dlrr in answers(body):
            sent = self._times.get(lrr)
            if to != ssrc or sent is None or (rtt := now - sent - dlrr / 65536) < 0:
                continue
            self.rtt_s = rtt if self.rtt_s is None else self.rtt_s + (rtt - self.rtt_s) / 8
