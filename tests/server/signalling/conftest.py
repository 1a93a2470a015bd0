"""A running node, shared by the tests of a module; each finds it empty."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.server.signalling.nodes import Node, running_node
from tests.services import Valkey


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def module_node(
    tmp_path_factory: pytest.TempPathFactory, valkey_server: Valkey
) -> AsyncIterator[Node]:
    valkey_server.flush()
    async with running_node(tmp_path_factory.mktemp("node"), valkey_server.url) as running:
        yield running


@pytest_asyncio.fixture(loop_scope="module")
async def node(module_node: Node) -> AsyncIterator[Node]:
    yield module_node
    await module_node.realtime.sessions.close_all("left")
