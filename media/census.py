"""Counts a worker's traffic for its statistics: a few peers with every tick, so none waits for it.

Reads what tracks and connections count anyway; the packets' way knows nothing of it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from weakref import WeakKeyDictionary

from media.core.forwarder import Drop
from media.downlink import Downlink
from media.downtrack import DownTrack
from media.player import Player
from media.publisher import Publisher
from media.statistics import Distribution, Quality
from media.subscriber import Subscriber
from media.switchboard import Switchboard
from media.track import PublishedTrack

Peer = Publisher | Subscriber | Player

ROUND_TICKS = 20
"""Everybody is looked at once in so many ticks: every 2 s."""

RTT_S = [0.005, 0.01, 0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.5, 1.0, 2.0]
LOSS = [0.0, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5]
JITTER_S = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5]
BPS = [1e4, 3e4, 1e5, 3e5, 1e6, 2e6, 3e6, 5e6, 1e7, 2e7, 5e7]


def _quality() -> Quality:
    return Quality(
        rtt_s=Distribution(bounds=RTT_S),
        loss=Distribution(bounds=LOSS),
        jitter_s=Distribution(bounds=JITTER_S),
        bps=Distribution(bounds=BPS),
    )


class Census:
    """Owner: the worker.

    Attributes:
        quality: of what publishers send us and of what subscribers and players receive.
    """

    def __init__(self) -> None:
        self.quality = {"publisher": _quality(), "subscriber": _quality()}
        self._ticks = 0
        self._sent: WeakKeyDictionary[DownTrack, tuple[int, float]] = WeakKeyDictionary()
        self._came: WeakKeyDictionary[PublishedTrack, tuple[int, int]] = WeakKeyDictionary()

    def tick(self, peers: Mapping[str, Peer], now: float) -> None:
        """Look at those whose turn it is."""
        self._ticks = (self._ticks + 1) % ROUND_TICKS
        for number, peer in enumerate(tuple(peers.values())):
            if number % ROUND_TICKS != self._ticks:
                continue
            if isinstance(peer, Publisher):
                if peer.transport.state == "connected":
                    self._look_up(peer)
            elif peer.link.connected:
                self._look_down(peer.link, now)

    def _look_up(self, peer: Publisher) -> None:
        quality = self.quality["publisher"]
        if peer.measured_rtt is not None:
            quality.rtt_s.observe(peer.measured_rtt)
        bps = expected = missed = 0
        jitter_s = -1.0
        for track in peer.tracks.values():
            due = absent = 0
            for layer in track.layers:
                source = layer.source
                if source is None or not layer.state.bps:
                    continue
                bps += layer.state.bps
                jitter_s = max(jitter_s, source.jitter / track.clock_rate)
                due += source.expected
                absent += source.expected - source.packets + layer.repaired
            before = self._came.get(track, (due, absent))
            self._came[track] = due, absent
            expected += max(0, due - before[0])
            missed += max(0, absent - before[1])
        if bps:
            quality.bps.observe(bps)
            quality.jitter_s.observe(jitter_s)
        if expected:
            quality.loss.observe(min(1.0, missed / expected))

    def _look_down(self, link: Downlink, now: float) -> None:
        quality = self.quality["subscriber"]
        if link.measured_rtt is not None:
            quality.rtt_s.observe(link.measured_rtt)
        bps = 0
        loss = jitter_s = -1.0
        for down in link.downs.values():
            down.catch_up()
            octets = down.forwarder.octets
            before = self._sent.get(down)
            self._sent[down] = octets, now
            if before is not None and now > before[1]:
                down.bps = int((octets - before[0]) * 8 / (now - before[1]))
            bps += down.bps
            report = down.report
            if report is not None and down.bps:
                loss = max(loss, report.fraction_lost / 256)
                jitter_s = max(jitter_s, report.jitter / down.clock_rate)
        if bps:
            quality.bps.observe(bps)
        if loss >= 0:
            quality.loss.observe(loss)
            quality.jitter_s.observe(jitter_s)


def peers_by_state(peers: Iterable[Peer]) -> dict[str, dict[str, int]]:
    """Count peers by kind, then by state of their transport."""
    counts: dict[str, Counter[str]] = {
        "publisher": Counter(),
        "subscriber": Counter(),
        "player": Counter(),
    }
    for peer in peers:
        transport = peer.transport if isinstance(peer, Publisher) else peer.link.transport
        counts[type(peer).__name__.lower()][transport.state] += 1
    return {kind: dict(states) for kind, states in counts.items()}


def published(tracks: Iterable[PublishedTrack]) -> tuple[dict[str, dict[str, int]], dict[str, int]]:
    """Count tracks by kind and codec, and the layers being sent by their place from below."""
    kinds: dict[str, Counter[str]] = {"audio": Counter(), "video": Counter()}
    layers: Counter[str] = Counter()
    for track in tracks:
        kinds[track.kind][track.codec.name] += 1
        if track.kind == "video":
            layers.update(str(at) for at, layer in enumerate(track.layers) if layer.state.bps)
    return {kind: dict(codecs) for kind, codecs in kinds.items()}, dict(layers)


def on_their_way(
    peers: Iterable[Peer], board: Switchboard
) -> tuple[dict[str, dict[str, int]], dict[str, int]]:
    """Count down tracks by kind and what is sent of them, and what was not forwarded by reason."""
    down: dict[str, Counter[str]] = {"audio": Counter(), "video": Counter()}
    drops = list(board.drops)
    for peer in peers:
        if isinstance(peer, Publisher):
            continue
        for key, each in peer.link.downs.items():
            place: str = peer.link.reason(key, each)
            track, layer = each.track, each.layer
            if not place and track is not None and layer in track.layers:
                place = str(track.layers.index(layer))
            down[each.kind][place or "0"] += 1
            for drop in Drop:
                drops[drop] += each.drops[drop]
    return (
        {kind: dict(places) for kind, places in down.items()},
        {drop.name.lower(): drops[drop] for drop in Drop},
    )
