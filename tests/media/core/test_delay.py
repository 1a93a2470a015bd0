"""The delay trend by itself: what it calls congestion and what it forgives."""

from __future__ import annotations

import random
from collections.abc import Callable

from media.core.delay import STANDING_MS, DelayTrend, Usage
from media.core.twcc import Sample


def judge(delay_at: Callable[[float], float], seconds: float, step: float = 0.01) -> list[Usage]:
    """Send a packet every ``step``; the path delays it by ``delay_at(time)``."""
    trend = DelayTrend()
    seen = []
    for n in range(round(seconds / step)):
        sent = 50 + n * step
        trend.add(Sample(sent, 7_000 + sent + delay_at(sent - 50), 1_000, 0))
        seen.append(trend.usage)
    return seen


def test_steady_path_is_normal_and_so_is_noise() -> None:
    seed = 8
    print("seed", seed)
    chance = random.Random(seed)
    assert set(judge(lambda _: 0.05, 10)) == {Usage.NORMAL}
    noisy = judge(lambda _: 0.05 + chance.random() * 0.005, 10)
    assert noisy.count(Usage.OVER) == 0


def test_growing_queue_is_seen_before_it_is_100_ms_long() -> None:
    seen = judge(lambda t: 0.05 + 0.2 * max(0.0, t - 2), 4)
    assert 200 < seen.index(Usage.OVER) < 250  # begun at packet 200; 50 more make 100 ms


def test_draining_queue_is_seen_too() -> None:
    seen = judge(lambda t: 0.5 - 0.2 * min(t, 2.0), 4)
    assert Usage.UNDER in seen
    assert Usage.OVER not in seen
    assert seen[-1] is Usage.NORMAL


def test_packets_held_back_and_sent_together_are_one_group() -> None:
    """Wi-Fi collects packets for some 20 ms and delivers them at once."""
    seen = judge(lambda t: 0.02 - t % 0.02, 10, step=0.002)
    assert seen.count(Usage.OVER) == 0


def test_clocks_that_drift_apart_are_forgiven() -> None:
    seen = judge(lambda t: t * 200e-6, 120)  # 200 ppm
    assert seen.count(Usage.OVER) == 0


def test_full_queue_that_stands_still_is_congestion_until_yielding_does_not_help() -> None:
    full = 0.05 + 2 * STANDING_MS / 1000

    def path(t: float) -> float:
        return 0.05 if t < 2 else min(full, 0.05 + (t - 2) * 0.01)  # fills too slowly for a trend

    seen = judge(path, 120)
    first = seen.index(Usage.OVER)
    assert path(first * 0.01) - 0.05 > STANDING_MS / 1000 - 0.02
    # The queue did not shrink: it is taken for the path's own delay from then on.
    assert set(seen[-1_000:]) == {Usage.NORMAL}


def test_sample_told_late_does_not_disturb_the_line() -> None:
    trend = DelayTrend()
    for n in range(100):
        trend.add(Sample(1 + n * 0.01, 1.05 + n * 0.01, 1_000, 0))
        if n == 50:
            trend.add(Sample(1.2, 9.0, 1_000, 0))
    assert trend.usage is Usage.NORMAL
