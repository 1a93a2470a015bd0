"""The HTTP application: its routes, middlewares and headers. Services are put in by server.app."""

from __future__ import annotations

from aiohttp import web

from server import keys
from server.config import Settings
from server.http import (
    connections,
    headers,
    health,
    middleware,
    pages,
    recordings,
    rooms_api,
    whep,
    whip,
)
from server.http.metrics import Metrics, metrics

MAX_BODY_BYTES = 128 * 1024
"""An SDP has at most 64 KiB, anything else less."""


def build(settings: Settings) -> web.Application:
    """Make the application, without the services its handlers ask."""
    app = web.Application(
        middlewares=[middleware.observe, middleware.explain, middleware.same_origin],
        client_max_size=MAX_BODY_BYTES,
    )
    app[keys.SETTINGS] = settings
    app[keys.READINESS] = health.Readiness()
    app[keys.METRICS] = Metrics()
    app[keys.PAGES] = pages.Pages()
    app.on_response_prepare.append(headers.add)
    app.router.add_get("/healthz", health.healthz)
    app.router.add_get("/readyz", health.readyz)
    app.router.add_get("/metrics", metrics)
    for routes in (
        pages.routes,
        rooms_api.routes,
        recordings.routes,
        connections.routes,
        whip.routes,
        whep.routes,
    ):
        app.router.add_routes(routes)
    return app
