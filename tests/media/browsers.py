"""Pages of a real Chromium that publish to a worker and watch from it, without the room around them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Self

from playwright.async_api import Browser, Page

from media import rpc
from tests.media.workers import RunningWorker

PATIENCE_S = 40.0  # a loaded machine makes senders begin small

# A page that is a secure context, so that it has a camera.
_ADDRESS = "http://localhost/"

_PUBLISH = """
async ({width, height, fps, encodings, codec}) => {
  const camera = await navigator.mediaDevices.getUserMedia(
    {video: {width, height, frameRate: fps}});
  const pc = window.pc = new RTCPeerConnection();
  const line = pc.addTransceiver(camera.getVideoTracks()[0],
    {direction: 'sendonly', sendEncodings: encodings});
  const known = RTCRtpSender.getCapabilities('video').codecs;
  const named = known.filter(c => c.mimeType.toLowerCase() === 'video/' + codec.toLowerCase());
  const rtx = known.filter(c => c.mimeType === 'video/rtx');
  line.setCodecPreferences([...named, ...rtx]);
  await pc.setLocalDescription(await pc.createOffer());
  return pc.localDescription.sdp;
}
"""
_ANSWERED = "sdp => window.pc.setRemoteDescription({type: 'answer', sdp})"

# ``frames``: of each presented frame its time, width and the count of presented frames so far.
# ``stalls``: when the page itself did not run for 50 ms or more, from when to when.
_WATCH = """
async sdp => {
  const pc = window.pc ??= new RTCPeerConnection();
  const video = window.video ??= document.body.appendChild(document.createElement('video'));
  video.muted = true;
  if (!window.frames_seen) {
    window.frames_seen = [];
    window.stalls = [];
    pc.ontrack = ({track}) => {
      video.srcObject = new MediaStream([track]);
      video.play();
    };
    const presented = (now, {presentationTime, width, height, presentedFrames}) => {
      frames_seen.push([presentationTime, width, height, presentedFrames]);
      video.requestVideoFrameCallback(presented);
    };
    video.requestVideoFrameCallback(presented);
    let beat = performance.now();
    setInterval(() => {
      const now = performance.now();
      if (now - beat > 50) stalls.push([beat, now]);
      beat = now;
    }, 10);
  }
  await pc.setRemoteDescription({type: 'offer', sdp});
  await pc.setLocalDescription(await pc.createAnswer());
  return pc.localDescription.sdp;
}
"""

_STATS = """
async type => [...(await window.pc.getStats()).values()].filter(
  s => s.type === type && s.kind === 'video')
"""


@dataclass(frozen=True)
class Seen:
    """One presented frame; ``at_ms`` on the page's clock, ``count`` of all presented so far."""

    at_ms: float
    width: int
    height: int
    count: int


class BrowserPeer:
    """A page with one peer connection to a worker."""

    def __init__(self, running: RunningWorker, page: Page, peer: str) -> None:
        self.running = running
        self.page = page
        self.peer = peer

    @classmethod
    async def open(cls, browser: Browser, running: RunningWorker, peer: str) -> Self:
        context = await browser.new_context(permissions=["camera"])
        page = await context.new_page()
        await page.route("**/*", lambda route: route.fulfill(body="<!doctype html>"))
        await page.goto(_ADDRESS)
        return cls(running, page, peer)

    async def close(self) -> None:
        await self.page.context.close()

    async def stats(self, kind: str) -> list[dict[str, Any]]:
        """The video entries of ``getStats`` of that type (``outbound-rtp``, ``inbound-rtp``)."""
        return list(await self.page.evaluate(_STATS, kind))


class Camera(BrowserPeer):
    """Publishes its fake camera as ``{peer}-video``."""

    async def publish(
        self,
        *,
        encodings: list[dict[str, Any]],
        codec: str = "VP8",
        width: int = 640,
        height: int = 360,
        fps: int = 20,
    ) -> rpc.TrackInfo:
        wish = {"width": width, "height": height, "fps": fps, "codec": codec}
        offer = await self.page.evaluate(_PUBLISH, {**wish, "encodings": encodings})
        answer = await self.running.client.call(
            rpc.PublisherOffer(
                peer=self.peer, room="room", sdp=offer, auto={"video": f"{self.peer}-video"}
            )
        )
        await self.page.evaluate(_ANSWERED, answer.sdp)
        (track,) = answer.tracks
        return track


class Screen(BrowserPeer):
    """Watches one track."""

    async def watch(self, track: str, width: int = 0, height: int = 0) -> None:
        """Wish for a track at the size of a tile."""
        want = rpc.WantedTrack(track=track, group="g", max_width=width, max_height=height)
        offer = await self.running.client.call(
            rpc.SubscriberSet(peer=self.peer, room="room", wants=[want])
        )
        if offer.sdp:
            answer = await self.page.evaluate(_WATCH, offer.sdp)
            await self.running.client.call(
                rpc.SubscriberAnswer(peer=self.peer, generation=offer.generation, sdp=answer)
            )

    async def seen(self) -> list[Seen]:
        """All frames presented so far."""
        return [Seen(*frame) for frame in await self.page.evaluate("window.frames_seen")]

    async def stalls(self) -> list[tuple[float, float]]:
        """When the page itself stood still, from when to when, milliseconds."""
        return [(start, end) for start, end in await self.page.evaluate("window.stalls")]

    async def shows(self, width: int) -> None:
        """Wait until a picture of that width is presented."""
        await self.page.wait_for_function(
            "width => window.frames_seen.at(-1)?.[1] === width", arg=width, polling=20,
            timeout=PATIENCE_S * 1000,
        )  # fmt: skip

    async def presents(self, count: int) -> None:
        """Wait until so many more frames are presented."""
        await self.page.evaluate("""count => new Promise(done => {
          const enough = frames_seen.length + count;
          const look = () => frames_seen.length >= enough ? done() : setTimeout(look, 10);
          look();
        })""", count)  # fmt: skip

    async def inbound(self) -> dict[str, Any]:
        (stats,) = await self.stats("inbound-rtp")
        return stats


async def until_measured(running: RunningWorker, track: str, rids: tuple[str, ...]) -> None:
    """Wait until the worker knows the size and rate of each of these layers."""
    await _until_layers(
        running,
        track,
        lambda layers: all(
            layers.get(rid, {}).get("width") and layers[rid]["bps"] > 1 for rid in rids
        ),
    )


async def until_parts(running: RunningWorker, track: str, count: int) -> None:
    """Wait until the worker knows so many ways to receive a track of one stream, each with its rate."""
    await _until_layers(
        running,
        track,
        lambda layers: (
            len(layers[""]["parts"]) + 1 == count
            and all(part["bps"] > 1 for part in layers[""]["parts"])
        ),
    )


async def _until_layers(
    running: RunningWorker, track: str, good: Callable[[dict[str, Any]], bool]
) -> None:
    loop = asyncio.get_running_loop()
    deadline = loop.time() + PATIENCE_S
    while True:
        found = (await running.stats())["tracks"].get(track)
        if found is not None and good(found["layers"]):
            return
        assert loop.time() < deadline, f"still {found!r}"
        await asyncio.sleep(0.05)
