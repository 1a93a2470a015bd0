"""The media workers' figures as Prometheus families, summed so that no label names a person or room.

Each has the label ``worker``, its small index on this node.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric

from server.signalling.workers import WorkerFigures

_PEERS = {"publishers": "publisher", "subscribers": "subscriber", "players": "player"}


def families(workers: Iterable[WorkerFigures]) -> Iterable[Metric]:
    """Turn what the workers tell into families; one that does not answer is down."""
    up = GaugeMetricFamily(
        "yunhai_media_worker_up", "1 while the media worker answers.", labels=["worker"]
    )
    restarts = CounterMetricFamily(
        "yunhai_media_worker_restarts", "How often the media worker died.", labels=["worker"]
    )
    load = GaugeMetricFamily(
        "yunhai_media_worker_load",
        "Peers placed on the media worker, and tracks on their way to them.",
        labels=["worker"],
    )
    counted = _Counted()
    for worker in workers:
        name = str(worker.index)
        up.add_metric([name], worker.stats is not None)
        restarts.add_metric([name], worker.restarts)
        load.add_metric([name], worker.load)
        if worker.stats is not None:
            counted.add(name, worker.stats)
    return [up, restarts, load, *counted.families]


class _Counted:
    """The families of what workers count themselves."""

    def __init__(self) -> None:
        self.uptime = GaugeMetricFamily(
            "yunhai_media_uptime_seconds", "Age of the media worker.", labels=["worker"]
        )
        self.late = GaugeMetricFamily(
            "yunhai_media_late_seconds",
            "Longest the media worker's loop was late since it was last asked.",
            labels=["worker"],
        )
        self.way = GaugeMetricFamily(
            "yunhai_media_way",
            "1 for how packets leave the media worker: gso, sendmmsg or sendto, written by whom.",
            labels=["worker", "way"],
        )
        self.port = CounterMetricFamily(
            "yunhai_media_port",
            "Datagrams and bytes at the media port, by what became of them.",
            labels=["worker", "what"],
        )
        self.worker = CounterMetricFamily(
            "yunhai_media_worker",
            "What the media worker counts of packets, by name.",
            labels=["worker", "what"],
        )
        self.peers = GaugeMetricFamily(
            "yunhai_media_peers",
            "Peer connections, by kind and state.",
            labels=["worker", "kind", "state"],
        )
        self.tracks = GaugeMetricFamily(
            "yunhai_media_tracks", "Tracks known, by codec.", labels=["worker", "codec"]
        )
        self.links = GaugeMetricFamily(
            "yunhai_media_links",
            "Relay links to other workers, by state.",
            labels=["worker", "state"],
        )

    @property
    def families(self) -> list[Metric]:
        return [
            self.uptime, self.late, self.way, self.port, self.worker, self.peers, self.tracks, self.links
        ]  # fmt: skip

    def add(self, name: str, stats: dict[str, Any]) -> None:
        self.uptime.add_metric([name], stats["uptime_s"])
        self.late.add_metric([name], stats["late_s"])
        self.way.add_metric([name, stats["way"]], 1)
        for what, count in sorted(stats["port"].items()):
            self.port.add_metric([name, what], count)
        for what, count in sorted(stats["worker"].items()):
            self.worker.add_metric([name, what], count)
        for title, kind in _PEERS.items():
            states = Counter(peer["state"] for peer in stats[title].values())
            for state, count in sorted(states.items()):
                self.peers.add_metric([name, kind, state], count)
        for codec, count in sorted(Counter(t["codec"] for t in stats["tracks"].values()).items()):
            self.tracks.add_metric([name, codec], count)
        for state, count in sorted(Counter(n["state"] for n in stats["links"].values()).items()):
            self.links.add_metric([name, state], count)
