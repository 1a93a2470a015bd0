"""What a worker tells of its traffic: one vocabulary for metrics, the room's panel and support.

Names and types only, as ``media.rpc``. Counts go on from the beginning of what they
count; rates are of the last seconds; times are seconds; a share is 0 to 1. What was
never measured is None. No address of a person is here, only how they are reached.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass, field
from typing import Literal

from media.rpc import Kind, PeerState

Reason = Literal["", "absent", "unwanted", "held", "background", "bandwidth", "keyframe"]
"""Why nothing of a down track is sent now: the track is not there (yet), its tile is not shown, a
moderator holds it, the room listens to others, the path is too narrow, or its first keyframe has
yet to come."""


@dataclass(frozen=True, kw_only=True)
class Route:
    """How a peer reaches the worker, seen from the worker: a TURN server looks like its client."""

    protocol: Literal["udp", "tcp"]
    family: Literal["IPv4", "IPv6"]


@dataclass(frozen=True, kw_only=True)
class PartStats:
    """Part of an encoding: its layers up to these; 7 is all there are."""

    spatial: int
    temporal: int
    bps: int


@dataclass(frozen=True, kw_only=True)
class LayerStats:
    """One encoding as it arrives.

    Attributes:
        packets, bytes: that came, repairs included.
        lost: that never came (RFC 3550 §6.4.1), negative with duplicates.
        repaired: of those that came, sent again at our wish (RFC 4588).
        missing: being asked for now.
        jitter_s: RFC 3550 §A.8.
        nacked: packets asked for, each time counted.
        keyframes_asked: by PLI or FIR.
        parts: what can be sent of it besides the whole, lowest first.
    """

    bps: int
    width: int
    height: int
    packets: int
    bytes: int
    lost: int
    repaired: int
    missing: int
    jitter_s: float
    nacked: int
    keyframes_asked: int
    parts: list[PartStats]


@dataclass(frozen=True, kw_only=True)
class TrackStats:
    """A track that the worker has.

    Attributes:
        background: a voice that is not among its room's loudest.
        layers: by rid, lowest first.
        outputs: who receives it.
    """

    room: str
    kind: Kind
    codec: str
    held: bool
    background: bool
    outputs: int
    layers: dict[str, LayerStats]


@dataclass(frozen=True, kw_only=True)
class PublisherStats:
    """A peer that sends to us.

    Attributes:
        rtt_s: by its answers to our reference times (RFC 3611 §4.4, §4.5).
        dropped: packets not taken, by reason.
    """

    room: str
    state: PeerState
    srtp: str
    route: Route | None
    rtt_s: float | None
    dropped: dict[str, int]
    tracks: dict[str, TrackStats]


@dataclass(frozen=True, kw_only=True)
class DownStats:
    """One track on its way to one receiver.

    Attributes:
        asked: rid of the layer that is sent or about to be, None for none.
        spatial, temporal: up to which layers inside ``asked``, 7 for all.
        sent: rid of the layer sent last, None before the first.
        fitting: rid of the layer that its tile could show; another one than ``asked``
            is sent for want of bandwidth.
        reason: why nothing is sent, "" when something is.
        packets, octets: sent, repairs left out.
        repaired: sent again. ``nacked``: asked for again by the receiver.
        lost, loss, jitter_s: as its last report says, ``loss`` since the one before.
        drops: packets not forwarded, by ``forwarder.Drop``.
    """

    track: str
    mid: str
    kind: Kind
    codec: str
    asked: str | None
    spatial: int | None
    temporal: int | None
    sent: str | None
    fitting: str | None
    reason: Reason
    bps: int
    packets: int
    octets: int
    repaired: int
    nacked: int
    lost: int | None
    loss: float | None
    jitter_s: float | None
    drops: dict[str, int]


@dataclass(frozen=True, kw_only=True)
class DownlinkStats:
    """A subscriber or player.

    Attributes:
        estimate_bps: what its path is thought to carry, None before the first feedback.
        paused: tracks held back for want of bandwidth.
        dropped: packets not sent or not taken by its transport, by reason.
    """

    room: str
    state: PeerState
    generation: int
    route: Route | None
    rtt_s: float | None
    estimate_bps: int | None
    paused: list[str]
    dropped: dict[str, int]
    tracks: list[DownStats]


@dataclass(kw_only=True)
class Distribution:
    """A histogram that only grows.

    Attributes:
        bounds: upper ends of the buckets but the last, ascending.
        counts: observations in each bucket (not summed up), one more than ``bounds``.
    """

    bounds: list[float]
    counts: list[int] = field(default_factory=list)
    sum: float = 0.0

    def __post_init__(self) -> None:
        self.counts = self.counts or [0] * (len(self.bounds) + 1)

    def observe(self, value: float) -> None:
        self.counts[bisect_left(self.bounds, value)] += 1
        self.sum += value


@dataclass(frozen=True, kw_only=True)
class Quality:
    """How well connections of one direction fare, each looked at every few seconds."""

    rtt_s: Distribution
    loss: Distribution
    jitter_s: Distribution
    bps: Distribution


@dataclass(frozen=True, kw_only=True)
class WorkerStats:
    """The whole worker. Bounded, whoever is there, but for what ``rpc.Stats.detail`` adds.

    Attributes:
        late_s: the longest its loop was late since it was last asked.
        way: ``MediaPort.way``.
        port, worker: counters by name.
        peers: publishers, subscribers and players, by state.
        published: tracks by kind and codec. ``layers``: of those, being sent, by place from below.
        down: tracks on their way, by kind and what is sent: a layer's place from below, or
            the ``Reason`` for none.
        drops: packets not forwarded, by ``forwarder.Drop``.
        quality: of ``publisher`` and of ``subscriber`` connections (players are among them).
        publishers, subscribers, players, tracks: by id, with ``detail``.
    """

    uptime_s: float
    late_s: float
    way: str
    port: dict[str, int]
    worker: dict[str, int]
    peers: dict[str, dict[str, int]]
    published: dict[str, dict[str, int]]
    layers: dict[str, int]
    down: dict[str, dict[str, int]]
    drops: dict[str, int]
    quality: dict[str, Quality]
    links: dict[str, dict[str, object]]
    recordings: dict[str, dict[str, object]]
    publishers: dict[str, PublisherStats] = field(default_factory=dict)
    subscribers: dict[str, DownlinkStats] = field(default_factory=dict)
    players: dict[str, DownlinkStats] = field(default_factory=dict)
    tracks: dict[str, TrackStats] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class PeersStats:
    """Reply to ``rpc.PeerStats``: those that are there."""

    publishers: dict[str, PublisherStats] = field(default_factory=dict)
    downlinks: dict[str, DownlinkStats] = field(default_factory=dict)
