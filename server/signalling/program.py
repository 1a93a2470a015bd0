"""What a WHEP player shows of a room. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from rooms.ids import Identity
from rooms.live import Live, Source, Track

_VIDEO = (Source.SCREEN, Source.CAMERA)
_AUDIO = (Source.MICROPHONE, Source.SCREEN_AUDIO)


@dataclass(frozen=True)
class Program:
    """At most one track of each kind, of one person."""

    audio: Track | None = None
    video: Track | None = None

    @property
    def tracks(self) -> list[Track]:
        return [track for track in (self.audio, self.video) if track is not None]


def program(live: Live, person: Identity | None = None) -> Program:
    """Choose what to play of a room.

    Args:
        person: play this one only; None plays the room's program: the person on
            stage, and while nobody there publishes, whoever published last (a
            picture before mere sound).

    Returns:
        The person's screen, else camera; their microphone, else the screen's sound.
        Track ids sort by age, so every node chooses alike.
    """
    if person is not None:
        return _of(live, person)
    if live.stage is not None and (staged := _of(live, live.stage)).tracks:
        return staged
    newest_first = sorted(live.tracks.values(), key=lambda t: t.id, reverse=True)
    choices = [_of(live, identity) for identity in dict.fromkeys(t.identity for t in newest_first)]
    for choice in choices:
        if choice.video is not None:
            return choice
    return choices[0] if choices else Program()


def _of(live: Live, person: Identity) -> Program:
    by_source = {t.source: t for t in live.tracks.values() if t.identity == person}
    return Program(
        audio=next((by_source[s] for s in _AUDIO if s in by_source), None),
        video=next((by_source[s] for s in _VIDEO if s in by_source), None),
    )
