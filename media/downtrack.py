"""One track on its way to one subscriber or player: its SSRC, its layer, its repairs.

Decides nothing about bandwidth (``media.downlink`` says which layer) and owns no
transport. While a layer is simply followed, its fan sends the packets; what comes
before, between and again goes through ``forward``.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import Protocol

from media.burst import Path
from media.core.codecs import codec as find_codec
from media.core.extensions import ExtensionIds, Wire
from media.core.forwarder import Drop, Forwarder
from media.core.layers import LayerState
from media.core.nack import Repairs
from media.core.packet import Packet
from media.core.rtcp import Report, SenderReport
from media.core.source import Source
from media.fan import Sitting
from media.layer import KEYFRAME_INTERVAL_S, Layer
from media.rpc import Kind, TrackInfo
from media.sdp import OutgoingLine, OutgoingTrack
from media.srtp import SrtpSession
from media.statistics import DownStats, Reason
from media.track import PublishedTrack

KEYFRAMES_AT_ONCE = 10.0
KEYFRAMES_PER_S = 0.4
"""What one receiver may ask for, beside what a switch of layers needs."""

LOSSY = 5
"""Of 256 packets; from there on redundancy, which doubles a voice's bytes, is worth them."""
REDUNDANT_S = 30.0
"""So long it goes on after the last such report: losses come in spells."""

_scratch = bytearray(2048)
_view = memoryview(_scratch)
PADDING = 255
PADDING_BYTES = PADDING + 24
"""A packet of padding alone: as much as there can be, and its header."""


class Carrier(Protocol):
    """The connection a down track sends on.

    Attributes:
        rtt: round trip to the receiver, seconds.
    """

    connected: bool
    rtt: float

    def number(self, size_bytes: int, now: float) -> int:
        """Give the next transport-wide number."""

    @property
    def send_rtp(self) -> Callable[[memoryview], bool]:
        """What protects and sends."""

    def transport_seqs(self, sizes: list[int], now: float) -> int:
        """Give the first of the next transport-wide numbers, one for each size."""

    def outlet(self) -> tuple[Path, SrtpSession] | None:
        """Where packets go and what protects them, None if not connected."""

    def fail(self, reason: str) -> None:
        """Close the connection: it is beyond help."""

    def reconsider(self) -> None:
        """Something that decides which layers are sent has changed."""


class DownTrack:
    """Owner: the downlink. Lifetime: as long as its m-line carries this track.

    Attributes:
        track: what is sent, None while there is nothing.
        ids: header extensions as the receiver numbers them.
        layer: which layer is sent or about to be, None when paused.
        state: how much of it.
        redundant: is sent redundant audio (RFC 2198) as it comes, because its path loses packets.
        always: wanted also while the room listens to others.
        waiting: would be sent were it not in the background.
        description: goes along with sender reports (SDES).
        drops: how many packets were not forwarded, by ``Drop``.
        report: the receiver's last one.
        bps: what was lately sent, as ``census`` measured it.
        clock_rate: Hz.
    """

    def __init__(self, carrier: Carrier, line: OutgoingLine) -> None:
        self._carrier = carrier
        self.kind: Kind = line.track.kind
        self.mid = line.mid
        self.ssrc = line.track.ssrc
        self.codec = line.codec.name
        self.clock_rate = line.codec.clock_rate
        self.ids = ExtensionIds(line.extensions)
        self.track: PublishedTrack | None = None
        self.layer: Layer | None = None
        self.state: LayerState | None = None
        self.always = self.waiting = self.redundant = False
        self._pt, self._red = line.codec.payload_type, line.red
        self._lossy_at = float("-inf")
        self._layers: set[Layer] = set()
        self._sitting: Sitting | None = None
        self._repairs = Repairs()
        self.can_probe = line.rtx is not None
        self.repaired = 0
        self.nacked = 0
        self.drops = [0] * len(Drop)
        self.report: Report | None = None
        self.bps = 0
        self._keyframes_left = KEYFRAMES_AT_ONCE
        self._keyframe_at = float("-inf")
        self.description = b""
        self.forwarder = Forwarder(
            ssrc=line.track.ssrc,
            pt=line.codec.payload_type,
            clock_rate=line.codec.clock_rate,
            keyframes=self.kind == "video",
            layered=find_codec(line.codec.name).layered,
            rtx_ssrc=line.track.rtx_ssrc if line.rtx is not None else 0,
            rtx_pt=line.rtx or 0,
            rtx_seq=secrets.randbits(15),
        )

    def renegotiated(self, line: OutgoingLine) -> None:
        """Take what a later answer settled."""
        self.stand_up()
        self.mid = line.mid
        self.forwarder.pt = self._pt = line.codec.payload_type
        self.forwarder.rtx_pt = line.rtx or 0
        self._red = line.red
        self._reshape(ExtensionIds(line.extensions), self.redundant and self._red is not None)

    def _reshape(self, ids: ExtensionIds, redundant: bool) -> None:
        """Get packets in another form from the next one on."""
        if ids == self.ids and redundant == self.redundant:
            return
        self.stand_up()
        for layer in self._layers:
            layer.remove(self)
        self.ids, self.redundant = ids, redundant
        self.forwarder.pt = self._pt
        for layer in self._layers:
            layer.add(self)

    def feed(self, track: PublishedTrack | None) -> None:
        """Send this track from now on; a picture changes at the new one's first keyframe."""
        if track is self.track:
            return
        before, self.track = self.track, track
        if before is not None:
            before.outputs.discard(self)
        if track is None:
            self.aim(None)
        else:
            # The old layer goes on until the new one's keyframe.
            track.attach(self)
        self._carrier.reconsider()

    def aim(self, layer: Layer | None, state: LayerState | None = None) -> None:
        """Send that layer, or a part of it, as soon as it can be; or nothing."""
        self.stand_up()
        source = layer.source if layer is not None else None
        self.layer = layer if source is not None else None
        if layer is None or source is None:
            self.state = None
            self.forwarder.aim(None)
        else:
            self.state = state or layer.state
            self.forwarder.aim(source, spatial=self.state.spatial, temporal=self.state.temporal)
        self.sync()

    def sync(self) -> None:
        """Get the packets of the layers in use, and only those."""
        wanted = set()
        if self.layer is not None:
            wanted.add(self.layer)
        current = self.forwarder.current
        if current is not None:
            wanted.update(layer for layer in self._layers if layer.source is current)
        if wanted != self._layers:
            for layer in self._layers - wanted:
                layer.remove(self)
            for layer in wanted - self._layers:
                layer.add(self)
            self._layers = wanted

    def ask_keyframe(self, now: float) -> None:
        """Ask for a keyframe if the switch under way waits for one."""
        if self.layer is not None and self.forwarder.wants_keyframe:
            self.layer.request_keyframe(now)

    def forward(self, packet: Packet, wire: Wire, now: float) -> None:
        """Send the packet on, if its turn has come."""
        drop = self.forwarder.map(packet)
        if self.redundant and self._red is not None:
            self.forwarder.pt = self._red if packet.red else self._pt
        if drop is not None:
            self.drops[drop] += 1
            return
        carrier = self._carrier
        twcc_seq = carrier.number(len(wire.data), now) if wire.twcc else 0
        size = self.forwarder.write(_scratch, 0, wire, twcc_seq)
        carrier.send_rtp(_view[:size])

    def settle(self, source: Source, newest: int) -> Sitting | None:
        numbers = self.forwarder.steady(source, newest)
        outlet = self._carrier.outlet() if numbers is not None else None
        if numbers is None or outlet is None:
            return None
        self._sitting = Sitting(*outlet, numbers, self.forwarder, self._carrier.transport_seqs)
        return self._sitting

    def stand_up(self) -> None:
        """Before anything about the forwarding or the connection changes."""
        if self._sitting is not None:
            self._sitting = None
            for layer in self._layers:
                layer.unseat(self)

    def catch_up(self) -> None:
        """Before the forwarder is asked or used."""
        if self._sitting is not None:
            self._sitting.catch_up()

    def resend(self, seqs16: list[int], now: float) -> None:
        """Answer a NACK out of the layers' histories, within the budget."""
        self.nacked += len(seqs16)
        self.catch_up()
        track = self.track
        if track is None or track.held:
            return
        for seq16 in seqs16:
            found = self.forwarder.locate(seq16)
            layer = track.layer_of(found[0]) if found is not None else None
            packet = layer.history.get(found[1]) if found is not None and layer else None
            if packet is None or layer is None:
                continue
            size = len(packet.data)
            bps = layer.state.bps or 100_000
            if self._repairs.allow(seq16, size, now, self._carrier.rtt, bps):
                self.repaired += self._send_again(packet, now)

    def pad(self, count_bytes: int, now: float) -> int:
        """Fill the path for a probe with what receivers drop; returns the bytes sent.

        Recent packets again, as repairs of what they have; without any, padding alone.
        """
        self.catch_up()
        sent = self._repeat(count_bytes, now)
        while sent < count_bytes and self._carrier.connected and self.forwarder.rtx_ssrc:
            twcc_seq = self._carrier.number(PADDING_BYTES, now) if self.ids.transport_cc else 0
            size = self.forwarder.write_padding(_scratch, 0, PADDING, self.ids, twcc_seq, now)
            if not self._carrier.send_rtp(_view[:size]):
                break
            sent += size
        return sent

    def _repeat(self, count_bytes: int, now: float) -> int:
        """Send recent packets again; returns the bytes sent."""
        track, layer = self.track, self.layer
        if track is None or layer is None or layer.source is None or track.held:
            return 0
        sent = 0
        seq = layer.newest
        for back in range(64):
            packet = layer.history.get(seq - back)
            if packet is None or sent >= count_bytes:
                break
            if packet.source is self.forwarder.current and self._send_again(packet, now):
                sent += len(packet.data)
        return sent

    def _send_again(self, packet: Packet, now: float) -> bool:
        track = self.track
        if track is None or self.forwarder.map(packet) is not None:
            return False
        stamped = self.ids.transport_cc or self.ids.abs_send_time
        if (stamped or self._red is not None) and not self.forwarder.rtx_ssrc:
            # Another header under the same SRTP index would use a GCM nonce twice (RFC 7714 §8.1).
            return False
        wire = track.translation(self.ids).apply(packet, now)
        twcc_seq = self._carrier.number(len(wire.data), now) if wire.twcc else 0
        if self.forwarder.rtx_ssrc:
            size = self.forwarder.write_rtx(_scratch, 0, wire, twcc_seq)
        else:
            size = self.forwarder.write(_scratch, 0, wire, twcc_seq)
        return self._carrier.send_rtp(_view[:size])

    def keyframe_wanted(self, now: float) -> None:
        """The receiver lost its picture (PLI, FIR). One that always does gets few: all pay for them."""
        if self.layer is None or now < self._keyframe_at + KEYFRAME_INTERVAL_S:
            return  # the last one is on its way
        earned = (now - self._keyframe_at) * KEYFRAMES_PER_S
        left = min(KEYFRAMES_AT_ONCE, self._keyframes_left + earned)
        self._keyframe_at = now
        if left < 1:
            self._keyframes_left = left
            self.layer.track.board.counters["keyframe_ignored"] += 1
        else:
            self._keyframes_left = left - 1
            self.layer.request_keyframe(now)

    def round_trip(self, report: Report, now: float) -> float | None:
        """Read the round trip out of a receiver's report on us."""
        self.report = report
        if self._red is not None:
            if report.fraction_lost >= LOSSY:
                self._lossy_at = now
            self._reshape(self.ids, now - self._lossy_at < REDUNDANT_S)
        return self.forwarder.rtt(report, now)

    def sender_report(self, now: float) -> SenderReport | None:
        """Make the report that tells the receiver our clock."""
        self.catch_up()
        return self.forwarder.sender_report(now) if self.forwarder.packets else None

    def broken(self, error: Exception) -> None:
        self._carrier.fail(f"forwarding failed: {type(error).__name__}")

    def sender_reported(self, layer: Layer, report: SenderReport) -> None:
        """Nothing: ours are made on time of our own."""

    def source_changed(self, layer: Layer) -> None:
        track = self.track
        if self.layer is layer or (
            # Nothing to choose: begin with this very packet.
            self._carrier.connected
            and track
            and len(track.layers) == 1
            and not track.held
            and (self.always or not track.background)
        ):
            self.aim(layer, self.state if self.layer is layer else None)
        self._carrier.reconsider()

    def hold_changed(self) -> None:
        if self.track is not None and self.track.held:
            self.aim(None)
        self._carrier.reconsider()

    def expect(self, *, wanted: bool, always: bool) -> None:
        """Note whether the track is wanted, and whether it is in the background too."""
        track = self.track
        self.always = always
        self.waiting = (
            wanted and not always and track is not None and track.background and not track.held
        )

    def background_changed(self) -> None:
        """Begin with this very packet, or end with the last: the numbers go on without a gap."""
        track = self.track
        if track is None:
            return
        if self.waiting and not track.background:
            self.waiting = False
            self.aim(track.layers[0])
        elif track.background and not self.always and self.layer is not None:
            self.waiting = True
            self.aim(None)

    def close(self) -> None:
        """Receive nothing any more."""
        self.feed(None)
        for layer in self._layers:
            layer.remove(self)
        self._layers = set()

    def stats(self, reason: Reason = "", fitting: str | None = None) -> DownStats:
        """Args:
        reason, fitting: what the downlink knows, see ``DownStats``.
        """
        self.catch_up()
        forwarder, report = self.forwarder, self.report
        current = forwarder.current
        return DownStats(
            track=self.track.id if self.track is not None else "",
            mid=self.mid,
            kind=self.kind,
            codec=self.codec,
            asked=self.layer.rid if self.layer is not None else None,
            spatial=self.state.spatial if self.state is not None else None,
            temporal=self.state.temporal if self.state is not None else None,
            sent=current.rid if current is not None else None,
            fitting=fitting,
            reason=reason,
            bps=self.bps,
            packets=forwarder.packets,
            octets=forwarder.octets,
            repaired=self.repaired,
            nacked=self.nacked,
            lost=report.lost if report is not None else None,
            loss=report.fraction_lost / 256 if report is not None else None,
            jitter_s=report.jitter / self.clock_rate if report is not None else None,
            drops={drop.name.lower(): self.drops[drop] for drop in Drop if self.drops[drop]},
        )


def outgoing(track_id: str, group: str, info: TrackInfo, ssrc: int = 0) -> OutgoingTrack:
    """Describe a track to be offered, with this SSRC (odd) or, without one, a new one."""
    ssrc = ssrc or secrets.randbits(30) << 1 | 0x80000001
    return OutgoingTrack(
        track=track_id,
        stream=group,
        kind=info.kind,
        codec=info.codec,
        clock_rate=info.clock_rate,
        channels=info.channels,
        fmtp=info.fmtp,
        ssrc=ssrc,
        rtx_ssrc=ssrc - 1,
        red=info.red,
    )
