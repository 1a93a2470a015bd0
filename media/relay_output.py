"""One track on its way out over a relay link: which layers cross, under which numbers.

Packets keep their order, their gaps and their timestamps; numbers are moved by a
constant, so that a layer that comes back, or gets another source, goes on where it
stopped and no SRTP index is used twice under one key.
"""

from __future__ import annotations

from typing import Protocol

from media.core.extensions import (
    AUDIO_LEVEL,
    DEPENDENCY_DESCRIPTOR,
    PLAYOUT_DELAY,
    VIDEO_CONTENT_TYPE,
    VIDEO_ORIENTATION,
    ExtensionIds,
    Wire,
)
from media.core.nack import Repairs
from media.core.outgoing import Outgoing
from media.core.packet import Packet
from media.core.rtcp import SenderReport, build_sr
from media.core.seqmap import extend_seq
from media.core.source import MAX_DROPOUT, Source
from media.layer import Layer
from media.track import PublishedTrack

IDS = ExtensionIds(
    {
        1: AUDIO_LEVEL,
        2: VIDEO_ORIENTATION,
        3: PLAYOUT_DELAY,
        4: VIDEO_CONTENT_TYPE,
        5: DEPENDENCY_DESCRIPTOR,
        6: "http://www.webrtc.org/experiments/rtp-hdrext/abs-capture-time",
        7: "http://www.webrtc.org/experiments/rtp-hdrext/color-space",
        8: "http://www.webrtc.org/experiments/rtp-hdrext/video-timing",
        9: "http://www.webrtc.org/experiments/rtp-hdrext/video-layers-allocation00",
    }
)
"""Header extensions as all links number them. Only ever add."""
PT, RTX_PT, RED_PT = 96, 97, 98

_scratch = bytearray(2048)
_view = memoryview(_scratch)


class Carrier(Protocol):
    """The link.

    Attributes:
        rtt: round trip to the other worker, seconds.
    """

    rtt: float

    def stream(self, ssrc: int) -> RelayStream:
        """Give the numbers of a relay SSRC, as far as they went under the present keys."""

    def send_rtp(self, packet: memoryview) -> None: ...

    def send_rtcp(self, packet: bytes) -> None: ...

    def fail(self) -> None:
        """It is beyond help."""


class RelayOutput:
    """A track on its way out over a link.

    Owner: the link. Follows exactly the layers whose rids are wanted there.
    """

    def __init__(self, link: Carrier, track: PublishedTrack) -> None:
        self.ids = IDS
        self.redundant = True
        self._link = link
        self.track = track
        self._streams: dict[Layer, RelayStream] = {}
        self._repairs = Repairs()
        self._rids: list[str] = []
        self._always = False
        track.attach(self)

    def want(self, rids: list[str], now: float, *, always: bool = False) -> None:
        """Let these layers cross, and no others.

        Args:
            always: also while the track is in the background.
        """
        self._rids, self._always = rids, always
        self._follow(now)

    def _follow(self, now: float) -> None:
        heard = self._always or not self.track.background
        for layer in self.track.layers:
            wanted = heard and layer.rid in self._rids
            stream = self._streams.get(layer)
            if stream is None:
                if not wanted:
                    continue
                stream = self._streams[layer] = self._link.stream(layer.relay_ssrc)
            if wanted and not stream.flowing:
                stream.flowing = True
                stream.restart()
                layer.add(self)
                layer.request_keyframe(now)
            elif not wanted and stream.flowing:
                stream.flowing = False
                layer.remove(self)

    def layer(self, ssrc: int) -> Layer | None:
        """Find the layer that crosses under this SSRC."""
        for layer, stream in self._streams.items():
            if stream.out.ssrc == ssrc and stream.flowing:
                return layer
        return None

    def forward(self, packet: Packet, wire: Wire, now: float) -> None:
        layer = self.track.layer_of(packet.source)
        if layer is None:
            return
        out = self._streams[layer].place(packet)
        if out is None:
            return
        self._link.send_rtp(_view[: out.write(_scratch, 0, wire)])

    def settle(self, source: Source, newest: int) -> None:
        """Stay: on a link every packet keeps its own number."""

    def resend(self, layer: Layer, seqs16: list[int], now: float) -> None:
        """Answer a NACK from the other side out of the layer's history."""
        stream = self._streams[layer]
        for seq16 in seqs16:
            packet = stream.find(layer, seq16)
            if packet is None or self.track.held:
                continue
            size = len(packet.data)
            bps = layer.state.bps or 100_000
            if self._repairs.allow(seq16 | layer.relay_ssrc << 16, size, now, self._link.rtt, bps):
                # A retransmission has one payload type: what was redundant is sent without.
                wire = self.track.translation(IDS).apply(packet, now)
                out = stream.place(packet)
                if out is not None:
                    self._link.send_rtp(_view[: out.write_rtx(_scratch, 0, wire)])

    def broken(self, error: Exception) -> None:
        self._link.fail()

    def sender_reported(self, layer: Layer, report: SenderReport) -> None:
        stream = self._streams.get(layer)
        if stream is not None and stream.flowing:
            self._link.send_rtcp(
                build_sr(
                    SenderReport(
                        stream.out.ssrc,
                        report.ntp64,
                        report.ts32,
                        report.packets,
                        report.octets,
                        [],
                    )
                )
            )

    def source_changed(self, layer: Layer) -> None:
        stream = self._streams.get(layer)
        if stream is not None:
            stream.restart()

    def hold_changed(self) -> None:
        for stream in self._streams.values():
            stream.restart()

    def background_changed(self) -> None:
        self._follow(0.0)  # sound has no keyframe to ask for

    def close(self) -> None:
        for layer, stream in self._streams.items():
            stream.flowing = False
            layer.remove(self)
        self.track.detach(self)


class RelayStream:
    """The numbers of one relay SSRC, kept by the link as long as its keys.

    Attributes:
        flowing: its layer crosses now.
    """

    def __init__(self, ssrc: int) -> None:
        self.out = Outgoing(ssrc=ssrc, pt=PT, rtx_ssrc=ssrc + 1, rtx_pt=RTX_PT, rtx_seq=0)
        self.flowing = False
        self._shift: int | None = None
        self._highest = 0  # outgoing, extended
        self._first = 0  # outgoing number at which the present shift began

    def restart(self) -> None:
        """Whatever comes next follows what was sent last."""
        self._shift = None

    def place(self, packet: Packet) -> Outgoing | None:
        """Set the packet's outgoing numbers.

        None for one from before what crosses now began: its number may have been another's,
        and no number is used twice under one key (RFC 7714 §8.1).
        """
        shift = self._shift
        if shift is None or packet.seq + shift - self._highest > MAX_DROPOUT:
            # Began, came back, or the origin jumped. Starting low leaves the other side's
            # SRTP most of a cycle to hear of us.
            self._first = self._highest + 1
            shift = self._shift = self._first - packet.seq
        out = self.out
        if packet.seq + shift < self._first:
            return None
        out.pt = RED_PT if packet.red else PT
        out.seq = packet.seq + shift
        if out.seq > self._highest:
            self._highest = out.seq
        out.ts = packet.ts
        out.picture = packet.picture
        out.tl0 = packet.tl0
        return out

    def find(self, layer: Layer, seq16: int) -> Packet | None:
        """Find the packet that crossed under a number."""
        if self._shift is None:
            return None
        seq = extend_seq(seq16, self._highest)
        return layer.history.get(seq - self._shift) if self._first <= seq <= self._highest else None
