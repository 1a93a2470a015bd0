"""The link to another worker: SRTP on the ordinary UDP port under keys the nodes agreed on.

A track's layers cross under the relay SSRCs of their TrackInfo, retransmissions
(RFC 4588) under the next higher SSRC. Keyframe requests and NACKs for the link go
back over it. What is not
authenticated is dropped without an answer.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from typing import Literal

from media.core.packet import Packet, parse
from media.core.rtcp import (
    Nack,
    Pli,
    ReceiverReport,
    Report,
    SenderReport,
    build_sr,
    parse_rtcp,
)
from media.framing import RpcError
from media.relay_output import IDS, PT, RED_PT, RelayOutput, RelayStream
from media.rpc import RelayOpen, TrackInfo
from media.srtp import SrtpSession, is_rtcp
from media.switchboard import Switchboard
from media.track import PublishedTrack
from media.udp import Address, MediaPort, Path

KEEPALIVE_S = 0.5
SILENCE_S = 2.5
"""Five keepalives: the loss of some says nothing, and a death is known within three seconds."""
LINK_SSRC = 1
"""Of the link itself, in its keepalives; relay SSRCs are greater."""


class RelayLink:
    """Owner: the worker. Lifetime: from ``relay.open`` to ``relay.close``; ``open`` may replace
    keys and address in between, tracks stay.

    Attributes:
        rtt: round trip to the other worker, seconds.
        counters: packets dropped, by reason.
    """

    def __init__(
        self,
        port: MediaPort,
        board: Switchboard,
        *,
        link: str,
        on_state: Callable[[Literal["up", "lost"]], None],
    ) -> None:
        self.link = link
        self.rtt = 0.1
        self.counters: Counter[str] = Counter()
        self._port = port
        self._board = board
        self._on_state = on_state
        self._state: Literal["", "up", "lost"] = ""
        self._srtp: SrtpSession | None = None
        self._path: Path | None = None
        self._address: Address = ("", 0)
        self._heard_at = 0.0
        self._keepalive_at = 0.0
        self._near = False
        self._their_report: tuple[int, float] | None = None
        self._streams: dict[int, RelayStream] = {}
        self._inputs: dict[int, Callable[[Packet, float], None]] = {}
        self._wanted: dict[str, list[str]] = {}
        self._always: frozenset[str] = frozenset()
        self._outputs: dict[str, RelayOutput] = {}
        self._incoming: dict[str, PublishedTrack] = {}

    def open(self, request: RelayOpen, now: float) -> None:
        """Speak to that address under those keys from now on.

        Raises:
            RpcError: ``bad_request``: no such keys or address.
        """
        address: Address = (request.address, request.port)
        if ":" in request.address:
            address = (*address, 0, 0)
        try:
            srtp = SrtpSession.for_relay(request.tx_key, request.rx_key)
            path = self._port.path(address)
        except ValueError as error:
            raise RpcError("bad_request", str(error)) from error
        self._port.unregister_address(self._address, self._receive)
        self._srtp, self._path, self._address = srtp, path, address
        self._port.register_address(address, self._receive)
        self._near = request.near
        self._state = ""
        self._heard_at = now
        self._keepalive_at = 0.0
        self._their_report = None
        # New keys: numbers may begin anew, on both sides.
        for output in self._outputs.values():
            output.close()
        self._outputs.clear()
        self._streams.clear()
        for track in self._incoming.values():
            for layer in track.layers:
                layer.unbind()
                layer.bind(layer.relay_ssrc)
        self._send_wanted(now)

    def stream(self, ssrc: int) -> RelayStream:
        """Give the numbers of a relay SSRC, as far as they went under these keys."""
        stream = self._streams.get(ssrc)
        if stream is None:
            stream = self._streams[ssrc] = RelayStream(ssrc)
        return stream

    def send(self, tracks: dict[str, list[str]], always: list[str], now: float) -> None:
        """Take the whole wish of what goes out."""
        self._board.watch(self, set(tracks), set(self._wanted))
        self._wanted, self._always = tracks, frozenset(always)
        self._send_wanted(now)

    def track_changed(self, track_id: str) -> None:
        self._send_wanted(asyncio.get_running_loop().time())

    def _send_wanted(self, now: float) -> None:
        for track_id, output in list(self._outputs.items()):
            if track_id not in self._wanted or self._board.tracks.get(track_id) != output.track:
                output.close()
                del self._outputs[track_id]
        for track_id, rids in self._wanted.items():
            track = self._board.tracks.get(track_id)
            if track is None or track_id in self._incoming:
                continue
            if isinstance(track.upstream, RelayLink) and not self._near:
                continue  # a third node never carries between two others
            output = self._outputs.get(track_id) or RelayOutput(self, track)
            self._outputs[track_id] = output
            output.want(rids, now, always=track_id in self._always)

    def receive(self, tracks: list[TrackInfo], room_of: dict[str, str]) -> None:
        """Take the whole list of what comes in."""
        expected = {info.track: info for info in tracks}
        for track_id, track in list(self._incoming.items()):
            if expected.get(track_id) != track.info:
                self._forget(track_id)
        for track_id, info in expected.items():
            if track_id in self._incoming or track_id in self._board.tracks:
                continue
            track = PublishedTrack(
                self._board,
                info,
                room=room_of.get(track_id, ""),
                upstream=self,
                source_ids=IDS,
                payload_type=PT,
                red=RED_PT if info.red else None,
                repairs=True,
            )
            for layer in track.layers:
                layer.bind(layer.relay_ssrc)
                self._inputs[layer.relay_ssrc] = layer.receive
                self._inputs[layer.relay_ssrc + 1] = layer.repair
            self._incoming[track_id] = track
            self._board.add(track)

    def _forget(self, track_id: str) -> None:
        track = self._incoming.pop(track_id)
        for layer in track.layers:
            self._inputs.pop(layer.relay_ssrc, None)
            self._inputs.pop(layer.relay_ssrc + 1, None)
        track.close()

    # Packets.

    def send_rtp(self, packet: memoryview) -> None:
        path, srtp = self._path, self._srtp
        if path is not None and srtp is not None:
            size = srtp.protect_at(path.burst.reserve(), packet)
            if size:
                path.burst.commit(path, size)

    def send_rtcp(self, packet: bytes) -> None:
        path, srtp = self._path, self._srtp
        if path is not None and srtp is not None:
            size = srtp.protect_rtcp_at(path.burst.reserve(), packet)
            if size:
                path.burst.commit(path, size)

    def send_feedback(self, packet: bytes) -> None:
        self.send_rtcp(packet)

    def _receive(self, datagram: memoryview, address: Address, now: float) -> None:
        srtp = self._srtp
        if srtp is None or not 128 <= datagram[0] < 192 or len(datagram) < 12:
            self.counters["malformed"] += 1
            return
        if is_rtcp(datagram):
            data = srtp.unprotect_rtcp(datagram)
            if data is not None:
                self._heard(now)
                self._on_rtcp(data, now)
            return
        data = srtp.unprotect(datagram)
        if data is None:
            return
        self._heard(now)
        packet = parse(data)
        if not isinstance(packet, Packet):
            self.counters[packet.value] += 1
            return
        take = self._inputs.get(packet.ssrc)
        if take is None:
            self.counters["unexpected"] += 1
        else:
            take(packet, now)

    def _heard(self, now: float) -> None:
        self._heard_at = now
        if self._state != "up":
            self._state = "up"
            self._on_state("up")

    def _on_rtcp(self, data: bytes, now: float) -> None:
        packets, problem = parse_rtcp(data)
        if problem is not None:
            self.counters[f"rtcp_{problem.value}"] += 1
        for packet in packets:
            match packet:
                case Pli(media=ssrc):
                    for output in self._outputs.values():
                        layer = output.layer(ssrc)
                        if layer is not None:
                            layer.request_keyframe(now)
                case Nack(media=ssrc, seqs16=seqs16):
                    for output in self._outputs.values():
                        layer = output.layer(ssrc)
                        if layer is not None:
                            output.resend(layer, seqs16, now)
                case SenderReport(ssrc=ssrc) if ssrc == LINK_SSRC:
                    self._their_report = (packet.ntp64 >> 16 & 0xFFFFFFFF, now)
                    self._measure(packet.reports, now)
                case SenderReport():
                    self._clock(packet, now)
                case ReceiverReport(reports=reports):
                    self._measure(reports, now)
                case _:
                    pass

    def _clock(self, report: SenderReport, now: float) -> None:
        for track in self._incoming.values():
            for layer in track.layers:
                if layer.relay_ssrc == report.ssrc:
                    layer.sender_report(report, now)

    def _measure(self, reports: list[Report], now: float) -> None:
        """Take the round trip out of a report on our keepalive (RFC 3550 §6.4.1)."""
        for report in reports:
            if report.ssrc == LINK_SSRC and report.lsr:
                ticks = ((_clock64(now) >> 16) - report.lsr - report.dlsr) & 0xFFFFFFFF
                if ticks < 10 << 16:
                    self.rtt += (ticks / 65536 - self.rtt) / 4

    def tick(self, now: float) -> None:
        """Keepalive, rates and silence; call it ten times a second."""
        for track in self._incoming.values():
            track.measure(now)
        if now >= self._keepalive_at:
            self._keepalive_at = now + KEEPALIVE_S
            reports = []
            if self._their_report is not None:
                lsr, came = self._their_report
                reports.append(Report(LINK_SSRC, 0, 0, 0, 0, lsr, int((now - came) * 65536)))
            self.send_rtcp(build_sr(SenderReport(LINK_SSRC, _clock64(now), 0, 0, 0, reports)))
        if self._srtp is not None and self._srtp.counters["too_many_ssrcs"]:
            self.fail()  # the next keys have room again for all that crosses now
        if self._state != "lost" and now - self._heard_at > SILENCE_S:
            self._state = "lost"
            self._on_state("lost")

    def fail(self) -> None:
        """Give the link up: the node will open another."""
        self._srtp = None
        self._heard_at = float("-inf")

    def close(self) -> None:
        """End what comes in and what goes out."""
        self._board.watch(self, set(), set(self._wanted))
        self._wanted = {}
        for output in self._outputs.values():
            output.close()
        self._outputs.clear()
        for track_id in tuple(self._incoming):
            self._forget(track_id)
        self._port.unregister_address(self._address, self._receive)
        self._srtp = None

    def stats(self) -> dict[str, object]:
        return {
            "state": self._state or "open",
            "rtt": self.rtt,
            "dropped": dict(self.counters + self._srtp.counters if self._srtp else self.counters),
            "sending": list(self._outputs),
            "receiving": list(self._incoming),
        }


def _clock64(now: float) -> int:
    """Write the time as 32.32: for round trips, each side compares only with itself."""
    return int(now * 0x100000000) & 0xFFFFFFFFFFFFFFFF
