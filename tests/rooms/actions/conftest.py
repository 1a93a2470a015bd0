"""A node with a moderator, a speaker, a member and a viewer in its lobby and its hall."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from rooms.live import Role
from tests.server.guests import grant
from tests.server.realtime.venue import HALL, ROOM, Node, running_node

PEOPLE = {"mod": Role.MODERATOR, "ada": Role.SPEAKER, "lin": Role.MEMBER, "vic": Role.VIEWER}


@pytest.fixture
async def node(tmp_path: Path, valkey_url: str) -> AsyncIterator[Node]:
    async with running_node(tmp_path, valkey_url) as running:
        for room in (ROOM, HALL):
            for name, role in PEOPLE.items():
                await running.enter(grant(name, role), room)
        yield running
