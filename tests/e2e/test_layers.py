"""Layers as a browser sees them: what Chromium sends in layers, switched on its way, Chromium decodes."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from itertools import cycle, islice, pairwise
from typing import Any

import av
import pytest
import pytest_asyncio
from playwright.async_api import Browser

from media import rpc
from media.core.codecs import codec as find_codec
from media.core.frames import joiner
from media.core.rtcp import build_remb, build_rr
from tests.e2e.visitor import running_browser
from tests.media.browsers import Camera, Screen, Seen, until_measured, until_parts
from tests.media.people import Viewer
from tests.media.workers import RunningWorker, connected, worker
from tests.wire import until

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.asyncio(loop_scope="module")]

SWITCHES = 200
REST_FRAMES = 4
"""Between two switches: libwebrtc makes a keyframe for a request only 300 ms after the last one."""
FREEZE_MS = 500
SIMULCAST: list[dict[str, Any]] = [
    {"rid": "q", "scaleResolutionDownBy": 4, "scalabilityMode": "L1T3"},
    {"rid": "h", "scaleResolutionDownBy": 2, "scalabilityMode": "L1T3"},
    {"rid": "f", "scaleResolutionDownBy": 1, "scalabilityMode": "L1T3"},
]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def chromium() -> AsyncIterator[Browser]:
    async with running_browser(fps=20) as browser:
        yield browser


@pytest_asyncio.fixture(loop_scope="module")
async def running() -> AsyncIterator[RunningWorker]:
    async with worker() as running:
        yield running


def freezes(frames: list[Seen], stalls: list[tuple[float, float]]) -> list[float]:
    """Gaps between presented frames without the time in which the page did not run, milliseconds."""
    gaps = []
    for before, after in pairwise(frames):
        stalled = sum(
            max(0.0, min(end, after.at_ms) - max(start, before.at_ms)) for start, end in stalls
        )
        gaps.append(after.at_ms - before.at_ms - stalled)
    return gaps


@pytest.mark.timeout(240)
async def test_two_hundred_switches_between_layers_never_freeze_the_picture(
    chromium: Browser, running: RunningWorker
) -> None:
    camera = await Camera.open(chromium, running, "c")
    screen = await Screen.open(chromium, running, "s")
    width, height = 960, 540
    track = (await camera.publish(encodings=SIMULCAST, width=width, height=height)).track
    await until_measured(running, track, ("q", "h", "f"))
    widths = {"q": width // 4, "h": width // 2, "f": width}
    await screen.watch(track, widths["q"])
    await screen.shows(widths["q"])
    first = len(await screen.seen()) - 1
    rids = cycle("hfqfhqfqhfq")  # each way up and down, steps and leaps
    for rid in islice(rids, SWITCHES):
        await screen.presents(REST_FRAMES)
        await screen.watch(track, widths[rid])
        await screen.shows(widths[rid])
    stats = await screen.inbound()
    frames = (await screen.seen())[first:]
    gaps = freezes(frames, await screen.stalls())
    print("longest gaps, ms", sorted(gaps)[-5:], "decoded", stats["framesDecoded"])
    assert sum(before.width != after.width for before, after in pairwise(frames)) == SWITCHES
    assert max(gaps) < FREEZE_MS
    assert stats["framesDropped"] < stats["framesDecoded"] / 20
    assert (stats["packetsLost"], stats["nackCount"], stats["pliCount"]) == (0, 0, 0)
    assert stats["keyFramesDecoded"] >= SWITCHES


@pytest.mark.parametrize(
    ("codec", "mode", "widths"),
    [
        ("VP9", "L3T3_KEY", (240, 480, 960)),
        ("VP9", "L3T3", (240, 480, 960)),
        ("AV1", "L1T3", (480,)),
        ("AV1", "L3T3_KEY", (240, 480, 960)),
    ],
)
async def test_layers_in_one_stream_follow_the_tile(
    chromium: Browser, running: RunningWorker, codec: str, mode: str, widths: tuple[int, ...]
) -> None:
    camera = await Camera.open(chromium, running, "c")
    screen = await Screen.open(chromium, running, "s")
    sent = await camera.publish(
        encodings=[{"scalabilityMode": mode}],
        codec=codec,
        width=widths[-1],
        height=widths[-1] * 9 // 16,
    )
    assert sent.codec == codec
    # The smallest size at three rates, each other one at two.
    await until_parts(running, sent.track, 2 * len(widths) + 1)
    await screen.watch(sent.track, widths[-1])
    await screen.shows(widths[-1])
    first = len(await screen.seen()) - 1
    for width in (*reversed(widths), *widths, *widths[::2]):
        await screen.watch(sent.track, width)
        await screen.shows(width)
        await screen.presents(10)
    stats = await screen.inbound()
    gaps = freezes((await screen.seen())[first:], await screen.stalls())
    print("longest gaps, ms", sorted(gaps)[-5:], "decoded", stats["framesDecoded"])
    assert max(gaps) < FREEZE_MS
    assert (stats["packetsLost"], stats["nackCount"], stats["pliCount"]) == (0, 0, 0)
    (down,) = (await running.stats())["subscribers"]["s"]["tracks"]
    drops = down["drops"]
    assert (drops.get("upper_layer", 0) > 0) is (len(widths) > 1)


async def test_narrow_path_gets_fewer_pictures_before_none(
    chromium: Browser, running: RunningWorker
) -> None:
    """Chromium's temporal layers, left out, come back, and what came decodes without a gap."""
    camera = await Camera.open(chromium, running, "c")
    track = (
        await camera.publish(encodings=[{"scalabilityMode": "L1T3"}], width=480, height=270)
    ).track
    await until_parts(running, track, 3)
    viewer = Viewer(running, "v")
    try:
        await viewer.watch(rpc.WantedTrack(track=track, group="g"))
        await connected(running, "v")
        reception = viewer.on(track)
        ssrc = next(line.ssrc for line in viewer.client.lines.values() if line.ssrc is not None)
        for part in (0, 1, 2):
            deadline = time.monotonic() + 20
            while True:
                stats = await running.stats()
                layer = stats["tracks"][track]["layers"][""]
                costs = [*(one["bps"] for one in layer["parts"]), layer["bps"]]
                bps = (costs[part] + costs[part + 1]) // 2 if part < 2 else 8_000_000
                viewer.client.send_rtcp(build_rr(1) + build_remb(1, bps, [ssrc]))
                (down,) = stats["subscribers"]["v"]["tracks"]
                if down["temporal"] == (0, 1, 7)[part]:
                    break
                assert time.monotonic() < deadline, (
                    part,
                    bps,
                    costs,
                    down,
                    stats["subscribers"]["v"]["estimate_bps"],
                )
                await asyncio.sleep(0.02)
            pictures = reception.pictures
            await until(lambda p=pictures: reception.pictures > p + 10)  # type: ignore[misc]
        assert reception.missing == 0
        packets = [reception.packets[seq] for seq in sorted(reception.packets)]
        vp8, join = find_codec("VP8"), joiner("VP8")
        frames: list[list[bytes]] = []
        starts = []
        for packet in packets:
            vp8.inspect(packet)
            if packet.begins:
                frames.append([])
                starts.append(packet)
            frames[-1].append(bytes(packet.data[packet.payload : packet.end]))
        assert all((b.picture - a.picture) & 0x7FFF == 1 for a, b in pairwise(starts))
        assert all((b.tl0 - a.tl0) & 0xFF == (b.temporal == 0) for a, b in pairwise(starts))
        rates = {packet.temporal for packet in starts}
        assert rates == {0, 1, 2}
        decoder: Any = av.CodecContext.create("libvpx", "r")
        whole = [join(frame) for frame in frames[:-1]]
        assert all(len(decoder.decode(av.Packet(frame))) == 1 for frame in whole if frame)
        assert None not in whole
    finally:
        viewer.close()
