"""The voices of one room as one worker hears them: who speaks, and who is passed on.

Where more people have a microphone open than a conversation needs, only the loudest
are passed on, to subscribers and over links alike. Each worker decides by what it hears:
of any two workers both know the levels of what they share, since those travel with the
packets (RFC 6464), and what one keeps back another one would not have passed on either.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from media.core.extensions import audio_level
from media.core.loudest import Loudest
from media.core.packet import Packet
from media.core.speaker import Speakers

if TYPE_CHECKING:
    from media.track import PublishedTrack

SILENT = 127
UNMARKED_LEVEL = 33
"""Of sound whose sender says no level (FFmpeg, OBS): speech, but anybody's clear voice is louder."""
DTX_BYTES = 10
"""Opus packets up to this size carry silence or background noise (RFC 6716 §3.1, §4.1)."""


class Crowd(NamedTuple):
    """In rooms with more than ``above`` voices only the ``loudest`` so many are passed on; 0: all are."""

    loudest: int = 6
    above: int = 8


class Voices:
    """Owner: the switchboard, as long as the room has sound here or its speakers are told."""

    __slots__ = ("_crowd", "_loudest", "_speakers", "_tracks")

    def __init__(self, crowd: Crowd) -> None:
        self._crowd = crowd
        self._tracks: dict[str, PublishedTrack] = {}
        self._speakers = Speakers()
        self._loudest: Loudest | None = None

    def __len__(self) -> int:
        return len(self._tracks)

    def add(self, track: PublishedTrack) -> None:
        """Take a voice in; in a crowd it is passed on when it is heard."""
        self._tracks[track.id] = track
        self._count()

    def remove(self, track: PublishedTrack) -> None:
        if self._tracks.pop(track.id, None) is not None:
            self._speakers.remove(track.id)
            if self._loudest is not None:
                self._loudest.remove(track.id)
            self._count()

    def _count(self) -> None:
        """See whether it is a crowd now, and who is passed on."""
        crowd = self._crowd
        if not crowd.loudest or len(self._tracks) <= crowd.above:
            self._loudest = None
        elif self._loudest is None:
            self._loudest = Loudest(crowd.loudest, self._speakers.loudest(crowd.loudest))
        loudest = self._loudest
        for track in self._tracks.values():
            track.set_background(loudest is not None and track.id not in loudest)

    def heard(self, track: PublishedTrack, packet: Packet, now: float) -> None:
        """Note how loud a packet is, before it is passed on or not."""
        marked = audio_level(packet, track.level_id)
        if marked is not None:
            level = marked[0]
        else:
            level = UNMARKED_LEVEL if packet.end - packet.payload > DTX_BYTES else SILENT
        self.note(track, level, now)

    def note(self, track: PublishedTrack, level: int, now: float) -> None:
        """As ``heard``, of a packet of that level, in dB below overload."""
        self._speakers.heard(track.id, level, now)
        if self._loudest is None:
            return
        change = self._loudest.heard(track.id, level, now)
        if change is not None:
            track.board.counters["voices_changed"] += 1
            track.set_background(False)
            left = self._tracks.get(change.left) if change.left is not None else None
            if left is not None:
                left.set_background(True)

    def spoke_within(self, track_id: str, seconds: float, now: float) -> bool:
        """As ``Speakers.spoke_within``."""
        return self._speakers.spoke_within(track_id, seconds, now)

    def update(self, now: float) -> list[str] | None:
        """As ``Speakers.update``."""
        return self._speakers.update(now)
