"""What receivers may ask of a worker, and what it does of its own: repairs, keyframes, probes."""

from __future__ import annotations

import asyncio
import random

import pytest

from media import rpc
from media.core.rtcp import (
    build_fir,
    build_nack,
    build_remb,
    build_rr,
)
from tests.media.conftest import MakeViewer
from tests.media.people import Performer
from tests.media.test_worker import shows
from tests.media.test_worker_layers import RIDS, tile
from tests.media.workers import RunningWorker, connected
from tests.wire import until

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.slow]


async def test_requests_by_fir_are_merged_as_those_by_pli(
    performer: Performer, viewers: MakeViewer
) -> None:
    viewer = viewers("a")
    await performer.publish(audio=False)
    await viewer.watch("p-video")
    reception = viewer.on("p-video")
    await shows(reception, 20)
    asked = len(performer.keyframes_asked)
    ssrc = next(iter(viewer.received))
    for number in range(100):
        viewer.client.send_rtcp(build_rr(1) + build_fir(1, ssrc, number))
    await shows(reception, 10)
    assert 1 <= len(performer.keyframes_asked) - asked <= 2


async def test_a_storm_of_requests_costs_a_share_of_the_rate_and_no_packet_of_others(
    running: RunningWorker, performer: Performer, viewers: MakeViewer
) -> None:
    """A burst of 64 kB, and then a quarter of what the picture takes (core.nack)."""
    storming, honest = viewers("storming"), viewers("honest")
    await performer.publish(audio=False)
    for viewer in (storming, honest):
        await viewer.watch("p-video")
    reception = storming.on("p-video")
    await shows(reception, 20)
    ssrc = next(iter(storming.received))
    chance = random.Random(3)
    loop = asyncio.get_running_loop()
    began, packets = loop.time(), len(reception.packets)

    async def storm() -> bool:
        newest = max(reception.packets)
        some = [(newest - chance.randrange(200)) & 0xFFFF for _ in range(60)]
        storming.client.send_rtcp(build_rr(1) + build_nack(1, ssrc, sorted(set(some))))
        await asyncio.sleep(0.02)
        return loop.time() - began < 4

    while await storm():
        pass
    sent = sum(len(reception.packets[seq].data) for seq in sorted(reception.packets)[packets:])
    elapsed = loop.time() - began
    again = storming.repaired_bytes
    print(f"{again} bytes again, {sent} once in {elapsed:.1f} s")
    assert storming.repaired > 20, "honest requests among them are answered"
    assert again < 64_000 + 1.5 * 0.25 * sent
    assert honest.on("p-video").missing == 0
    await shows(honest.on("p-video"))


async def test_a_client_with_remb_alone_is_sent_padding_until_its_picture_is_back(
    running: RunningWorker, performer: Performer, viewers: MakeViewer
) -> None:
    """Its estimate follows what arrives, so while nothing but sound arrived it could not rise."""
    viewer = viewers("a")
    await performer.publish(rids=RIDS)
    await viewer.watch("p-audio", tile(160, 120))
    await connected(running, "a")
    reception, sound = viewer.on("p-video"), viewer.on("p-audio")
    await shows(reception)
    ssrcs = list(viewer.received)

    def paused() -> bool:
        notices = running.notices(rpc.PausedNotice)
        return bool(notices) and notices[-1].tracks == ["p-video"]

    def carry(bps: float) -> None:
        viewer.client.send_rtcp(build_rr(1) + build_remb(1, int(bps), ssrcs))

    def narrow() -> bool:
        carry(40_000)
        return paused()

    await until(narrow)
    loop = asyncio.get_running_loop()
    at, arrived, bps = loop.time(), viewer.arrived_bytes, 40_000.0

    def back() -> bool:
        """As libwebrtc's receiver: up by some percent, to half as much again as what arrives."""
        nonlocal at, arrived, bps
        elapsed = loop.time() - at
        if elapsed > 0.5:
            arriving = (viewer.arrived_bytes - arrived) * 8 / elapsed
            bps = min(bps * 1.3, max(bps, 1.5 * arriving + 10_000))
            at, arrived = loop.time(), viewer.arrived_bytes
            carry(bps)
        return not paused()

    heard, seen = len(sound.packets), reception.pictures
    await until(lambda: back() and reception.pictures >= seen + 10, 60)
    assert viewer.padding > 0
    assert len(sound.packets) > heard
