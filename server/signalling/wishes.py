"""What a session's wish means in its room as it is: the tracks to send, no more than fit an answer.

A pure choice: no session, no worker. Videos come in the order of the wish, so the
largest first if the client puts them so; voices by how likely they are heard.
"""

from __future__ import annotations

from media import rpc
from rooms.commands import MediaView
from rooms.ids import Identity, TrackId
from rooms.live import Kind, Live, Source, Track

MAX_VIDEOS, MAX_VOICES = 40, 32
"""What one session receives at once.

The client's answer describes every m-line it was ever offered, idle ones too, and must
fit into one command (64 kB). Chromium 156 writes up to 845 bytes for a line of video
(H264, the longest) and 738 for one of sound (tests/fixtures/answers): 58 kB for these,
and 6 kB for its candidates and for browsers that say more.
"""


def wanted(wish: MediaView, live: Live, me: Identity) -> list[rpc.WantedTrack]:
    """Choose what ``me`` receives; nobody hears or sees what is not there, or hears themselves."""
    wants: dict[TrackId, rpc.WantedTrack] = {}
    for tile in wish.tiles:
        seen = live.tracks.get(tile.track)
        if seen is not None and seen.kind is Kind.VIDEO and len(wants) < MAX_VIDEOS:
            wants[seen.id] = rpc.WantedTrack(
                track=seen.id,
                group=seen.identity,
                max_width=max(0, tile.width),
                max_height=max(0, tile.height),
                priority=_priority(seen, live),
            )
    if wish.audio:
        shown = {want.group for want in wants.values()}
        for voice in _voices(live, me, shown):
            wants[voice.id] = rpc.WantedTrack(
                track=voice.id, group=voice.identity, always=_always_heard(voice, live)
            )
    return list(wants.values())


def _always_heard(voice: Track, live: Live) -> bool:
    """Whether everybody hears it however many others are louder: the stage, the floor, a screen's sound."""
    return voice.source is Source.SCREEN_AUDIO or _goes_first(voice, live)


def _priority(track: Track, live: Live) -> rpc.Priority:
    if track.source is Source.SCREEN:
        return "screen"
    return "speaker" if _goes_first(track, live) else ""


def _goes_first(track: Track, live: Live) -> bool:
    person = live.participants.get(track.identity)
    return track.identity == live.stage or (person is not None and person.floor)


def _voices(live: Live, me: Identity, shown: set[str]) -> list[Track]:
    """Choose whom to hear: first who is not muted, then the stage, then who is seen.

    In the room's order, so that a mute alone changes nothing while all are heard.
    """
    voices = [t for t in live.tracks.values() if t.kind is Kind.AUDIO and t.identity != me]
    if len(voices) <= MAX_VOICES:
        return voices

    def rank(voice: Track) -> tuple[bool, bool, bool]:
        silent = voice.muted or voice.forced
        return silent, voice.identity != live.stage, voice.identity not in shown

    heard = {voice.id for voice in sorted(voices, key=rank)[:MAX_VOICES]}
    return [voice for voice in voices if voice.id in heard]
