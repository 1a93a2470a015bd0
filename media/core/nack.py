"""Losses on the way in (whom to ask, when, how often) and repairs on the way out."""

from __future__ import annotations


class Losses:
    """Missing packets of one source. Owner: the track, one per source that does NACK.

    Waits a little for reordering before the first request, repeats once per round
    trip, gives up after some tries; ``take_keyframe_hint`` then says that only a
    keyframe helps.
    """

    __slots__ = ("_highest", "_hint", "_lateness", "_missing")

    def __init__(self) -> None:
        raise NotImplementedError

    def __len__(self) -> int:
        """Return how many packets are missing: 0 means ``due`` need not be called."""
        raise NotImplementedError

    def received(self, seq: int, now: float) -> None:
        """Note an arrival (also one repaired by RTX), by extended number."""
        raise NotImplementedError

    def due(self, now: float, rtt: float) -> list[int]:
        """Return the extended numbers to ask for now; call every 10–20 ms while non-empty."""
        raise NotImplementedError

    def take_keyframe_hint(self) -> bool:
        """Tell once whether something was given up since the last call."""
        raise NotImplementedError

    def clear(self) -> None:
        """Forget everything (restart, or a keyframe made the past useless)."""
        raise NotImplementedError


class Repairs:
    """What one subscriber may have sent again: no number twice per round trip, a share of the rate.

    Owner: the down track. Guards against NACK storms (one request, one packet at
    most, within a budget).
    """

    __slots__ = ("_budget_bytes", "_filled_at", "_seqs", "_times")

    def __init__(self) -> None:
        raise NotImplementedError

    def allow(self, seq: int, size_bytes: int, now: float, rtt: float, media_bps: int) -> bool:
        """Whether the outgoing packet ``seq`` may be sent again now; spends budget if so."""
        raise NotImplementedError
