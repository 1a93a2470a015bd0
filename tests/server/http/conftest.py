"""A running venue, shared by the tests of a module; each finds it empty."""

from __future__ import annotations

from collections.abc import AsyncIterator

import aiohttp
import pytest
import pytest_asyncio
from aiohttp.test_utils import TestServer

from server import keys
from server.http import application
from tests.server.guests import until
from tests.server.http.venue import Venue
from tests.server.signalling.nodes import running_node
from tests.services import Valkey


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def module_venue(
    tmp_path_factory: pytest.TempPathFactory, valkey_server: Valkey
) -> AsyncIterator[Venue]:
    valkey_server.flush()
    async with running_node(tmp_path_factory.mktemp("venue"), valkey_server.url) as node:
        app = application.build(node.settings)
        app[keys.STORE] = node.store
        app[keys.REALTIME] = node.realtime
        app[keys.SIGNALLING] = node.signalling
        async with TestServer(app) as server, aiohttp.ClientSession() as http:
            yield Venue(node, http, str(server.make_url("")).rstrip("/"))


@pytest_asyncio.fixture(loop_scope="module")
async def venue(module_venue: Venue) -> AsyncIterator[Venue]:
    await until(module_venue.node.up, "the worker")
    module_venue.node.signalling.encoders.endpoints._posts.clear()
    yield module_venue
    await module_venue.node.realtime.sessions.close_all("left")
