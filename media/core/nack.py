"""Losses on the way in (whom to ask, when, how often) and repairs on the way out."""

from __future__ import annotations

# Bounds of libwebrtc's nack_requester.cc: kMaxNackPackets, kMaxNackRetries.
MAX_MISSING = 1000
MAX_TRIES = 10

# The first request waits for half as long again as packets were lately seen to
# come out of order, within these bounds: on a clean path 10 ms cost nothing
# visible, and beyond 100 ms a request could no longer be answered in time.
MIN_WAIT = 0.010
MAX_WAIT = 0.100

# One request per round trip, but no more often than this (mediasoup's
# NackGenerator and its timer are 40 ms, libwebrtc sends every 20 ms).
MIN_INTERVAL = 0.020

# A subscriber may have a quarter of the media rate again, and a burst of a
# frame or two at once; more loss than that is for congestion control to answer.
REPAIR_SHARE = 0.25
REPAIR_BURST_BYTES = 64_000


class Losses:
    """Missing packets of one source. Owner: the track, one per source that does NACK.

    Waits a little for reordering before the first request, repeats once per round
    trip, gives up after some tries; ``take_keyframe_hint`` then says that only a
    keyframe helps.

    Attributes:
        missing: by extended number: noticed at, last asked at, tries. Empty: ``due`` need
            not be called.
    """

    __slots__ = ("_highest", "_hint", "_lateness", "missing")

    def __init__(self) -> None:
        self._highest = -1
        self._hint = False
        self._lateness = 0.0  # how late packets come out of order, slowly forgotten
        self.missing: dict[int, list[float]] = {}

    def __len__(self) -> int:
        """Return how many packets are missing."""
        return len(self.missing)

    def received(self, seq: int, now: float) -> None:
        """Note an arrival (also one repaired by RTX), by extended number."""
        highest = self._highest
        if seq == highest + 1 or highest < 0:
            self._highest = seq
            return
        if seq <= highest:
            entry = self.missing.pop(seq, None)
            if entry is not None and entry[2] == 0:
                self._lateness = min(max(self._lateness, now - entry[0]), MAX_WAIT)
            return
        self._highest = seq
        missing = self.missing
        if len(missing) + seq - highest - 1 > MAX_MISSING:
            missing.clear()
            self._hint = True
            return
        for lost in range(highest + 1, seq):
            missing[lost] = [now, now, 0]

    def due(self, now: float, rtt: float) -> list[int]:
        """Return the extended numbers to ask for now; call every 10–20 ms while non-empty."""
        wait = min(max(MIN_WAIT, 1.5 * self._lateness), MAX_WAIT)
        interval = max(rtt, MIN_INTERVAL)
        self._lateness *= 0.998  # halves in some 5 s of asking every 15 ms
        asked = []
        lost = []
        for seq, entry in self.missing.items():
            if entry[2] == 0:
                if now - entry[0] < wait:
                    continue
            elif now - entry[1] < interval:
                continue
            elif entry[2] >= MAX_TRIES:
                lost.append(seq)
                continue
            entry[1] = now
            entry[2] += 1
            asked.append(seq)
        for seq in lost:
            del self.missing[seq]
            self._hint = True
        asked.sort()
        return asked

    def take_keyframe_hint(self) -> bool:
        """Tell once whether something was given up since the last call."""
        hint = self._hint
        self._hint = False
        return hint

    def clear(self) -> None:
        """Forget everything (restart, or a keyframe made the past useless)."""
        self.missing.clear()
        self._highest = -1
        self._hint = False


class Repairs:
    """What one subscriber may have sent again: no number twice per round trip, a share of the rate.

    Owner: the down track. Guards against NACK storms (one request, one packet at
    most, within a budget).
    """

    __slots__ = ("_budget_bytes", "_filled_at", "_sent")

    def __init__(self) -> None:
        self._budget_bytes = float(REPAIR_BURST_BYTES)
        self._filled_at: float | None = None
        self._sent: dict[int, float] = {}

    def allow(self, seq: int, size_bytes: int, now: float, rtt: float, media_bps: int) -> bool:
        """Whether the outgoing packet ``seq`` may be sent again now; spends budget if so."""
        last = self._sent.get(seq)
        if last is not None and now - last < max(rtt, MIN_INTERVAL):
            return False
        if self._filled_at is not None:
            earned = (now - self._filled_at) * media_bps * REPAIR_SHARE / 8
            self._budget_bytes = min(REPAIR_BURST_BYTES, self._budget_bytes + earned)
        self._filled_at = now
        if self._budget_bytes < size_bytes:
            return False
        self._budget_bytes -= size_bytes
        if last is None and len(self._sent) >= MAX_MISSING:
            del self._sent[next(iter(self._sent))]
        self._sent[seq] = now
        return True
