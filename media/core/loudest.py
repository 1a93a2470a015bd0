"""The few voices of a large room that are passed on: who speaks gets in at once and leaves late.

A voice counts as loud as its loudest packet of late, forgotten slowly, so that pauses
within a sentence cost it nothing; a newcomer needs one packet to get in. Levels are
those of RFC 6464: dB below overload, smaller is louder.
"""

from __future__ import annotations

from typing import NamedTuple

from media.core.speaker import SILENCE

RELEASE_DB_S = 15.0
"""So fast a loudness is forgotten: speech falls silent in this sense after three or four seconds."""
LEAD_DB = 6.0
"""A newcomer must be so much louder than the one it takes the place of. Between two who speak
alike, syllables differ by less once both have been heard for a moment."""


class Change(NamedTuple):
    """``entered`` is passed on from now on, ``left`` (None: there was room) no more."""

    entered: str
    left: str | None


class _Voice:
    __slots__ = ("at", "peak_db")

    def __init__(self, peak_db: float, at: float) -> None:
        self.peak_db = peak_db
        self.at = at

    def loudness(self, now: float) -> float:
        """Give dB above silence: not below 0."""
        return max(0.0, self.peak_db - (now - self.at) * RELEASE_DB_S)


class Loudest:
    """Owner: the room's voices.

    Args:
        count: how many are let in.
        first: who is in from the start, loudest first.
    """

    __slots__ = ("_count", "_inside")

    def __init__(self, count: int, first: list[str]) -> None:
        self._count = count
        self._inside = {track: _Voice(0.0, 0.0) for track in reversed(first[:count])}

    def __contains__(self, track: str) -> bool:
        return track in self._inside

    def heard(self, track: str, level: int, now: float) -> Change | None:
        """Take a packet's level (0 loudest .. 127 silence) and tell whether it changes who is in."""
        loudness = SILENCE - level
        inside = self._inside
        voice = inside.get(track)
        if voice is not None:
            if loudness >= voice.loudness(now):
                voice.peak_db, voice.at = loudness, now
            return None
        if loudness <= 0:
            return None
        left = None
        if len(inside) >= self._count:
            left = min(inside, key=lambda each: inside[each].loudness(now))
            weakest = inside[left].loudness(now)
            if weakest and loudness < weakest + LEAD_DB:
                return None
            del inside[left]
        inside[track] = _Voice(loudness, now)
        return Change(track, left)

    def remove(self, track: str) -> None:
        """Let go of a track that is gone; unknown is fine."""
        self._inside.pop(track, None)
