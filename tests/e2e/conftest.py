"""Two nodes, gz and sf, on one Valkey and one database, and a browser."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.async_api import Browser

from tests.e2e.visitor import NoBrowserError, Visitor, running_browser
from tests.nodes import Node, free_port, running_node, token
from tests.services import Valkey


@dataclass(frozen=True)
class Venue:
    """Two nodes and the rooms opened in them."""

    gz: Node
    sf: Node
    open_room: Callable[..., str]


@pytest.fixture
def venue(valkey_server: Valkey, tmp_path: Path) -> Iterator[Venue]:
    """Two fresh nodes that share everything."""
    valkey_server.flush()
    database = f"sqlite:///{tmp_path / 'venue.db'}"
    ports = {"gz": free_port(), "sf": free_port()}
    origins = ",".join(f"http://127.0.0.1:{port}" for port in ports.values())
    with ExitStack() as stack:
        gz, sf = (
            stack.enter_context(
                running_node(
                    name,
                    tmp_path,
                    redis_url=valkey_server.url,
                    database_url=database,
                    port=port,
                    YUNHAI_ORIGINS=origins,
                )
            )
            for name, port in ports.items()
        )
        yield Venue(gz, sf, lambda room, kind="interview": _open_room(gz, room, kind))


def _open_room(node: Node, room: str, kind: str) -> str:
    operator = token(any_room=True, name="Operator", role="moderator", create=True)
    request = urllib.request.Request(
        f"{node.url}/api/v1/rooms",
        method="POST",
        headers={"Authorization": f"Bearer {operator}", "Content-Type": "application/json"},
        data=json.dumps(
            {
                "id": room,
                "kind": kind,
                "names": {"en": "Room", "zh": "房间", "ja": "部屋"},
                "city": "guangzhou",
                "zone": "Asia/Shanghai",
            }
        ).encode(),
    )
    with urllib.request.urlopen(request, timeout=10) as answer:
        assert answer.status == 201
    return room


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    try:
        async with running_browser() as running:
            yield running
    except NoBrowserError as missing:
        pytest.fail(str(missing), pytrace=False)


@pytest.fixture
def visit(browser: Browser) -> Callable[..., object]:
    """Let somebody in: ``await visit(node, "anna", role="member", room="r1")``."""

    async def come(
        node: Node,
        identity: str,
        *,
        role: str = "member",
        room: str,
        publish: bool = True,
        **options: object,
    ) -> Visitor:
        ticket = token(
            room=room,
            identity=identity,
            name=identity.title(),
            role=role,
            publish=publish,
            subscribe=True,
        )
        return await Visitor.arrive(browser, node.url, ticket, **options)  # type: ignore[arg-type]

    return come
