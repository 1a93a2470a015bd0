"""Closes connections that were opened and then sent no complete request (slowloris).

aiohttp has a limit between requests on a connection but none before the first.
"""

from __future__ import annotations

import asyncio
import weakref

from aiohttp import web
from aiohttp.web_protocol import RequestHandler

FIRST_REQUEST_S = 10.0


async def watch(server: web.Server[web.Request], *, limit_s: float = FIRST_REQUEST_S) -> None:
    """Look after ``server``'s connections until cancelled."""
    clock = asyncio.get_running_loop().time
    opened: weakref.WeakKeyDictionary[RequestHandler, float] = weakref.WeakKeyDictionary()
    while True:
        now = clock()
        for connection in server.connections:
            # A private counter of aiohttp 3.14, guarded by tests/server/http/test_patience.py.
            if (
                connection._request_count == 0
                and now - opened.setdefault(connection, now) > limit_s
            ):
                connection.force_close()
        await asyncio.sleep(limit_s / 5)
