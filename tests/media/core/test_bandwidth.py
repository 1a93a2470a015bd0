"""The send-side estimate on simulated links: finds the rate, yields, comes back."""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable

import pytest

from media.core.bandwidth import ReceiveLimit, SendEstimate
from media.core.layers import HEADROOM, LayerState, Rank, Wish, allocate, fitting
from media.core.rtcp import Twcc, parse_rtcp
from media.core.twcc import Arrivals, Departures

PACKET, VOICE_PACKET = 1_100, 110


class Remb:
    """A receiver that estimates by itself, as libwebrtc's AimdRateControl does: it tells once a second, a decrease at once."""

    def __init__(self) -> None:
        self.bps = 2_500_000.0
        self.at = 0.0
        self.bytes = 0

    def estimate(self, delivered: int, queue: float, now: float) -> int:
        """Returns what it tells now, 0 for nothing."""
        if now < self.at + 1 and not (queue > 0.05 and now > self.at + 0.2):
            return 0
        arriving = (delivered - self.bytes) * 8 / (now - self.at)
        known, self.at, self.bytes = self.at > 0, now, delivered
        if known and queue > 0.05:
            self.bps = min(self.bps, 0.85 * arriving)
        elif known:
            self.bps = min(1.08 * self.bps, max(self.bps, 1.5 * arriving + 10_000))
        return max(int(self.bps), 1)


class Link:
    """A bottleneck with a queue, a delay, jitter and loss; feedback comes back every 50 ms.

    ``source_bps``: what the application would send at most; it follows the estimate.
    """

    def __init__(
        self,
        estimate: SendEstimate,
        *,
        rate_bps: float,
        delay: float = 0.03,
        jitter: float = 0.0,
        loss: float = 0.0,
        queue: float = 0.3,
        remb: bool = False,
        seed: int = 1,
    ) -> None:
        print("seed", seed)
        self.estimate = estimate
        self.rate_bps, self.delay, self.jitter, self.loss = rate_bps, delay, jitter, loss
        self.queue = queue
        self.receiver = Remb() if remb else None
        self.chance = random.Random(seed)
        self.now = 100.0
        self.departures, self.arrivals = Departures(), Arrivals()
        self.free_at = 0.0  # when the bottleneck has sent what it holds
        self.flying: list[tuple[float, int]] = []
        self.returning: list[tuple[float, Twcc]] = []
        self.credit = 0.0
        self.delivered = 0
        self.feedback_at = 0.0
        self.padding = (0.0, 0.0)  # bytes a second, until
        self.longest_queue = 0.0

    def send(self, size: int, probe: int = 0) -> None:
        seq16 = self.departures.next(size, self.now, probe)
        start = max(self.now, self.free_at)
        if start - self.now > self.queue or self.chance.random() < self.loss:
            return
        self.free_at = start + size * 8 / self.rate_bps
        arrival = self.free_at + self.delay + self.chance.random() * self.jitter
        heapq.heappush(self.flying, (arrival, seq16))

    def run(self, seconds: float, source_bps: Callable[[float], float] | float) -> list[int]:
        """Returns the estimate at each tenth of a second."""
        seen = []
        steps = round(seconds * 200)
        for step in range(steps):
            self.now += 0.005
            wanted = source_bps(self.now) if callable(source_bps) else source_bps
            self.credit += min(wanted, self.estimate.bps) / 8 * 0.005
            padding_bytes, until = self.padding
            if self.now <= until:
                self.credit += padding_bytes * 0.005
            size = PACKET if wanted > 100_000 else VOICE_PACKET
            while self.credit >= size:
                self.credit -= size
                self.send(size, self.estimate.probing(self.now))
            while self.flying and self.flying[0][0] <= self.now:
                at, seq16 = heapq.heappop(self.flying)
                self.arrivals.received(seq16, at)
                self.delivered += size
            if self.receiver is not None:
                bps = self.receiver.estimate(self.delivered, self.standing_queue, self.now)
                if bps:
                    if bps < self.estimate.bps:
                        self.padding = (0.0, 0.0)
                    self.estimate.remb(bps, self.now)
            elif self.now >= self.feedback_at:
                self.feedback_at = self.now + 0.05
                while (data := self.arrivals.feedback(1, 2)) is not None:
                    feedback = parse_rtcp(data)[0][0]
                    assert isinstance(feedback, Twcc)
                    self.returning.append((self.now + self.delay, feedback))
            while self.returning and self.returning[0][0] <= self.now:
                feedback = self.returning.pop(0)[1]
                self.estimate.acknowledged(
                    self.departures.acknowledge(feedback, self.now), self.now
                )
            self.longest_queue = max(self.longest_queue, self.standing_queue)
            if step % 20 == 19:
                seen.append(self.estimate.bps)
        return seen

    def probe(self, useful_bps: int, sent_bps: int = 0) -> bool:
        padding = self.estimate.probe(useful_bps, sent_bps, self.now)
        if padding is not None:
            self.padding = (padding.size_bytes / padding.duration, self.now + padding.duration)
        return padding is not None

    @property
    def standing_queue(self) -> float:
        return max(0.0, self.free_at - self.now)


GREEDY = 50e6


@pytest.mark.parametrize("rate_bps", [300_000, 1_000_000, 3_000_000, 8_000_000])
@pytest.mark.parametrize("delay", [0.01, 0.1])
def test_finds_the_rate_of_the_path_and_keeps_its_queue_short(rate_bps: int, delay: float) -> None:
    link = Link(SendEstimate(), rate_bps=rate_bps, delay=delay)
    link.run(20, GREEDY)
    link.delivered = 0
    seen = link.run(20, GREEDY)
    mean = sum(seen) / len(seen)
    assert 0.6 * rate_bps < mean < 1.1 * rate_bps
    assert link.delivered * 8 / 20 > 0.6 * rate_bps
    assert link.standing_queue < 0.2


def test_start_reaches_a_fast_path_within_seconds() -> None:
    link = Link(SendEstimate(), rate_bps=10_000_000)
    assert max(link.run(4, GREEDY)) > 5_000_000


def test_path_that_narrows_is_left_within_three_seconds_and_filled_again() -> None:
    """The bandwidth step of the fault matrix: 5 M, 300 k, 5 M."""
    link = Link(SendEstimate(), rate_bps=5_000_000)
    link.run(10, 3_000_000)
    link.rate_bps = 300_000
    seen = link.run(3, 3_000_000)
    assert seen[-1] < 400_000
    link.run(10, 3_000_000)
    link.rate_bps = 5_000_000
    reached = False
    for _ in range(20):  # as an allocator does: probe for the next layer until it is there
        link.probe(1_800_000)
        seen = link.run(0.5, 3_000_000)
        reached = reached or seen[-1] >= 1_700_000
    assert reached


VOICE = [LayerState("", 0, 0, 40_000)]
CAMERA = [
    LayerState("q", 320, 180, 150_000),
    LayerState("h", 640, 360, 500_000),
    LayerState("f", 1280, 720, 1_700_000),
]


class Viewer:
    """What ``Downlink`` does with a voice and a camera, ten times a second."""

    def __init__(self, link: Link) -> None:
        self.link = link
        self.layer: int | None = None

    def run(self, seconds: float) -> list[int | None]:
        """Returns the layer at each tenth of a second; sends just what that takes."""
        layers = []
        for _ in range(round(seconds * 10)):
            wishes = [Wish(Rank.AUDIO, VOICE, 0), Wish(Rank.VIDEO, CAMERA, self.layer)]
            _, self.layer = allocate(wishes, self.link.estimate.bps)
            sent_bps = 40_000 + (CAMERA[self.layer].bps if self.layer is not None else 0)
            best = fitting(CAMERA, 0, 0)
            assert best is not None
            self.link.probe(round((40_000 + CAMERA[best].bps) * HEADROOM), sent_bps)
            self.link.run(0.1, sent_bps)
            layers.append(self.layer)
        return layers


@pytest.mark.parametrize("rate_bps", [100_000, 300_000, 600_000])
@pytest.mark.parametrize("delay", [0.01, 0.1])
@pytest.mark.parametrize("queue", [0.1, 0.5])
def test_picture_goes_down_with_the_path_and_comes_back_with_it(
    rate_bps: int, delay: float, queue: float
) -> None:
    """Down in 3 s, back to the top in 10 s; while narrow, probes do not delay the voice much."""
    link = Link(SendEstimate(), rate_bps=5_000_000, delay=delay, queue=queue)
    viewer = Viewer(link)
    assert viewer.run(8)[-1] == 2
    link.rate_bps = rate_bps
    assert viewer.run(3)[-1] != 2
    viewer.run(5)
    link.longest_queue = 0.0
    narrow = viewer.run(30)
    print("longest queue", link.longest_queue, "layers", {n: narrow.count(n) for n in narrow})
    affordable = max(
        (n for n, layer in enumerate(CAMERA) if layer.bps + 40_000 < 0.8 * rate_bps), default=None
    )
    assert narrow.count(affordable) > 0.8 * len(narrow)
    assert link.longest_queue < 0.25
    link.rate_bps = 5_000_000
    layers = viewer.run(10)
    assert layers[-1] == 2
    print("back after", layers.index(2) / 10, "s")


@pytest.mark.parametrize("seed", range(4))
def test_picture_comes_back_within_seconds_of_heavy_loss(seed: int) -> None:
    link = Link(SendEstimate(), rate_bps=3_000_000, seed=seed, jitter=0.005)
    viewer = Viewer(link)
    assert viewer.run(8)[-1] == 2
    link.loss = 0.6
    assert viewer.run(10)[-1] is None
    link.loss = 0.0
    layers = viewer.run(10)
    assert layers[-1] == 2
    print("back after", layers.index(2) / 10, "s")


def test_client_with_remb_alone_gets_its_picture_back() -> None:
    """Its estimate cannot rise beyond what arrives, so what is missing must be sent as padding."""
    link = Link(SendEstimate(), rate_bps=3_000_000, remb=True)
    viewer = Viewer(link)
    link.estimate.remb(2_500_000, link.now)
    assert viewer.run(5)[-1] == 2
    link.rate_bps = 100_000
    assert viewer.run(10)[-1] is None
    link.longest_queue = 0.0
    viewer.run(30)
    print("longest queue", link.longest_queue)
    assert link.longest_queue < 0.2
    link.rate_bps = 3_000_000
    layers = viewer.run(50)
    print(
        "first picture after", next(n for n, layer in enumerate(layers) if layer is not None) / 10
    )
    assert layers[-1] is not None


def test_longer_route_costs_little_and_not_for_long() -> None:
    """300 ms more from one packet to the next, as when a route changes: no queue, so no starving."""
    link = Link(SendEstimate(), rate_bps=10_000_000)
    link.run(5, 2_000_000)
    link.delay += 0.3
    seen = link.run(15, 2_000_000)
    assert min(seen) > 500_000  # what arrived is measured over half a second with a hole in it
    assert seen[-1] > 1_800_000


@pytest.mark.parametrize("jitter", [0.005, 0.02])
def test_jitter_is_not_taken_for_congestion(jitter: float) -> None:
    link = Link(SendEstimate(), rate_bps=10_000_000, jitter=jitter, seed=4)
    seen = link.run(20, 2_000_000)
    assert min(seen[50:]) > 1_500_000


def test_some_loss_by_chance_is_lived_with_and_much_is_not() -> None:
    link = Link(SendEstimate(), rate_bps=10_000_000, loss=0.01, seed=5)
    assert link.run(15, 2_000_000)[-1] > 1_800_000
    link = Link(SendEstimate(), rate_bps=10_000_000, loss=0.3, seed=5)
    assert link.run(15, 2_000_000)[-1] < 300_000


def test_quiet_sender_is_not_credited_with_more_than_it_showed() -> None:
    link = Link(SendEstimate(), rate_bps=100_000_000)
    seen = link.run(20, 200_000)
    assert seen[-1] <= 1_000_000  # the start value; nothing beyond was ever shown


def test_sound_alone_gets_room_to_try_a_picture_again_after_an_outage() -> None:
    estimate = SendEstimate(start_bps=1_000_000)
    link = Link(estimate, rate_bps=3_000_000)
    link.run(5, 800_000)
    link.rate_bps = 60_000
    link.run(8, 300_000)
    assert estimate.bps < 100_000
    link.rate_bps = 3_000_000
    link.run(40, 40_000)
    assert 250_000 <= estimate.bps <= 400_000


def test_probe_shows_room_without_media_and_its_absence_makes_us_wait() -> None:
    link = Link(SendEstimate(start_bps=500_000), rate_bps=20_000_000)
    link.run(3, 400_000)
    known = link.estimate.bps
    assert known < 1_000_000
    assert link.probe(2_500_000)
    link.run(0.5, 400_000)
    assert 1.8 * known < link.estimate.bps <= 2 * known  # no more than double at once
    while link.probe(2_500_000):
        link.run(0.5, 400_000)
    assert 2_500_000 <= link.estimate.bps <= 1.1 * 2_500_000  # nor more than could be used
    narrow = Link(SendEstimate(start_bps=500_000), rate_bps=700_000)
    narrow.run(3, 400_000)
    assert narrow.probe(2_500_000)
    narrow.run(0.5, 400_000)
    assert narrow.estimate.bps < 900_000
    assert not narrow.probe(2_500_000)
    tried = 0
    for _ in range(100):
        tried += narrow.probe(2_500_000)
        narrow.run(0.5, 400_000)
    assert 5 <= tried <= 12  # 1, 2, 4, 5, 5 … s apart
    assert narrow.estimate.bps < 900_000


def test_limits_hold_whatever_is_claimed() -> None:
    estimate = SendEstimate(floor_bps=30_000, cap_bps=4_000_000)
    estimate.remb(0, 1.0)
    assert estimate.bps == 30_000
    estimate.remb(1 << 60, 2.0)
    assert estimate.bps == 4_000_000
    link = Link(SendEstimate(cap_bps=2_000_000), rate_bps=50_000_000)
    assert max(link.run(10, GREEDY)) == 2_000_000


def test_client_without_twcc_is_followed_by_its_own_estimate() -> None:
    estimate = SendEstimate()
    estimate.remb(700_000, 1.0)
    assert estimate.bps == 700_000
    estimate.remb(2_000_000, 2.0)
    assert estimate.bps == 2_000_000


def test_client_with_reports_alone_is_judged_by_loss() -> None:
    estimate = SendEstimate()
    for second in range(10):
        estimate.receiver_report(0, 0.08, float(second))
    grown = estimate.bps
    assert 1_500_000 < grown < 2_500_000
    assert estimate.rtt == pytest.approx(0.08, abs=0.01)
    for second in range(10, 20):
        estimate.receiver_report(64, None, float(second))
    assert estimate.bps < grown / 3


def test_remb_caps_a_client_with_twcc() -> None:
    link = Link(SendEstimate(), rate_bps=5_000_000)
    link.run(5, GREEDY)
    link.estimate.remb(250_000, link.now)
    assert link.estimate.bps == 250_000


def test_publisher_is_held_back_by_loss_and_let_go_again() -> None:
    limit = ReceiveLimit(cap_bps=3_000_000)
    assert limit.update(2_000_000, 0, 1.0) == 3_000_000
    held = limit.update(2_000_000, 64, 2.0)
    assert held == 1_750_000
    assert limit.update(1_700_000, 12, 3.0) == held  # between: hold
    now, value = 3.0, held
    while value < 3_000_000:
        now += 1
        value = limit.update(value, 0, now)
    assert 8 <= now - 3 <= 12
    for second in range(60):
        value = limit.update(0, 255, now + second)
    assert value == ReceiveLimit.FLOOR_BPS
