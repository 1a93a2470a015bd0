from __future__ import annotations

from collections.abc import AsyncIterator

import pytest_asyncio

from server.store import Store


@pytest_asyncio.fixture
async def store(database_url: str) -> AsyncIterator[Store]:
    async with Store.open(database_url) as opened:
        yield opened
