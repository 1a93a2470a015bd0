"""What a negotiation settles about each track, as forwarding needs it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from media.parameters import DtlsRole, TransportParameters
from media.rpc import Kind
from media.sdp.model import Codec


@dataclass(frozen=True, kw_only=True)
class IncomingTrack:
    """An m-line on which the peer sends to us.

    Attributes:
        codec: the one codec it may use, with the peer's payload type.
        rtx: payload type of its retransmissions, None without.
        red: payload type of redundant audio of that codec (RFC 2198), None without.
        extensions: id to URI, as both sides agreed.
        rids: simulcast layers in the offer's order, () without simulcast.
        sources: (ssrc, rtx ssrc or None) as far as declared in the offer; with rids they may be absent.
        msid: (stream, track) or ("", "").
        parameter_sets: what the offer says of H.264's besides the packets
            (sprop-parameter-sets, RFC 6184 §8.1), "" without.
    """

    mid: str
    kind: Kind
    codec: Codec
    rtx: int | None
    extensions: Mapping[int, str]
    rids: tuple[str, ...]
    sources: tuple[tuple[int, int | None], ...]
    msid: tuple[str, str]
    red: int | None = None
    parameter_sets: str = ""

    @property
    def fmtp(self) -> str:
        """The stream's: what we answered, and the parameter sets that only the offer names."""
        if not self.parameter_sets:
            return self.codec.fmtp
        return f"{self.codec.fmtp};sprop-parameter-sets={self.parameter_sets}"


@dataclass(frozen=True, kw_only=True)
class OutgoingTrack:
    """A track we want to send.

    Attributes:
        track: its id, and the track part of the msid.
        stream: the stream part of the msid; tracks that share it are lip-synced.
        codec, clock_rate, channels, fmtp: of the publisher.
        ssrc, rtx_ssrc: ours on this transport, for as long as the track is sent.
        red: it may come as redundant audio.
    """

    track: str
    stream: str
    kind: Kind
    codec: str
    clock_rate: int
    channels: int
    fmtp: str
    ssrc: int
    rtx_ssrc: int
    red: bool = False


@dataclass(frozen=True, kw_only=True)
class OutgoingLine:
    """An m-line on which the peer agreed to take a track.

    Attributes:
        codec: with the payload type to send.
        rtx: payload type of retransmissions, None without.
        extensions: id to URI.
        red: payload type of redundant audio, None without.
    """

    mid: str
    track: OutgoingTrack
    codec: Codec
    rtx: int | None
    extensions: Mapping[int, str]
    red: int | None = None


@dataclass(frozen=True, kw_only=True)
class PublisherAgreement:
    """``text``: the answer. ``remote``, ``role``: for ``Transport.connect``."""

    text: str
    remote: TransportParameters
    role: DtlsRole
    incoming: tuple[IncomingTrack, ...]


@dataclass(frozen=True, kw_only=True)
class PlayerAgreement:
    text: str
    remote: TransportParameters
    role: DtlsRole
    outgoing: tuple[OutgoingLine, ...]


@dataclass(frozen=True, kw_only=True)
class SubscriberAgreement:
    """``refused``: ids of offered tracks the peer would not take (no codec for them)."""

    remote: TransportParameters
    role: DtlsRole
    outgoing: tuple[OutgoingLine, ...]
    refused: tuple[str, ...]
