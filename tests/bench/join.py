"""Join time in a real browser: from the click on "enter" to the first frame of somebody else."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path

from playwright.async_api import Browser

from tests.bench.machine import circumstances
from tests.bench.report import Section, SkippedError, Table, percentiles
from tests.bench.venue import encoder, open_room, running_nodes, ticket
from tests.e2e.visitor import PATIENCE_S, NoBrowserError, Visitor, running_browser
from tests.nodes import Node

TITLE = "Join: click to first picture"
METHOD = """\
Headless Chromium with a fake camera and microphone opens a room's page on a node of the same machine.
One other person is in the room and publishes 640 x 360 VP8 at 15 frames a second and Opus, pre-encoded
and sent by WHIP. Inside the page, time runs from the click on "Enter the room" to when the other
person's video element has its first frame, looked for every 10 ms. The visitor publishes camera and
microphone meanwhile, as people do; browser, node and the other person share the machine's cores.
Each repeat is a new person in a new browser profile."""

ROOM = "bench"
STAGE = "stage"

WATCH = """
(identity) => {
  let clicked = null;
  window.__taken_ms = new Promise((resolve) => {
    document.addEventListener("click", (event) => {
      if (clicked !== null || !event.target.closest('[data-test="enter"]')) return;
      clicked = performance.now();
      const poll = setInterval(() => {
        const video = document.querySelector(`[data-test="tile"][data-identity="${identity}"] video`);
        if (!video || video.readyState < 2 || !video.videoWidth) return;
        clearInterval(poll);
        resolve(performance.now() - clicked);
      }, 10);
    }, { capture: true });
  });
}
"""


async def measure(repeats: int) -> Section:
    """Join that many times.

    Raises:
        SkippedError: there is no Chromium.
    """
    told = circumstances()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with running_nodes(folder, ("bench",)) as (node,):
            await open_room(folder, node, ROOM)
            try:
                async with encoder(folder, node, ROOM, STAGE), running_browser() as browser:
                    await _join(browser, folder, node, "warm-up")
                    times_ms = [
                        await _join(browser, folder, node, f"visitor-{number}")
                        for number in range(repeats)
                    ]
            except NoBrowserError as missing:
                raise SkippedError(f"join: {missing}") from missing
    row = [
        percentiles(times_ms, 0.5, 0.95, digits=0),
        f"{min(times_ms):.0f} to {max(times_ms):.0f}",
        str(repeats),
    ]
    table = Table(["p50 / p95 ms", "least to most ms", "joins"], [row])
    return Section("join", TITLE, METHOD, told, table)


async def _join(browser: Browser, folder: Path, node: Node, identity: str) -> float:
    visitor = await Visitor.arrive(browser, node.url, ticket(folder, identity, room=ROOM))
    try:
        await visitor.open(ROOM)
        await visitor.test("preview").locator("video").wait_for()
        await visitor.page.evaluate(WATCH, STAGE)
        await visitor.press("enter")
        async with asyncio.timeout(PATIENCE_S):
            return float(await visitor.page.evaluate("window.__taken_ms"))
    finally:
        await visitor.leave()
