from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web
from aiohttp.web_protocol import RequestHandler

from server.http import patience


@asynccontextmanager
async def served() -> AsyncIterator[tuple[str, int]]:
    async def slow(_: web.Request) -> web.Response:
        await asyncio.sleep(0.3)
        return web.Response(text="done")

    app = web.Application()
    app.router.add_get("/slow", slow)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    assert runner.server is not None
    watching = asyncio.create_task(patience.watch(runner.server, limit_s=0.1))
    try:
        yield runner.addresses[0][:2]
    finally:
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
        await runner.cleanup()


async def test_connection_that_never_asks_is_closed() -> None:
    async with served() as address, asyncio.timeout(10):
        for opening in (b"", b"GET / HTTP/1.1\r\nHost: x\r\nX-Slow: "):
            reader, writer = await asyncio.open_connection(*address)
            writer.write(opening)
            assert await reader.read() == b""
            writer.close()
            await writer.wait_closed()


async def test_slow_answer_is_not_the_clients_fault() -> None:
    async with served() as address, asyncio.timeout(10):
        reader, writer = await asyncio.open_connection(*address)
        writer.write(b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n")
        assert b" 200 " in await reader.readline()
        writer.close()
        await writer.wait_closed()


def test_aiohttp_still_counts_a_connections_requests() -> None:
    assert "_request_count" in RequestHandler.__slots__, (
        "aiohttp renamed its counter of requests: adapt server/http/patience.py"
    )
