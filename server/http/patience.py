"""Closes connections that were opened and then sent no complete request (slowloris).

aiohttp has a limit between requests on a connection but none before the first.
"""

from __future__ import annotations

import asyncio

from aiohttp import web
from aiohttp.web_protocol import RequestHandler

FIRST_REQUEST_S = 10.0


async def watch(server: web.Server, *, limit_s: float = FIRST_REQUEST_S) -> None:
    """Look after ``server``'s connections until cancelled."""
    clock = asyncio.get_running_loop().time
    opened: dict[RequestHandler, float] = {}
    while True:
        now = clock()
        # A private counter of aiohttp 3.14, guarded by tests/server/http/test_patience.py.
        waiting = [c for c in server.connections if c._request_count == 0]
        opened = {connection: opened.get(connection, now) for connection in waiting}
        for connection, since in opened.items():
            if now - since > limit_s:
                connection.force_close()
        await asyncio.sleep(limit_s / 5)
