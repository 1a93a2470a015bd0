"""Names of things, as distinct types, and the rules their spellings follow."""

from __future__ import annotations

import re
from typing import NewType

RoomId = NewType("RoomId", str)
"""Slug chosen at creation: ``[a-z0-9][a-z0-9-]{0,62}``."""

Identity = NewType("Identity", str)
"""One person in a room, whatever tab or device: the token's ``sub``."""

SessionId = NewType("SessionId", str)
"""One browser tab's (or encoder's) connection: 128 random bits, made by the server."""

TrackId = NewType("TrackId", str)
"""One published track: ``t_`` and 128 random bits, made by the server."""

NodeId = NewType("NodeId", str)
"""One server process: ``gz``, ``sf``, ``tk``."""

MessageId = NewType("MessageId", str)

RecordingId = NewType("RecordingId", str)
"""One recording, and the name of its folder: ``r_``, 12 hex digits of time, 16 random ones."""

_ROOM = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
_IDENTITY = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}")


def is_room_id(text: str) -> bool:
    """Tell whether ``text`` is spelled as a room id."""
    return _ROOM.fullmatch(text) is not None


def is_identity(text: str) -> bool:
    """Tell whether ``text`` is spelled as an identity (a token's ``sub``)."""
    return _IDENTITY.fullmatch(text) is not None
