"""Sends the padding of a probe, a beat's share at a time, along with some video's repairs."""

from __future__ import annotations

import math
from collections.abc import Iterable

from media.core.probe import Padding
from media.downtrack import DownTrack

BEAT_S = 0.02


class Filler:
    """Owner: the downlink.

    Attributes:
        left_bytes: still to be sent; 0 when nothing is under way.
    """

    def __init__(self) -> None:
        self.left_bytes = 0
        self._until = 0.0

    def begin(self, padding: Padding, now: float) -> None:
        self.left_bytes = padding.size_bytes
        self._until = now + padding.duration

    def stop(self) -> None:
        self.left_bytes = 0

    def beat(self, downs: Iterable[DownTrack], now: float) -> None:
        """Send this beat's share: on a video that is being sent, else on a paused one."""
        left_s = self._until - now
        carriers = sorted((down for down in downs if down.can_probe), key=lambda d: d.layer is None)
        if not carriers or left_s < 0:
            self.stop()
            return
        share = self.left_bytes * min(1.0, BEAT_S / max(left_s, BEAT_S))
        sent = carriers[0].pad(math.ceil(share), now)
        self.left_bytes = max(0, self.left_bytes - sent) if sent else 0
