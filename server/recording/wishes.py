"""What a recording takes of a room as it is. Pure.

Only tracks of people who said yes, and of encoders that may be recorded; a program that shows somebody who did not has
nothing in their place.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from media.recorder.rpc import Reel
from media.recorder.rpc import Source as ReelSource
from rooms.ids import Identity, TrackId
from rooms.live import Live, RecordingScope, Source, Track
from server.realtime.records import TrackRecord
from server.signalling.program import program

PROGRAM = "program"
_PAIRS = {
    "camera": (Source.MICROPHONE, Source.CAMERA),
    "screen": (Source.SCREEN_AUDIO, Source.SCREEN),
}
"""Sound and picture that belong together."""


@dataclass(frozen=True)
class Seen:
    """A room as a recording sees it. ``records``: of the tracks in ``live``."""

    live: Live
    records: Mapping[TrackId, TrackRecord]

    def may_record(self, track: Track) -> bool:
        """Tell whether a track may be recorded now.

        What its person answered counts. While they gave no answer, only an encoder's may
        whose token says so.
        """
        person = self.live.participants.get(track.identity)
        if person is None:
            return False
        if person.recording_consent is not None:
            return person.recording_consent
        record = self.records.get(track.id)
        return record is not None and record.recordable


def reels(seen: Seen, scope: RecordingScope, numbers: dict[Identity, int]) -> list[Reel]:
    """List what is to be written now.

    Args:
        numbers: of people, for the names of their files; newcomers are added.
    """
    live = seen.live
    if scope is RecordingScope.PROGRAM:
        chosen = program(live)
        return [
            Reel(
                name=PROGRAM,
                audio=_source(seen, chosen.audio),
                video=_source(seen, chosen.video),
            )
        ]
    found: list[Reel] = []
    for identity in live.participants:
        own = {
            t.source: t
            for t in live.tracks.values()
            if t.identity == identity and seen.may_record(t)
        }
        for what, (sound, picture) in _PAIRS.items():
            audio, video = own.get(sound), own.get(picture)
            if audio is None and video is None:
                continue
            number = numbers.setdefault(identity, len(numbers) + 1)
            found.append(
                Reel(
                    name=f"{number:02}-{what}",
                    sound=what == "camera" or audio is not None,
                    audio=_source(seen, audio),
                    video=_source(seen, video),
                )
            )
    return found


def tracks(wish: list[Reel]) -> list[str]:
    """List the tracks that reels are made of."""
    return [
        source.track for reel in wish for source in (reel.audio, reel.video) if source is not None
    ]


def _source(seen: Seen, track: Track | None) -> ReelSource | None:
    if track is None or not seen.may_record(track):
        return None
    return ReelSource(
        track=track.id,
        identity=track.identity,
        name=seen.live.participants[track.identity].name,
        source=str(track.source),
    )
