"""Counters and gauges in Prometheus' text format, in a registry of this application's own.

Names are ``yunhai_<subsystem>_<what>_<unit>``; labels never hold a room or a
person. Services add theirs to ``registry``, or a gauge that is read on demand.
"""

from __future__ import annotations

from collections.abc import Callable

from aiohttp import web
from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    GCCollector,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    generate_latest,
)

from server import keys


class Metrics:
    """Owner: the application; lifetime: the process."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        GCCollector(registry=self.registry)
        self.requests = Counter(
            "yunhai_http_requests_total",
            "HTTP requests answered.",
            ("method", "route", "status"),
            registry=self.registry,
        )
        self.request_seconds = Histogram(
            "yunhai_http_request_seconds",
            "Time to answer an HTTP request.",
            ("route",),
            buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
            registry=self.registry,
        )

    def watch(self, name: str, sentence: str, read: Callable[[], float]) -> None:
        """Add a gauge whose value is read when asked for."""
        Gauge(name, sentence, registry=self.registry).set_function(read)


async def metrics(request: web.Request) -> web.Response:
    """``GET /metrics``."""
    text = generate_latest(request.app[keys.METRICS].registry)
    return web.Response(body=text, headers={"Content-Type": CONTENT_TYPE_LATEST})
