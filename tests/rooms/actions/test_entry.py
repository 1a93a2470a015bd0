"""Coming in and being sent out, and every act's permission, on a real store and a real Redis."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from rooms import actions
from rooms.commands import (
    ChatHistory,
    ChatSend,
    FloorGive,
    FloorTake,
    HandLower,
    ParticipantRemove,
    RoleSet,
    StageSet,
    TrackForceMute,
    TrackMute,
)
from rooms.errors import Code, RoomError
from rooms.ids import Identity, SessionId, TrackId
from rooms.live import Role
from rooms.permissions import allows
from rooms.ports import Actor
from tests.rooms.actions.conftest import PEOPLE
from tests.server.guests import grant, until
from tests.server.realtime.venue import HALL, ROOM, Node

NOBODY, NOTHING = Identity("nobody"), TrackId("t_none")

ACTS: dict[str, tuple[Callable[..., Any], tuple[object, ...]]] = {
    "chat.send": (actions.send_chat, (ChatSend(text="hello"), "c1")),
    "chat.history": (actions.chat_history, (ChatHistory(before=1),)),
    "hand.raise": (actions.raise_hand, ()),
    "hand.lower": (actions.lower_hand, (HandLower(),)),
    "hand.lower.other": (actions.lower_hand, (HandLower(identity=NOBODY),)),
    "floor.give": (actions.give_floor, (FloorGive(identity=NOBODY),)),
    "floor.take": (actions.take_floor, (FloorTake(identity=NOBODY),)),
    "stage.set": (actions.set_stage, (StageSet(identity=NOBODY),)),
    "role.set": (actions.set_role, (RoleSet(identity=NOBODY, role=Role.VIEWER),)),
    "participant.remove": (actions.remove, (ParticipantRemove(identity=NOBODY),)),
    "track.mute": (actions.mute, (TrackMute(track=NOTHING, muted=True),)),
    "track.force_mute": (actions.force_mute, (TrackForceMute(track=NOTHING),)),
}


async def test_every_act_asks_the_table(node: Node) -> None:
    for act, (action, arguments) in ACTS.items():
        for room in (ROOM, HALL):
            kind = node.live(room).room.kind
            for who, role in PEOPLE.items():
                code = None
                try:
                    await node.act(action, who, *arguments, room=room)
                except RoomError as error:
                    code = error.code
                assert (code is Code.FORBIDDEN) == (not allows(act, role, kind)), (act, role, kind)


async def test_who_is_not_in_the_room_can_do_nothing_there(node: Node) -> None:
    stranger = Actor(room=ROOM, session=SessionId("none"), identity=Identity("eve"))
    for action, arguments in ACTS.values():
        with pytest.raises(RoomError) as caught:
            await action(node.ports, stranger, *arguments)
        assert caught.value.code is Code.NOT_JOINED


async def test_a_removed_person_stays_out_of_that_room_alone(node: Node) -> None:
    await node.act(actions.remove, "mod", ParticipantRemove(identity=Identity("lin")))
    await until(lambda: "lin" not in node.people(), "lin gone")
    with pytest.raises(RoomError) as caught:
        await node.enter(grant("lin"))
    assert caught.value.code is Code.REMOVED
    assert "lin" in node.people(HALL)


async def test_an_absent_person_can_be_kept_out(node: Node) -> None:
    await node.act(actions.remove, "mod", ParticipantRemove(identity=Identity("eve")))
    with pytest.raises(RoomError) as caught:
        await node.enter(grant("eve"), kind="whep")
    assert caught.value.code is Code.REMOVED


async def test_nobody_removes_themselves(node: Node) -> None:
    with pytest.raises(RoomError) as caught:
        await node.act(actions.remove, "mod", ParticipantRemove(identity=Identity("mod")))
    assert caught.value.code is Code.BAD_COMMAND
    assert "mod" in node.people()


async def test_a_viewer_may_watch_but_not_encode(node: Node) -> None:
    viewer = grant("vera", Role.VIEWER)
    await node.enter(viewer, kind="whep")
    with pytest.raises(RoomError) as caught:
        await node.enter(viewer, kind="whip")
    assert caught.value.code is Code.FORBIDDEN


async def test_who_came_as_a_viewer_may_encode_once_the_room_says_so(node: Node) -> None:
    viewer = grant("vera", Role.VIEWER)
    await node.enter(viewer)
    change = RoleSet(identity=viewer.identity, role=Role.MEMBER)
    await node.act(actions.set_role, "mod", change)
    await until(lambda: node.person("vera").role is Role.MEMBER, "the role")
    encoder = await node.enter(viewer, kind="whip")
    assert encoder.role is Role.MEMBER
