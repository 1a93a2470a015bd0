"""The permission table, written out: every role, room kind and act, as a person would expect."""

from __future__ import annotations

from itertools import product

import pytest

from rooms.commands import COMMANDS
from rooms.live import Role, RoomKind, Source
from rooms.permissions import ACTS_BEYOND_COMMANDS, TABLE, allows, rights

M, S, B, V = Role.MODERATOR, Role.SPEAKER, Role.MEMBER, Role.VIEWER
ALL, NO_VIEWER, MODERATOR = {M, S, B, V}, {M, S, B}, {M}
STAGED = {RoomKind.HALL, RoomKind.STAGE}

EXPECTED: dict[str, set[Role]] = {
    "room.join": ALL,
    "room.leave": ALL,
    "room.list": ALL,
    "room.create": MODERATOR,
    "events.after": ALL,
    "chat.send": ALL,
    "chat.history": ALL,
    "hand.raise": NO_VIEWER,
    "hand.lower": NO_VIEWER,
    "hand.lower.other": MODERATOR,
    "floor.give": MODERATOR,
    "floor.take": MODERATOR,
    "stage.set": MODERATOR,
    "role.set": MODERATOR,
    "participant.remove": MODERATOR,
    "track.mute": NO_VIEWER,
    "track.force_mute": MODERATOR,
    "media.publish": NO_VIEWER,
    "media.view": ALL,
    "media.answer": ALL,
    "media.restart": ALL,
    "media.stats": ALL,
    "connection.read": MODERATOR,
    "recording.start": MODERATOR,
    "recording.stop": MODERATOR,
    "recording.read": MODERATOR,
    "recording.delete": MODERATOR,
    "recording.consent": ALL,
    "whip.publish": NO_VIEWER,
    "whep.play": ALL,
}


def expected(act: str, role: Role, kind: RoomKind, floor: bool) -> bool:
    if not act.startswith("publish."):
        return role in EXPECTED[act]
    if kind in STAGED:
        return role in {M, S} or (role is B and floor)
    return role in NO_VIEWER


def test_every_cell_of_the_table_is_as_written_here() -> None:
    cells = 0
    for act, role, kind, floor in product(TABLE, Role, RoomKind, (False, True)):
        assert allows(act, role, kind, floor=floor) == expected(act, role, kind, floor), (
            act, role, kind, floor,
        )  # fmt: skip
        cells += 1
    assert cells == len(TABLE) * 4 * 7 * 2


def test_every_command_and_source_has_a_row_and_nothing_else_has() -> None:
    assert TABLE.keys() == COMMANDS.keys() | set(ACTS_BEYOND_COMMANDS)
    assert {f"publish.{source}" for source in Source} <= TABLE.keys()


@pytest.mark.parametrize("act", ["", "chat", "chat.send ", "publish", "room.destroy"])
def test_an_act_without_a_row_is_nobodys_right(act: str) -> None:
    assert not any(allows(act, role, kind) for role, kind in product(Role, RoomKind))


def test_rights_are_the_acts_allowed() -> None:
    for role, kind in product(Role, RoomKind):
        assert rights(role, kind) == sorted(a for a in TABLE if allows(a, role, kind))
