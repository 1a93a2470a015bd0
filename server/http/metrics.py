"""Counters and gauges in Prometheus' text format, in a registry of this application's own.

Names are ``yunhai_<subsystem>_<what>_<unit>``; labels never hold a room or a
person. Services add theirs to ``registry``, or a gauge that is read on demand.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable

import structlog
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
from prometheus_client.metrics_core import Metric

from server import keys

SOURCE_TIMEOUT_S = 2.0

log = structlog.get_logger(__name__)

Source = Callable[[], Awaitable[Iterable[Metric]]]


class _Given(CollectorRegistry):
    """A registry of figures already read."""

    def __init__(self, metrics: Iterable[Metric]) -> None:
        super().__init__()
        self._metrics = metrics

    def collect(self) -> Iterable[Metric]:
        return self._metrics


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

        self._sources: list[Source] = []

    def ask(self, source: Source) -> None:
        """Add figures that must be awaited; a source that fails is left out of that answer."""
        self._sources.append(source)

    async def text(self) -> bytes:
        """Write everything, as Prometheus reads it."""
        written = generate_latest(self.registry)
        for source in self._sources:
            try:
                async with asyncio.timeout(SOURCE_TIMEOUT_S):
                    found = list(await source())
            except Exception as error:
                log.info("figures are missing", cause=str(error) or type(error).__name__)
                continue
            written += generate_latest(_Given(found))
        return written

    def watch(self, name: str, sentence: str, read: Callable[[], float]) -> None:
        """Add a gauge whose value is read when asked for."""
        Gauge(name, sentence, registry=self.registry).set_function(read)


async def metrics(request: web.Request) -> web.Response:
    """``GET /metrics``."""
    text = await request.app[keys.METRICS].text()
    return web.Response(body=text, headers={"Content-Type": CONTENT_TYPE_LATEST})
