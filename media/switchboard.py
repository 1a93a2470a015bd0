"""What the parts of one worker share: its tracks by id, who waits for them, who is speaking.

Owned by the worker. Knows no peer, socket or SDP; whoever must act when a track
comes or goes watches its id.
"""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol, TypeVar

from media.core.forwarder import Drop
from media.voices import Crowd, Voices

if TYPE_CHECKING:
    from media.downlink import Downlink
    from media.layer import Layer
    from media.track import PublishedTrack


class Watcher(Protocol):
    """A peer or link that wants tracks by id."""

    def track_changed(self, track_id: str) -> None:
        """The track appeared or is gone. Must be quick: note it, act later."""


class Alarm(Protocol):
    """Something that will be called."""

    def cancel(self) -> None:
        """Do not call it."""


def _at_once(call: Callable[[], None]) -> None:
    call()


def _nothing() -> None:
    """Nobody beats."""


def _never(delay_s: float, call: Callable[[float], None]) -> None:
    """No clock: what would be called later is not."""


T = TypeVar("T")


class Waiting(set[T]):
    """Those to be looked at on the next beat.

    Args:
        rouse: called when somebody waits and nobody did.
    """

    def __init__(self, rouse: Callable[[], None]) -> None:
        super().__init__()
        self._rouse = rouse

    def add(self, one: T) -> None:
        """Let it wait."""
        if not self:
            self._rouse()
        super().add(one)


class Switchboard:
    """The worker's tracks.

    Attributes:
        ssrc: our own in RTCP, as a receiver.
        attention: layers with packets missing or a keyframe request waiting.
        unsettled: downlinks with something to decide or to send on the next beat.
        counters: drops by reason and other events, of the whole worker.
        drops: packets that down tracks since closed did not forward, by ``Drop``.
        defer: calls something when all that has arrived by now was read; at once by default.
        crowd: of rooms that begin from now on.
        rouse: the next beat shall come soon; nothing by default.
        later: calls something after so many seconds, with the time; gives None if it does not,
            as by default.
    """

    def __init__(
        self,
        defer: Callable[[Callable[[], None]], None] = _at_once,
        later: Callable[[float, Callable[[float], None]], Alarm | None] = _never,
    ) -> None:
        self.defer = defer
        self.later = later
        self.rouse: Callable[[], None] = _nothing
        self.ssrc = secrets.randbits(32) | 1
        self.tracks: dict[str, PublishedTrack] = {}
        self.attention: Waiting[Layer] = Waiting(self._wake)
        self.unsettled: Waiting[Downlink] = Waiting(self._wake)
        self.counters: Counter[str] = Counter()
        self.drops = [0] * len(Drop)
        self._watchers: dict[str, set[Watcher]] = {}
        self.crowd = Crowd()
        self._voices: dict[str, Voices] = {}
        self._relay_ssrc = secrets.randbits(32) & 0xFFFFFFFE
        self._ssrc = secrets.randbits(31) | 1

    def _wake(self) -> None:
        self.rouse()

    def add(self, track: PublishedTrack) -> None:
        self.tracks[track.id] = track
        if track.kind == "audio":
            voices = self._voices.get(track.room)
            if voices is None:
                voices = self._voices[track.room] = Voices(self.crowd)
            track.voices = voices
            voices.add(track)
        self._tell(track.id)

    def remove(self, track: PublishedTrack) -> None:
        """Forget a track; whoever watches it is told. Removing twice is fine."""
        if self.tracks.get(track.id) is not track:
            return
        del self.tracks[track.id]
        self.attention.difference_update(track.layers)
        if track.voices is not None:
            track.voices.remove(track)
        self._tell(track.id)

    def watch(self, watcher: Watcher, track_ids: set[str], before: set[str]) -> None:
        """Replace what ``watcher`` watches: ``before`` by ``track_ids``."""
        for track_id in before - track_ids:
            watchers = self._watchers.get(track_id)
            if watchers is not None:
                watchers.discard(watcher)
                if not watchers:
                    del self._watchers[track_id]
        for track_id in track_ids - before:
            self._watchers.setdefault(track_id, set()).add(watcher)

    def _tell(self, track_id: str) -> None:
        for watcher in tuple(self._watchers.get(track_id, ())):
            watcher.track_changed(track_id)

    def update_speakers(self, now: float) -> list[tuple[str, list[str]]]:
        """Return (room, tracks speaking, loudest first) of the rooms where that changed."""
        changed = []
        for room, voices in list(self._voices.items()):
            speaking = voices.update(now)
            if speaking is not None:
                changed.append((room, speaking))
            if not voices:
                del self._voices[room]
        return changed

    def new_ssrc(self) -> int:
        """Give an odd SSRC below 2**31, never twice; the even one before it is for repairs."""
        self._ssrc = (self._ssrc + 2) & 0x7FFFFFFF
        return self._ssrc

    def new_relay_ssrc(self) -> int:
        """Give an even SSRC for relay links, never twice; the odd one after it is for repairs."""
        self._relay_ssrc = (self._relay_ssrc + 2) & 0xFFFFFFFE
        return self._relay_ssrc
