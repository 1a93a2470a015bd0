from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families

from media.statistics import Distribution, Quality, WorkerStats
from server import keys
from server.http.media_metrics import families
from server.signalling.workers import WorkerFigures
from tests.server.http.client import http_client


def quality() -> Quality:
    figures = Quality(
        **{name: Distribution(bounds=[0.1, 1.0]) for name in ("rtt_s", "loss", "jitter_s", "bps")}
    )
    for value in (0.05, 0.1, 0.5, 7.0):
        figures.rtt_s.observe(value)
    return figures


STATS = WorkerStats(
    uptime_s=12.5,
    late_s=0.002,
    way="gso/native",
    port={"received": 10, "received_bytes": 1000, "dropped_empty": 1},
    worker={"drop.loop": 2},
    peers={"publisher": {"connected": 1, "failed": 1}, "subscriber": {"connected": 1}},
    published={"video": {"VP8": 2}, "audio": {"opus": 1}},
    layers={"0": 2, "2": 1},
    down={"video": {"2": 3, "bandwidth": 1}},
    drops={"paused": 8},
    quality={"subscriber": quality()},
    links={"gz-sf": {"state": "up"}},
    recordings={},
)


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
    assert found["yunhai_media_tracks", ("VP8", "video", "0")] == 2
    assert found["yunhai_media_layers", ("0", "0")] == 2
    assert found["yunhai_media_down_tracks", ("video", "bandwidth", "0")] == 1
    assert found["yunhai_media_not_forwarded_packets_total", ("paused", "0")] == 8
    assert found["yunhai_media_peers", ("publisher", "failed", "0")] == 1
    assert found["yunhai_media_links", ("up", "0")] == 1
    assert found["yunhai_media_worker_restarts_total", ("0",)] == 3
    assert found["yunhai_media_worker_load", ("0",)] == 40
    assert found["yunhai_media_worker_up", ("0",)] == 1
    assert found["yunhai_media_worker_up", ("1",)] == 0
    assert "gz-sf" not in text


async def test_what_differs_between_people_is_a_histogram(tmp_path: Path) -> None:
    async with http_client(tmp_path) as client:
        client.app[keys.METRICS].ask(figures)
        found = samples(await (await client.get("/metrics")).text())
    buckets = {
        labels: value
        for (name, labels), value in found.items()
        if name == "yunhai_media_connection_round_trip_seconds_bucket"
    }
    assert sorted(buckets.values()) == [2, 3, 4]
    assert found["yunhai_media_connection_round_trip_seconds_count", ("subscriber", "0")] == 4
    total = found["yunhai_media_connection_round_trip_seconds_sum", ("subscriber", "0")]
    assert total == 7.65


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
