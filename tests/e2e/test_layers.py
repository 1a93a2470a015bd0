"""Layers as a browser sees them: what Chromium sends in layers, switched on its way, Chromium decodes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from itertools import cycle, islice, pairwise
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser

from tests.e2e.visitor import running_browser
from tests.media.browsers import Camera, Screen, Seen, until_measured, until_parts
from tests.media.workers import RunningWorker, worker

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


@pytest.mark.timeout(150)
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
