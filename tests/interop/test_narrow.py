"""A path that gets narrow and wide again under a real browser: pictures give way, sound does not."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import pytest

from tests.e2e.conftest import Venue
from tests.e2e.visitor import Visitor
from tests.interop.conftest import browser_in, visitor_at
from tests.network import Namespace

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.asyncio(loop_scope="module")]

WIDE, NARROW = 5_000_000, 300_000
DOWN_S, BACK_S = 6, 15
"""Twice and half as much again as what is seen on a machine that does nothing else."""

READ = """async () => {
  const told = { paused: yunhai.session.media.paused.value.size, audio: {}, video: {} };
  for (const s of (await yunhai.subscriber.getStats()).values())
    if (s.type === 'inbound-rtp') told[s.kind] = s;
  return told;
}"""


@dataclass
class Sight:
    """What is received at one time.

    Attributes:
        width: of the picture, 0 while none comes.
        frames: decoded so far.
        heard, concealed: samples played so far, and how many of them were made up.
    """

    at: float
    width: int
    frames: int
    bytes: int
    paused: bool
    heard: int
    concealed: int
    playout_apart: float


async def look(visitor: Visitor) -> Sight:
    told = await visitor.page.evaluate(READ)
    audio, video = told["audio"], told["video"]
    return Sight(
        at=time.monotonic(),
        width=video.get("frameWidth", 0),
        frames=video.get("framesDecoded", 0),
        bytes=video.get("bytesReceived", 0),
        paused=told["paused"] > 0,
        heard=audio.get("totalSamplesReceived", 0),
        concealed=audio.get("concealedSamples", 0) - audio.get("silentConcealedSamples", 0),
        playout_apart=audio.get("estimatedPlayoutTimestamp", 0)
        - video.get("estimatedPlayoutTimestamp", 0),
    )


class Watch:
    """Looks at what ``ben`` receives a few times a second, and keeps it."""

    def __init__(self, ben: Visitor) -> None:
        self._ben = ben
        self.sights: list[Sight] = []

    async def until(self, good: Callable[[Sight], bool], patience_s: float) -> float:
        """Seconds until the picture is as wanted."""
        began = time.monotonic()
        while True:
            self.sights.append(sight := await look(self._ben))
            took = sight.at - began
            if good(sight):
                return took
            assert took < patience_s, f"after {took:.1f} s still {sight}"
            await asyncio.sleep(0.2)

    def rate_bps(self) -> float:
        """Of the picture over the last two seconds or so, 0 before."""
        last = self.sights[-1]
        before = [sight for sight in self.sights if last.at - 3 < sight.at < last.at - 1.5]
        return (last.bytes - before[0].bytes) * 8 / (last.at - before[0].at) if before else 0

    async def until_moving(self, patience_s: float) -> float:
        before = await look(self._ben)
        return await self.until(lambda now: now.frames >= before.frames + 5, patience_s)


async def test_a_narrow_path_costs_size_but_no_sound_and_a_wide_one_brings_it_back(
    reachable: Venue, inside: Namespace, tmp_path: Path
) -> None:
    """5 Mbit/s, then 300 kbit/s, then 5 Mbit/s; and 100 kbit/s, where no picture fits."""
    room = reachable.open_room("table-1", "table")
    inside.carry(WIDE)
    async with (
        browser_in(None, tmp_path, reachable.gz.url) as outer,
        browser_in(inside, tmp_path, reachable.gz.url) as inner,
        visitor_at(outer, reachable, "anna", room) as anna,
        visitor_at(inner, reachable, "ben", room) as ben,
    ):
        await anna.enter(room)
        await ben.open(room)
        await ben.press("enter-listener")
        await ben.until_seen_moving("anna")
        watch = Watch(ben)
        took = await watch.until(lambda now: now.width == 1280, 40)
        print(f"largest picture after {took:.1f} s")
        # An encoder that has just begun takes little: wait until it is too much for the narrow path.
        await watch.until(lambda _: watch.rate_bps() > 1.1 * NARROW, 30)

        inside.carry(NARROW)
        took = await watch.until(lambda now: now.paused or now.width < 1280, DOWN_S)
        print(f"smaller {took:.1f} s after the path got narrow")
        await watch.until(lambda now: not now.paused and now.width < 1280, 20)
        await watch.until_moving(20)

        inside.carry(WIDE)
        took = await watch.until(lambda now: now.width == 1280, BACK_S)
        print(f"large again {took:.1f} s after the path got wide")
        await watch.until_moving(10)

        inside.carry(100_000)
        took = await watch.until(lambda now: now.paused, 20)
        print(f"paused {took:.1f} s after the path got too narrow for any picture")
        await ben.until_heard("anna")
        assert await ben.test("paused").count() == 1
        assert "network" in await ben.test("paused").inner_text()
        inside.carry(WIDE)
        took = await watch.until(lambda now: not now.paused and now.width == 1280, BACK_S)
        print(f"back {took:.1f} s after the path got wide")
        await watch.until_moving(10)

        first, last = watch.sights[0], watch.sights[-1]
        missed = (last.concealed - first.concealed) / (last.heard - first.heard)
        print(f"{100 * missed:.1f} % of the sound was made up")
        assert missed < 0.05
        apart = [abs(now.playout_apart) for now in watch.sights if not now.paused]
        print(f"sound and picture are {median(apart):.0f} ms apart")
        assert median(apart) < 200
