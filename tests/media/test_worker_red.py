"""Redundant audio (RFC 2198) through a worker: repaired on the way in, passed on where it helps."""

from __future__ import annotations

import struct
from dataclasses import replace

import pytest

from media import rpc
from media.core.rtcp import Report, build_rr
from tests.media.conftest import MakePerformer, MakeViewer
from tests.media.people import Performer, Reception, Viewer
from tests.media.workers import RunningWorker, connected
from tests.wire import until

pytestmark = pytest.mark.asyncio(loop_scope="module")

SEED = 20261122
OPUS, RED = 111, 63


def kinds(reception: Reception, last: int = 0) -> set[int]:
    """Payload types that came, of the last so many packets."""
    return {reception.packets[seq].pt for seq in sorted(reception.packets)[-last:]}


def heard(reception: Reception) -> set[int]:
    """Timestamps of the sound that came, redundancy included."""
    stamps = set()
    for packet in reception.packets.values():
        stamps.add(packet.ts32)
        if packet.pt == RED and packet.data[packet.payload] & 0x80:
            (head,) = struct.unpack_from("!I", packet.data, packet.payload)
            stamps.add(packet.ts32 - (head >> 10 & 0x3FFF))
    return stamps


def gone(stamps: set[int]) -> float:
    """Which share of the 20 ms between first and last nothing came of."""
    return 1 - len(stamps) / ((max(stamps) - min(stamps)) // 960 + 1)


async def hears(viewer: Viewer, packets: int = 25) -> Reception:
    reception = viewer.on("p-audio")
    before = len(reception.packets)
    await until(lambda: len(reception.packets) >= before + packets)
    return reception


def report_loss(viewer: Viewer, fraction: int) -> None:
    """Says what a browser on such a path would."""
    (ssrc,) = viewer.received
    viewer.client.send_rtcp(build_rr(1, [Report(ssrc, fraction, 0, 0, 0, 0, 0)]))


async def test_who_loses_nothing_is_sent_plain_opus(
    running: RunningWorker, performer: Performer, viewers: MakeViewer
) -> None:
    (info,) = await performer.publish(video=False, red=True)
    assert (info.codec, info.red) == ("opus", True)
    viewer, player = viewers("a"), viewers("b")
    await viewer.watch("p-audio")
    assert "red/48000" in viewer.offers[-1].sdp
    answer = await player.play("p-audio")
    assert "red/48000" not in answer
    for reception in (await hears(viewer, 50), player.of_kind("audio")):
        assert kinds(reception) == {OPUS}
        assert reception.missing == 0
        assert reception.heard_samples() == 960 * len(reception.packets)
    await connected(running, "b")
    layer = (await running.stats())["tracks"]["p-audio"]["layers"][""]
    assert layer["packets"] >= 50


async def test_what_is_lost_on_the_way_in_is_taken_from_the_next_packet(
    running: RunningWorker, performer: Performer, viewers: MakeViewer
) -> None:
    await performer.publish(video=False, red=True)
    viewer = viewers("a")
    await viewer.watch("p-audio")
    await hears(viewer)
    performer.lose_every(5)
    await until(lambda: performer.lost >= 20)
    performer.lose_every(0)
    sound = await hears(viewer)
    assert sound.missing == 0
    assert gone(heard(sound)) == 0
    assert kinds(sound) == {OPUS}
    assert sound.heard_samples() == 960 * len(sound.packets)
    assert (await running.stats())["worker"]["red_recovered"] >= 20


async def test_who_loses_packets_gets_the_redundancy_and_hears_nearly_all(
    running: RunningWorker, performer: Performer, viewers: MakeViewer
) -> None:
    print(f"seed {SEED}")
    await performer.publish(video=False, red=True)
    lossy, fine = viewers("lossy", loss=0.2, seed=SEED), viewers("fine")
    for viewer in (lossy, fine):
        await viewer.watch("p-audio")
        await hears(viewer)
    report_loss(lossy, 51)
    await until(lambda: kinds(lossy.on("p-audio"), 1) == {RED})
    lossy.on("p-audio").packets.clear()
    sound = await hears(lossy, 200)
    assert kinds(sound) == {RED}
    print(
        f"{sound.missing} packets of {len(sound.packets)} lost, {gone(heard(sound)):.1%} of the sound"
    )
    assert sound.missing / len(sound.packets) > 0.12
    assert gone(heard(sound)) < 0.08
    other = await hears(fine)
    assert kinds(other) == {OPUS}
    assert other.missing == 0


async def test_a_speaker_who_stops_to_send_redundancy_is_heard_on(
    performer: Performer, viewers: MakeViewer
) -> None:
    await performer.publish(video=False, red=True)
    viewer = viewers("a")
    await viewer.watch("p-audio")
    await hears(viewer)
    report_loss(viewer, 51)
    await until(lambda: kinds(viewer.on("p-audio"), 1) == {RED})
    stream = performer.client.stream("audio")
    stream.identity = replace(stream.identity, payload_type=OPUS)
    performer._red = False
    await until(lambda: kinds(viewer.on("p-audio"), 5) == {OPUS})
    stream.identity = replace(stream.identity, payload_type=RED)
    performer._red = True
    await until(lambda: kinds(viewer.on("p-audio"), 5) == {RED})
    assert (await hears(viewer)).missing == 0
    assert gone(heard(viewer.on("p-audio"))) == 0


async def test_who_does_not_speak_it_is_offered_opus_alone(
    perform: MakePerformer, viewers: MakeViewer
) -> None:
    person, viewer = perform("p"), viewers("a")
    (info,) = await person.publish(video=False)
    assert not info.red
    await viewer.watch(rpc.WantedTrack(track="p-audio", group="p"))
    assert "red/48000" not in viewer.offers[-1].sdp
    await hears(viewer)
