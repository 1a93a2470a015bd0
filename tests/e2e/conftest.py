"""Venues of whole nodes, a browser, and people let in with tickets.

What is costly is shared by the tests of a module: each of them opens its own
room, and everybody it let in leaves when it ends.
"""

from __future__ import annotations

import json
import urllib.request
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser

from rooms.live import Role
from server import config, tokens
from tests.e2e.visitor import NoBrowserError, Visitor, running_browser
from tests.nodes import SECRET, Node, free_port, running_node
from tests.services import running_valkey

Visit = Callable[..., Awaitable[Visitor]]


def ticket(*, secret: str = SECRET, **options: Any) -> str:
    """Mint a token as ``python -m server token`` does, without the process."""
    settings = config.load({"YUNHAI_SECRET": secret}, keep=False)
    options.setdefault("identity", "guest")
    options.setdefault("name", str(options["identity"]).title())
    options["role"] = Role(options.get("role", "member"))
    return tokens.mint(settings, **options)


@dataclass(frozen=True)
class Venue:
    """Running nodes that share everything: gz, and in most venues sf."""

    nodes: tuple[Node, ...]
    opened: Counter[str] = field(default_factory=Counter)

    @property
    def gz(self) -> Node:
        return self.nodes[0]

    @property
    def sf(self) -> Node:
        return self.nodes[1]

    def open_room(self, room: str, kind: str = "interview", **names: str) -> str:
        """Make a room through the HTTP API, as an operator does.

        Returns:
            Its id: the one asked for, with a number if a test is tried again.
        """
        self.opened[room] += 1
        if self.opened[room] > 1:
            room = f"{room}-again-{self.opened[room]}"
        operator = ticket(identity="operator", role="moderator", any_room=True, create=True)
        request = urllib.request.Request(
            f"{self.gz.url}/api/v1/rooms",
            method="POST",
            headers={"Authorization": f"Bearer {operator}", "Content-Type": "application/json"},
            data=json.dumps(
                {
                    "id": room,
                    "kind": kind,
                    "names": names or {"en": "Room", "zh": "房间", "ja": "部屋"},
                    "city": "guangzhou",
                    "zone": "Asia/Shanghai",
                }
            ).encode(),
        )
        with urllib.request.urlopen(request, timeout=10) as answer:
            assert answer.status == 201
        return room


@contextmanager
def running_venue(folder: Path, *names: str) -> Iterator[Venue]:
    """Run fresh nodes on a Valkey and a database of their own until the block ends."""
    ports = {name: free_port() for name in names}
    origins = ",".join(f"http://127.0.0.1:{port}" for port in ports.values())
    with ExitStack() as stack:
        valkey = stack.enter_context(running_valkey())
        yield Venue(
            tuple(
                stack.enter_context(
                    running_node(
                        name,
                        folder,
                        redis_url=valkey.url,
                        database_url=f"sqlite:///{folder / 'venue.db'}",
                        port=port,
                        YUNHAI_ORIGINS=origins,
                    )
                )
                for name, port in ports.items()
            )
        )


@pytest.fixture(scope="module")
def venue(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Venue]:
    """The module's two nodes; let them live."""
    with running_venue(tmp_path_factory.mktemp("venue"), "gz", "sf") as running:
        yield running


@pytest.fixture(scope="module")
def small_venue(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Venue]:
    """The module's one node; let it live."""
    with running_venue(tmp_path_factory.mktemp("venue"), "gz") as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser() -> AsyncIterator[Browser]:
    """The module's browser; it has a camera and a microphone, and people allow them or not."""
    try:
        async with running_browser() as running:
            yield running
    except NoBrowserError as missing:
        pytest.fail(str(missing), pytrace=False)


@pytest_asyncio.fixture(loop_scope="module")
async def visit(browser: Browser) -> AsyncIterator[Visit]:
    """Let somebody in: ``await visit(node, "anna", role="member", room="r1")``."""
    come: list[Visitor] = []

    async def let_in(
        node: Node,
        identity: str,
        *,
        role: str = "member",
        room: str,
        publish: bool = True,
        name: str | None = None,
        **options: Any,
    ) -> Visitor:
        token = ticket(
            room=room, identity=identity, name=name or identity.title(), role=role, publish=publish
        )
        come.append(await Visitor.arrive(browser, node.url, token, **options))
        return come[-1]

    yield let_in
    for visitor in come:
        await visitor.leave()
