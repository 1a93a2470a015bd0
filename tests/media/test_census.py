"""What a worker tells of real traffic, whole and of one peer."""

from __future__ import annotations

import struct

import pytest

from media import rpc
from media.core import rtcp
from media.core.xr import DLRR, XR
from media.statistics import DownlinkStats, PublisherStats, WorkerStats
from tests.media.conftest import MakeViewer
from tests.media.people import Performer, Viewer
from tests.media.test_worker import shows
from tests.media.workers import RunningWorker
from tests.wire import until

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.slow]

RIDS = ("q", "h", "f")


async def up(running: RunningWorker, peer: str) -> PublisherStats:
    return (await running.client.call(rpc.PeerStats(peers=[peer]))).publishers[peer]


async def down(running: RunningWorker, peer: str) -> DownlinkStats:
    return (await running.client.call(rpc.PeerStats(peers=[peer]))).downlinks[peer]


async def whole(running: RunningWorker) -> WorkerStats:
    return await running.client.call(rpc.Stats())


def answer_times(performer: Performer) -> None:
    """Answer the worker's reference times as browsers do (RFC 3611 §4.5)."""

    def heard(data: bytes, now: float) -> None:
        for part in rtcp.parse_rtcp(data)[0]:
            if isinstance(part, rtcp.Unknown) and part.kind == XR:
                ssrc, _, ntp64 = struct.unpack("!IIQ", part.body)
                body = struct.pack("!IBxHIII", 7, DLRR, 3, ssrc, ntp64 >> 16 & 0xFFFFFFFF, 0)
                packet = struct.pack("!BBH", 0x80, XR, len(body) // 4) + body
                performer.client.send_rtcp(rtcp.build_rr(7) + packet)

    performer.client._on_rtcp_packet = heard


def report_on(viewer: Viewer, fraction_lost: int, jitter: int) -> None:
    """Report on what arrives as a receiver does, to every sender report."""

    def heard(data: bytes, now: float) -> None:
        reports = [
            rtcp.Report(part.ssrc, fraction_lost, 5, 1, jitter, part.ntp64 >> 16 & 0xFFFFFFFF, 0)
            for part in rtcp.parse_rtcp(data)[0]
            if isinstance(part, rtcp.SenderReport)
        ]
        if reports:
            viewer.client.send_rtcp(rtcp.build_rr(1, reports))

    viewer.client._on_rtcp_packet = heard


async def test_a_publisher_s_layers_loss_repairs_and_round_trip_are_told(
    running: RunningWorker, performer: Performer, viewers: MakeViewer
) -> None:
    viewer = viewers("a")
    answer_times(performer)
    await performer.publish(rids=RIDS)
    await viewer.watch("p-video")
    await shows(viewer.on("p-video"), 5)
    performer.lose_every(10)
    await until(lambda: performer.lost >= 15)
    performer.lose_every(0)

    def repaired(stats: PublisherStats) -> int:
        return sum(layer.repaired for layer in stats.tracks["p-video"].layers.values())

    while repaired(stats := await up(running, "p")) < 10 or stats.rtt_s is None:
        assert running.process.returncode is None
    assert 0 <= stats.rtt_s < 5
    assert stats.route is not None
    assert (stats.route.protocol, stats.route.family) == ("udp", "IPv4")
    video = stats.tracks["p-video"]
    assert (video.kind, video.codec, list(video.layers)) == ("video", "VP8", list(RIDS))
    assert all(layer.bps > 0 and layer.packets > 0 for layer in video.layers.values())
    assert sum(layer.nacked for layer in video.layers.values()) >= 10
    assert stats.tracks["p-audio"].layers[""].jitter_s < 1


async def test_a_subscriber_s_loss_jitter_round_trip_and_layers_are_told(
    running: RunningWorker, performer: Performer, viewers: MakeViewer
) -> None:
    viewer = viewers("a")
    report_on(viewer, fraction_lost=64, jitter=4500)
    await performer.publish(rids=RIDS)
    small = rpc.WantedTrack(track="p-video", group="p", max_width=160, max_height=120)
    await viewer.watch("p-audio", small)
    await shows(viewer.on("p-video"), 5)

    def told(stats: DownlinkStats) -> bool:
        return stats.rtt_s is not None and all(t.bps and t.loss for t in stats.tracks)

    while not told(stats := await down(running, "a")):
        assert running.process.returncode is None
    video = next(track for track in stats.tracks if track.kind == "video")
    assert (video.asked, video.sent, video.fitting, video.reason) == ("q", "q", "q", "")
    assert (video.loss, video.lost, video.jitter_s) == (0.25, 5, 0.05)
    assert stats.estimate_bps is None or stats.estimate_bps > 0
    assert set(video.drops) <= {"waiting_keyframe", "other_layer"}


async def test_why_nothing_is_sent_is_told(
    running: RunningWorker, performer: Performer, viewers: MakeViewer
) -> None:
    viewer = viewers("a")
    await performer.publish()
    await viewer.watch("p-audio", "p-video")
    await shows(viewer.on("p-video"), 5)

    async def reason() -> str:
        (video,) = [t for t in (await down(running, "a")).tracks if t.kind == "video"]
        return video.reason

    assert await reason() == ""
    await running.client.call(rpc.TrackHold(track="p-video", held=True))
    assert await reason() == "held"
    await running.client.call(rpc.TrackHold(track="p-video", held=False))
    ssrc = next(iter(viewer.received))
    narrow = rtcp.build_rr(1) + rtcp.build_remb(1, 30_000, [ssrc])
    while await reason() != "bandwidth":
        viewer.client.send_rtcp(narrow)


async def test_the_whole_is_bounded_and_counts_what_has_gone_too(
    running: RunningWorker, performer: Performer, viewers: MakeViewer
) -> None:
    viewer = viewers("a")
    report_on(viewer, fraction_lost=64, jitter=4500)
    await performer.publish(rids=RIDS)
    await viewer.watch("p-audio", rpc.WantedTrack(track="p-video", group="p", max_width=160))
    await shows(viewer.on("p-video"), 5)

    def seen(stats: WorkerStats) -> bool:
        figures = stats.quality["subscriber"]
        return all(sum(d.counts) for d in (figures.rtt_s, figures.loss, figures.bps))

    while not seen(stats := await whole(running)):
        assert running.process.returncode is None
    assert stats.peers["publisher"] == stats.peers["subscriber"] == {"connected": 1}
    assert stats.published == {"video": {"VP8": 1}, "audio": {"opus": 1}}
    assert stats.layers == {"0": 1, "1": 1, "2": 1}
    assert stats.down == {"video": {"0": 1}, "audio": {"0": 1}}
    assert sum(stats.quality["publisher"].bps.counts) > 0
    assert not any((stats.publishers, stats.subscribers, stats.tracks))
    width = 160
    while not sum((before := (await whole(running)).drops).values()):
        # A change of layers leaves out what comes of the next one before its keyframe.
        width = 1280 if width == 160 else 160
        await viewer.watch("p-audio", rpc.WantedTrack(track="p-video", group="p", max_width=width))
        await shows(viewer.on("p-video"), 3)
    await running.client.call(rpc.PeerClose(peer="a"))
    after = await whole(running)
    assert all(after.drops[reason] >= count for reason, count in before.items())
    assert sum(before.values()) > 0
    assert after.peers["subscriber"] == {}
