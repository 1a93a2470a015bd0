"""One publisher of the load: VP8 in bursts of whole frames, and Opus, at a steady beat.

Sends frames of 4 packets, 30 a second unless told, and 50 packets of sound; a key frame
after PLI or FIR; sender reports. Does not answer NACK: what is lost shall show.
"""

from __future__ import annotations

import secrets
from typing import Protocol

from media.client import OutgoingStream
from media.core import rtcp
from media.dtls import Certificate
from media.srtp import is_rtcp
from tests.bench import payload
from tests.bench.link import Link

FRAMES_PER_S = 30
PACKETS_PER_FRAME = 4
AUDIO_PER_S = 50
VOICE_DBOV = 30
REPORT_S = 1.0
LATE_S = 0.1


class Signals(Protocol):
    """How a server is told to take or give a stream."""

    name: str

    async def publish(self, link: Link, stream: int) -> None: ...

    async def watch(self, link: Link, stream: int) -> None: ...


class Publisher:
    """Attributes:
    sent: packets sent so far, sound and picture.
    frames_per_s: may be changed at any time.
    """

    def __init__(self, certificate: Certificate) -> None:
        self.link = Link(certificate, "sendonly", self._on_media)
        self.sent = 0
        self.frames_per_s: float = FRAMES_PER_S
        self._streams: dict[str, OutgoingStream] = {}
        self._numbers = {"audio": 0, "video": 0}
        self._timestamps = {"audio": secrets.randbits(31), "video": secrets.randbits(31)}
        self._picture = secrets.randbits(15)
        self._keyframe_wanted = True
        self._frame_due = self._sound_due = self._report_due = 0.0

    async def join(self, server: Signals, stream: int) -> None:
        await server.publish(self.link, stream)
        await self.link.connected()
        cname = secrets.token_hex(8)
        self._streams = {
            identity.kind: OutgoingStream(identity, cname, self.link.send_rtp)
            for identity in self.link.identities
        }
        if set(self._streams) != {"audio", "video"}:
            raise ConnectionError("the server does not take both sound and picture")

    @property
    def packets_per_s(self) -> float:
        return self.frames_per_s * PACKETS_PER_FRAME + AUDIO_PER_S

    def resume(self, now: float, offset_s: float) -> None:
        """Go on sending, ``offset_s`` from now: publishers that beat together would collide."""
        self._frame_due = self._sound_due = now + offset_s

    def beat(self, now: float) -> float:
        """Send what is due; returns when something is due next. What is long overdue is left out."""
        if now > min(self._frame_due, self._sound_due) + LATE_S:
            self.resume(now, 0.0)
        while self._frame_due <= now:
            self._frame_due += 1 / self.frames_per_s
            self._send_frame()
        while self._sound_due <= now:
            self._sound_due += 1 / AUDIO_PER_S
            self._send_sound()
        return min(self._frame_due, self._sound_due)

    def blink(self) -> None:
        """Send a frame and a sound out of turn."""
        self._send_frame()
        self._send_sound()

    def tick(self, now: float) -> None:
        """Consent and reports, also while paused; call it at least once a second."""
        self.link.tick(now)
        if now >= self._report_due:
            self._report_due = now + REPORT_S
            for stream in self._streams.values():
                report = stream.report()
                if report is not None:
                    self.link.send_rtcp(report)

    def _send_frame(self) -> None:
        keyframe, self._keyframe_wanted = self._keyframe_wanted, False
        self._picture += 1
        self._timestamps["video"] += int(90_000 / self.frames_per_s)
        for i in range(PACKETS_PER_FRAME):
            body = payload.video(
                self._numbers["video"], self._picture, first=i == 0, keyframe=keyframe
            )
            self._numbers["video"] += 1
            self.sent += self._streams["video"].send(
                body, self._timestamps["video"], marker=i == PACKETS_PER_FRAME - 1
            )

    def _send_sound(self) -> None:
        self._timestamps["audio"] += 48_000 // AUDIO_PER_S
        body = payload.audio(self._numbers["audio"])
        self._numbers["audio"] += 1
        self.sent += self._streams["audio"].send(
            body, self._timestamps["audio"], level_dbov=VOICE_DBOV
        )

    def _on_media(self, datagram: memoryview) -> None:
        srtp = self.link.srtp
        if srtp is None or not is_rtcp(datagram):
            return
        packet = srtp.unprotect_rtcp(datagram)
        if packet is not None:
            parts = rtcp.parse_rtcp(packet)[0]
            self._keyframe_wanted |= any(isinstance(p, rtcp.Pli | rtcp.Fir) for p in parts)
