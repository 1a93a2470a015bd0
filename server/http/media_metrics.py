"""The media workers' figures as Prometheus families, summed so that no label names a person or room.

Each has the label ``worker``, its small index on this node. However many people come,
the number of series stays the same: what differs from person to person is a histogram.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from itertools import accumulate

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
)
from prometheus_client.metrics_core import Metric

from media.statistics import WorkerStats
from server.signalling.workers import WorkerFigures


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
        self.drops = CounterMetricFamily(
            "yunhai_media_not_forwarded_packets",
            "Packets that were not sent on to somebody who receives the track, by reason.",
            labels=["worker", "reason"],
        )
        self.peers = GaugeMetricFamily(
            "yunhai_media_peers",
            "Peer connections, by kind and state.",
            labels=["worker", "kind", "state"],
        )
        self.tracks = GaugeMetricFamily(
            "yunhai_media_tracks", "Tracks known, by codec.", labels=["worker", "kind", "codec"]
        )
        self.layers = GaugeMetricFamily(
            "yunhai_media_layers",
            "Layers of pictures that arrive, by their place: 0 is the smallest.",
            labels=["worker", "layer"],
        )
        self.down = GaugeMetricFamily(
            "yunhai_media_down_tracks",
            "Tracks on their way to somebody, by the layer sent or why none is.",
            labels=["worker", "kind", "sent"],
        )
        self.links = GaugeMetricFamily(
            "yunhai_media_links",
            "Relay links to other workers, by state.",
            labels=["worker", "state"],
        )
        self.round_trip = _spread("round_trip_seconds", "Round trip to them.")
        self.loss = _spread(
            "loss_ratio",
            "Share of their packets lost: theirs before repair, ours as they report it.",
        )
        self.jitter = _spread("jitter_seconds", "Jitter of their worst track (RFC 3550).")
        self.rate = _spread("bits_per_second", "What passes to or from them.")

    @property
    def families(self) -> list[Metric]:
        return list(vars(self).values())

    def add(self, name: str, stats: WorkerStats) -> None:
        self.uptime.add_metric([name], stats.uptime_s)
        self.late.add_metric([name], stats.late_s)
        self.way.add_metric([name, stats.way], 1)
        for family, counts in (
            (self.port, stats.port),
            (self.worker, stats.worker),
            (self.drops, stats.drops),
            (self.layers, stats.layers),
        ):
            for what, count in sorted(counts.items()):
                family.add_metric([name, what], count)
        for gauge, by_kind in (
            (self.peers, stats.peers),
            (self.tracks, stats.published),
            (self.down, stats.down),
        ):
            for kind, counts in sorted(by_kind.items()):
                for what, count in sorted(counts.items()):
                    gauge.add_metric([name, kind, what], count)
        for state, count in sorted(Counter(str(n["state"]) for n in stats.links.values()).items()):
            self.links.add_metric([name, state], count)
        for direction, quality in sorted(stats.quality.items()):
            for histogram, seen in (
                (self.round_trip, quality.rtt_s),
                (self.loss, quality.loss),
                (self.jitter, quality.jitter_s),
                (self.rate, quality.bps),
            ):
                bounds = [*map(str, seen.bounds), "+Inf"]
                buckets = list(zip(bounds, accumulate(seen.counts), strict=True))
                histogram.add_metric([name, direction], buckets, seen.sum)


def _spread(what: str, sentence: str) -> HistogramMetricFamily:
    """How something is spread over the connections of a worker, each seen every 2 s."""
    return HistogramMetricFamily(
        f"yunhai_media_connection_{what}", sentence, labels=["worker", "direction"]
    )
