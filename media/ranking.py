"""Which of a receiver's tracks goes first: by what the node says, by its tiles, by who speaks."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from media.core.layers import Rank, Wish
from media.downtrack import DownTrack
from media.rpc import Kind, WantedTrack
from media.track import PublishedTrack

SPOKE_S = 4.0
"""Who spoke so lately is protected as a speaker: a turn's pauses change no pictures."""


class Sent(Protocol):
    """A down track."""

    kind: Kind
    track: PublishedTrack | None


class Ranking:
    """Owner: the downlink."""

    def __init__(self) -> None:
        self._largest = ""
        self._speaking: set[str] = set()

    def take(self, wants: list[WantedTrack]) -> None:
        """Note the whole wish."""
        areas = sorted(
            (area, want.track) for want in wants if (area := want.max_width * want.max_height)
        )
        alone = len(areas) == 1 or (len(areas) > 1 and areas[-1][0] > areas[-2][0])
        self._largest = areas[-1][1] if alone else ""

    def hear(self, sent: Iterable[tuple[WantedTrack, Sent]], now: float) -> None:
        """Note whose voices, among what is sent, were heard lately."""
        self._speaking = {
            want.group
            for want, down in sent
            if (voice := down.track) is not None
            and voice.voices is not None
            and voice.voices.spoke_within(voice.id, SPOKE_S, now)
        }

    def wish(self, want: WantedTrack, down: DownTrack) -> Wish | None:
        """What is to be shared out for a track that is wanted, None while there is nothing of it."""
        track = down.track
        if track is None or track.held or (track.background and not want.always):
            return None
        now = (down.layer, down.state)
        return Wish(
            rank=self.rank(want, down.kind),
            layers=track.states,
            current=next((at for at, one in enumerate(track.choices) if one == now), None),
            max_width=want.max_width,
            max_height=want.max_height,
        )

    def rank(self, want: WantedTrack, kind: Kind) -> Rank:
        """A speaker is who is on stage or has the floor, who speaks, and whose tile is larger
        than all others: whoever looks chose it."""
        if kind == "audio":
            return Rank.AUDIO
        if want.priority == "screen":
            return Rank.SCREEN
        if (
            want.priority == "speaker"
            or want.group in self._speaking
            or want.track == self._largest
        ):
            return Rank.SPEAKER
        return Rank.VIDEO
