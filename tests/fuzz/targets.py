"""What is fuzzed: for each parser, what it may make of any bytes, and bytes to begin with.

A target takes bytes and asserts what holds for all of them. The errors a parser
documents are caught here; whatever else comes out is a defect.
"""

from __future__ import annotations

import contextlib
import hmac
import struct
import time
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from media import stun
from media.client import descriptions
from media.core import rtcp
from media.core.bandwidth import SendEstimate
from media.core.codecs import codec
from media.core.demux import Demux
from media.core.extensions import (
    ABS_SEND_TIME,
    AUDIO_LEVEL,
    MID,
    REPAIRED_RID,
    RID,
    TRANSPORT_CC,
    ExtensionIds,
    Translation,
    audio_level,
    text,
    transport_seq,
)
from media.core.frames import joiner
from media.core.packet import Packet, find_extension, parse, unwrap_rtx
from media.core.run import even_out
from media.core.source import Source
from media.core.twcc import Departures
from media.core.twcc_format import build_twcc
from media.parameters import Fingerprint, IceCredentials, TransportParameters
from media.rpc import Kind
from media.sdp import (
    OutgoingTrack,
    SdpError,
    answer_player,
    answer_publisher,
    parse_fragment,
)
from media.sdp import build as build_sdp
from media.sdp import parse as parse_sdp
from media.sdp.model import Setup
from media.tcp import MAX_PACKET_BYTES, frames
from tests.media.core.rtp import ONE, TWO, rtp, vp8

CRASHES = Path(__file__).parent / "crashes"

PWD = "f" * 32
LOCAL = TransportParameters(
    IceCredentials("ours", PWD), (Fingerprint("sha-256", ":".join(["AB"] * 32)),)
)
IDS = ExtensionIds(
    {1: AUDIO_LEVEL, 2: ABS_SEND_TIME, 3: TRANSPORT_CC, 4: MID, 10: RID, 11: REPAIRED_RID}
)
TARGET_IDS = ExtensionIds({1: TRANSPORT_CC, 5: AUDIO_LEVEL, 200: ABS_SEND_TIME})
CODECS = ("vp8", "vp9", "h264", "av1", "opus", "unheard-of")


@dataclass(frozen=True)
class Target:
    """One parser.

    Attributes:
        try_on: raises for bytes that the parser does not take as it says.
        seeds: inputs of every kind it is made for.
        max_bytes: of an input; more than what is received in one piece.
        limit_s: processor time that no input may take, instrumented as it is.
    """

    try_on: Callable[[bytes], None]
    seeds: Callable[[], list[bytes]]
    max_bytes: int = 1600
    limit_s: float = 0.25

    def __call__(self, data: bytes) -> None:
        began = time.thread_time()
        self.try_on(data)
        took_s = time.thread_time() - began
        assert took_s < self.limit_s, f"{len(data)} bytes took {took_s:.2f} s"


# STUN


def _stun(data: bytes) -> None:
    for datagram in (data, _signed(data)):
        view = memoryview(datagram)
        if datagram and stun.is_request(view):
            name = stun.named_ufrag(view)
            assert name is None or len(name) < len(datagram)
        found = stun.check(view, PWD)
        message = stun.read(datagram, PWD)
        if found is not None:
            assert len(stun.success(found, ("192.0.2.1", 9), PWD)) <= max(len(datagram), 64)
            assert len(stun.success(found, ("2001:db8::1", 9, 0, 0), PWD)) <= 100
            assert stun.role_conflict(found, PWD)
        if message is not None:
            stun.is_success(message)


def _signed(attributes: bytes) -> bytes:
    """The bytes as attributes of a request that is authentic, for what is behind the integrity."""
    attributes = attributes[: len(attributes) & ~3]
    size = len(attributes)
    head = struct.pack("!HH", 1, (size + 24) & 0xFFFF) + stun.COOKIE + bytes(12)
    digest = hmac.digest(PWD.encode(), head + attributes, "sha1")
    body = attributes + struct.pack("!HH", stun.MESSAGE_INTEGRITY, 20) + digest
    head = struct.pack("!HH", 1, (size + 32) & 0xFFFF) + head[4:]
    crc = zlib.crc32(head + body) ^ 0x5354554E
    return head + body + struct.pack("!HHI", stun.FINGERPRINT, 4, crc)


def _stun_seeds() -> list[bytes]:
    local = IceCredentials("theirs", "e" * 32)
    request, _ = stun.binding_request(local=local, remote=LOCAL.ice, tie_breaker=1, priority=2)
    found = stun.check(request, PWD)
    assert found is not None
    return [
        request,
        request[20:-32],
        stun.success(found, ("192.0.2.1", 9), PWD),
        stun.success(found, ("2001:db8::1", 9, 0, 0), PWD),
        stun.role_conflict(found, PWD),
        b"",
    ]


# SDP


_TRACKS: tuple[tuple[Kind, str, int], ...] = (("audio", "opus", 48_000), ("video", "VP8", 90_000))
_OFFERS: tuple[tuple[tuple[str, ...], Literal["sendonly", "recvonly"], Setup], ...] = (
    ((), "sendonly", "actpass"),
    (("q", "h", "f"), "sendonly", "passive"),
    ((), "recvonly", "active"),
)


def _sdp(data: bytes) -> None:
    described = data.decode("utf-8", "replace")
    with contextlib.suppress(SdpError):
        parse_fragment(described)
    try:
        offer = parse_sdp(described)
    except SdpError:
        return
    with contextlib.suppress(SdpError):
        again = parse_sdp(build_sdp(offer))
        assert len(again.sections) == len(offer.sections)
    with contextlib.suppress(SdpError):
        agreement = answer_publisher(offer, local=LOCAL, candidates=["candidate:1 1 udp 1 ::1 9"])
        answer = parse_sdp(agreement.text)
        assert len(answer.sections) == len(offer.sections)
    tracks = {
        kind: OutgoingTrack(
            track=kind,
            stream="s",
            kind=kind,
            codec=name,
            clock_rate=rate,
            channels=1,
            fmtp="",
            ssrc=5,
            rtx_ssrc=6,
        )
        for kind, name, rate in _TRACKS
    }
    with contextlib.suppress(SdpError):
        answer_player(offer, local=LOCAL, candidates=[], tracks=tracks)


def _sdp_seeds() -> list[bytes]:
    offers = [
        descriptions.described(
            descriptions.offered_sections(["audio", "video"], rids, direction, "stream"),
            LOCAL,
            setup,
            session_id=1,
            version=1,
        )
        for rids, direction, setup in _OFFERS
    ]
    rare = (
        "a=candidate:1 1 udp 2130706431 192.0.2.1 9 typ host\r\na=end-of-candidates\r\n"
        "a=rtcp-fb:* ccm fir\r\na=ssrc-group:FID 1 2\r\na=extmap:3/sendonly urn:x attributes\r\n"
        "a=rid:q send max-width=1;pt=96\r\na=simulcast:send q,h;~f recv a\r\na=bundle-only\r\n"
        "a=rtpmap:98 VP9/90000\r\na=fmtp:98 profile-id=0\r\na=rtpmap:99 H264/90000\r\n"
        "a=rtpmap:100 AV1/90000\r\na=rtpmap:63 red/48000/2\r\na=fmtp:63 111/111\r\n"
    )
    fragment = "a=ice-ufrag:u\r\na=ice-pwd:p\r\nm=audio 9 RTP/AVP 0\r\na=mid:0\r\n" + rare
    return [each.encode() for each in (*offers, offers[0] + rare, fragment)]


# RTP


def _rtp(data: bytes) -> None:
    packet = parse(data)
    if not isinstance(packet, Packet):
        return
    assert 12 <= packet.payload <= packet.end <= len(data)
    assert packet.extensions <= packet.extensions_end <= packet.payload
    for number in (0, *range(1, 16), 255):
        found = find_extension(packet, number)
        assert found is None or sum(found) <= packet.extensions_end
        text(packet, number)
        audio_level(packet, number)
        assert -1 <= transport_seq(packet, number) < 0x10000
    demux = Demux(IDS)
    demux.expect("0", payload_types=[packet.pt], rtx_payload_types=[97], rids=["q"])
    demux.expect("1", payload_types=[111], ssrcs=[5])
    demux.learn(packet, 0.0)
    source = Source(packet.ssrc, 90_000, "clock")
    source.receive(packet, 1.0)
    restored = unwrap_rtx(packet, 7, 96)
    if isinstance(restored, Packet):
        again = parse(restored.data)
        assert isinstance(again, Packet)
        assert (again.payload, again.end) == (restored.payload, restored.end)
    for name in ("vp8", "opus"):
        codec(name).inspect(packet)
        for target in (IDS, TARGET_IDS, ExtensionIds({})):
            wire = Translation(IDS, target).apply(packet, 1.0)
            assert wire.size == len(wire.data) <= max(len(data) + 8, 12)
            sent = parse(wire.data)
            assert isinstance(sent, Packet)
            assert bytes(wire.data[sent.payload : sent.end]) == data[packet.payload : packet.end]
    even_out([packet, packet])


def _rtp_seeds() -> list[bytes]:
    elements = {1: b"\x85", 2: b"abc", 3: b"\0\1", 4: b"0", 10: b"q", 11: b"q"}
    return [
        rtp(),
        rtp(extensions=elements, payload=vp8(keyframe=True)),
        rtp(extensions={**elements, 200: b"", 16: bytes(40)}, profile=TWO, padding=7),
        rtp(pt=97, payload=b"\0\1" + vp8(), extensions={11: b"q"}, profile=ONE),
        rtp(csrcs=(1, 2, 3), marker=True, padding=255, payload=b""),
        rtp(ssrc=5, pt=111, extensions={}),
    ]


# RTCP


def _rtcp(data: bytes) -> None:
    packets, _ = rtcp.parse_rtcp(data)
    assert len(packets) <= rtcp.MAX_PACKETS
    estimate, departures = SendEstimate(), Departures()
    for number in range(40):
        departures.next(1000, number / 100)
    source = Source(1, 90_000, "clock")
    for packet in packets:
        match packet:
            case rtcp.Nack(sender, media, seqs16):
                assert len(seqs16) <= rtcp.MAX_NACKED
                rtcp.build_nack(sender, media, seqs16)
            case rtcp.Twcc():
                assert len(packet.arrivals) <= len(data)
                told = departures.acknowledge(packet, 1.0)
                assert len(told.samples) <= 40
                assert 0 <= told.lost <= 40
                estimate.acknowledged(told, 1.0)
            case rtcp.Remb(bps=bps):
                estimate.remb(bps, 1.0)
            case rtcp.SenderReport():
                source.sender_report(packet.ntp64, packet.ts32, 1.0)
                assert rtcp.parse_rtcp(rtcp.build_sr(packet)) == ([packet], None)
            case rtcp.ReceiverReport(ssrc, reports):
                assert rtcp.parse_rtcp(rtcp.build_rr(ssrc, reports)) == ([packet], None)
                for report in reports:
                    estimate.receiver_report(report.fraction_lost, 0.1, 1.0)
            case rtcp.Pli(sender, media):
                assert rtcp.parse_rtcp(rtcp.build_pli(sender, media)) == ([packet], None)
    assert 30_000 <= estimate.bps <= 20_000_000
    source.report(2.0)


def _rtcp_seeds() -> list[bytes]:
    report = rtcp.Report(1, 2, -3, 4, 5, 6, 7)
    sender_report = rtcp.SenderReport(1, 2, 3, 4, 5, [report])
    arrivals = [1000, None, 1001, 2000, *[None] * 30, *range(2001, 2020)]
    each = [
        rtcp.build_sr(sender_report),
        rtcp.build_rr(1, [report, report]),
        rtcp.build_sdes(1, "name"),
        rtcp.build_bye([1, 2], "over"),
        rtcp.build_nack(1, 2, [1, 3, 17, 18, 500]),
        rtcp.build_pli(1, 2),
        rtcp.build_fir(1, 2, 3),
        rtcp.build_remb(1, 1_000_000, [1, 2]),
        build_twcc(1, 2, 3, 4, arrivals),
        b"\x80\xcf\0\2" + bytes(4) + b"\x04\0\0\0",
    ]
    return [*each, b"".join(each)]


# RFC 4571 framing


def _tcp(data: bytes) -> None:
    whole: list[bytes] = []
    misframed = False
    at = 0
    for begins, at in frames(data, len(data)):
        if begins < 0:
            misframed = True
            break
        assert begins <= at <= len(data)
        assert at - begins <= MAX_PACKET_BYTES
        whole.append(data[begins:at])
    if misframed:
        return
    assert b"".join(len(each).to_bytes(2, "big") + each for each in whole) == data[:at]
    assert len(data) - at < MAX_PACKET_BYTES + 2


def _tcp_seeds() -> list[bytes]:
    one = b"\0\4four"
    return [one, one * 3, one + b"\0\0" + one + b"\5", b"\5\xdc" + bytes(1500), b"\xff\xff"]


# Payloads


def _payloads(data: bytes) -> None:
    """The first byte chooses the codec, each next one that is 0xFF where a packet ends."""
    if not data:
        return
    name = CODECS[data[0] % len(CODECS)]
    parts = data[1:].split(b"\xff\xfe")
    for part in parts:
        packet = parse(rtp(payload=part))
        assert isinstance(packet, Packet)
        found = codec(name)
        found.inspect(packet)
        assert 0 <= packet.temporal < 8
        if packet.picture >= 0:
            assert packet.payload < packet.picture_at < packet.end
        if packet.tl0 >= 0:
            assert packet.payload < packet.tl0_at < packet.end
        size = found.size(packet)
        assert size is None or all(0 < side < 0x10000 for side in size)
    frame = joiner(name)(parts)
    assert frame is None or len(frame) <= 2 * len(data) + 64


def _payload_seeds() -> list[bytes]:
    by_codec = {
        0: [vp8(keyframe=True), vp8(tl0=3, tid=1), vp8(picture=None, tl0=None), vp8(wide=False)],
        1: [b"\x8e\x85\x01\x18\x02\x80\x01\x68\x01\x80" + bytes(9), b"\xad\x05\x02\x07" + bytes(9)],
        2: [b"\x67sps", b"\x18\0\3\x67ab\0\2\x68c", b"\x7c\x85" + bytes(9), b"\x7c\x45" + bytes(9)],
        3: [b"\x18\x0a\x0b" + bytes(9), b"\x28\x02\x12\0" + bytes(4), b"\x50\x0a", b"\x90\x0a"],
        4: [b"\x78" + bytes(9)],
        5: [b"whatever"],
    }
    seeds = [bytes([n]) + part for n, parts in by_codec.items() for part in parts]
    return seeds + [bytes([n]) + b"\xff\xfe".join(parts) for n, parts in by_codec.items()]


TARGETS = {
    "stun": Target(_stun, _stun_seeds),
    "sdp": Target(_sdp, _sdp_seeds, max_bytes=8192, limit_s=1.0),
    "rtp": Target(_rtp, _rtp_seeds),
    "rtcp": Target(_rtcp, _rtcp_seeds),
    "tcp": Target(_tcp, _tcp_seeds, max_bytes=4096),
    "payloads": Target(_payloads, _payload_seeds),
}


def kept(name: str) -> list[Path]:
    """Inputs that once were too much for a parser."""
    return sorted((CRASHES / name).glob("*"))
