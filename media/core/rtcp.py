"""RTCP: a bounded compound parser that never raises, and builders.

RFC 3550 §6, RFC 4585 §6, RFC 5104 §4.3.1 (FIR), RFC 5506 (reduced size),
draft-alvestrand-rmcat-remb-03, draft-holmer-rmcat-transport-wide-cc-extensions-01 §3.1.
Unknown types are kept as ``Unknown``.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum

from media.core.twcc_format import Twcc as Twcc
from media.core.twcc_format import parse_twcc

_U32 = struct.Struct("!I")
_PAIR = struct.Struct("!II")
_HEAD = struct.Struct("!BBH")
_SENDER_INFO = struct.Struct("!IQIII")  # SSRC, NTP, RTP timestamp, packets, octets
_REPORT = struct.Struct("!IIIIII")
_FCI_NACK = struct.Struct("!HH")

SR, RR, SDES, BYE = 200, 201, 202, 203  # RFC 3550 §12.1
RTPFB, PSFB = 205, 206  # RFC 4585 §6.1
FMT_NACK, FMT_TWCC = 1, 15
FMT_PLI, FMT_FIR, FMT_AFB = 1, 4, 15

# A compound of a browser has at most a report, SDES and a few feedbacks; more
# than this in one datagram is somebody making us work.
MAX_PACKETS = 32

# Numbers asked for in one NACK that are read: as many as libwebrtc ever misses
# (kMaxNackPackets). A datagram full of masks could ask for six times as many.
MAX_NACKED = 1000


class RtcpProblem(Enum):
    """Why the rest of a compound (or one packet in it) was not read; a counter each."""

    SHORT = "short"
    VERSION = "version"
    LENGTH = "length"
    PADDING = "padding"
    BODY = "body"
    TOO_MANY = "too_many"


@dataclass(slots=True)
class Report:
    """A report block. ``lost`` cumulative (signed 24 bit); ``lsr``, ``dlsr`` in 1/65536 s; ``jitter`` in ticks."""

    ssrc: int
    fraction_lost: int
    lost: int
    highest: int
    jitter: int
    lsr: int
    dlsr: int


@dataclass(slots=True)
class SenderReport:
    """``ntp64``: 32.32 fixed point."""

    ssrc: int
    ntp64: int
    ts32: int
    packets: int
    octets: int
    reports: list[Report]


@dataclass(slots=True)
class ReceiverReport:
    ssrc: int
    reports: list[Report]


@dataclass(slots=True)
class SourceDescription:
    """``cnames``: SSRC to CNAME; other items are not kept."""

    cnames: dict[int, str]


@dataclass(slots=True)
class Bye:
    ssrcs: list[int]
    reason: str


@dataclass(slots=True)
class Nack:
    """``seqs16``: the numbers asked for, in order, the first ``MAX_NACKED``."""

    sender: int
    media: int
    seqs16: list[int]


@dataclass(slots=True)
class Pli:
    sender: int
    media: int


@dataclass(slots=True)
class Fir:
    """``entries``: (media SSRC, command number)."""

    sender: int
    entries: list[tuple[int, int]]


@dataclass(slots=True)
class Remb:
    sender: int
    bps: int
    ssrcs: list[int]


@dataclass(slots=True)
class Unknown:
    """``kind``: RTCP packet type; ``count``: the 5-bit field; ``body``: behind the 4-byte header."""

    kind: int
    count: int
    body: bytes


RtcpPacket = (
    SenderReport
    | ReceiverReport
    | SourceDescription
    | Bye
    | Nack
    | Pli
    | Fir
    | Remb
    | Twcc
    | Unknown
)


def parse_rtcp(data: bytes | bytearray | memoryview) -> tuple[list[RtcpPacket], RtcpProblem | None]:
    """Parse a compound; what could be read, and the first problem if any. Never raises."""
    packets: list[RtcpPacket] = []
    problem: RtcpProblem | None = None
    data = bytes(data)
    size = len(data)
    at = 0
    if size == 0:
        return packets, RtcpProblem.SHORT
    while at < size:
        if len(packets) >= MAX_PACKETS:
            return packets, problem or RtcpProblem.TOO_MANY
        if at + 4 > size:
            return packets, problem or RtcpProblem.SHORT
        first, kind, words = _HEAD.unpack_from(data, at)
        if first & 0xC0 != 0x80:
            return packets, problem or RtcpProblem.VERSION
        start = at + 4
        end = at = start + words * 4
        if end > size:
            return packets, problem or RtcpProblem.LENGTH
        if first & 0x20:
            padding = data[end - 1] if end > start else 0
            if padding == 0 or padding > end - start:
                problem = problem or RtcpProblem.PADDING
                continue
            end -= padding
        packet = _parse_body(data[start:end], kind, first & 0x1F)
        if packet is None:
            problem = problem or RtcpProblem.BODY
        else:
            packets.append(packet)
    return packets, problem


def cost(data: bytes) -> int:
    """Say how much of a peer's budget a compound takes: 1 for each 128 bytes begun."""
    return 1 + len(data) // 128


def _parse_body(body: bytes, kind: int, count: int) -> RtcpPacket | None:
    size = len(body)
    if kind == SR:
        if size < 24 + 24 * count:
            return None
        ssrc, ntp64, ts32, packets, octets = _SENDER_INFO.unpack_from(body)
        return SenderReport(ssrc, ntp64, ts32, packets, octets, _parse_reports(body, 24, count))
    if kind == RR:
        if size < 4 + 24 * count:
            return None
        return ReceiverReport(_U32.unpack_from(body)[0], _parse_reports(body, 4, count))
    if kind == SDES:
        return _parse_sdes(body, count)
    if kind == BYE:
        if size < 4 * count:
            return None
        ssrcs = list(struct.unpack_from(f"!{count}I", body))
        reason = b""
        if size > 4 * count:
            length = body[4 * count]
            reason = body[4 * count + 1 : 4 * count + 1 + length]
        return Bye(ssrcs, reason.decode("utf-8", "replace"))
    if kind == RTPFB and count == FMT_NACK:
        return _parse_nack(body)
    if kind == RTPFB and count == FMT_TWCC:
        return parse_twcc(body)
    if kind == PSFB and count == FMT_PLI:
        return Pli(*_PAIR.unpack_from(body)) if size >= 8 else None
    if kind == PSFB and count == FMT_FIR:
        if size < 16:
            return None
        return Fir(
            _U32.unpack_from(body)[0],
            [(_U32.unpack_from(body, at)[0], body[at + 4]) for at in range(8, size - 7, 8)],
        )
    if kind == PSFB and count == FMT_AFB and body[8:12] == b"REMB":
        return _parse_remb(body)
    return Unknown(kind, count, body)


def _parse_reports(body: bytes, at: int, count: int) -> list[Report]:
    reports = []
    for _ in range(count):
        ssrc, loss, highest, jitter, lsr, dlsr = _REPORT.unpack_from(body, at)
        lost = loss & 0xFFFFFF
        if lost & 0x800000:
            lost -= 0x1000000
        reports.append(Report(ssrc, loss >> 24, lost, highest, jitter, lsr, dlsr))
        at += 24
    return reports


def _parse_sdes(body: bytes, count: int) -> SourceDescription | None:
    """RFC 3550 §6.5: chunks of SSRC and items, each chunk padded to a word by at least one 0."""
    cnames: dict[int, str] = {}
    size = len(body)
    at = 0
    for _ in range(count):
        if at + 4 > size:
            return None
        ssrc = _U32.unpack_from(body, at)[0]
        at += 4
        while at < size and body[at]:
            if at + 2 > size or at + 2 + body[at + 1] > size:
                return None
            item, length = body[at], body[at + 1]
            at += 2
            if item == 1:
                cnames[ssrc] = body[at : at + length].decode("utf-8", "replace")
            at += length
        at = (at + 4) & ~3
    return SourceDescription(cnames)


def _parse_nack(body: bytes) -> Nack | None:
    if len(body) < 12:
        return None
    sender, media = _PAIR.unpack_from(body)
    seqs16 = []
    for at in range(8, len(body) - 3, 4):
        first, mask = _FCI_NACK.unpack_from(body, at)
        seqs16.append(first)
        while mask:
            first = (first + 1) & 0xFFFF
            if mask & 1:
                seqs16.append(first)
            mask >>= 1
        if len(seqs16) >= MAX_NACKED:
            break
    return Nack(sender, media, seqs16[:MAX_NACKED])


def _parse_remb(body: bytes) -> Remb | None:
    if len(body) < 16:
        return None
    sender = _U32.unpack_from(body)[0]
    count = body[12]
    if len(body) < 16 + 4 * count:
        return None
    exponent = body[13] >> 2
    mantissa = (body[13] & 3) << 16 | body[14] << 8 | body[15]
    return Remb(sender, mantissa << exponent, list(struct.unpack_from(f"!{count}I", body, 16)))


# Builders return one RTCP packet; a compound is their concatenation.


def _build(kind: int, count: int, body: bytes) -> bytes:
    return _HEAD.pack(0x80 | count, kind, len(body) // 4) + body


def _pack_report(report: Report) -> bytes:
    return _REPORT.pack(
        report.ssrc,
        report.fraction_lost << 24 | report.lost & 0xFFFFFF,
        report.highest,
        report.jitter,
        report.lsr,
        report.dlsr,
    )


def build_sr(report: SenderReport) -> bytes:
    info = _SENDER_INFO.pack(
        report.ssrc,
        report.ntp64,
        report.ts32,
        report.packets & 0xFFFFFFFF,
        report.octets & 0xFFFFFFFF,
    )
    reports = report.reports[:31]
    return _build(SR, len(reports), info + b"".join(map(_pack_report, reports)))


def build_rr(ssrc: int, reports: Sequence[Report] = ()) -> bytes:
    """At most 31 reports."""
    reports = reports[:31]
    return _build(RR, len(reports), _U32.pack(ssrc) + b"".join(map(_pack_report, reports)))


def build_sdes(ssrc: int, cname: str) -> bytes:
    name = cname.encode()[:255]
    chunk = _U32.pack(ssrc) + bytes((1, len(name))) + name
    return _build(SDES, 1, chunk + bytes(4 - len(chunk) % 4))


def build_bye(ssrcs: Sequence[int], reason: str = "") -> bytes:
    ssrcs = ssrcs[:31]
    body = struct.pack(f"!{len(ssrcs)}I", *ssrcs)
    if reason:
        words = reason.encode()[:255]
        body += bytes((len(words),)) + words
        body += bytes(-len(body) % 4)
    return _build(BYE, len(ssrcs), body)


def build_nack(sender: int, media: int, seqs: Iterable[int]) -> bytes:
    """Generic NACK (RFC 4585 §6.2.1); ``seqs`` ascending, extended or not."""
    body = bytearray(_PAIR.pack(sender, media))
    first, mask = -1, 0
    for seq in seqs:
        ahead = (seq - first) & 0xFFFF
        if first >= 0 and 0 < ahead <= 16:
            mask |= 1 << (ahead - 1)
        elif first < 0 or ahead:
            if first >= 0:
                body += _FCI_NACK.pack(first, mask)
            first, mask = seq & 0xFFFF, 0
    if first >= 0:
        body += _FCI_NACK.pack(first, mask)
    return _build(RTPFB, FMT_NACK, bytes(body))


def build_pli(sender: int, media: int) -> bytes:
    return _build(PSFB, FMT_PLI, _PAIR.pack(sender, media))


def build_fir(sender: int, media: int, command: int) -> bytes:
    # RFC 5104 §4.3.1.2: the media SSRC of the common header is 0, the FCI names it.
    return _build(PSFB, FMT_FIR, struct.pack("!IIIB3x", sender, 0, media, command & 0xFF))


def build_remb(sender: int, bps: int, ssrcs: Sequence[int]) -> bytes:
    exponent = max(0, bps.bit_length() - 18)
    mantissa = bps >> exponent
    head = bytes((len(ssrcs), exponent << 2 | mantissa >> 16)) + (mantissa & 0xFFFF).to_bytes(2)
    body = _PAIR.pack(sender, 0) + b"REMB" + head + struct.pack(f"!{len(ssrcs)}I", *ssrcs)
    return _build(PSFB, FMT_AFB, body)
