"""Asking for lost packets, and answering others' requests."""

from __future__ import annotations

import random

from media.core.nack import (
    MAX_MISSING,
    MAX_TRIES,
    MAX_WAIT,
    MIN_WAIT,
    REPAIR_BURST_BYTES,
    Losses,
    Repairs,
)

RTT = 0.05


def test_loss_is_asked_for_after_a_short_wait_and_again_each_round_trip() -> None:
    losses = Losses()
    losses.received(100, 0.0)
    losses.received(103, 0.01)
    assert len(losses) == 2
    assert losses.due(0.01, RTT) == []
    assert losses.due(0.01 + MIN_WAIT, RTT) == [101, 102]
    assert losses.due(0.03, RTT) == []
    losses.received(101, 0.04)
    assert losses.due(0.08, RTT) == [102]
    losses.received(102, 0.09)
    assert len(losses) == 0


def test_reordered_packets_raise_the_patience_instead_of_requests() -> None:
    losses = Losses()
    now, asked = 0.0, 0
    for seq in range(0, 2_000, 4):
        for late in (seq, seq + 2, seq + 3, seq + 1):  # the second comes 3 places late
            now += 0.008
            losses.received(10_000 + late, now)
            if now > 0.2:
                asked += len(losses.due(now, RTT))
            else:
                losses.due(now, RTT)
    assert asked == 0
    assert len(losses) == 0


def test_patience_has_a_limit() -> None:
    losses = Losses()
    losses.received(1, 0.0)
    losses.received(3, 0.0)
    losses.received(2, 5.0)
    losses.received(5, 5.0)
    assert losses.due(5.0 + MAX_WAIT - 0.001, RTT) == []
    assert losses.due(5.0 + MAX_WAIT + 0.001, RTT) == [4]


def test_after_ten_tries_only_a_keyframe_helps() -> None:
    losses = Losses()
    losses.received(1, 0.0)
    losses.received(3, 0.0)
    now, asked = 0.0, 0
    for _ in range(200):
        now += 0.02
        asked += len(losses.due(now, RTT))
    assert asked == MAX_TRIES
    assert len(losses) == 0
    assert losses.take_keyframe_hint()
    assert not losses.take_keyframe_hint()


def test_flood_of_losses_is_bounded_and_asks_for_a_keyframe() -> None:
    losses = Losses()
    losses.received(1, 0.0)
    losses.received(MAX_MISSING + 3, 0.0)
    assert len(losses) == 0
    assert losses.take_keyframe_hint()
    losses.received(MAX_MISSING + 5, 0.1)
    assert losses.due(0.2, RTT) == [MAX_MISSING + 4]


def test_everything_lost_at_random_is_found_again() -> None:
    seed = 11
    print("seed", seed)
    chance = random.Random(seed)
    losses = Losses()
    arrived: set[int] = set()
    coming: list[tuple[float, int]] = []  # repairs on their way
    now = 0.0
    for seq in range(1_000, 4_000):
        now += 0.004
        if seq == 1_000 or seq == 3_999 or chance.random() > 0.1:
            losses.received(seq, now)
            arrived.add(seq)
        for at, repaired in [item for item in coming if item[0] <= now]:
            coming.remove((at, repaired))
            losses.received(repaired, now)
            arrived.add(repaired)
        if seq % 4 == 0:
            coming += [(now + RTT, s) for s in losses.due(now, RTT) if chance.random() > 0.1]
    while len(losses) and now < 60:
        now += 0.016
        for at, repaired in [item for item in coming if item[0] <= now]:
            coming.remove((at, repaired))
            losses.received(repaired, now)
            arrived.add(repaired)
        coming += [(now + RTT, s) for s in losses.due(now, RTT) if chance.random() > 0.1]
    assert len(arrived) == 3_000
    assert not losses.take_keyframe_hint()


def test_packet_is_sent_again_once_per_round_trip() -> None:
    repairs = Repairs()
    assert repairs.allow(7, 1200, 1.0, RTT, 1_000_000)
    assert not repairs.allow(7, 1200, 1.04, RTT, 1_000_000)
    assert repairs.allow(7, 1200, 1.06, RTT, 1_000_000)


def test_storm_of_requests_gets_its_share_and_no_more() -> None:
    repairs = Repairs()
    sent = sum(
        1200
        for tick in range(1_000)
        for seq in range(50)
        if repairs.allow(tick * 50 + seq, 1200, tick / 100, RTT, 1_000_000)
    )
    assert sent <= REPAIR_BURST_BYTES + 10 * 1_000_000 / 8 * 0.25
    assert sent > 10 * 1_000_000 / 8 * 0.2
    assert len(repairs._sent) <= MAX_MISSING
