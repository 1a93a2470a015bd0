"""Muting, on a real Redis."""

from __future__ import annotations

import pytest

from rooms import actions
from rooms.commands import FloorGive, FloorTake, TrackForceMute, TrackMute
from rooms.errors import Code, RoomError
from rooms.ids import Identity, RoomId, TrackId
from rooms.live import Track
from tests.server.guests import until
from tests.server.realtime.venue import HALL, ROOM, Node, track_of

LINS = TrackId("t_lin")


async def publish(node: Node, who: str, room: RoomId = ROOM) -> None:
    mirror = node.realtime.mirrors.get(room)
    assert mirror is not None
    session = next(s for s in mirror.sessions.values() if s.identity == who)
    await node.realtime.live.publish_track(track_of(session))
    await until(lambda: f"t_{who}" in node.live(room).tracks, "the track")


def lins(node: Node, room: RoomId = ROOM) -> Track:
    return node.live(room).tracks[LINS]


async def test_a_moderators_mute_holds_until_the_owner_unmutes(node: Node) -> None:
    await publish(node, "lin")
    await node.act(actions.force_mute, "mod", TrackForceMute(track=LINS))
    await until(lambda: lins(node).forced and lins(node).muted, "a forced mute")
    await node.act(actions.mute, "lin", TrackMute(track=LINS, muted=True))
    assert lins(node).forced
    await node.act(actions.mute, "lin", TrackMute(track=LINS, muted=False))
    await until(lambda: not lins(node).forced and not lins(node).muted, "an open track")
    assert node.media.taken == [(LINS, True), (LINS, False)]


async def test_nobody_mutes_anothers_track_without_the_right(node: Node) -> None:
    await publish(node, "lin")
    for action, command, code in (
        (actions.mute, TrackMute(track=LINS, muted=True), Code.NOT_FOUND),
        (actions.force_mute, TrackForceMute(track=LINS), Code.FORBIDDEN),
    ):
        with pytest.raises(RoomError) as caught:
            await node.act(action, "ada", command)
        assert caught.value.code is code
    with pytest.raises(RoomError) as caught:
        await node.act(actions.force_mute, "mod", TrackForceMute(track=TrackId("t_none")))
    assert caught.value.code is Code.NOT_FOUND


async def test_who_lost_the_floor_cannot_unmute(node: Node) -> None:
    lin = Identity("lin")
    await node.act(actions.give_floor, "mod", FloorGive(identity=lin), room=HALL)
    await publish(node, "lin", HALL)
    await node.act(actions.force_mute, "mod", TrackForceMute(track=LINS), room=HALL)
    await node.act(actions.take_floor, "mod", FloorTake(identity=lin), room=HALL)
    await until(lambda: not node.person("lin", HALL).floor and lins(node, HALL).forced, "muted")
    with pytest.raises(RoomError) as caught:
        await node.act(actions.mute, "lin", TrackMute(track=LINS, muted=False), room=HALL)
    assert caught.value.code is Code.FORBIDDEN
