"""RTCP both ways: vectors, round trips, junk."""

from __future__ import annotations

import random
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from media.core.rtcp import (
    MAX_PACKETS,
    Bye,
    Fir,
    Nack,
    Pli,
    ReceiverReport,
    Remb,
    Report,
    RtcpPacket,
    RtcpProblem,
    SenderReport,
    SourceDescription,
    Twcc,
    Unknown,
    build_bye,
    build_fir,
    build_nack,
    build_pli,
    build_remb,
    build_rr,
    build_sdes,
    build_sr,
    lone_reports,
    parse_rtcp,
)
from media.core.twcc_format import build_twcc


def only(data: bytes) -> RtcpPacket:
    packets, problem = parse_rtcp(data)
    assert problem is None
    assert len(packets) == 1
    return packets[0]


REPORT = Report(0xAABBCCDD, 25, -3, 0x1FFFF, 17, 0x12345678, 65536)
SR = SenderReport(1, 0x0123456789ABCDEF, 5, 6, 7, [REPORT])


@pytest.mark.parametrize(
    ("data", "packet"),
    [
        (build_sr(SR), SR),
        (build_rr(9, [REPORT, REPORT]), ReceiverReport(9, [REPORT, REPORT])),
        (build_rr(9), ReceiverReport(9, [])),
        (build_sdes(7, "cname"), SourceDescription({7: "cname"})),
        (build_sdes(7, "云海"), SourceDescription({7: "云海"})),
        (build_bye([1, 2]), Bye([1, 2], "")),
        (build_bye([1], "gone"), Bye([1], "gone")),
        (build_pli(1, 2), Pli(1, 2)),
        (build_fir(1, 2, 300), Fir(1, [(2, 44)])),
        (build_nack(1, 2, [65535, 65536, 65552, 70000]), Nack(1, 2, [65535, 0, 16, 4464])),
        (build_nack(1, 2, []), None),
        (build_remb(1, 1_000_000, [5, 6]), Remb(1, 1_000_000, [5, 6])),
    ],
)
def test_what_we_build_we_read(data: bytes, packet: RtcpPacket | None) -> None:
    assert len(data) % 4 == 0
    if packet is None:
        assert parse_rtcp(data) == ([], RtcpProblem.BODY)
    else:
        assert only(data) == packet


def test_compound_of_a_browser_is_read_in_order() -> None:
    data = build_sr(SR) + build_sdes(1, "a") + build_remb(1, 5_000, [2]) + build_pli(1, 2)
    packets, problem = parse_rtcp(data)
    assert problem is None
    assert [type(packet) for packet in packets] == [SenderReport, SourceDescription, Remb, Pli]


def test_nack_mask_as_in_rfc_4585() -> None:
    """§6.2.1: bit i of BLP stands for PID + i + 1."""
    data = bytes.fromhex("81cd0003000000010000000200648001")
    assert only(data) == Nack(1, 2, [100, 101, 116])


def test_remb_of_a_browser() -> None:
    """Taken apart by hand: exponent 3, mantissa 0x2FBF7, one SSRC."""
    data = bytes.fromhex("8fce0005000000010000000052454d42010efbf76e0e5c1f")
    assert only(data) == Remb(1, 0x2FBF7 << 3, [0x6E0E5C1F])


@given(st.integers(0, (1 << 18) - 1), st.integers(0, 45))
def test_remb_keeps_18_significant_bits(mantissa: int, exponent: int) -> None:
    bps = mantissa << exponent
    assert only(build_remb(1, bps, [])) == Remb(1, bps, [])


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"", RtcpProblem.SHORT),
        (b"\x80\xc8", RtcpProblem.SHORT),
        (b"\x40\xc9\x00\x01" + bytes(4), RtcpProblem.VERSION),
        (b"\x80\xc9\x00\x05" + bytes(4), RtcpProblem.LENGTH),
        (b"\xa0\xc9\x00\x01" + bytes(4), RtcpProblem.PADDING),
        (b"\xa0\xc9\x00\x01\x00\x00\x00\x05", RtcpProblem.PADDING),
        (b"\xa0\xc9\x00\x00", RtcpProblem.PADDING),
        (b"\x9f\xc9\x00\x01" + bytes(4), RtcpProblem.BODY),  # 31 reports announced
        (b"\x80\xc8\x00\x01" + bytes(4), RtcpProblem.BODY),
        (b"\x81\xca\x00\x02" + bytes(4) + b"\x01\xff" + bytes(2), RtcpProblem.BODY),
        (b"\x9f\xcb\x00\x01" + bytes(4), RtcpProblem.BODY),
        (b"\x81\xce\x00\x01" + bytes(4), RtcpProblem.BODY),
        (build_twcc(1, 2, 3, 4, [10, 20])[:16] + b"\x20\x02\x00\x00", RtcpProblem.LENGTH),
        (build_pli(1, 2) * (MAX_PACKETS + 1), RtcpProblem.TOO_MANY),
    ],
)
def test_problem_is_named(data: bytes, problem: RtcpProblem) -> None:
    assert parse_rtcp(data)[1] is problem


def test_remb_that_counts_ssrcs_it_does_not_have_is_refused() -> None:
    """A count of 9 without SSRCs once closed the sender's transport."""
    data = bytes.fromhex("8fce0004000000010000000052454d4209000001")
    assert parse_rtcp(data) == ([], RtcpProblem.BODY)


def test_what_was_good_before_the_problem_is_kept() -> None:
    packets, problem = parse_rtcp(
        build_pli(1, 2) + b"\x81\xce\x00\x01" + bytes(4) + build_pli(3, 4)
    )
    assert packets == [Pli(1, 2), Pli(3, 4)]
    assert problem is RtcpProblem.BODY


def test_unknown_types_are_kept() -> None:
    data = struct.pack("!BBH", 0x85, 204, 2) + b"abcdefgh"  # APP
    assert only(data) == Unknown(204, 5, b"abcdefgh")
    assert only(bytes.fromhex("8fce0003") + bytes(8) + b"NONE") == Unknown(
        206, 15, bytes(8) + b"NONE"
    )


def test_feedback_of_the_draft_is_read() -> None:
    """§3.1 by hand: base 153, 8 numbers; run of 2 small, vector of 7 two-bit symbols."""
    data = bytes.fromhex(
        "afcd0007"
        "fa17fa17"
        "43035f2a"  # P, 205/15; sender; media
        "0099"
        "0008"
        "fdd9f7"
        "09"  # base, count, reference time, feedback count
        "2002"
        "d880"  # run: received small x 2; vector 2-bit: 1 2 0 2 0 0 0
        "94"
        "2c"
        "00"
        "0104"
        "ff00"
        "01"  # padding
    )
    reference = 0xFDD9F7 << 8
    packet = only(data)
    assert isinstance(packet, Twcc)
    assert (packet.base16, packet.count, packet.feedback) == (153, 8, 9)
    assert packet.arrivals[:2] == [(153, reference + 0x94), (154, reference + 0x94 + 0x2C)]
    assert [seq for seq, _ in packet.arrivals] == [153, 154, 155, 156, 158]
    assert packet.arrivals[4][1] - packet.arrivals[3][1] == -256


@given(
    st.integers(0, 65535),
    st.integers(0, (1 << 32) - (1 << 25)),
    st.lists(st.one_of(st.none(), st.integers(-0x8000, 0x7FFF), st.integers(0, 255)), max_size=400),
)
def test_feedback_survives_the_way_through_bytes(
    base16: int, start: int, steps: list[int | None]
) -> None:
    clock = start
    arrivals: list[int | None] = [start]
    for step in steps:
        if step is None or clock + step < 0:
            arrivals.append(None)
        else:
            clock += step
            arrivals.append(clock)
    packet = only(build_twcc(1, 2, base16, 3, arrivals))
    told = [((base16 + at) & 0xFFFF, t) for at, t in enumerate(arrivals) if t is not None]
    assert packet == Twcc(1, 2, base16, len(arrivals), 3, told)


def test_feedback_that_claims_65535_numbers_costs_no_memory() -> None:
    lost = struct.pack("!IIHHI", 1, 2, 0, 65535, 0) + struct.pack("!9H", *[0x1FFF] * 9) + b"\0\0"
    data = struct.pack("!BBH", 0x8F, 205, len(lost) // 4) + lost
    packet = only(data)
    assert isinstance(packet, Twcc)
    assert packet.arrivals == []
    claimed = struct.pack("!IIHHI", 1, 2, 0, 65535, 0) + struct.pack("!10H", *[0x3FFF] * 10)
    data = struct.pack("!BBH", 0x8F, 205, len(claimed) // 4) + claimed
    assert parse_rtcp(data) == ([], RtcpProblem.BODY)


@pytest.mark.parametrize("count", [0, 1, 2, 31])
@pytest.mark.parametrize("tail", [b"", build_sdes(9, "cname"), build_sdes(9, "")])
def test_reports_alone_or_with_a_name_are_read_in_the_short_way(count: int, tail: bytes) -> None:
    reports = [REPORT] * count
    assert lone_reports(build_rr(9, reports) + tail) == reports


@pytest.mark.parametrize(
    "data",
    [
        b"",
        build_sr(SR),
        build_sdes(7, "cname"),
        build_sdes(7, "cname") + build_rr(9, [REPORT]),
        build_rr(9, [REPORT]) + build_pli(1, 2),
        build_rr(9, [REPORT]) + build_sdes(7, "cname") + build_pli(1, 2),
        build_rr(9, [REPORT]) + b"\x81",
        build_rr(9, [REPORT])[:-4],
        b"\x82" + build_rr(9, [REPORT])[1:],
        b"\xa1" + build_rr(9, [REPORT])[1:],
        b"\x41" + build_rr(9, [REPORT])[1:],
    ],
)
def test_the_short_way_leaves_everything_else_to_the_long_one(data: bytes) -> None:
    assert lone_reports(data) is None


@given(
    st.binary(max_size=80), st.lists(st.tuples(st.integers(0, 83), st.integers(0, 255)), max_size=3)
)
def test_both_ways_read_the_same_reports(tail: bytes, damage: list[tuple[int, int]]) -> None:
    data = bytearray(build_rr(9, [REPORT, REPORT]) + build_sdes(9, "cname") + tail)
    for at, value in damage:
        if at < len(data):
            data[at] = value
    reports = lone_reports(bytes(data))
    if reports is not None:
        packets, _ = parse_rtcp(bytes(data))
        first = packets[0]
        assert isinstance(first, ReceiverReport)
        assert first.reports == reports
        assert all(isinstance(packet, SourceDescription) for packet in packets[1:])


@given(st.binary(max_size=200))
def test_junk_never_raises(data: bytes) -> None:
    lone_reports(data)
    parse_rtcp(data)


@given(
    st.sampled_from([200, 201, 202, 203, 204, 205, 206, 207]),
    st.integers(0, 63),
    st.binary(max_size=120),
)
def test_junk_behind_a_good_header_never_raises(kind: int, low: int, body: bytes) -> None:
    body += bytes(-len(body) % 4)
    packets, problem = parse_rtcp(struct.pack("!BBH", 0x80 | low, kind, len(body) // 4) + body)
    assert len(packets) == 1 or problem is not None


def test_damaged_compounds_never_raise() -> None:
    seed = 20261121
    print("seed", seed)
    chance = random.Random(seed)
    good = (
        build_sr(SR)
        + build_sdes(1, "name")
        + build_nack(1, 2, [1, 5, 90])
        + build_fir(1, 2, 3)
        + build_remb(1, 9, [1])
        + build_twcc(1, 2, 3, 4, [5, None, 900, 70_000 // 4])
        + build_bye([1], "x")
    )
    for _ in range(3_000):
        data = bytearray(good)
        for _ in range(chance.randint(1, 6)):
            data[chance.randrange(len(data))] = chance.randrange(256)
        parse_rtcp(bytes(data[: chance.randrange(len(data) + 1)]))
