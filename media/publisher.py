"""A peer that sends to us: its transport, its tracks, the feedback it gets.

Answers its offers, tells its SSRCs apart, and hands packets to the tracks'
layers. Says what arrived (TWCC or REMB, receiver reports) and what is missing.
"""

from __future__ import annotations

from collections.abc import Callable

from media.core.bandwidth import ReceiveLimit
from media.core.demux import Demux, Route, Unbound
from media.core.extensions import ExtensionIds, transport_seq
from media.core.packet import Packet, parse
from media.core.rtcp import (
    SenderReport,
    Unknown,
    build_remb,
    build_rr,
    build_sdes,
    cost,
    parse_rtcp,
)
from media.core.twcc import Arrivals
from media.core.xr import XR, RoundTrip
from media.dtls import Certificate
from media.framing import RpcError
from media.layer import Layer
from media.rpc import IceCredentials, Kind, PeerState, PublisherAnswer, PublisherOffer, TrackInfo
from media.rpc import Layer as LayerInfo
from media.sdp import IncomingTrack, SdpError, SessionDescription, answer_publisher
from media.sdp import parse as parse_sdp
from media.statistics import PublisherStats
from media.switchboard import Switchboard
from media.track import PublishedTrack
from media.transport import Transport
from media.udp import MediaPort

REPORT_S = 1.0
MAX_RTCP_PER_S = 200
"""Of 128 bytes; a longer one counts for several."""
ACKNOWLEDGE_S = 0.005
"""Transport-wide feedback is at least so far apart, whatever numbers the packets carry."""
BUDGETS: dict[Kind, tuple[int, int]] = {"audio": (500, 200_000), "video": (3_000, 4_000_000)}
"""Packets and bytes that one SSRC may bring a second; what is more goes to nobody."""
CAP_BPS = 8_000_000
CNAME = "yunhai"
KNOWN_ORDERS = ("qhf", "lmh", "012")
"""Names that simulcast layers go by, lowest first."""


class Input:
    """Where an SSRC's packets go, and how much more of them may come this second."""

    __slots__ = ("_budget", "bytes_left", "packets_left", "take")

    def __init__(self, kind: Kind, take: Callable[[Packet, float], None]) -> None:
        self.take = take
        self._budget = BUDGETS[kind]
        self.renew()

    def renew(self) -> None:
        """A second is over."""
        self.packets_left, self.bytes_left = self._budget


class Publisher:
    """Owner: the worker. Lifetime: until the peer is closed, by it or by the node."""

    def __init__(
        self,
        port: MediaPort,
        board: Switchboard,
        certificate: Certificate,
        *,
        peer: str,
        room: str,
        on_state: Callable[[PeerState, str], None],
    ) -> None:
        self.peer = peer
        self.room = room
        self.rtt = 0.1
        self.transport = Transport(
            port,
            certificate=certificate,
            on_rtp=self._on_rtp,
            on_rtcp=self._on_rtcp,
            on_state=on_state,
        )
        self._port = port
        self._board = board
        self._ids = ExtensionIds({})
        self._demux = Demux(self._ids)
        self._lines: dict[str, tuple[IncomingTrack, PublishedTrack]] = {}
        self._inputs: dict[int, Input] = {}
        self._arrivals = Arrivals()
        self._limit = ReceiveLimit(cap_bps=CAP_BPS)
        self._round_trip = RoundTrip()
        self._remote_ufrag = ""
        self._report_at = 0.0
        self._renew_at = self._acknowledged_at = 0.0
        self._rtcp_left = MAX_RTCP_PER_S

    def offer(self, request: PublisherOffer) -> PublisherAnswer:
        """Answer an offer, the first or a later one.

        Raises:
            RpcError: ``bad_sdp``.
        """
        try:
            offer = parse_sdp(request.sdp)
            accept, name = _naming(offer, request)
            self._restart_if_asked(offer)
            agreement = answer_publisher(
                offer,
                local=self.transport.local_parameters,
                candidates=self._port.candidates,
                accept=accept,
            )
            self.transport.connect(agreement.remote, agreement.role)
        except (SdpError, ValueError) as error:
            raise RpcError("bad_sdp", str(error)) from error
        self._adopt({name(incoming.mid): incoming for incoming in agreement.incoming})
        return PublisherAnswer(
            sdp=agreement.text, tracks=[track.info for _, track in self._lines.values()]
        )

    def _restart_if_asked(self, offer: SessionDescription) -> None:
        """New credentials of theirs ask for new ones of ours (RFC 8445 §4.4.1.1.1)."""
        ufrag = next((s.ice.ufrag for s in offer.sections if s.ice is not None), "")
        if self._remote_ufrag and ufrag != self._remote_ufrag:
            self.transport.restart_ice()
        self._remote_ufrag = ufrag

    def _adopt(self, incoming: dict[str, IncomingTrack]) -> None:
        """Bring the tracks in line with what was agreed."""
        kept = {}
        for track_id, (line, track) in list(self._lines.items()):
            new = incoming.get(track_id)
            if new is None or not _same_shape(line, new):
                self._drop(track_id)
            else:
                kept[track_id] = track
        ids = {n: uri for line in incoming.values() for n, uri in line.extensions.items()}
        self._ids = self._demux.ids = ExtensionIds(ids)
        for track_id, line in incoming.items():
            track = kept.get(track_id) or self._new_track(track_id, line)
            if track_id in kept:
                track.renumber(ExtensionIds(line.extensions), line.codec.payload_type, line.red)
            self._lines[track_id] = (line, track)
            self._demux.expect(
                line.mid,
                payload_types=[
                    line.codec.payload_type,
                    *([line.red] if line.red is not None else []),
                ],
                rtx_payload_types=[] if line.rtx is None else [line.rtx],
                rids=line.rids,
                ssrcs=[ssrc for ssrc, _ in line.sources],
                rtx_of={rtx: ssrc for ssrc, rtx in line.sources if rtx is not None},
            )
            if track_id not in kept:
                self._board.add(track)

    def _new_track(self, track_id: str, line: IncomingTrack) -> PublishedTrack:
        codec = line.codec
        return PublishedTrack(
            self._board,
            info_of(
                track=track_id,
                kind=line.kind,
                codec=codec.name,
                clock_rate=codec.clock_rate,
                channels=codec.channels,
                fmtp=line.fmtp,
                rids=_lowest_first(line.rids),
                board=self._board,
                red=line.red is not None,
            ),
            room=self.room,
            upstream=self,
            source_ids=ExtensionIds(line.extensions),
            payload_type=codec.payload_type,
            red=line.red,
            repairs="nack" in codec.feedback,
            keyframe_by_fir="nack pli" not in codec.feedback and "ccm fir" in codec.feedback,
        )

    def _drop(self, track_id: str) -> None:
        line, track = self._lines.pop(track_id)
        for ssrc in self._demux.forget(line.mid):
            self._let_go(ssrc)
        track.close()

    def _let_go(self, ssrc: int) -> None:
        self._inputs.pop(ssrc, None)
        self.transport.release_ssrc(ssrc)

    def restart_ice(self, ufrag: str) -> IceCredentials:
        """Restart ICE by a trickle fragment; the same credentials again change nothing."""
        if ufrag != self._remote_ufrag:
            self._remote_ufrag = ufrag
            self.transport.restart_ice()
        return credentials(self.transport, self._port)

    # Packets.

    def _on_rtp(self, data: bytes, now: float) -> None:
        packet = parse(data)
        if not isinstance(packet, Packet):
            self._board.counters[packet.value] += 1
            return
        if self._ids.transport_cc:
            seq16 = transport_seq(packet, self._ids.transport_cc)
            if seq16 >= 0:
                self._arrivals.received(seq16, now)
                if self._arrivals.full and now >= self._acknowledged_at + ACKNOWLEDGE_S:
                    self._acknowledged_at = now
                    self._acknowledge(packet.ssrc)
        to = self._inputs.get(packet.ssrc)
        if to is None:
            to = self._learn(packet, now)
            if to is None:
                return
        to.packets_left -= 1
        to.bytes_left -= len(data)
        if to.packets_left < 0 or to.bytes_left < 0:
            self._board.counters["over_budget"] += 1
        else:
            to.take(packet, now)

    def _learn(self, packet: Packet, now: float) -> Input | None:
        """Find out where a new SSRC belongs."""
        route = self._demux.learn(packet, now)
        if isinstance(route, Unbound):
            self._board.counters[f"ssrc_{route.value}"] += 1
            return None
        layer = self._layer(route)
        if layer is None:
            self._board.counters["ssrc_unknown_layer"] += 1
            return None
        if route.replaces is not None:
            self._let_go(route.replaces)
        if not route.repair:
            layer.bind(packet.ssrc)
        take = layer.repair if route.repair else layer.receive
        found = self._inputs[packet.ssrc] = Input(layer.track.kind, take)
        return found

    def _layer(self, route: Route) -> Layer | None:
        for line, track in self._lines.values():
            if line.mid == route.mid:
                return track.layer(route.rid)
        return None

    def _on_rtcp(self, data: bytes, now: float) -> None:
        self._rtcp_left -= cost(data)
        if self._rtcp_left < 0:
            self._board.counters["rtcp_flood"] += 1
            return
        packets, problem = parse_rtcp(data)
        if problem is not None:
            self._board.counters[f"rtcp_{problem.value}"] += 1
        for packet in packets:
            if isinstance(packet, SenderReport):
                for layer in self._layers():
                    if layer.source is not None and layer.source.ssrc == packet.ssrc:
                        layer.sender_report(packet, now)
            elif isinstance(packet, Unknown) and packet.kind == XR:
                self._round_trip.answered(self._board.ssrc, packet.body, now)
                self.rtt = self._round_trip.rtt_s or self.rtt

    def _layers(self) -> list[Layer]:
        return [layer for _, track in self._lines.values() for layer in track.layers]

    # Feedback.

    def send_feedback(self, packet: bytes) -> None:
        self.transport.send_rtcp(packet)

    def _acknowledge(self, media_ssrc: int) -> None:
        feedback = self._arrivals.feedback(self._board.ssrc, media_ssrc)
        if feedback is not None:
            self.transport.send_rtcp(feedback)

    def tick(self, now: float) -> None:
        """Feedback and budgets; call it ten times a second."""
        if now >= self._renew_at:
            self._renew_at = now + 1
            self._rtcp_left = MAX_RTCP_PER_S
            for each in self._inputs.values():
                each.renew()
        layers = self._layers()
        for _, track in self._lines.values():
            track.measure(now)
        heard = [layer.source for layer in layers if layer.source is not None]
        if not heard or self.transport.state != "connected":
            return
        if self._ids.transport_cc:
            self._acknowledge(heard[0].ssrc)
        if now < self._report_at:
            return
        self._report_at = now + REPORT_S
        reports = [report for layer in layers if (report := layer.report(now)) is not None]
        ssrc = self._board.ssrc
        compound = build_rr(ssrc, reports[:31]) + build_sdes(ssrc, CNAME)
        compound += self._round_trip.ask(ssrc, now)
        if not self._ids.transport_cc:
            received_bps = sum(layer.state.bps for layer in layers)
            lost = max((report.fraction_lost for report in reports), default=0)
            bps = self._limit.update(received_bps, lost, now)
            compound += build_remb(ssrc, bps, [source.ssrc for source in heard])
        self.transport.send_rtcp(compound)

    def close(self) -> None:
        """End the tracks and the transport."""
        for track_id in tuple(self._lines):
            self._drop(track_id)
        self.transport.close()

    @property
    def measured_rtt(self) -> float | None:
        """Round trip, seconds, None before it is known."""
        return self._round_trip.rtt_s

    @property
    def tracks(self) -> dict[str, PublishedTrack]:
        """What it sends, by id."""
        return {track_id: track for track_id, (_, track) in self._lines.items()}

    def stats(self) -> PublisherStats:
        return PublisherStats(
            room=self.room,
            state=self.transport.state,
            srtp=self.transport.srtp_profile,
            route=self.transport.route,
            rtt_s=self.measured_rtt,
            dropped=dict(self.transport.counters),
            tracks={track_id: track.stats() for track_id, track in self.tracks.items()},
        )


def credentials(transport: Transport, port: MediaPort) -> IceCredentials:
    """What a peer must know of us to reach us after an ICE restart."""
    local = transport.local_parameters.ice
    return IceCredentials(ufrag=local.ufrag, pwd=local.pwd, candidates=list(port.candidates))


def _naming(
    offer: SessionDescription, request: PublisherOffer
) -> tuple[set[str] | None, Callable[[str], str]]:
    """Tell which m-lines to take (None: all that send) and what their tracks are called."""
    if request.tracks:
        return set(request.tracks), request.tracks.__getitem__
    if request.auto:
        mids: dict[str, str] = {}
        for kind, track_id in request.auto.items():
            for section in offer.sections:
                if section.kind == kind and section.direction in ("sendonly", "sendrecv"):
                    mids[section.mid] = track_id
                    break
        return set(mids), mids.__getitem__
    return None, lambda mid: f"{request.peer}:{mid}"


def _same_shape(old: IncomingTrack, new: IncomingTrack) -> bool:
    """Whether what subscribers were told of the track still holds."""
    return (old.mid, old.rids, old.codec.name, old.fmtp, old.red is None) == (
        new.mid,
        new.rids,
        new.codec.name,
        new.fmtp,
        new.red is None,
    )


def _lowest_first(rids: tuple[str, ...]) -> tuple[str, ...]:
    for order in KNOWN_ORDERS:
        if set(rids) <= set(order):
            return tuple(sorted(rids, key=order.index))
    return rids


def info_of(
    *,
    track: str,
    kind: Kind,
    codec: str,
    clock_rate: int,
    channels: int,
    fmtp: str,
    rids: tuple[str, ...],
    board: Switchboard,
    red: bool = False,
) -> TrackInfo:
    """Describe a track published here, with new relay SSRCs."""
    return TrackInfo(
        track=track,
        kind=kind,
        codec=codec,
        clock_rate=clock_rate,
        channels=channels,
        fmtp=fmtp,
        red=red,
        layers=[LayerInfo(rid=rid, ssrc=board.new_relay_ssrc()) for rid in rids or ("",)],
    )
