"""Muting: one's own tracks, and as a moderator somebody's."""

from __future__ import annotations

from dataclasses import replace

from rooms.actions.permission import require
from rooms.commands import TrackForceMute, TrackMute
from rooms.errors import Code, RoomError
from rooms.events import Event, TrackUpdated
from rooms.ids import TrackId
from rooms.live import Live, Track
from rooms.ports import Actor, Ports


async def mute(ports: Ports, actor: Actor, command: TrackMute) -> None:
    """Say whether one's own track is muted; unmuting lifts a moderator's mute.

    Raises:
        RoomError: FORBIDDEN; NOT_FOUND, also for somebody else's track.
    """

    def rule(live: Live) -> Event | None:
        require(live, actor.identity, "track.mute")
        track = _require_track(live, command.track)
        if track.identity != actor.identity:
            raise RoomError(Code.NOT_FOUND, "This track is not yours.")
        if not command.muted:
            require(live, actor.identity, f"publish.{track.source}")
        forced = track.forced and command.muted
        after = replace(track, muted=command.muted, forced=forced)
        return None if after == track else TrackUpdated(track=after)

    await ports.live.update(actor.room, rule)
    if not command.muted:
        await ports.tracks.hold(actor.room, command.track, False)


async def force_mute(ports: Ports, actor: Actor, command: TrackForceMute) -> None:
    """Mute somebody's track and hold back its media until the owner unmutes.

    Raises:
        RoomError: FORBIDDEN, NOT_FOUND.
    """

    def rule(live: Live) -> Event | None:
        require(live, actor.identity, "track.force_mute")
        track = _require_track(live, command.track)
        after = replace(track, muted=True, forced=True)
        return None if after == track else TrackUpdated(track=after)

    await ports.live.update(actor.room, rule)
    await ports.tracks.hold(actor.room, command.track, True)


def _require_track(live: Live, track_id: TrackId) -> Track:
    track = live.tracks.get(track_id)
    if track is None:
        raise RoomError(Code.NOT_FOUND, "This track has ended.")
    return track
