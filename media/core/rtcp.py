"""RTCP: a bounded compound parser that never raises, and builders.

RFC 3550 §6, RFC 4585 §6, RFC 5104 §4.3.1 (FIR), RFC 5506 (reduced size),
draft-alvestrand-rmcat-remb-03, draft-holmer-rmcat-transport-wide-cc-extensions-01 §3.1.
Unknown types are kept as ``Unknown``.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum


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
    """``seqs16``: every number asked for, in order."""

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
class Twcc:
    """Transport-wide feedback.

    Attributes:
        base16: first number reported.
        count: numbers covered; those not in ``arrivals`` were not received.
        feedback: packet count, 0..255.
        arrivals: (seq16, arrival in units of 250 µs on the receiver's clock).
    """

    sender: int
    media: int
    base16: int
    count: int
    feedback: int
    arrivals: list[tuple[int, int]]


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
    raise NotImplementedError


# Builders return one RTCP packet; a compound is their concatenation.


def build_sr(report: SenderReport) -> bytes:
    raise NotImplementedError


def build_rr(ssrc: int, reports: Sequence[Report] = ()) -> bytes:
    """At most 31 reports."""
    raise NotImplementedError


def build_sdes(ssrc: int, cname: str) -> bytes:
    raise NotImplementedError


def build_bye(ssrcs: Sequence[int], reason: str = "") -> bytes:
    raise NotImplementedError


def build_nack(sender: int, media: int, seqs: Iterable[int]) -> bytes:
    """Generic NACK (RFC 4585 §6.2.1); ``seqs`` ascending, extended or not."""
    raise NotImplementedError


def build_pli(sender: int, media: int) -> bytes:
    raise NotImplementedError


def build_fir(sender: int, media: int, command: int) -> bytes:
    raise NotImplementedError


def build_remb(sender: int, bps: int, ssrcs: Sequence[int]) -> bytes:
    raise NotImplementedError


def build_twcc(
    sender: int, media: int, base16: int, feedback: int, arrivals: Sequence[int | None]
) -> bytes:
    """Build transport-wide feedback.

    Args:
        arrivals: one per number from ``base16`` on, in units of 250 µs on our clock,
            None for not received; first is not None. Steps must fit 16 signed bits.
    """
    raise NotImplementedError
