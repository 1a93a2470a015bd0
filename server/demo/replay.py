"""Plays clips into RTP streams for ever, without encoding: VP8 payloads, Opus, sound levels.

Sans-IO: the caller says what time it is. Knows no connection.
"""

from __future__ import annotations

import math
import secrets
import struct
from typing import Protocol

from server.demo.clips import AUDIO_FRAME_MS, FPS, Clip

MAX_PAYLOAD_BYTES = 1_100
VIDEO_CLOCK_HZ = 90_000
AUDIO_CLOCK_HZ = 48_000
LATE_S = 0.5
"""After a longer pause of the process the clip goes on from now instead of catching up."""

SILENCE_DBOV, VOICE_DBOV = 127, 28


class Stream(Protocol):
    """Where packets go (``media.client.OutgoingStream``)."""

    def send(
        self, payload: bytes, timestamp: int, *, marker: bool = False, level_dbov: int | None = None
    ) -> bool: ...


class VideoReplay:
    """Plays a clip's pictures."""

    def __init__(self, clip: Clip, stream: Stream, now: float) -> None:
        self._clip = clip
        self._stream = stream
        self._index = 0
        self._jump = False
        self._started = now
        self._ticks = 0
        self._timestamp = secrets.randbits(31)
        self._picture_id = secrets.randbits(15)

    def want_keyframe(self) -> None:
        """Go on with the next key frame (PLI): nothing is encoded here."""
        self._jump = True

    def tick(self, now: float) -> None:
        """Send the frames that are due."""
        due = int((now - self._started) * FPS)
        if due - self._ticks > LATE_S * FPS:
            self._ticks = due - 1
            self._jump = True
        while self._ticks < due:
            self._ticks += 1
            self._send_frame()

    def _send_frame(self) -> None:
        if self._jump:
            self._jump = False
            ahead = [k for k in self._clip.keyframes if k >= self._index]
            self._index = ahead[0] if ahead else 0
        frame = self._clip.video[self._index]
        self._index = (self._index + 1) % len(self._clip.video)
        timestamp = self._timestamp + self._ticks * (VIDEO_CLOCK_HZ // FPS)
        self._picture_id = (self._picture_id + 1) & 0x7FFF
        parts = max(1, math.ceil(len(frame) / MAX_PAYLOAD_BYTES))
        size = math.ceil(len(frame) / parts)
        for part in range(parts):
            # RFC 7741 §4.2: X and S bits, the I bit, a 15-bit picture id.
            head = struct.pack("!BBH", 0x90 if part == 0 else 0x80, 0x80, 0x8000 | self._picture_id)
            piece = frame[part * size : (part + 1) * size]
            self._stream.send(head + piece, timestamp, marker=part == parts - 1)


class AudioReplay:
    """Plays a clip's voice."""

    def __init__(self, clip: Clip, stream: Stream, now: float) -> None:
        self._clip = clip
        self._stream = stream
        self._started = now
        self._ticks = 0
        self._timestamp = secrets.randbits(31)

    def tick(self, now: float) -> None:
        """Send the packets that are due."""
        due = int((now - self._started) * 1000 / AUDIO_FRAME_MS)
        if due - self._ticks > LATE_S * 1000 / AUDIO_FRAME_MS:
            self._ticks = due - 1
        while self._ticks < due:
            self._ticks += 1
            packet = self._clip.audio[self._ticks % len(self._clip.audio)]
            # A packet of a few bytes is Opus saying "silence" (DTX and near it).
            level = VOICE_DBOV if len(packet) > 40 else SILENCE_DBOV
            timestamp = self._timestamp + self._ticks * AUDIO_CLOCK_HZ * AUDIO_FRAME_MS // 1000
            self._stream.send(packet, timestamp, level_dbov=level)
