"""What a node and its media worker say to each other, and how it is framed.

Frames on a Unix stream socket: 4-byte big-endian length, then one msgpack map.
Request ``{"id": int, "method": str, "params": map}``; reply ``{"id", "result"}``
or ``{"id", "error": {"code", "message"}}``; notice from the worker
``{"notice": str, "params": map}``. A frame is at most 1 MiB.

The types below and those of ``media.statistics`` are both sides' vocabulary. Recorders
have one of their own, ``media.recorder.rpc``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, Literal

MAX_FRAME_BYTES = 1 << 20

Kind = Literal["audio", "video"]
PeerState = Literal["connecting", "connected", "failed", "closed"]
Priority = Literal["screen", "speaker", ""]


@dataclass(frozen=True, kw_only=True)
class Layer:
    """One encoding of a track as it crosses a relay link.

    Attributes:
        rid: ``q``, ``h``, ``f`` (or what the offer named); "" without simulcast.
        ssrc: the SSRC this layer carries on relay links, chosen by the
            publishing worker, unique within it.
    """

    rid: str
    ssrc: int


@dataclass(frozen=True, kw_only=True)
class TrackInfo:
    """All another worker needs to know to forward a track.

    Attributes:
        track: id given by the node.
        codec: ``VP8``, ``opus``, ``H264``, ``VP9``, ``AV1``.
        clock_rate: Hz.
        fmtp: as negotiated with the publisher, "" if none; of H.264 with the parameter sets
            that the publisher's offer names.
        layers: lowest first.
        red: its packets may be redundant audio (RFC 2198) of that codec.
    """

    track: str
    kind: Kind
    codec: str
    clock_rate: int
    channels: int
    fmtp: str
    layers: list[Layer]
    red: bool = False


@dataclass(frozen=True, kw_only=True)
class WantedTrack:
    """A track a subscriber should receive.

    Attributes:
        max_width, max_height: the tile in device pixels; 0 means as large as there is.
        group: tracks of one person share it: same msid, so browsers lip-sync them.
        always: also while the room has many voices and others are louder.
        priority: which picture goes first on a narrow path: a screen, then that of who is to
            be seen (stage, floor). Who speaks the worker hears by itself.
    """

    track: str
    group: str
    max_width: int = 0
    max_height: int = 0
    always: bool = False
    priority: Priority = ""


@dataclass(frozen=True, kw_only=True)
class PublisherOffer:
    """``publisher.offer``: open or renegotiate what a peer sends.

    Attributes:
        peer: id given by the node, one per peer connection.
        room: scope of audio levels and speaker detection.
        tracks: mid to track id, for every m-line that should become or stay a
            track; other m-lines are answered inactive. Empty dict: every sending
            m-line, with ids ``{peer}:{mid}`` replaced by the node (WHIP names them
            first by parsing nothing: it passes ``auto`` ids).
        auto: track ids to give to the first sending audio and first sending video
            m-line when mids are not known beforehand (WHIP): {"audio": id, "video": id}.

    Reply: PublisherAnswer. Errors: ``bad_sdp``.
    """

    method: ClassVar[str] = "publisher.offer"
    peer: str
    room: str
    sdp: str
    tracks: dict[str, str] = field(default_factory=dict)
    auto: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class PublisherAnswer:
    sdp: str
    tracks: list[TrackInfo]


@dataclass(frozen=True, kw_only=True)
class SubscriberSet:
    """``subscriber.set``: the whole wish of one subscriber, opened on first use.

    Tracks must be known to the worker (published here, or ``relay.receive``d);
    unknown ones are skipped and join when they appear. Reply: SubscriberOffer;
    ``sdp`` is "" when the connection need not change. A later appearance of a
    wanted track comes as the notice ``subscriber.offer``.
    """

    method: ClassVar[str] = "subscriber.set"
    peer: str
    room: str
    wants: list[WantedTrack]


@dataclass(frozen=True, kw_only=True)
class SubscriberOffer:
    """``tracks``: mid to track id, for the active m-lines. ``anew``: needs a new connection."""

    peer: str
    generation: int
    sdp: str
    tracks: dict[str, str]
    anew: bool = False


@dataclass(frozen=True, kw_only=True)
class SubscriberAnswer:
    """``subscriber.answer``: the client's answer to that generation. Errors: ``bad_sdp``."""

    method: ClassVar[str] = "subscriber.answer"
    peer: str
    generation: int
    sdp: str


@dataclass(frozen=True, kw_only=True)
class SubscriberRestart:
    """``subscriber.restart``: new ICE credentials, or (``anew``) a whole new transport.

    Reply: SubscriberOffer.
    """

    method: ClassVar[str] = "subscriber.restart"
    peer: str
    anew: bool


@dataclass(frozen=True, kw_only=True)
class PlayerOffer:
    """``player.offer``: WHEP, a subscriber whose client offers (recvonly) and we answer.

    ``wants`` holds at most one audio and one video track for the offer's m-lines;
    changing them later is ``player.set`` (switches without renegotiation when the
    codec matches). Reply: PlayerAnswer. Errors: ``bad_sdp``, ``no_codec``.
    """

    method: ClassVar[str] = "player.offer"
    peer: str
    room: str
    sdp: str
    wants: list[WantedTrack]


@dataclass(frozen=True, kw_only=True)
class PlayerAnswer:
    sdp: str


@dataclass(frozen=True, kw_only=True)
class PlayerSet:
    """``player.set``: what a WHEP player watches now. Reply: {}."""

    method: ClassVar[str] = "player.set"
    peer: str
    wants: list[WantedTrack]


@dataclass(frozen=True, kw_only=True)
class PeerRestart:
    """``peer.restart``: ICE restart by trickle fragment (WHIP/WHEP PATCH). Reply: IceCredentials."""

    method: ClassVar[str] = "peer.restart"
    peer: str
    ufrag: str
    pwd: str


@dataclass(frozen=True, kw_only=True)
class IceCredentials:
    """Ours. ``candidates``: lines as in SDP, without ``a=``."""

    ufrag: str
    pwd: str
    candidates: list[str]


@dataclass(frozen=True, kw_only=True)
class PeerClose:
    """``peer.close``: publisher, subscriber or player; unknown is fine. Reply: {}."""

    method: ClassVar[str] = "peer.close"
    peer: str


@dataclass(frozen=True, kw_only=True)
class TrackHold:
    """``track.hold``: while held, nothing of the track is forwarded (moderator's mute). Reply: {}."""

    method: ClassVar[str] = "track.hold"
    track: str
    held: bool


@dataclass(frozen=True, kw_only=True)
class RelayOpen:
    """``relay.open``: make (or replace) the link to another worker.

    Both sides are told the same keys with tx/rx swapped. SRTP AEAD_AES_256_GCM;
    keys are master key and salt together, 44 bytes.

    Attributes:
        link: id, the same on both sides.
        address, port: the other worker's UDP address.
        near: both workers are of one node. Only such a link passes on what came in
            on another: towards other nodes a worker sends what is published on it.
    """

    method: ClassVar[str] = "relay.open"
    link: str
    address: str
    port: int
    tx_key: bytes
    rx_key: bytes
    near: bool = False


@dataclass(frozen=True, kw_only=True)
class RelaySend:
    """``relay.send``: the whole wish of what goes out on the link: track id to rids. Reply: {}.

    ``always``: those of ``tracks`` that somebody there wants always, see WantedTrack.
    """

    method: ClassVar[str] = "relay.send"
    link: str
    tracks: dict[str, list[str]]
    always: list[str] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class RelayReceive:
    """``relay.receive``: the whole list of what comes in on the link. Reply: {}."""

    method: ClassVar[str] = "relay.receive"
    link: str
    room_of: dict[str, str]
    tracks: list[TrackInfo]


@dataclass(frozen=True, kw_only=True)
class RelayClose:
    """``relay.close``. Reply: {}."""

    method: ClassVar[str] = "relay.close"
    link: str


@dataclass(frozen=True, kw_only=True)
class RecordingFeed:
    """``recording.feed``: the whole wish of what a recorder gets from this worker. Reply: {}.

    Attributes:
        recording: id; an empty list of tracks ends it.
        socket: where the recorder listens. Another one than before begins anew.
    """

    method: ClassVar[str] = "recording.feed"
    recording: str
    socket: str
    tracks: list[str]


@dataclass(frozen=True, kw_only=True)
class Hello:
    """``hello``: first request. Reply: WorkerInfo.

    Attributes:
        loudest, above: in rooms with more than ``above`` voices only the ``loudest`` so many
            are passed on; 0: all are.
    """

    method: ClassVar[str] = "hello"
    node: str
    loudest: int = 6
    above: int = 8


@dataclass(frozen=True, kw_only=True)
class WorkerInfo:
    """``addresses``: what the candidates carry, IPv4 and IPv6, without port.

    ``way``: how packets leave at the start (``MediaPort.way``); ``stats`` tells it later.
    """

    pid: int
    port: int
    addresses: list[str]
    way: str = ""


@dataclass(frozen=True, kw_only=True)
class Ping:
    """``ping``: a sign of life. Reply: {}."""

    method: ClassVar[str] = "ping"


@dataclass(frozen=True, kw_only=True)
class Stats:
    """``stats``: the whole worker. Reply: WorkerStats.

    ``detail``: with every peer and track, for tests; what is much does not fit a frame.
    """

    method: ClassVar[str] = "stats"
    detail: bool = False


@dataclass(frozen=True, kw_only=True)
class PeerStats:
    """``peer.stats``: those peers in full; unknown ones are left out. Reply: PeersStats."""

    method: ClassVar[str] = "peer.stats"
    peers: list[str]


# Notices, worker to node.


@dataclass(frozen=True, kw_only=True)
class PeerStateNotice:
    notice: ClassVar[str] = "peer.state"
    peer: str
    state: PeerState
    reason: str


@dataclass(frozen=True, kw_only=True)
class SubscriberOfferNotice:
    """Carries a SubscriberOffer the worker made on its own."""

    notice: ClassVar[str] = "subscriber.offer"
    offer: SubscriberOffer


@dataclass(frozen=True, kw_only=True)
class PausedNotice:
    """Tracks of a subscriber held back now for want of bandwidth; the whole list."""

    notice: ClassVar[str] = "subscriber.paused"
    peer: str
    tracks: list[str]


@dataclass(frozen=True, kw_only=True)
class SpeakersNotice:
    """Tracks now speaking in a room, loudest first."""

    notice: ClassVar[str] = "speakers"
    room: str
    tracks: list[str]


@dataclass(frozen=True, kw_only=True)
class RelayStateNotice:
    """``up``: first authenticated packet arrived; ``lost``: silent for 2.5 s."""

    notice: ClassVar[str] = "relay.state"
    link: str
    state: Literal["up", "lost"]
