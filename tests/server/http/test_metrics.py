from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families

from server import keys
from server.http.media_metrics import families
from server.signalling.workers import WorkerFigures
from tests.server.http.client import http_client

STATS = {
    "uptime_s": 12.5,
    "late_s": 0.002,
    "way": "gso/native",
    "port": {"received": 10, "received_bytes": 1000, "dropped_empty": 1},
    "worker": {"drop.loop": 2},
    "tracks": {"t_1": {"codec": "VP8"}, "t_2": {"codec": "VP8"}, "t_3": {"codec": "opus"}},
    "links": {"gz-sf": {"state": "up"}},
    "publishers": {"p/ann": {"state": "connected"}, "p/bob": {"state": "failed"}},
    "subscribers": {"s/ann": {"state": "connected"}},
    "players": {},
}


async def figures() -> Iterable[Metric]:
    return families([WorkerFigures(0, 3, 40, STATS), WorkerFigures(1, 0, 0, None)])


async def broken() -> Iterable[Metric]:
    raise ConnectionError("the worker is away")


def samples(text: str) -> dict[tuple[str, tuple[str, ...]], float]:
    return {
        (sample.name, tuple(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


async def test_worker_s_figures_are_summed_without_names(tmp_path: Path) -> None:
    async with http_client(tmp_path) as client:
        client.app[keys.METRICS].ask(figures)
        answer = await client.get("/metrics")
        assert answer.content_type == "text/plain"
        text = await answer.text()
    found = samples(text)
    assert found["yunhai_media_port_total", ("received", "0")] == 10
    assert found["yunhai_media_tracks", ("VP8", "0")] == 2
    assert found["yunhai_media_peers", ("publisher", "failed", "0")] == 1
    assert found["yunhai_media_links", ("up", "0")] == 1
    assert found["yunhai_media_worker_restarts_total", ("0",)] == 3
    assert found["yunhai_media_worker_load", ("0",)] == 40
    assert found["yunhai_media_worker_up", ("0",)] == 1
    assert found["yunhai_media_worker_up", ("1",)] == 0
    for name in ("ann", "bob", "t_1", "gz-sf"):
        assert name not in text


async def test_source_that_is_away_costs_only_its_own_figures(tmp_path: Path) -> None:
    async with http_client(tmp_path) as client:
        client.app[keys.METRICS].ask(broken)
        client.app[keys.METRICS].ask(figures)
        client.app[keys.METRICS].watch("yunhai_test_value", "A value.", lambda: 7)
        answer = await client.get("/metrics")
        assert answer.status == 200
        found = samples(await answer.text())
    assert found["yunhai_test_value", ()] == 7
    assert found["yunhai_media_uptime_seconds", ("0",)] == 12.5
    assert any(name == "process_resident_memory_bytes" for name, _ in found)
