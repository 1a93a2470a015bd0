"""One down track's mapping: one of several sources becomes one outgoing SSRC.

Gapless numbers, timestamps that only go forward, VP8 picture ids that stay
continuous; switches happen at keyframes. Sees packets, sends none, knows no keys.
"""

from __future__ import annotations

from enum import IntEnum

from media.core.outgoing import Outgoing
from media.core.packet import Packet
from media.core.rtcp import Report, SenderReport
from media.core.run import Numbers
from media.core.segment import Segment
from media.core.selection import EVERY, Selection
from media.core.seqmap import SeqMap
from media.core.source import MAX_DROPOUT, Source

# Earlier sources still answered for: a NACK is about a second old at most, and
# nobody switches layers more often than that.
MAX_PAST = 4

# Sender reports of two layers may disagree with the time that passed by this
# much (jitter buffers, a stalled encoder); beyond, one of them is wrong.
MAX_SKEW = 3.0

# Sender reports remembered to match LSR: 8 at one a second outlive any round trip.
MAX_REPORTS = 8


class Drop(IntEnum):
    """Why a packet was not forwarded; a counter each."""

    PAUSED = 0  # no layer wanted
    OTHER_LAYER = 1
    WAITING_KEYFRAME = 2
    UPPER_LAYER = 3  # temporal or spatial, above what is wanted
    PADDING = 4  # carries no payload
    TOO_OLD = 5  # its place in the outgoing numbers is gone


class Forwarder(Outgoing):
    """Owner: the down track.

    ``map`` decides and leaves the outgoing ``seq``, ``ts`` (extended), ``picture`` and
    ``tl0`` in attributes; ``write`` renders the packet just mapped. For an old packet
    ``map`` changes nothing and answers the same, so a NACK is answered by
    ``locate`` -> history -> ``map`` -> ``write`` or ``write_rtx``.

    Args:
        ssrc, pt: outgoing.
        clock_rate: Hz.
        keyframes: switches wait for one (video).
        layered: the codec may have spatial layers in one stream (VP9, AV1); else picture ids
            are told without those left out.
        seq, ts: first outgoing number and timestamp, random (RFC 3550 §5.1); without, those
            of the first packet, so that all who begin on one source share its numbers.
        rtx_ssrc, rtx_pt: 0 when RTX was not negotiated.
    """

    __slots__ = (
        "_clock_rate",
        "_dropped_picture",
        "_dropped_ts",
        "_first_ts",
        "_frame",
        "_keyframes",
        "_last",
        "_last_segment",
        "_layered",
        "_map",
        "_next_out",
        "_past",
        "_reports",
        "_segment",
        "_selection",
        "current",
        "target",
    )

    current: Source | None
    target: Source | None

    def __init__(
        self,
        *,
        ssrc: int,
        pt: int,
        clock_rate: int,
        keyframes: bool,
        layered: bool = False,
        seq: int | None = None,
        ts: int | None = None,
        rtx_ssrc: int = 0,
        rtx_pt: int = 0,
        rtx_seq: int = 0,
    ) -> None:
        super().__init__(ssrc=ssrc, pt=pt, rtx_ssrc=rtx_ssrc, rtx_pt=rtx_pt, rtx_seq=rtx_seq)
        self.current = None
        self.target = None
        self._clock_rate = clock_rate
        self._keyframes = keyframes
        self._layered = layered
        self._next_out = -1 if seq is None else 0x10000 + (seq & 0xFFFF)
        self._first_ts = None if ts is None else 0x100000000 + (ts & 0xFFFFFFFF)
        self._segment: Segment | None = None  # of ``current``
        self._map: SeqMap | None = None  # of ``_segment``
        self._past: list[Segment] = []
        self._last: Packet | None = None  # newest forwarded
        self._last_segment: Segment | None = None  # where ``_last`` went
        self._selection = Selection(layered=layered)
        self._frame = -1  # newest frame number sent in a dependency descriptor
        self._dropped_picture = -1
        self._dropped_ts = 0  # outgoing; what is late and older may yet go out
        self._reports: list[tuple[int, float]] = []

    def aim(self, source: Source | None, *, spatial: int = EVERY, temporal: int = EVERY) -> None:
        """Want another source (at its next keyframe) or none (at once), up to these layers."""
        self.target = source
        self._selection.aim(spatial, temporal)
        if source is None:
            self._finish()

    @property
    def wants_keyframe(self) -> bool:
        """Whether ``target`` should be asked for a keyframe."""
        return self._keyframes and (self.target is not self.current or self._selection.stuck)

    def map(self, packet: Packet) -> Drop | None:
        """Decide; None means forward it."""
        source = packet.source
        seq = packet.seq
        if source is not self.current or source is None:
            if source is self.target and source is not None:
                return self._join(packet, source)
            return self._remember(packet)
        segment = self._segment
        seqmap = self._map
        assert segment is not None
        assert seqmap is not None
        ahead = seq - seqmap.highest
        if ahead <= 0:
            return self._remember(packet)
        if ahead > MAX_DROPOUT:  # the source began anew
            self._finish()
            return self._join(packet, source)
        if packet.payload == packet.end:
            seqmap.skip(seq)
            return Drop.PADDING
        selection = self._selection
        if not selection.whole and not selection.admits(packet):
            return self._leave_out(packet, seqmap)
        if self._layered:
            self.ends = segment.ends(packet, selection.top)
            self._note_frame(packet, segment)
        seqmap.highest = seq
        self.seq = seq + seqmap.delta
        self.ts = packet.ts + segment.ts_delta
        self.frame_delta = segment.frame_delta
        if packet.picture >= 0:
            self.picture = packet.picture + seqmap.picture_delta
        self.tl0 = packet.tl0 + segment.tl0_delta
        self._last = packet
        return None

    def _join(self, packet: Packet, source: Source) -> Drop | None:
        """Begin a segment with this packet, if it can be begun with and was not sent before."""
        if self._past and self._segment_of(packet) is not None:
            return self._remember(packet)
        if packet.payload == packet.end:
            return Drop.PADDING
        if self._keyframes and not packet.keyframe:
            return Drop.WAITING_KEYFRAME
        self._finish()
        picture_delta = tl0_delta = frame_delta = 0
        last, before = self._last, self._last_segment
        if self._next_out < 0:
            # In the lower half: while the first packets may be lost or come out of order, no
            # wrap may lie among them, or the receiver counts other cycles than we (RFC 3711 §3.3.1).
            self._next_out = packet.seq & ~0x8000
        if last is None or before is None:
            ts_delta = self._first_ts - packet.ts if self._first_ts is not None else 0
        else:
            ts_delta = self._align(packet, source, last, before)
            if packet.picture >= 0 and last.picture >= 0:
                newest = last.picture + before.map.picture_delta_at(last.seq)
                picture_delta = newest + 1 - packet.picture
            if packet.tl0 >= 0 and last.tl0 >= 0:
                tl0_delta = last.tl0 + before.tl0_delta + 1 - packet.tl0
        if self._layered and packet.dependency is not None and self._frame >= 0:
            frame_delta = self._frame + 1 - packet.dependency.number
        seqmap = SeqMap(packet.seq, self._next_out, picture_delta)
        segment = Segment(source, seqmap, self._next_out, ts_delta, tl0_delta, frame_delta & 0xFFFF)
        self.current = source
        self._segment = self._last_segment = segment
        self._map = seqmap
        self._selection.begin(packet)
        self._dropped_picture = -1
        self.frame_delta = segment.frame_delta
        if self._layered:
            self.ends = segment.ends(packet, self._selection.top)
            self._note_frame(packet, segment)
        self.seq = self._next_out
        seqmap.highest = packet.seq
        self.ts = packet.ts + ts_delta
        self.picture = packet.picture + picture_delta
        self.tl0 = packet.tl0 + tl0_delta
        self._last = packet
        return None

    def _align(self, packet: Packet, source: Source, last: Packet, before: Segment) -> int:
        """Choose what to add to timestamps of a new segment.

        By the publisher's clock where sender reports of both sources tell it, else by
        the time that passed between the packets; always forward.
        """
        newest = max(last.ts + before.ts_delta, self._dropped_ts)
        guess = last.ts + before.ts_delta + int((packet.arrival - last.arrival) * self._clock_rate)
        old = before.source
        exact = guess
        if source is old:
            exact = packet.ts + before.ts_delta
        elif source.clock == old.clock and source.ntp is not None and old.ntp is not None:
            captured = source.ntp - old.ntp + (packet.ts - source.sr_ts) / self._clock_rate
            exact = old.sr_ts + before.ts_delta + round(captured * self._clock_rate)
        if abs(exact - guess) > MAX_SKEW * self._clock_rate:
            exact = guess
        return max(exact, newest + 1) - packet.ts

    def _finish(self) -> None:
        """Close the current segment; numbers it reserved stay answerable."""
        segment = self._segment
        if segment is not None:
            self._next_out = segment.map.highest + segment.map.delta + 1
            self._past.append(segment)
            del self._past[:-MAX_PAST]
        self.current = None
        self._segment = None
        self._map = None

    def _note_frame(self, packet: Packet, segment: Segment) -> None:
        if packet.dependency is not None:
            self._frame = packet.dependency.number + segment.frame_delta & 0xFFFF

    def _leave_out(self, packet: Packet, seqmap: SeqMap) -> Drop:
        """Drop a packet of a layer above the limit, and its picture id with it.

        VP9's stay: its layers share them, and refer to others by their distance.
        """
        if self._segment is not None:
            self._dropped_ts = packet.ts + self._segment.ts_delta
        picture = packet.picture
        if picture >= 0 and picture != self._dropped_picture and not self._layered:
            self._dropped_picture = picture
            seqmap.skip(packet.seq, 1)
        else:
            seqmap.skip(packet.seq)
        return Drop.UPPER_LAYER

    def _segment_of(self, packet: Packet) -> Segment | None:
        """Find the segment that has, or keeps free, this packet's number."""
        source, seq = packet.source, packet.seq
        segment = self._segment
        if segment is not None and segment.holds(source, seq):
            return segment
        return next((past for past in reversed(self._past) if past.holds(source, seq)), None)

    def _remember(self, packet: Packet) -> Drop | None:
        """Map an old packet again, or one that comes late, where its number was kept free."""
        segment = self._segment_of(packet)
        if segment is None:
            if packet.source is self.current:
                return Drop.TOO_OLD
            return Drop.PAUSED if self.target is None else Drop.OTHER_LAYER
        seqmap = segment.map
        out = seqmap.map(packet.seq)
        if out is None:
            return Drop.TOO_OLD
        self.seq = out
        self.ts = packet.ts + segment.ts_delta
        if packet.picture >= 0:
            self.picture = packet.picture + seqmap.picture_delta_at(packet.seq)
        self.tl0 = packet.tl0 + segment.tl0_delta
        self.frame_delta = segment.frame_delta
        self.ends = self._layered and segment.ended(packet)
        return None

    def steady(self, source: Source | None, newest: int) -> Numbers | None:
        """Tell how the packets after ``newest`` will be numbered, if they all will be alike.

        None while a switch is under way, packets are left out, or some have not passed here.
        """
        segment, seqmap = self._segment, self._map
        if (
            segment is None
            or seqmap is None
            or self.current is not source
            or self.target is not source
            or seqmap.highest != newest
            or not self._selection.whole
            or segment.frame_delta
        ):
            return None
        return Numbers(
            self.ssrc,
            self.pt,
            seqmap.delta,
            segment.ts_delta,
            seqmap.picture_delta,
            segment.tl0_delta,
        )

    def passed(self, last: Packet, newest: int, packets: int, octets: int) -> None:
        """Take note of what was sent under the numbers that ``steady`` told."""
        segment, seqmap = self._segment, self._map
        assert segment is not None
        assert seqmap is not None
        seqmap.highest = newest
        self._last = last
        if self._layered:
            self._note_frame(last, segment)
        self.seq = last.seq + seqmap.delta
        self.ts = last.ts + segment.ts_delta
        self.packets += packets
        self.octets += octets

    def locate(self, seq16: int) -> tuple[Source, int] | None:
        """Find whose packet went out under a number: (source, its extended number)."""
        segment = self._segment
        newest = self._next_out - 1
        if segment is not None:
            newest = segment.map.highest + segment.map.delta
        out = newest - ((newest - seq16) & 0xFFFF)
        if segment is None or out < segment.first_out:
            segment = next((past for past in reversed(self._past) if out >= past.first_out), None)
            if segment is None:
                return None
        seq = segment.map.reverse(out)
        return None if seq is None else (segment.source, seq)

    def sender_report(self, now: float) -> SenderReport | None:
        """Make the outgoing SR on the publisher's clock; None until the source told its own.

        The publisher's clock, so that its audio and video keep together; hence round
        trips are taken by ``rtt``, not by comparing NTP times.
        """
        segment = self._segment
        if segment is None:
            return None
        source = segment.source
        ntp = source.ntp
        if ntp is None:
            return None
        elapsed = now - source.sr_arrival
        ntp64 = int((ntp + elapsed) * 0x100000000) & 0xFFFFFFFFFFFFFFFF
        ts = source.sr_ts + segment.ts_delta + round(elapsed * self._clock_rate)
        self._reports.append((ntp64 >> 16 & 0xFFFFFFFF, now))
        del self._reports[:-MAX_REPORTS]
        return SenderReport(self.ssrc, ntp64, ts & 0xFFFFFFFF, self.packets, self.octets, [])

    def rtt(self, report: Report, now: float) -> float | None:
        """Round trip by the LSR and DLSR of a receiver's report on our SSRC (RFC 3550 §6.4.1)."""
        for lsr, sent in self._reports:
            if lsr == report.lsr:
                return max(0.0, now - sent - report.dlsr / 65536)
        return None
