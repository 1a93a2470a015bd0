"""What the bearers of tokens are let in with, and waiting for what they do."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from rooms.ids import Identity
from rooms.live import Role
from server.tokens import Grant

DEADLINE_S = 15.0


async def until(condition: Callable[[], object], what: str, timeout_s: float = DEADLINE_S) -> None:
    """Wait until ``condition`` holds; fail saying what was awaited."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + timeout_s
    while not condition():
        assert loop.time() < deadline, f"not within {timeout_s} s: {what}"
        await asyncio.sleep(0.01)  # a poll, bounded by the deadline


def grant(identity: str, role: Role = Role.MEMBER, **changes: Any) -> Grant:
    """A token's content that opens every room and withholds nothing."""
    values: dict[str, Any] = {
        "identity": Identity(identity),
        "name": identity.title(),
        "role": role,
        "room": None,
        "any_room": True,
        "may_create": False,
        "may_list": True,
        "may_publish": True,
        "sources": None,
        "may_subscribe": True,
        "city": "",
        "synthetic": False,
        "recordable": False,
        "expires_ms": 1 << 42,
        "token_id": "",
    }
    return Grant(**{**values, **changes})
