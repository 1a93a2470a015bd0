"""Peers who were let in and misbehave: it is they who pay for it."""

from __future__ import annotations

import asyncio
import random
import struct
import time
from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio

from media.core import rtcp
from media.core.extensions import TRANSPORT_CC
from media.downtrack import KEYFRAMES_AT_ONCE, KEYFRAMES_PER_S
from media.layer import KEYFRAME_INTERVAL_S
from tests.attacks.conftest import MakeRogue
from tests.attacks.venue import Stranger, Venue, numbers
from tests.media.core.rtp import rtp, vp8
from tests.media.people import Viewer
from tests.media.workers import connected
from tests.wire import until

pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="module")]

SEED = 20261122
LEVEL_ID = 1
MID_ID = 4


@pytest_asyncio.fixture(loop_scope="module")
async def leech(venue: Venue) -> AsyncIterator[Viewer]:
    """Watches one of the honest, and is not honest."""
    viewer = Viewer(venue.running, "leech")
    await viewer.watch("ann-video")
    await connected(venue.running, "leech")
    await until(lambda: viewer.on("ann-video").pictures >= 5)
    yield viewer
    viewer.close()


def watched(viewer: Viewer) -> int:
    """The SSRC it receives."""
    ssrc = viewer.client.lines["0"].ssrc
    assert ssrc is not None
    return ssrc


def feedback(fmt: int, kind: int, body: bytes) -> bytes:
    return struct.pack("!BBH", 0x80 | fmt, kind, len(body) // 4) + body


async def test_an_estimate_that_names_more_streams_than_it_holds_is_not_read(
    venue: Venue, leech: Viewer
) -> None:
    before = await venue.counted("rtcp_body")
    for count in (1, 9, 255):
        body = struct.pack("!II", 1, 0) + b"REMB" + bytes([count, 0x07, 0xFF, 0xFF])
        leech.client.send_rtcp(feedback(15, 206, body))
    await venue.come_to("rtcp_body", before + 3)
    assert leech.client.state == "connected"


async def test_extensions_of_a_false_length_harm_nobody(venue: Venue, rogues: MakeRogue) -> None:
    rogue = rogues()
    await rogue.publish()
    audio = rogue.stream("audio")

    def packets() -> Iterator[bytes]:
        blocks = [
            bytes([LEVEL_ID << 4 | 1, 1, 2]),  # an audio level of two bytes
            bytes([LEVEL_ID << 4 | 15]),  # of sixteen, of which none is there
            bytes([MID_ID << 4 | 15]) + b"0" * 3,
            bytes([0xF0, 1, 2, 3]),  # the number that ends the block
            bytes([0x00] * 8),
            bytes([LEVEL_ID << 4 | 0, 0x85] * 2),
            b"\x10" * 400,  # longer than anybody has use for
        ]
        number = numbers()
        for profile in (0xBEDE, 0x1000, 0x100F, 0x1234):
            for block in blocks:
                padded = block + bytes(-len(block) % 4)
                for words in (len(padded) // 4, len(padded) // 4 - 1, 0, 0xFFFF):
                    head = struct.pack(
                        "!BBHII", 0x90, audio.payload_type, next(number), 0, audio.ssrc
                    )
                    yield head + struct.pack("!HH", profile, words & 0xFFFF) + padded + b"sound"

    before = await venue.counted("extension")
    await rogue.send(packets())
    await venue.come_to("extension", before + 4)
    assert rogue.client.state == "connected"


async def test_padding_that_leaves_no_packet_harms_nobody(venue: Venue, rogues: MakeRogue) -> None:
    rogue = rogues()
    await rogue.publish()
    video = rogue.stream("video")
    number = numbers()
    before = await venue.counted("padding")
    sent = await rogue.send(
        rtp(next(number), 0, video.ssrc, video.payload_type, bytes(size)).replace(
            b"\x80", b"\xa0", 1
        )
        + bytes(size)
        + bytes([count])
        for size in (0, 1, 20)
        for count in (0, 200, 255)
    )
    await venue.come_to("padding", before + sent)
    # Padding and nothing else is what probes are made of.
    await rogue.send(
        rtp(next(number), 0, video.ssrc, video.payload_type, b"", padding=255) for _ in range(100)
    )
    assert rogue.client.state == "connected"


async def test_two_thousand_random_ssrcs_take_no_room(venue: Venue, rogues: MakeRogue) -> None:
    print(f"seed {SEED}")
    chance = random.Random(SEED)
    rogue = rogues()
    await rogue.publish()
    video = rogue.stream("video")
    mid = {MID_ID: video.mid.encode()}
    sent = await rogue.send(
        rtp(1, 0, chance.getrandbits(32), video.payload_type, vp8(), extensions=mid)
        for _ in range(2000)
    )
    await venue.come_to("too_many_ssrcs", sent // 2)
    assert rogue.client.state == "connected"


async def test_the_ssrc_of_somebody_else_is_nobody_elses(venue: Venue, rogues: MakeRogue) -> None:
    """Each connection's SSRCs are its own: nothing of a stranger's comes out as somebody's."""
    rogue = rogues()
    await rogue.publish()
    ann = venue.people[0].performer.client
    marked = b"not ann's" * 20
    for kind in ("audio", "video"):
        honest, own = ann.stream(kind).identity, rogue.stream(kind)
        number = numbers(ann.stream(kind).seq)
        await rogue.send(
            rtp(
                next(number),
                0,
                honest.ssrc,
                own.payload_type,
                marked,
                extensions={MID_ID: own.mid.encode()},
            )
            for _ in range(300)
        )
    await venue.talk_on()
    for reception in venue.receptions:
        assert not any(marked in packet.data for packet in reception.packets.values())


async def test_recorded_packets_are_not_taken_twice_nor_from_elsewhere(
    venue: Venue, stranger: Stranger, rogues: MakeRogue
) -> None:
    rogue = rogues()
    await rogue.publish(wired=True)
    assert rogue.wire is not None
    video = rogue.stream("video")
    number = numbers()
    rogue.wire.upward.clear()
    await rogue.send(
        rtp(next(number), 0, video.ssrc, video.payload_type, vp8()) for _ in range(100)
    )
    await until(lambda: rogue.wire is not None and len(rogue.wire.upward) >= 100)
    recorded = [each for each in rogue.wire.upward if each[0] > 127]
    tracks = (await venue.running.stats())["tracks"]
    for packet in recorded * 2:
        rogue.forge()(packet)
    await venue.come_to("replayed", len(recorded))
    before = await venue.counted("dropped_unknown_source")
    await stranger.flood(recorded)
    await venue.come_to("dropped_unknown_source", before + len(recorded))
    after = (await venue.running.stats())["tracks"]
    name = "rogue-video"
    assert after[name]["layers"][""]["packets"] == tracks[name]["layers"][""]["packets"]
    assert stranger.heard() == []


async def test_a_storm_of_keyframe_requests_costs_the_room_few_keyframes(
    venue: Venue, leech: Viewer
) -> None:
    performer = venue.people[0].performer
    asked, began = len(performer.keyframes_asked), time.monotonic()
    ssrc = watched(leech)
    fir = feedback(
        4,
        206,
        struct.pack("!II", 1, 0) + b"".join(struct.pack("!IB3x", ssrc, n) for n in range(150)),
    )
    while time.monotonic() - began < 12:
        for _ in range(30):
            leech.client.request_keyframe(ssrc)
        leech.client.send_rtcp(fir)
        await venue.talk_on(1)
    took_s = time.monotonic() - began
    granted = KEYFRAMES_AT_ONCE + took_s * KEYFRAMES_PER_S
    assert granted + 2 < took_s / KEYFRAME_INTERVAL_S, "the test is too short to tell"
    assert 2 <= len(performer.keyframes_asked) - asked <= granted + 2
    await venue.come_to("rtcp_flood", 1)


async def test_a_storm_of_requests_for_repairs_is_answered_within_a_budget(
    venue: Venue, leech: Viewer
) -> None:
    ssrc = watched(leech)
    everything = feedback(1, 205, struct.pack("!II", 1, ssrc) + bytes.fromhex("0000ffff") * 340)
    recent = [
        rtcp.build_nack(1, ssrc, range(first, first + 200)) for first in range(0, 65_536 - 200, 200)
    ]
    before = leech.client._port.counters["received_bytes"]
    for round_ in range(30):
        for _ in range(10):
            leech.client.send_rtcp(everything)
        for packet in recent[round_ * 10 : round_ * 10 + 10]:
            leech.client.send_rtcp(packet)
        await venue.talk_on(1)
    got = leech.client._port.counters["received_bytes"] - before
    stats = (await venue.running.stats())["subscribers"]["leech"]
    print(got, stats)
    await venue.come_to("rtcp_flood", 1)
    assert await venue.counted("nack_ignored") > 0


async def test_lies_about_what_arrived_raise_no_estimate_beyond_its_cap(
    venue: Venue, leech: Viewer
) -> None:
    ssrc = watched(leech)
    lies = [
        rtcp.build_remb(1, (1 << 63) - 1, [ssrc]),
        rtcp.build_remb(1, 0, [ssrc]),
        # 65,535 numbers, all of them received says each of its runs; there is no delta.
        feedback(15, 205, struct.pack("!IIHHI", 1, ssrc, 0, 0xFFFF, 0) + b"\x20\xff" * 300),
        # Nothing arrived, of everything.
        feedback(
            15, 205, struct.pack("!IIHHI", 1, ssrc, 0, 0xFFFF, 0) + b"\x1f\xff" * 8 + b"\0" * 4
        ),
        # Numbers that were never sent, all at once.
        feedback(
            15, 205, struct.pack("!IIHHI", 1, ssrc, 9999, 400, 0) + b"\x21\x90\0\0" + bytes(400)
        ),
        rtcp.build_rr(1, [rtcp.Report(ssrc, 255, 0x7FFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 1, 0)]),
        rtcp.build_rr(1, [rtcp.Report(ssrc, 0, -0x800000, 0, 0, 0xFFFFFFFF, 0xFFFFFFFF)]),
    ]
    for _ in range(20):
        for lie in lies:
            leech.client.send_rtcp(lie)
        await venue.talk_on(1)
    stats = (await venue.running.stats())["subscribers"]["leech"]
    assert 0 < stats["estimate_bps"] <= 20_000_000
    assert stats["rtt_s"] is None or 0 <= stats["rtt_s"] < 1_000_000


async def test_lies_about_transport_wide_numbers_are_acknowledged_at_a_bounded_rate(
    venue: Venue, rogues: MakeRogue
) -> None:
    def with_twcc(offer: str) -> str:
        return offer.replace("a=mid:", f"a=extmap:7 {TRANSPORT_CC}\r\na=mid:")

    rogue = rogues()
    await rogue.publish(with_twcc)
    video = rogue.stream("video")
    rogue.asked.clear()
    began, number = time.monotonic(), numbers()
    sent = await rogue.send(
        rtp(
            next(number),
            0,
            video.ssrc,
            video.payload_type,
            vp8(),
            extensions={7: (i * 8191 & 0xFFFF).to_bytes(2, "big")},
        )
        for i in range(3000)
    )
    await venue.talk_on()
    told = [
        part
        for data in rogue.asked
        for part in rtcp.parse_rtcp(data)[0]
        if isinstance(part, rtcp.Twcc)
    ]
    took_s = time.monotonic() - began
    assert told
    assert len(told) < min(sent / 2, 20 + 250 * took_s)


async def test_a_flood_of_media_over_its_budget_goes_to_nobody(
    venue: Venue, rogues: MakeRogue
) -> None:
    """The rogue's own viewer gets what the budget lets through, the honest everything of theirs."""
    rogue = rogues()
    await rogue.publish()
    video, number = rogue.stream("video"), numbers()
    viewer = Viewer(venue.running, "victim")
    try:
        await viewer.watch("rogue-video")
        await connected(venue.running, "victim")
        keyframe = vp8(keyframe=True, body=bytes(1000))
        began = time.monotonic()
        sent = flood = over = 0
        while min(flood, over) <= 1000 and sent < 200_000:
            # As fast as can be, to be more than a peer may send; then, to be more than a track may.
            sent += await rogue.send(
                rtp(next(number), 0, video.ssrc, video.payload_type, keyframe)
                for _ in range(10_000 if flood <= 1000 else 500)
            )
            await asyncio.sleep(0.1)
            flood, over = await venue.counted("flood"), await venue.counted("over_budget")
        took_s = time.monotonic() - began
        await venue.talk_on()
        print(f"{sent} packets in {took_s:.2f} s: {flood} not decrypted, {over} not forwarded")
        assert flood > 1000
        assert over > 1000
        got = sum(len(reception.packets) for reception in viewer.received.values())
        assert got <= 3000 * (took_s + 3)
    finally:
        viewer.close()


async def test_offers_without_end_are_answered_while_others_talk(
    venue: Venue, rogues: MakeRogue
) -> None:
    """Each adds, removes or renumbers a line: tracks come and go, and subscribers with them."""
    rogue = rogues()
    await rogue.publish()

    def turn(offer: str, round_: int) -> str:
        if round_ % 3 == 0:
            return offer.replace("a=sendonly", "a=inactive")
        if round_ % 3 == 1:
            return offer.replace("a=extmap:4 ", "a=extmap:9 ")
        return offer

    for round_ in range(150):
        await rogue.describe(lambda offer, n=round_: turn(offer, n))  # type: ignore[misc]
        if round_ % 10 == 0:
            await venue.talk_on(1)
    await rogue.describe()
    assert rogue.client.state == "connected"
    tracks = (await venue.running.stats())["tracks"]
    assert {name for name in tracks if name.startswith("rogue")} == {"rogue-audio", "rogue-video"}


async def test_a_line_that_rests_comes_back_with_its_ssrc_and_is_heard(
    venue: Venue, rogues: MakeRogue
) -> None:
    """A browser that is inactive for a while goes on with the SSRC and numbers it had.

    Once the worker forgot the rollover counter with the track: after 65,536 packets
    nothing of the line could be decrypted any more.
    """
    rogue = rogues()
    await rogue.publish()
    video = rogue.stream("video")
    # Past the first rollover, by steps that a sender might lose.
    await rogue.send(
        rtp(seq & 0xFFFF, 0, video.ssrc, video.payload_type, vp8())
        for seq in range(0, 70_000, 1000)
    )
    await rogue.describe(lambda offer: offer.replace("a=sendonly", "a=inactive"))
    await rogue.describe()
    before = await venue.counted("unauthentic")
    await rogue.send(
        rtp(seq & 0xFFFF, 0, video.ssrc, video.payload_type, vp8()) for seq in range(70_000, 70_050)
    )

    async def packets() -> int:
        stats = await venue.running.stats()
        return int(stats["tracks"]["rogue-video"]["layers"][""]["packets"])

    for _ in range(500):
        if await packets() >= 50:
            break
        await venue.talk_on(1)
    assert await packets() >= 50
    assert await venue.counted("unauthentic") == before
