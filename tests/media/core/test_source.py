"""Numbering, reception statistics and restarts of one incoming stream."""

from __future__ import annotations

import random

import pytest

from media.core.source import MAX_DROPOUT, Receipt, Source
from tests.media.core.rtp import parsed, rtp


def feed(source: Source, seq16: int, ts32: int = 0, now: float = 1.0) -> tuple[Receipt, int]:
    packet = parsed(rtp(seq16, ts32))
    receipt = source.receive(packet, now)
    return receipt, (packet.seq if receipt is not Receipt.STRAY else -1)


def test_numbers_go_on_over_the_wrap_and_late_ones_keep_theirs() -> None:
    source = Source(1, 90_000, "p")
    assert feed(source, 65534) == (Receipt.NEW, 0x1FFFE)
    assert feed(source, 0) == (Receipt.NEW, 0x20000)
    assert feed(source, 65535) == (Receipt.LATE, 0x1FFFF)
    assert feed(source, 0)[0] is Receipt.LATE
    assert source.highest == 0x20000


def test_one_stray_number_is_ignored_and_two_in_order_begin_anew() -> None:
    source = Source(1, 90_000, "p")
    feed(source, 10)
    assert feed(source, 10 + MAX_DROPOUT + 5)[0] is Receipt.STRAY
    assert feed(source, 11) == (Receipt.NEW, 0x1000B)
    assert feed(source, 40_000)[0] is Receipt.STRAY
    receipt, seq = feed(source, 40_001)
    assert receipt is Receipt.RESTART
    assert seq & 0xFFFF == 40_001
    assert seq > 0x1000B + MAX_DROPOUT
    assert feed(source, 40_002) == (Receipt.NEW, seq + 1)


def test_timestamps_are_extended_over_the_wrap_and_backwards() -> None:
    source = Source(1, 90_000, "p")
    stamps = []
    for seq16, ts32 in ((1, 0xFFFFFF00), (2, 0x100), (3, 0xFFFFFFF0), (4, 0x200)):
        packet = parsed(rtp(seq16, ts32))
        source.receive(packet, 1.0)
        stamps.append(packet.ts)
    assert stamps == [0x1FFFFFF00, 0x200000100, 0x1FFFFFFF0, 0x200000200]


@pytest.mark.parametrize("fraction", [0.0, 0.1, 0.5])
def test_loss_is_reported_as_it_was(fraction: float) -> None:
    seed = 7
    print("seed", seed)
    chance = random.Random(seed)
    source = Source(0xAA, 90_000, "p")
    feed(source, 65_000)
    sent = kept = 1
    for seq in range(65_001, 65_000 + 2_000):
        sent += 1
        if seq < 66_998 and chance.random() < fraction:
            continue
        kept += 1
        feed(source, seq & 0xFFFF)
    report = source.report(2.0)
    assert report.lost == sent - kept
    assert report.fraction_lost == ((sent - kept) << 8) // sent
    # The peer's own cycle count: it began at 65000 without a wrap behind it.
    assert report.highest == 65_000 + 1_999
    assert source.report(3.0).fraction_lost == 0


def test_repaired_packets_count_as_received() -> None:
    source = Source(1, 90_000, "p")
    for seq16 in (1, 2, 5, 3, 4):
        feed(source, seq16)
    assert source.report(1.0).lost == 0


def test_jitter_of_a_steady_stream_is_nothing_and_of_an_unsteady_one_its_deviation() -> None:
    steady, shaken = Source(1, 90_000, "p"), Source(2, 90_000, "p")
    for n in range(400):
        feed(steady, n, n * 3000, 10 + n / 30)
        feed(shaken, n, n * 3000, 10 + n / 30 + (n % 2) * 0.010)
    assert steady.report(20.0).jitter == 0
    assert shaken.report(20.0).jitter == pytest.approx(900, abs=2)  # 10 ms at 90 kHz


def test_report_returns_the_last_sender_report_and_the_time_since() -> None:
    source = Source(1, 48_000, "p")
    feed(source, 1, 1000)
    assert (source.report(5.0).lsr, source.report(5.0).dlsr) == (0, 0)
    source.sender_report(0x0123_4567_89AB_CDEF, 2000, 6.0)
    report = source.report(7.5)
    assert report.lsr == 0x4567_89AB
    assert report.dlsr == 3 << 15
    assert source.sr_ts == 0x1_0000_0000 + 2000


def test_rate_is_measured_and_ends_when_nothing_comes() -> None:
    source = Source(1, 90_000, "p")
    assert source.measure(0.0) == 0
    for n in range(200):
        packet = parsed(rtp(n, payload=bytes(988)))
        source.receive(packet, n / 100)
        source.measure(n / 100)
    assert source.bps == pytest.approx(800_000, rel=0.05)
    assert source.measure(3.0) > 0
    assert source.measure(4.0) == 0
