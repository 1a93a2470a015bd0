"""Hands, floor, stage and roles, on a real store and a real Redis."""

from __future__ import annotations

import asyncio

import pytest

from rooms import actions
from rooms.commands import FloorGive, FloorTake, HandLower, RoleSet, StageSet
from rooms.errors import Code, RoomError
from rooms.events import HandRaised
from rooms.ids import Identity
from rooms.live import Role
from tests.server.guests import until
from tests.server.realtime.venue import Node

LIN, ADA, MOD, VIC = (Identity(name) for name in ("lin", "ada", "mod", "vic"))


async def test_a_hand_goes_up_once_and_down_again(node: Node) -> None:
    heard = node.hear()
    await asyncio.gather(*(node.act(actions.raise_hand, "lin") for _ in range(5)))
    await until(lambda: node.person("lin").hand_ms, "the hand")
    await node.act(actions.lower_hand, "lin", HandLower())
    await until(lambda: node.person("lin").hand_ms is None, "no hand")
    assert len([e for e in heard if isinstance(e, HandRaised)]) == 1


async def test_only_a_moderator_lowers_anothers_hand(node: Node) -> None:
    await node.act(actions.raise_hand, "lin")
    await until(lambda: node.person("lin").hand_ms, "the hand")
    with pytest.raises(RoomError) as caught:
        await node.act(actions.lower_hand, "ada", HandLower(identity=LIN))
    assert caught.value.code is Code.FORBIDDEN
    await node.act(actions.lower_hand, "mod", HandLower(identity=LIN))
    await until(lambda: node.person("lin").hand_ms is None, "no hand")


async def test_the_floor_is_given_and_taken(node: Node) -> None:
    await node.act(actions.raise_hand, "lin")
    await node.act(actions.give_floor, "mod", FloorGive(identity=LIN))
    await until(lambda: node.person("lin").floor, "the floor")
    assert node.person("lin").hand_ms is None
    await node.act(actions.take_floor, "mod", FloorTake(identity=LIN))
    await until(lambda: not node.person("lin").floor, "no floor")


async def test_a_viewer_gets_no_floor(node: Node) -> None:
    with pytest.raises(RoomError) as caught:
        await node.act(actions.give_floor, "mod", FloorGive(identity=VIC))
    assert caught.value.code is Code.CONFLICT


async def test_the_stage_is_set_and_cleared(node: Node) -> None:
    await node.act(actions.set_stage, "mod", StageSet(identity=ADA))
    await until(lambda: node.live().stage == ADA, "ada on stage")
    await node.act(actions.set_stage, "mod", StageSet(identity=None))
    await until(lambda: node.live().stage is None, "an empty stage")


async def test_a_role_changes_and_counts_at_once(node: Node) -> None:
    with pytest.raises(RoomError):
        await node.act(actions.set_stage, "lin", StageSet(identity=ADA))
    await node.act(actions.set_role, "mod", RoleSet(identity=LIN, role=Role.MODERATOR))
    await until(lambda: node.person("lin").role is Role.MODERATOR, "the role")
    await node.act(actions.set_stage, "lin", StageSet(identity=ADA))
    await node.act(actions.set_role, "lin", RoleSet(identity=MOD, role=Role.VIEWER))
    await until(lambda: node.person("mod").role is Role.VIEWER, "the former moderator")
    with pytest.raises(RoomError) as caught:
        await node.act(actions.set_stage, "mod", StageSet(identity=None))
    assert caught.value.code is Code.FORBIDDEN


async def test_the_last_moderator_stays_one(node: Node) -> None:
    with pytest.raises(RoomError) as caught:
        await node.act(actions.set_role, "mod", RoleSet(identity=MOD, role=Role.MEMBER))
    assert caught.value.code is Code.CONFLICT


@pytest.mark.parametrize(
    ("action", "command"),
    [
        (actions.give_floor, FloorGive(identity=Identity("eve"))),
        (actions.take_floor, FloorTake(identity=Identity("eve"))),
        (actions.set_stage, StageSet(identity=Identity("eve"))),
        (actions.set_role, RoleSet(identity=Identity("eve"), role=Role.SPEAKER)),
        (actions.lower_hand, HandLower(identity=Identity("eve"))),
    ],
)
async def test_an_absent_person_is_not_found(node: Node, action: object, command: object) -> None:
    with pytest.raises(RoomError) as caught:
        await node.act(action, "mod", command)  # type: ignore[arg-type]
    assert caught.value.code is Code.NOT_FOUND


async def test_changes_made_at_once_all_happen(node: Node) -> None:
    await asyncio.gather(
        node.act(actions.raise_hand, "lin"),
        node.act(actions.set_role, "mod", RoleSet(identity=LIN, role=Role.SPEAKER)),
        node.act(actions.raise_hand, "ada"),
        node.act(actions.set_stage, "mod", StageSet(identity=LIN)),
    )
    await until(
        lambda: node.person("lin").hand_ms and node.person("lin").role is Role.SPEAKER, "lin"
    )
    await until(lambda: node.person("ada").hand_ms and node.live().stage == LIN, "ada and stage")
