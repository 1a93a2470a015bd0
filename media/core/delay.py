"""Delay trend of a path: is its queue growing (draft-ietf-rmcat-gcc-02 §5.2–5.4, libwebrtc's form).

Where the draft filters with Kalman's method, libwebrtc fits a line through the
last delays (trendline_estimator.cc); its constants are used here unless said.
"""

from __future__ import annotations

from collections import deque
from enum import Enum

from media.core.twcc import Sample

BURST = 0.005  # packets sent within 5 ms are one group (kBurstDeltaThreshold)
WINDOW = 20  # groups in the line (kDefaultTrendlineWindowSize)
SMOOTHING = 0.9  # kDefaultTrendlineSmoothingCoeff
GAIN = 4.0  # kDefaultTrendlineThresholdGain
MIN_DELTAS = 60  # kMinNumDeltas
OVERUSE_MS = 10.0  # kOverUsingTimeThreshold
THRESHOLD_MS = 12.5  # first value; draft §5.4
THRESHOLD_RANGE = (6.0, 600.0)  # draft §5.4
K_UP, K_DOWN = 0.0087, 0.039  # libwebrtc; adapt slowly up, fast down
MAX_ADAPT_MS = 15.0  # kMaxAdaptOffsetMs: single spikes do not move the threshold

# Ours: a queue that is full does not grow, so its trend is flat and says nothing.
# Beyond 150 ms conversation suffers (ITU-T G.114): that much more than the least
# delay of the last half minute is congestion too. If going slower for a second
# does not shorten it, it is the path's own delay, or others' queue: live with it.
STANDING_MS = 150.0
STANDING_RETRY = 1.0
STANDING_SHRINKS = 0.8
BASE_WINDOW = 15.0  # two of them


class Usage(Enum):
    """What the queue does."""

    NORMAL = "normal"
    OVER = "over"
    UNDER = "under"


class DelayTrend:
    """Owner: one ``SendEstimate``. Takes samples in sending order."""

    __slots__ = (
        "_base_at",
        "_base_ms",
        "_delay_ms",
        "_deltas",
        "_group",
        "_last_trend",
        "_over_count",
        "_over_ms",
        "_points",
        "_previous",
        "_smoothed_ms",
        "_standing",
        "_threshold_ms",
        "_updated_at",
        "usage",
    )

    def __init__(self) -> None:
        self.usage = Usage.NORMAL
        # Groups: [first sent, last sent, last arrived].
        self._group: list[float] | None = None
        self._previous: list[float] | None = None
        self._points: deque[tuple[float, float]] = deque(maxlen=WINDOW)
        self._deltas = 0
        self._delay_ms = 0.0
        self._smoothed_ms = 0.0
        self._base_ms = [0.0, 0.0]  # least delay of the window before, and of this one
        self._base_at: float | None = None
        self._standing: tuple[float, float] | None = None  # when it was noticed, how long it was
        self._threshold_ms = THRESHOLD_MS
        self._updated_at: float | None = None
        self._last_trend = 0.0
        self._over_ms = 0.0
        self._over_count = 0

    def add(self, sample: Sample) -> None:
        """Take one acknowledged packet."""
        group = self._group
        if group is None:
            self._group = [sample.sent, sample.sent, sample.arrived]
            return
        if sample.sent < group[0]:
            return  # told late: its group is done
        if sample.sent - group[0] <= BURST or self._same_burst(sample, group):
            group[1] = max(group[1], sample.sent)
            group[2] = max(group[2], sample.arrived)
            return
        previous = self._previous
        if previous is not None:
            self._step((group[1] - previous[1]) * 1e3, (group[2] - previous[2]) * 1e3, group[2])
        self._previous = group
        self._group = [sample.sent, sample.sent, sample.arrived]

    @staticmethod
    def _same_burst(sample: Sample, group: list[float]) -> bool:
        """Packets a radio held back arrive together: one group, or it would look like a draining queue."""
        gap = sample.arrived - group[2]
        return gap <= BURST and gap < sample.sent - group[1]

    def _step(self, sent_ms: float, arrived_ms: float, at: float) -> None:
        """Move the line on by one group and judge it."""
        self._deltas = min(self._deltas + 1, 1000)
        self._delay_ms += arrived_ms - sent_ms
        self._smoothed_ms = SMOOTHING * self._smoothed_ms + (1 - SMOOTHING) * self._delay_ms
        self._points.append((at * 1e3, self._smoothed_ms))
        trend = self._last_trend
        if len(self._points) == WINDOW:
            trend = _slope(self._points)
        level = min(self._deltas, MIN_DELTAS) * trend * GAIN
        if level > self._threshold_ms:
            self._over_ms += sent_ms if self._over_count else sent_ms / 2
            self._over_count += 1
            if self._over_ms > OVERUSE_MS and self._over_count > 1 and trend >= self._last_trend:
                self._over_ms = 0.0
                self._over_count = 0
                self.usage = Usage.OVER
        else:
            self._over_ms = 0.0
            self._over_count = 0
            self.usage = Usage.UNDER if level < -self._threshold_ms else Usage.NORMAL
        self._last_trend = trend
        self._adapt(abs(level), at)
        self._judge_standing(at)

    def _judge_standing(self, at: float) -> None:
        """Call a long queue that does not grow overuse, as long as that helps."""
        delay, base = self._smoothed_ms, self._base_ms
        if self._base_at is None:
            self._base_at = at
        elif at - self._base_at > BASE_WINDOW:
            base[0], base[1] = base[1], delay
            self._base_at = at
        base[1] = min(base[1], delay)
        queue = delay - min(base)
        if queue < STANDING_MS:
            self._standing = None
        elif self.usage is not Usage.UNDER:
            if self._standing is None:
                self._standing = (at, queue)
                self.usage = Usage.OVER
            elif at - self._standing[0] > STANDING_RETRY:
                if queue > STANDING_SHRINKS * self._standing[1]:
                    base[0] = base[1] = delay
                    self._standing = None
                else:
                    self._standing = (at, queue)
                    self.usage = Usage.OVER

    def _adapt(self, level: float, at: float) -> None:
        """Let the threshold follow, so that we are not starved beside TCP (draft §5.4)."""
        if self._updated_at is not None and level <= self._threshold_ms + MAX_ADAPT_MS:
            gain = K_DOWN if level < self._threshold_ms else K_UP
            elapsed_ms = min((at - self._updated_at) * 1e3, 100.0)
            moved = self._threshold_ms + gain * (level - self._threshold_ms) * elapsed_ms
            self._threshold_ms = min(max(moved, THRESHOLD_RANGE[0]), THRESHOLD_RANGE[1])
        self._updated_at = at


def _slope(points: deque[tuple[float, float]]) -> float:
    """Least squares."""
    count = len(points)
    mean_x = sum(x for x, _ in points) / count
    mean_y = sum(y for _, y in points) / count
    above = sum((x - mean_x) * (y - mean_y) for x, y in points)
    below = sum((x - mean_x) ** 2 for x, _ in points)
    return above / below if below else 0.0
