"""WebRTC peers for tests: one that sends sound and picture, one that counts what arrives."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from typing import Any

from media.client import MediaClient
from rooms.commands import MediaAnswer, MediaView, Tile
from rooms.ids import TrackId
from tests.server.guests import until
from tests.server.signalling.nodes import Tab

TICK_S = 0.02
SIZES = {"q": (320, 180), "h": (640, 360), "f": (1280, 720), "": (1280, 720)}


def vp8_keyframe(width: int, height: int, fill: int) -> bytes:
    """One packet that holds a whole (tiny) VP8 key frame: RFC 7741 §4.2, RFC 6386 §9.1."""
    size = 64
    tag = (size << 5 | 1 << 4).to_bytes(3, "little")
    start = b"\x9d\x01\x2a" + width.to_bytes(2, "little") + height.to_bytes(2, "little")
    return b"\x10" + tag + start + bytes([fill & 0xFF]) * size


class Sender:
    """Publishes Opus and VP8, every frame a key frame, until closed."""

    def __init__(self, *, audio: bool = True, video: bool = True, rids: Sequence[str] = ()) -> None:
        self.client = MediaClient(host="127.0.0.1")
        self.sdp = self.client.offer(audio=audio, video=video, rids=rids)
        self._ticks = 0
        self._timer: asyncio.TimerHandle | None = None

    async def start(self, answer: str) -> None:
        """Take the answer, connect, begin to send."""
        self.client.take_answer(answer)
        await self.client.connected()
        self._tick()

    def _tick(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(TICK_S, self._tick)
        self._ticks += 1
        for stream in self.client.streams:
            if stream.identity.kind == "audio":
                payload = b"\xfc" + self._ticks.to_bytes(4, "big") * 10
                stream.send(payload, self._ticks * 960, level_dbov=20)
            elif self._ticks % 2 == 0:
                width, height = SIZES[stream.identity.rid]
                picture = vp8_keyframe(width, height, self._ticks)
                stream.send(picture, self._ticks * 1800, marker=True)

    def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self.client.close()


class Receiver:
    """Counts packets by payload type."""

    def __init__(self) -> None:
        self.packets: Counter[int] = Counter()
        self.client = MediaClient(host="127.0.0.1", on_rtp=self._count)

    def _count(self, packet: bytes, now: float) -> None:
        self.packets[packet[1] & 0x7F] += 1

    def of(self, kind: str) -> int:
        """How many packets arrived on lines of that kind so far."""
        return sum(
            self.packets[line.codec.payload_type]
            for line in self.client.lines.values()
            if line.kind == kind
        )

    async def flows(self, *kinds: str, more: int = 10) -> None:
        """Wait until that many more packets of each kind have arrived."""
        for kind in kinds:
            goal = self.of(kind) + more
            await until(lambda k=kind, g=goal: self.of(k) >= g, f"{more} packets of {kind}")  # type: ignore[misc]

    async def stops(self, kind: str, quiet_s: float = 1.0) -> None:
        """Wait until no packet of that kind has come for a while."""
        loop = asyncio.get_running_loop()
        seen, since = self.of(kind), loop.time()

        def quiet() -> bool:
            nonlocal seen, since
            if self.of(kind) != seen:
                seen, since = self.of(kind), loop.time()
            return loop.time() - since >= quiet_s

        await until(quiet, f"{kind} to stop")

    def close(self) -> None:
        self.client.close()


class Follower:
    """Answers every offer made to a tab, as its page would."""

    def __init__(self, tab: Tab) -> None:
        self.tab = tab
        self.receiver = Receiver()
        self.tasks: set[asyncio.Task[None]] = set()
        tab.on_offer = self._take

    def _take(self, offer: dict[str, Any]) -> None:
        if offer["anew"] and self.receiver.client.lines:
            self.receiver.close()
            self.receiver = Receiver()
        task = asyncio.ensure_future(self._answer(offer))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def _answer(self, offer: dict[str, Any]) -> None:
        answer = self.receiver.client.answer(offer["sdp"])
        command = MediaAnswer(generation=offer["generation"], sdp=answer)
        await self.tab.node.signalling.peers.answer(self.tab.session, command)

    async def view(self, *tiles: str, audio: bool = True, size: int = 0) -> None:
        """Say what the page shows."""
        shown = [Tile(track=TrackId(track), width=size, height=size) for track in tiles]
        command = MediaView(audio=audio, tiles=shown)
        await self.tab.node.signalling.peers.view(self.tab.session, command)

    def close(self) -> None:
        self.receiver.close()
