"""The media worker's figures as Prometheus families, summed so that no label names a person or room."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric

_PEERS = {"publishers": "publisher", "subscribers": "subscriber", "players": "player"}


def families(stats: dict[str, Any]) -> Iterable[Metric]:
    """Turn one answer of the worker's ``stats`` into families."""
    yield GaugeMetricFamily(
        "yunhai_media_uptime_seconds", "Age of the media worker.", stats["uptime_s"]
    )
    yield GaugeMetricFamily(
        "yunhai_media_late_seconds",
        "Longest the media worker's loop was late since it was last asked.",
        stats["late_s"],
    )
    way = GaugeMetricFamily(
        "yunhai_media_way",
        "1 for how packets leave the media worker: gso, sendmmsg or sendto, written by whom.",
        labels=["way"],
    )
    way.add_metric([stats["way"]], 1)
    yield way
    port = CounterMetricFamily(
        "yunhai_media_port",
        "Datagrams and bytes at the media port, by what became of them.",
        labels=["what"],
    )
    for what, count in sorted(stats["port"].items()):
        port.add_metric([what], count)
    yield port
    worker = CounterMetricFamily(
        "yunhai_media_worker", "What the media worker counts of packets, by name.", labels=["what"]
    )
    for what, count in sorted(stats["worker"].items()):
        worker.add_metric([what], count)
    yield worker
    peers = GaugeMetricFamily(
        "yunhai_media_peers", "Peer connections, by kind and state.", labels=["kind", "state"]
    )
    for title, kind in _PEERS.items():
        states = Counter(peer["state"] for peer in stats[title].values())
        for state, count in sorted(states.items()):
            peers.add_metric([kind, state], count)
    yield peers
    tracks = GaugeMetricFamily("yunhai_media_tracks", "Tracks known, by codec.", labels=["codec"])
    for codec, count in sorted(Counter(t["codec"] for t in stats["tracks"].values()).items()):
        tracks.add_metric([codec], count)
    yield tracks
    links = GaugeMetricFamily(
        "yunhai_media_links", "Relay links to other workers, by state.", labels=["state"]
    )
    for state, count in sorted(Counter(link["state"] for link in stats["links"].values()).items()):
        links.add_metric([state], count)
    yield links
