"""The one permission table: role x room kind x act. No row, no right.

An act is a command's name, or one of the acts below that HTTP and media ask
about. ``docs/permissions.md`` is generated from here.
"""

from __future__ import annotations

from collections.abc import Mapping

from rooms.live import Role, RoomKind

M, S, B, V = Role.MODERATOR, Role.SPEAKER, Role.MEMBER, Role.VIEWER

EVERYONE = frozenset({M, S, B, V})
NO_VIEWER = frozenset({M, S, B})
PRESENTERS = frozenset({M, S})
MODERATORS = frozenset({M})

OPEN_KINDS = frozenset(
    {RoomKind.LOBBY, RoomKind.INTERVIEW, RoomKind.DESK, RoomKind.BOOTH, RoomKind.TABLE}
)
"""Rooms where members speak without being given the floor."""

ACTS_BEYOND_COMMANDS: tuple[str, ...] = (
    "room.create",
    "room.list",
    "whip.publish",
    "whep.play",
    "connection.read",
    "recording.read",
    "recording.delete",
    "hand.lower.other",
    "publish.microphone",
    "publish.camera",
    "publish.screen",
    "publish.screen_audio",
)


def _all(roles: frozenset[Role]) -> Mapping[RoomKind, frozenset[Role]]:
    return dict.fromkeys(RoomKind, roles)


_PUBLISH: Mapping[RoomKind, frozenset[Role]] = {
    kind: NO_VIEWER if kind in OPEN_KINDS else PRESENTERS for kind in RoomKind
}

TABLE: Mapping[str, Mapping[RoomKind, frozenset[Role]]] = {
    "room.join": _all(EVERYONE),
    "room.leave": _all(EVERYONE),
    "room.list": _all(EVERYONE),
    "room.create": _all(MODERATORS),
    "events.after": _all(EVERYONE),
    "chat.send": _all(EVERYONE),
    "chat.history": _all(EVERYONE),
    "hand.raise": _all(NO_VIEWER),
    "hand.lower": _all(NO_VIEWER),
    "hand.lower.other": _all(MODERATORS),
    "floor.give": _all(MODERATORS),
    "floor.take": _all(MODERATORS),
    "stage.set": _all(MODERATORS),
    "role.set": _all(MODERATORS),
    "participant.remove": _all(MODERATORS),
    "track.mute": _all(NO_VIEWER),
    "track.force_mute": _all(MODERATORS),
    "media.publish": _all(NO_VIEWER),
    "media.view": _all(EVERYONE),
    "media.answer": _all(EVERYONE),
    "media.restart": _all(EVERYONE),
    "media.stats": _all(EVERYONE),
    "recording.start": _all(MODERATORS),
    "recording.stop": _all(MODERATORS),
    "recording.read": _all(MODERATORS),
    "recording.delete": _all(MODERATORS),
    "recording.consent": _all(EVERYONE),
    "connection.read": _all(MODERATORS),
    "whip.publish": _all(NO_VIEWER),
    "whep.play": _all(EVERYONE),
    "publish.microphone": _PUBLISH,
    "publish.camera": _PUBLISH,
    "publish.screen": _PUBLISH,
    "publish.screen_audio": _PUBLISH,
}


def allows(act: str, role: Role, kind: RoomKind, *, floor: bool = False) -> bool:
    """Tell whether ``role`` may do ``act`` in a room of ``kind``.

    ``floor``: the person was given the floor; then a member publishes as a
    speaker does. A viewer never publishes.
    """
    row = TABLE.get(act)
    if row is None:
        return False
    if floor and role is Role.MEMBER and act.startswith("publish."):
        role = Role.SPEAKER
    return role in row[kind]


def rights(role: Role, kind: RoomKind) -> list[str]:
    """List every act that ``role`` may do in a room of ``kind``, sorted."""
    return sorted(act for act in TABLE if allows(act, role, kind))
