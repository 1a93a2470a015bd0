"""Transport-wide numbers from departure over arrival and feedback back to samples."""

from __future__ import annotations

import random
import struct

import pytest

from media.core.rtcp import Twcc, parse_rtcp
from media.core.twcc import MAX_REPORTED, SENT, Arrivals, Departures
from media.core.twcc_format import parse_twcc


def told(arrivals: Arrivals) -> list[Twcc]:
    """All feedback there is now, read back."""
    out = []
    while (data := arrivals.feedback(1, 2)) is not None:
        assert len(data) < 1200
        packets, problem = parse_rtcp(data)
        assert problem is None
        assert isinstance(packets[0], Twcc)
        out.append(packets[0])
    return out


def test_feedback_tells_each_arrival_once_and_gaps_as_lost() -> None:
    arrivals = Arrivals()
    assert told(arrivals) == []
    for seq, now in ((65534, 1.0), (65535, 1.001), (1, 1.003)):
        arrivals.received(seq, now)
    (first,) = told(arrivals)
    assert (first.base16, first.count) == (65534, 4)
    assert first.arrivals == [(65534, 4000), (65535, 4004), (1, 4012)]
    assert told(arrivals) == []
    arrivals.received(4, 1.1)
    (second,) = told(arrivals)
    assert (second.base16, second.count, second.feedback) == (2, 3, 1)


def test_late_packet_is_told_with_what_came_after_it() -> None:
    arrivals = Arrivals()
    for seq in (10, 12):
        arrivals.received(seq, 1.0)
    told(arrivals)
    arrivals.received(11, 1.2)
    (feedback,) = told(arrivals)
    assert feedback.arrivals == [(11, 4800), (12, 4000)]


def test_long_silence_and_many_packets_make_more_than_one_feedback() -> None:
    arrivals = Arrivals()
    arrivals.received(1, 1.0)
    arrivals.received(2, 30.0)
    assert [feedback.base16 for feedback in told(arrivals)] == [1, 2]
    for seq in range(3, 3 + 1000):
        arrivals.received(seq, 30.0 + seq / 100)
    assert arrivals.full
    feedback = told(arrivals)
    assert [one.count for one in feedback] == [MAX_REPORTED, MAX_REPORTED, 200]
    assert not arrivals.full


def test_number_that_jumps_begins_anew_and_memory_is_bounded() -> None:
    arrivals = Arrivals()
    arrivals.received(1, 1.0)
    arrivals.received(40_000, 1.1)
    assert [feedback.base16 for feedback in told(arrivals)] == [40_000]
    for n in range(100_000):
        arrivals.received(n * 7 & 0xFFFF, 2.0 + n / 1000)
    assert len(arrivals._arrivals) < 10_000


def test_samples_come_back_with_times_sizes_losses_and_round_trip() -> None:
    departures = Departures()
    arrivals = Arrivals()
    for n in range(10):
        seq16 = departures.next(100 + n, 5.0 + n / 100, probe=3 if n == 9 else 0)
        if n not in (4, 5):
            arrivals.received(seq16, 105.0 + n / 100)
    acked = departures.acknowledge(told(arrivals)[0], 5.2)
    assert [sample.size_bytes for sample in acked.samples] == [
        100,
        101,
        102,
        103,
        106,
        107,
        108,
        109,
    ]
    assert acked.samples[0].sent == 5.0
    assert acked.samples[-1].arrived - acked.samples[0].arrived == pytest.approx(0.09)
    assert acked.samples[-1].probe == 3
    assert acked.lost == 2
    assert acked.rtt == pytest.approx(0.11)


def test_lost_feedback_does_not_count_its_packets_as_lost_twice_over() -> None:
    departures = Departures()
    arrivals = Arrivals()
    for n in range(20):
        arrivals.received(departures.next(100, 5.0 + n / 100), 5.1 + n / 100)
        if n == 9:
            told(arrivals)  # never arrives
    acked = departures.acknowledge(told(arrivals)[0], 6.0)
    assert len(acked.samples) == 10
    assert acked.lost == 10  # unknown is as good as lost, once
    assert departures.acknowledge(Twcc(1, 2, 10, 0, 1, []), 6.0).lost == 0


def test_lies_are_not_believed() -> None:
    """Numbers never sent, told twice, or claimed in huge counts change nothing."""
    departures = Departures()
    for n in range(5):
        departures.next(100, 1.0 + n)
    newest = departures.seq & 0xFFFF
    lies = Twcc(1, 2, newest, 5, 0, [((newest + n) & 0xFFFF, n) for n in range(5)])
    assert len(departures.acknowledge(lies, 9.0).samples) == 1
    assert departures.acknowledge(lies, 9.0).samples == []
    acked = departures.acknowledge(Twcc(1, 2, newest - 4000 & 0xFFFF, 65535, 0, []), 9.0)
    assert (acked.samples, acked.lost, acked.rtt) == ([], 0, None)


def test_long_run_over_wraps_with_loss_and_reordering_adds_up() -> None:
    seed = 99
    print("seed", seed)
    chance = random.Random(seed)
    departures, arrivals = Departures(), Arrivals()
    flying: list[tuple[float, int]] = []
    acknowledged = lost = dropped = 0
    for n in range(150_000):
        now = 1.0 + n / 1000
        seq16 = departures.next(100, now)
        if chance.random() < 0.02:
            dropped += 1
        else:
            flying.append((now + 0.05 + chance.random() * 0.003, seq16))
        if n % 100 == 99:
            flying.sort()
            while flying and flying[0][0] <= now:
                at, seq16 = flying.pop(0)
                arrivals.received(seq16, at)
            for feedback in told(arrivals):
                acked = departures.acknowledge(feedback, now)
                acknowledged += len(acked.samples)
                lost += acked.lost
    assert acknowledged == 150_000 - dropped - len(flying)
    assert dropped - 5 <= lost <= dropped + 3_000  # edges: what was late counts until it comes
    assert len(departures._sent) == SENT


def test_what_went_another_way_is_neither_arrived_nor_lost() -> None:
    departures, arrivals = Departures(), Arrivals()
    departures.forget()  # nothing yet
    for n in range(20):
        if n == 10:
            departures.forget()
        arrivals.received(departures.next(100, 5.0 + n / 100), 5.1 + n / 100)
    acked = departures.acknowledge(told(arrivals)[0], 6.0)
    assert len(acked.samples) == 10
    assert acked.lost == 0


def test_a_claim_of_more_arrivals_than_there_are_deltas_is_refused_before_it_is_read() -> None:
    """600 bytes of runs once became 65,535 entries, in some 10 ms for each packet."""
    runs = b"\x25\xdc" * 43  # each: 1,500 received
    body = struct.pack("!IIHHI", 1, 2, 0, 0xFFFF, 0) + runs + bytes(1400)
    assert parse_twcc(body) is None


def test_numbers_that_leap_are_told_of_without_the_gaps() -> None:
    arrivals = Arrivals()
    for step in range(500):
        arrivals.received(step * 8000 & 0xFFFF, step / 1000)
    told = 0
    while (feedback := arrivals.feedback(1, 2)) is not None:
        assert len(feedback) < 1200
        told += 1
    assert told <= 501
