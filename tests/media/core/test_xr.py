"""Round trips of senders, told by extended reports."""

from __future__ import annotations

import struct

from hypothesis import given
from hypothesis import strategies as st

from media.core.rtcp import Unknown, build_rr, parse_rtcp
from media.core.xr import DLRR, MAX_ANSWERS, RRTR, XR, RoundTrip, answers, build_rrtr


def dlrr(*found: tuple[int, int, int]) -> bytes:
    """What follows an XR packet's header: a sender's answers (RFC 3611 §4.5)."""
    rows = b"".join(struct.pack("!III", *row) for row in found)
    return struct.pack("!IBxH", 7, DLRR, 3 * len(found)) + rows


def lrr_of(packet: bytes) -> int:
    """The middle of the time we told."""
    return int.from_bytes(packet[14:18], "big")


def test_a_reference_time_is_an_extended_report_of_its_own_in_a_compound() -> None:
    packets, problem = parse_rtcp(build_rr(9) + build_rrtr(9, 0x0123456789ABCDEF))
    assert problem is None
    (_, extended) = packets
    assert isinstance(extended, Unknown)
    assert extended.kind == XR
    # RFC 3611 §4.4: block type, reserved, two words; then the NTP time.
    assert extended.body == struct.pack("!IBxHQ", 9, RRTR, 2, 0x0123456789ABCDEF)


def test_the_answer_to_our_time_tells_the_round_trip_without_what_it_waited_there() -> None:
    trip = RoundTrip()
    asked = trip.ask(9, 100.0)
    trip.answered(9, dlrr((9, lrr_of(asked), 32768)), 100.54)
    assert trip.rtt_s is not None
    assert abs(trip.rtt_s - 0.04) < 1e-6


def test_answers_to_others_to_unknown_times_or_from_the_future_change_nothing() -> None:
    trip = RoundTrip()
    first = lrr_of(trip.ask(9, 100.0))
    trip.answered(9, dlrr((8, first, 0), (10, first, 0)), 100.1)
    trip.answered(9, dlrr((9, first + 1, 0)), 100.1)
    trip.answered(9, dlrr((9, first, 65536)), 100.1)
    assert trip.rtt_s is None
    for second in range(1, 20):
        trip.ask(9, 100.0 + second)
    trip.answered(9, dlrr((9, first, 0)), 120.0)
    assert trip.rtt_s is None


def test_a_report_full_of_answers_is_read_only_so_far() -> None:
    assert len(list(answers(dlrr(*[(9, 1, 1)] * (MAX_ANSWERS + 5))))) == MAX_ANSWERS


@given(st.binary(max_size=200))
def test_no_body_is_too_strange(body: bytes) -> None:
    RoundTrip().answered(9, body, 1.0)
    RoundTrip().answered(9, struct.pack("!IBxH", 7, DLRR, len(body) // 4) + body, 1.0)
