"""One encoding of a published track: numbers, counts and keeps packets, asks for what is missing.

What came in one drain goes on together: through a fan to outputs that need no decision any
more, packet by packet to the others.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from media.core.dependency import Dependencies
from media.core.history import AUDIO_PACKETS, VIDEO_PACKETS, History
from media.core.layers import LayerState
from media.core.nack import Losses
from media.core.packet import Malformed, Packet, unwrap_rtx
from media.core.parts import Parts
from media.core.red import MAX_BLOCKS, Block, missing_before, newest_only, open_red
from media.core.rtcp import Report, SenderReport, build_fir, build_nack, build_pli
from media.core.run import even_out
from media.core.source import MAX_DROPOUT, Receipt, Source
from media.output import Group, Output
from media.statistics import LayerStats, PartStats
from media.switchboard import Alarm

if TYPE_CHECKING:
    from media.track import PublishedTrack

KEYFRAME_INTERVAL_S = 0.5
"""Requests for keyframes of one layer are at least so far apart."""
ALIVE_S = 1.0
"""A layer that sent something so recently counts as being sent, whatever its rate."""
MAX_RUN = 64
"""Packets that go on together at most, as many as one drain brings."""
HOLD_S = 0.001
"""So long the packets of a frame wait for its end at most, to leave as one run."""
IMPATIENT_FRAMES = 32
"""Frames that are not waited for after one whose end did not come in that time."""
NACKS_PER_PACKET = 256
"""At worst 4 bytes each (RFC 4585 §6.2.1), so the packet stays well below the path's limit."""

_NEW = Receipt.NEW
_log = logging.getLogger(__name__)


class Layer:
    """One encoding of a track.

    Owner: the track. Lifetime: the track's. ``groups`` are those that get its
    packets now.
    """

    def __init__(self, track: PublishedTrack, rid: str, relay_ssrc: int) -> None:
        self.track = track
        self.rid = rid
        self.relay_ssrc = relay_ssrc
        self.state = LayerState(rid=rid, width=0, height=0, bps=0)
        self.parts = Parts(self.state)
        self._dependencies = Dependencies()
        self.source: Source | None = None
        self.history = History(VIDEO_PACKETS if track.kind == "video" else AUDIO_PACKETS)
        self.losses: Losses | None = Losses() if track.repairs else None
        self.groups: list[Group] = []
        self._pending: list[Packet] = []
        self._deferred = False
        self._alarm: Alarm | None = None
        self._impatient = 0
        self.newest = -1
        self._red = False
        self._redundant_bytes = 0
        self._unsaid = 0  # packets from now on whose earlier blocks are nobody's business
        self.heard_at = float("-inf")
        self.keyframes_asked = 0
        self.nacked = 0
        self.repaired = 0
        self._asked_at = float("-inf")
        self._asking = False
        self._fir_number = 0

    def bind(self, ssrc: int) -> None:
        """From now on the layer is what this SSRC sends."""
        if self.source is not None and self.source.ssrc == ssrc:
            return
        self._forward()
        for group in self.groups:
            group.unseat_all()
        self._redundant_bytes = 0
        track = self.track
        self.source = Source(ssrc, track.clock_rate, track.id, self.rid)
        self._dependencies = Dependencies()
        self.parts.clear()
        self.forget()
        for output in tuple(track.outputs):
            output.source_changed(self)

    def forget(self) -> None:
        """Nothing that came until now is sent or asked for any more."""
        self.history.clear()
        if self.losses is not None:
            self.losses.clear()
        self.newest = -1

    def let_go(self) -> None:
        """The track is not held any more; what was said meanwhile stays unsaid."""
        self._unsaid = MAX_BLOCKS

    def unbind(self) -> None:
        """Nothing is known any more of who sends the layer."""
        self._forward()
        for group in self.groups:
            group.unseat_all()
        self.source = None

    def receive(self, packet: Packet, now: float) -> None:
        """Take a packet of the layer's source."""
        source = self.source
        track = self.track
        if source is None:
            return
        blocks: list[Block] = []
        if packet.pt == track.red:
            opened = open_red(packet)
            if isinstance(opened, Malformed):
                track.board.counters[opened.value] += 1
                return
            blocks = opened
        receipt = source.receive(packet, now)
        losses = self.losses
        if receipt is not _NEW and receipt is not Receipt.LATE:
            if receipt is Receipt.STRAY:
                track.board.counters["stray"] += 1
                return
            self.history.clear()
            if losses is not None:
                losses.clear()
        self.heard_at = now
        if track.held:
            track.board.counters["held"] += 1
            return
        if not self.history.add(packet):
            # Senders also fill the path with what they sent before (RFC 4588): not the layer's rate.
            source.bytes -= len(packet.data)
            track.board.counters["duplicate"] += 1
            return
        if losses is not None:
            losses.received(packet.seq, now)
            if losses.missing:
                track.board.attention.add(self)
        track.codec.inspect(packet)
        if track.kind == "video":
            if track.dependency_id:
                self._dependencies.inspect(packet, track.dependency_id)
            self.parts.note(packet, layered=track.codec.layered)
            if packet.keyframe:
                self._begun(packet)
        if track.voices is not None:
            track.voices.heard(track, packet, now)
        if blocks and self._unsaid:
            self._unsaid -= 1
            newest_only(packet)
            blocks = []
        if blocks:
            self._redundant_bytes += packet.payload - packet.red
            for made in missing_before(packet, blocks, self.newest, self.history):
                track.codec.inspect(made)
                track.board.counters["red_recovered"] += 1
                if losses is not None:
                    losses.received(made.seq, now)
                self._pending.append(made)
        self._pending.append(packet)
        if not self._deferred:
            self._deferred = True
            track.board.defer(self._drained)

    def _begun(self, packet: Packet) -> None:
        """A keyframe is there: the request is settled, and it says its size."""
        self._asking = False
        size = self._dependencies.size or self.track.codec.size(packet)
        if size is not None:
            self.state.width, self.state.height = size

    def _drained(self) -> None:
        """Hand on what the drain brought, or wait a moment for the rest of its last frame."""
        self._deferred = False
        if self._unfinished():
            if self._alarm is None and self._impatient:
                self._impatient -= 1
            elif self._alarm is None:
                self._alarm = self.track.board.later(HOLD_S, self._give_up)
            if self._alarm is not None:
                return
        self._forward()

    def _unfinished(self) -> bool:
        """Whether the newest packet waiting is not the last of its frame (RFC 7741 §4.1 and others)."""
        if self.source is None or not 0 < len(self._pending) < MAX_RUN:
            return False
        newest = self._pending[-1]
        # What comes late fills a gap and is not followed by the rest of its frame.
        return (
            self.track.kind == "video" and not newest.marker and newest.seq == self.source.highest
        )

    def _give_up(self, now: float) -> None:
        """The rest of the frame did not come at once: a sender that spaces its packets."""
        self._alarm = None
        self._impatient = IMPATIENT_FRAMES
        self._forward(now)

    def _forward(self, now: float | None = None) -> None:
        """Hand on what came since the last time; ``now`` if not when the last of it came."""
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None
        packets, self._pending = self._pending, []
        source = self.source
        if not packets or source is None:
            return
        if len(packets) > 1:
            if len(packets) > MAX_RUN:
                self._pending, packets = packets[MAX_RUN:], packets[:MAX_RUN]
            even_out(packets)
        newest = self.newest
        plain = newest >= 0
        for packet in packets:
            if (
                not 0 < packet.seq - newest <= MAX_DROPOUT
                or packet.payload == packet.end
                or (packet.red > 0) is not self._red
            ):
                plain = False
                self._red = packet.red > 0
            newest = max(newest, packet.seq)
        self.newest = newest
        if now is None:
            now = packets[-1].arrival
        for group in tuple(self.groups):
            # ``send`` refuses what is too long; one by one those are counted.
            if group.seated and not (plain and group.fan.send(packets, now)):
                group.unseat_all()
            if group.outputs:
                self._decide(group, packets, source, now)
        if self._pending:
            self._forward(now)

    def _decide(self, group: Group, packets: list[Packet], source: Source, now: float) -> None:
        """Hand packets to the outputs that may not want them all or not as they are."""
        wires = [group.translation.apply(packet, now) for packet in packets]
        for output in group.outputs:
            try:
                for packet, wire in zip(packets, wires, strict=True):
                    output.forward(packet, wire, now)
                sitting = output.settle(source, self.newest)
            except Exception as error:
                _log.exception("a packet of %s could not be forwarded", self.track.id)
                self.remove(output)
                output.broken(error)
                continue
            if sitting is not None and output in group.outputs:
                group.outputs = [other for other in group.outputs if other is not output]
                group.seated[output] = sitting
                group.fan.seat(sitting)

    def repair(self, packet: Packet, now: float) -> None:
        """Take a packet of the layer's retransmission stream (RFC 4588)."""
        if self.source is None:
            self.track.board.counters["early_rtx"] += 1
            return
        original = unwrap_rtx(packet, self.source.ssrc, self.track.payload_type)
        if isinstance(original, Malformed):
            self.track.board.counters["rtx_padding"] += 1
        else:
            self.repaired += 1
            self.receive(original, now)

    def add(self, output: Output) -> None:
        """Hand this layer's packets to an output; adding twice is fine."""
        translation = self.track.translation(output.ids, redundant=output.redundant)
        for group in self.groups:
            if group.translation is translation:
                break
        else:
            group = Group(translation)
            self.groups.append(group)
        if output not in group:
            group.outputs = [*group.outputs, output]

    def remove(self, output: Output) -> None:
        """Stop that; removing twice is fine."""
        for group in self.groups:
            if output in group:
                group.remove(output)
                if not group.outputs and not group.seated:
                    self.groups = [other for other in self.groups if other is not group]
                return

    def unseat(self, output: Output) -> None:
        """Something about a seated output is about to change; others are left as they are."""
        for group in self.groups:
            group.unseat(output)

    def request_keyframe(self, now: float) -> None:
        """Ask the origin for a keyframe: now, or when the last request is old enough."""
        if self.track.held or not self.track.codec.keyframes:
            return
        self._asking = True
        self._ask(now)

    def _ask(self, now: float) -> None:
        if now - self._asked_at < KEYFRAME_INTERVAL_S:
            self.track.board.attention.add(self)
            return
        if self.source is None:
            return
        self._asked_at = now
        self._asking = False
        self.keyframes_asked += 1
        self.track.board.counters["keyframes_asked"] += 1
        sender, ssrc = self.track.board.ssrc, self.source.ssrc
        if self.track.keyframe_by_fir:
            self._fir_number = (self._fir_number + 1) & 0xFF
            self.track.upstream.send_feedback(build_fir(sender, ssrc, self._fir_number))
        else:
            self.track.upstream.send_feedback(build_pli(sender, ssrc))

    def attend(self, now: float) -> bool:
        """Send the requests that are due; whether more attention is needed."""
        if self._asking:
            self._ask(now)
        losses = self.losses
        if losses is None or self.source is None:
            return self._asking
        if len(losses):
            due = losses.due(now, self.track.upstream.rtt)
            self.nacked += len(due)
            self.track.board.counters["nacked"] += len(due)
            for first in range(0, len(due), NACKS_PER_PACKET):
                some = due[first : first + NACKS_PER_PACKET]
                nack = build_nack(self.track.board.ssrc, self.source.ssrc, some)
                self.track.upstream.send_feedback(nack)
        if losses.take_keyframe_hint():
            self.request_keyframe(now)
        return self._asking or len(losses) > 0

    def sender_report(self, report: SenderReport, now: float) -> None:
        """Take the origin's clock."""
        if self.source is not None:
            self.source.sender_report(report.ntp64, report.ts32, now)
            for output in tuple(self.track.outputs):
                output.sender_reported(self, report)

    def report(self, now: float) -> Report | None:
        """Make the report block for the origin, None while nothing is heard."""
        if self.source is None or self.heard_at < 0:
            return None
        return self.source.report(now)

    def measure(self, now: float) -> None:
        """Bring ``state.bps`` up to date."""
        bps = self.source.measure(now) if self.source is not None else 0
        if now - self.heard_at > ALIVE_S:
            bps = 0
        elif not bps:
            bps = 1
        elif self._redundant_bytes and self.source is not None:
            # What most receivers are sent of it.
            bps -= bps * self._redundant_bytes // self.source.bytes
        self.state.bps = bps
        self._dependencies.renew()
        if self.track.kind == "video" and self.parts.measure():
            self.track.reckon()

    def stats(self) -> LayerStats:
        source, state = self.source, self.state
        return LayerStats(
            bps=state.bps,
            width=state.width,
            height=state.height,
            packets=source.packets if source else 0,
            bytes=source.bytes if source else 0,
            lost=source.expected - source.packets if source else 0,
            repaired=self.repaired,
            missing=len(self.losses) if self.losses is not None else 0,
            jitter_s=source.jitter / self.track.clock_rate if source else 0.0,
            nacked=self.nacked,
            keyframes_asked=self.keyframes_asked,
            parts=[
                PartStats(spatial=part.spatial, temporal=part.temporal, bps=part.bps)
                for part in self.parts.states[:-1]
            ],
        )
