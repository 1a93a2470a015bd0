"""Simulcast through a worker: layers by tile size and bandwidth, switched without a seam."""

from __future__ import annotations

from itertools import pairwise

import pytest

from media import rpc
from media.core.rtcp import build_remb, build_rr
from tests.media.conftest import MakeViewer
from tests.media.people import Performer
from tests.media.test_worker import shows
from tests.media.workers import RunningWorker, connected
from tests.wire import until

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.slow]

RIDS = ("q", "h", "f")


def tile(width: int, height: int) -> rpc.WantedTrack:
    return rpc.WantedTrack(track="p-video", group="p", max_width=width, max_height=height)


async def test_all_layers_arrive_and_the_tile_chooses_among_them_without_a_seam(
    running: RunningWorker, performer: Performer, viewers: MakeViewer
) -> None:
    viewer = viewers("a")
    (info,) = await performer.publish(audio=False, rids=RIDS)
    assert [layer.rid for layer in info.layers] == ["q", "h", "f"]
    assert len({layer.ssrc for layer in info.layers}) == 3

    async def measured() -> bool:
        layers = (await running.stats())["tracks"]["p-video"]["layers"]
        return all(layer["width"] and layer["bps"] > 1 for layer in layers.values())

    while not await measured():
        assert running.process.returncode is None
    await viewer.watch(tile(160, 120))
    await connected(running, "a")
    reception = viewer.on("p-video")
    await shows(reception)
    assert set(reception.decoded_sizes()) == {(160, 120)}

    assert (await viewer.watch(tile(0, 0))).sdp == ""
    await until(lambda: (640, 480) in reception.keyframe_sizes)
    await viewer.watch(tile(320, 240))
    await until(lambda: (320, 240) in reception.keyframe_sizes)

    await shows(reception)
    sizes = reception.decoded_sizes()
    assert len(sizes) == len(reception.frames())
    assert {(160, 120), (640, 480), (320, 240)} == set(sizes)
    assert len(viewer.received) == 1
    assert reception.missing == 0
    ids = reception.picture_ids()
    assert [(after - before) & 0x7FFF for before, after in pairwise(ids)] == [1] * (len(ids) - 1)
    times = [reception.packets[seq].ts32 for seq in sorted(reception.packets)]
    assert all((after - before) & 0xFFFFFFFF < 1 << 31 for before, after in pairwise(times))


async def test_a_narrow_path_pauses_the_picture_and_a_wider_one_brings_it_back(
    running: RunningWorker, performer: Performer, viewers: MakeViewer
) -> None:
    viewer = viewers("a")
    await performer.publish(rids=RIDS)
    await viewer.watch("p-audio", tile(0, 0))
    await connected(running, "a")
    reception, sound = viewer.on("p-video"), viewer.on("p-audio")
    await until(lambda: (640, 480) in reception.keyframe_sizes)

    def carry(bps: int) -> bool:
        ssrc = next(iter(viewer.received))
        return viewer.client.send_rtcp(build_rr(1) + build_remb(1, bps, [ssrc]))

    def paused() -> list[list[str]]:
        return [notice.tracks for notice in running.notices(rpc.PausedNotice)]

    await until(lambda: carry(50_000) and paused() == [["p-video"]])
    heard = len(sound.packets)
    await until(lambda: len(sound.packets) > heard + 10)
    await until(lambda: carry(10_000_000) and paused()[-1] == [])
    await shows(reception)
    assert reception.missing == 0
