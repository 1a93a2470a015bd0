"""What a recording takes of a room as it is. Pure.

Only tracks of people who said yes; a program that shows somebody who did not has
nothing in their place.
"""

from __future__ import annotations

from media.recorder.rpc import Reel
from media.recorder.rpc import Source as ReelSource
from rooms.ids import Identity
from rooms.live import Live, RecordingScope, Source, Track
from server.signalling.program import program

PROGRAM = "program"
_PAIRS = {
    "camera": (Source.MICROPHONE, Source.CAMERA),
    "screen": (Source.SCREEN_AUDIO, Source.SCREEN),
}
"""Sound and picture that belong together."""


def consents(live: Live, identity: Identity) -> bool:
    """Tell whether a person may be recorded now."""
    person = live.participants.get(identity)
    return person is not None and person.recording_consent is True


def reels(live: Live, scope: RecordingScope, numbers: dict[Identity, int]) -> list[Reel]:
    """List what is to be written now.

    Args:
        numbers: of people, for the names of their files; newcomers are added.
    """
    if scope is RecordingScope.PROGRAM:
        chosen = program(live)
        return [
            Reel(
                name=PROGRAM,
                audio=_source(live, chosen.audio),
                video=_source(live, chosen.video),
            )
        ]
    found: list[Reel] = []
    for identity in live.participants:
        if not consents(live, identity):
            continue
        own = {t.source: t for t in live.tracks.values() if t.identity == identity}
        for what, (sound, picture) in _PAIRS.items():
            audio, video = own.get(sound), own.get(picture)
            if audio is None and video is None:
                continue
            number = numbers.setdefault(identity, len(numbers) + 1)
            found.append(
                Reel(
                    name=f"{number:02}-{what}",
                    sound=what == "camera" or audio is not None,
                    audio=_source(live, audio),
                    video=_source(live, video),
                )
            )
    return found


def tracks(wish: list[Reel]) -> list[str]:
    """List the tracks that reels are made of."""
    return [
        source.track for reel in wish for source in (reel.audio, reel.video) if source is not None
    ]


def _source(live: Live, track: Track | None) -> ReelSource | None:
    if track is None or not consents(live, track.identity):
        return None
    return ReelSource(
        track=track.id,
        identity=track.identity,
        name=live.participants[track.identity].name,
        source=str(track.source),
    )
