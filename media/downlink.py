"""The sending half that subscribers and players share: one transport, its down tracks, its path.

Shares the path among the tracks (``core.layers``), estimates what it carries,
answers the receiver's RTCP, tells it our clock. Which tracks, and what is said
in SDP about them, is for ``media.subscriber`` and ``media.player``.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from media.burst import Path
from media.core.bandwidth import SendEstimate
from media.core.forwarder import Drop
from media.core.layers import HEADROOM, Wish, allocate, fitting
from media.core.rtcp import (
    Fir,
    Nack,
    Pli,
    ReceiverReport,
    Remb,
    Report,
    SenderReport,
    Twcc,
    build_sdes,
    build_sr,
    cost,
    lone_reports,
    parse_rtcp,
)
from media.core.twcc import Departures
from media.downtrack import DownTrack
from media.dtls import Certificate
from media.filler import Filler
from media.ranking import Ranking
from media.rpc import PeerState, WantedTrack
from media.srtp import SrtpSession
from media.statistics import DownlinkStats, DownStats, Reason
from media.switchboard import Switchboard
from media.transport import Transport
from media.udp import MediaPort

ALLOCATE_S = 0.5
"""Layers are chosen anew so often while nothing calls for it earlier."""
SETTLED_S = 5.0
"""So often where each track has one layer and is sent."""
REPORT_S = 1.0
UNLIMITED = 1 << 40
MAX_COMPOUND_BYTES = 1000
MAX_RTCP_PER_S = 500
"""Of 128 bytes; a longer one counts for several."""
MAX_NACKED_PER_S = 4_000
"""Beyond these a receiver is ignored until the second is over."""
WIDER = 1.3
"""Layers are chosen anew at once when the path carries so many times more than when last chosen."""
MOVED_BPS = (300_000, 1_000_000)
"""A new path is taken to carry what the old one did, within these."""


class Downlink:
    """What one connection receives from us.

    Owner: the subscriber or player. Lifetime: that of one transport.

    Attributes:
        downs: by track id as it is wanted.
        wants: tile sizes by track id; what is absent is not sent.
        paused: tracks held back for want of bandwidth.
        connected: packets can be sent.
        measured_rtt: the last round trip, seconds, None before the first.
    """

    def __init__(
        self,
        port: MediaPort,
        board: Switchboard,
        certificate: Certificate,
        *,
        cname: str,
        on_state: Callable[[PeerState, str], None],
        on_paused: Callable[[list[str]], None],
    ) -> None:
        self.board = board
        self.downs: dict[str, DownTrack] = {}
        self.wants: dict[str, WantedTrack] = {}
        self._ranking = Ranking()
        self.paused: list[str] = []
        self.connected = False
        self.rtt = 0.1
        self.measured_rtt: float | None = None
        self._cname = cname
        self._tell_state = on_state
        self._tell_paused = on_paused
        self._by_ssrc: dict[int, DownTrack] = {}
        self._estimate = SendEstimate()
        self._departures = Departures()
        self._measured = False
        self._dirty = False
        self._allocate_at = 0.0
        self._allocated_bps = 0
        self._limit_bps = 0
        self._report_at = 0.0
        self._filler = Filler()
        self._rtcp_left = MAX_RTCP_PER_S
        self._nacked_left = MAX_NACKED_PER_S
        self.transport = Transport(
            port,
            certificate=certificate,
            on_rtp=self._on_rtp,
            on_rtcp=self._on_rtcp,
            on_state=self._on_state,
            on_moved=self._moved,
        )
        self.send_rtp = self.transport.send_rtp

    # For down tracks (Carrier).

    def number(self, size_bytes: int, now: float) -> int:
        return self._departures.next(size_bytes, now, self._estimate.probing(now))

    def transport_seqs(self, sizes: list[int], now: float) -> int:
        probing = self._estimate.probing(now)
        number = self._departures.next
        first = number(sizes[0], now, probing)
        for size in sizes[1:]:
            number(size, now, probing)
        return first

    def outlet(self) -> tuple[Path, SrtpSession] | None:
        return self.transport.outlet()

    def fail(self, reason: str) -> None:
        self.transport.close(reason)

    def reconsider(self) -> None:
        self._dirty = True
        self.board.unsettled.add(self)

    # For subscribers and players.

    def add(self, key: str, down: DownTrack) -> None:
        """Begin to send a track under the id it is wanted by."""
        self.downs[key] = down
        down.description = build_sdes(down.ssrc, self._cname)
        self._by_ssrc[down.ssrc] = down
        self.reconsider()

    def remove(self, key: str) -> None:
        """Stop sending a track, whose SSRCs must not come back; unknown is fine."""
        down = self.downs.pop(key, None)
        if down is not None:
            self._by_ssrc.pop(down.ssrc, None)
            for drop in Drop:
                self.board.drops[drop] += down.drops[drop]
            down.close()
            for ssrc in (down.ssrc, down.forwarder.rtx_ssrc):
                self.transport.forget_ssrc(ssrc)
            self.reconsider()

    def want(self, wants: list[WantedTrack]) -> None:
        """Take the tile sizes; what is absent is not sent."""
        self.wants = {want.track: want for want in wants}
        self._ranking.take(wants)
        self.reconsider()

    def allocate(self, now: float) -> None:
        """Decide anew which layer of each track is sent."""
        self._dirty = False
        self._allocate_at = now + ALLOCATE_S
        settled = True
        if not self.connected:
            return
        if self._measured:  # else all there is is sent, whoever speaks
            sent = ((self.wants[key], self.downs[key]) for key in self.wants.keys() & self.downs)
            self._ranking.hear(sent, now)
        keys: list[str] = []
        wishes: list[Wish] = []
        for key, down in self.downs.items():
            wish = self._wish(key, down)
            want = self.wants.get(key)
            down.expect(wanted=want is not None, always=want is not None and want.always)
            if wish is not None:
                keys.append(key)
                wishes.append(wish)
            elif down.layer is not None:
                down.aim(None)
        self._limit_bps = limit_bps = self._estimate.bps if self._measured else UNLIMITED
        indexes = allocate(wishes, limit_bps)
        paused: list[str] = []
        wanted_bps = 0
        self._allocated_bps = 0
        for key, wish, index in zip(keys, wishes, indexes, strict=True):
            down = self.downs[key]
            track = down.track
            assert track is not None
            best = fitting(wish.layers, wish.max_width, wish.max_height)
            if index is not None:
                self._allocated_bps += wish.layers[index].bps
            if index is None and best is None:
                down.sync()  # silent for now: what comes next goes on without a new keyframe
            elif index is None:
                down.aim(None)
                paused.append(track.id)
            elif (down.layer, down.state) != track.choices[index]:
                down.aim(*track.choices[index])
            else:
                down.sync()
            if best is not None:
                wanted_bps += wish.layers[best].bps
            if len(wish.layers) > 1 or index is None or down.forwarder.wants_keyframe:
                settled = False
            down.ask_keyframe(now)
        if settled:
            # Nothing to choose from, and all of it is sent: time alone changes nothing.
            self._allocate_at = now + SETTLED_S
        if self._measured:
            self._probe(int(wanted_bps * HEADROOM), now)
        if paused != self.paused:
            self.paused = paused
            self._tell_paused(paused)

    def _wish(self, key: str, down: DownTrack) -> Wish | None:
        want = self.wants.get(key)
        return None if want is None else self._ranking.wish(want, down)

    def _probe(self, wanted_bps: int, now: float) -> None:
        """Begin to see whether the path carries what is missing; ``attend`` goes on with it."""
        if self._filler.left_bytes or not any(down.can_probe for down in self.downs.values()):
            return
        padding = self._estimate.probe(wanted_bps, self._allocated_bps, now)
        if padding is not None:
            self._filler.begin(padding, now)
            self.board.unsettled.add(self)

    def attend(self, now: float) -> bool:
        """Act on what changed since the last beat; whether to be called on the next one too."""
        if self._dirty:
            self.allocate(now)
        if self._filler.left_bytes:
            self._filler.beat(self.downs.values(), now)
        return self._dirty or self._filler.left_bytes > 0

    def tick(self, now: float) -> None:
        """Reports, budgets and layers; call it ten times a second besides ``attend``."""
        if not self.connected:
            return
        if now >= self._allocate_at:
            self.allocate(now)
        if now < self._report_at:
            return
        self._report_at = now + REPORT_S
        self._rtcp_left, self._nacked_left = MAX_RTCP_PER_S, MAX_NACKED_PER_S
        compound = b""
        for down in self.downs.values():
            report = down.sender_report(now)
            if report is not None:
                compound += build_sr(report) + down.description
            if len(compound) > MAX_COMPOUND_BYTES:
                self.transport.send_rtcp(compound)
                compound = b""
        if compound:
            self.transport.send_rtcp(compound)

    def close(self) -> None:
        """Let go of everything."""
        for key in tuple(self.downs):
            self.remove(key)
        self.board.unsettled.discard(self)
        self.transport.close()

    def stats(self, room: str, generation: int = 0) -> DownlinkStats:
        """Args:
        room, generation: what its owner knows of it.
        """
        return DownlinkStats(
            room=room,
            state=self.transport.state,
            generation=generation,
            route=self.transport.route,
            rtt_s=self.measured_rtt,
            estimate_bps=self._estimate.bps if self._measured else None,
            paused=self.paused,
            dropped=dict(self.transport.counters),
            tracks=[self._stats(key, down) for key, down in self.downs.items()],
        )

    def _stats(self, key: str, down: DownTrack) -> DownStats:
        wish = self._wish(key, down)
        best = fitting(wish.layers, wish.max_width, wish.max_height) if wish else None
        rid = None if down.track is None or best is None else down.track.choices[best][0].rid
        return down.stats(self.reason(key, down), rid)

    def reason(self, key: str, down: DownTrack) -> Reason:
        """Tell why nothing of a track is sent, "" when something is."""
        track = down.track
        if track is None:
            return "absent"
        if track.held:
            return "held"
        if key not in self.wants:
            return "unwanted"
        if down.waiting:
            return "background"
        if down.layer is None and track.id in self.paused:
            return "bandwidth"
        return "keyframe" if down.forwarder.current is None else ""

    # For the transport.

    def _on_state(self, state: PeerState, reason: str) -> None:
        self.connected = state == "connected"
        self._stand_up()
        if self.connected:
            self.allocate(asyncio.get_running_loop().time())
        self._tell_state(state, reason)

    def _moved(self) -> None:
        """Packets go to another address, perhaps of another network: what is known is of the old one."""
        self._stand_up()
        if self._measured:
            start_bps = min(max(self._estimate.bps, MOVED_BPS[0]), MOVED_BPS[1])
            self._estimate = SendEstimate(start_bps=start_bps)
            self._departures.forget()
            self.reconsider()

    def _stand_up(self) -> None:
        for down in self.downs.values():
            down.stand_up()

    def _on_rtp(self, packet: bytes, now: float) -> None:
        """Receivers have nothing to send but RTCP."""
        self.board.counters["unexpected_rtp"] += 1

    def _on_rtcp(self, data: bytes, now: float) -> None:
        self._rtcp_left -= cost(data)
        if self._rtcp_left < 0:
            self.board.counters["rtcp_flood"] += 1
            return
        reports = lone_reports(data)
        if reports is not None:
            for report in reports:
                self._reported(report, now)
            return
        packets, problem = parse_rtcp(data)
        if problem is not None:
            self.board.counters[f"rtcp_{problem.value}"] += 1
        for packet in packets:
            match packet:
                case Nack(media=ssrc, seqs16=seqs16):
                    self._resend(ssrc, seqs16, now)
                case Pli(media=ssrc):
                    self._keyframe_wanted(ssrc, now)
                case Fir(entries=entries):
                    for ssrc, _ in entries:
                        self._keyframe_wanted(ssrc, now)
                case ReceiverReport(reports=reports) | SenderReport(reports=reports):
                    for report in reports:
                        self._reported(report, now)
                case Remb(bps=bps):
                    self._estimate.remb(bps, now)
                    self._estimated()
                case Twcc():
                    self._estimate.acknowledged(self._departures.acknowledge(packet, now), now)
                    self._estimated()
                case _:
                    pass

    def _estimated(self) -> None:
        """Act at once on a path too narrow for what is sent, or much wider than thought."""
        first, self._measured = not self._measured, True
        bps = self._estimate.bps
        if bps < self._limit_bps:
            self._filler.stop()
        if first or bps < self._allocated_bps or bps > WIDER * self._limit_bps:
            self.reconsider()

    def _resend(self, ssrc: int, seqs16: list[int], now: float) -> None:
        down = self._by_ssrc.get(ssrc)
        self._nacked_left -= len(seqs16)
        if down is None or self._nacked_left < 0:
            self.board.counters["nack_ignored"] += len(seqs16)
        else:
            before = down.repaired
            down.resend(seqs16, now)
            self.board.counters["resent"] += down.repaired - before

    def _keyframe_wanted(self, ssrc: int, now: float) -> None:
        down = self._by_ssrc.get(ssrc)
        if down is not None:
            down.keyframe_wanted(now)

    def _reported(self, report: Report, now: float) -> None:
        down = self._by_ssrc.get(report.ssrc)
        if down is None:
            return
        rtt = down.round_trip(report, now)
        if rtt is not None:
            self.measured_rtt = rtt
            self.rtt += (rtt - self.rtt) / 8
        self._estimate.receiver_report(report.fraction_lost, rtt, now)
