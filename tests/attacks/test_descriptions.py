"""Descriptions made to be slow to read, large to keep or wrong: refused with a reason, at once."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from media import rpc
from media.framing import RpcError
from tests.attacks.conftest import MakeRogue
from tests.attacks.venue import Rogue, Venue

pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="module")]

BLOCKED_S = 1.0
"""No description may stop the worker for so long; those of this file took others twelve seconds."""

Edit = Callable[[str], str]


def lines(text: str, count: int) -> str:
    return "".join(f"{text.format(n=n)}\r\n" for n in range(count))


def after_mid(more: str) -> Edit:
    return lambda offer: offer.replace("a=mid:0\r\n", f"a=mid:0\r\n{more}")


def more_sections(section: str, count: int) -> Edit:
    return lambda offer: offer + lines(section, count)


REFUSED: dict[str, Edit] = {
    "nothing": lambda _: "",
    "not SDP": lambda _: "\x00\xff" * 1000,
    "123 kB of attributes": after_mid(lines("a=rtcp-fb:96 nack {n}", 6000)),
    "428 kB of one line": after_mid("a=fmtp:96 " + "x" * 428_000 + "\r\n"),
    "ten thousand candidates": after_mid(
        lines("a=candidate:{n} 1 udp 1 192.0.2.1 {n} typ host", 10_000)
    ),
    "mDNS candidates without end": after_mid(
        lines("a=candidate:{n} 1 udp 1 00000000-0000-4000-8000-{n:012}.local 9 typ host", 2000)
    ),
    "a thousand m-lines": more_sections("m=video 9 UDP/TLS/RTP/SAVPF 96", 1000),
    "257 attributes of one line": after_mid(lines("a=x{n}", 257)),
    "a thousand formats": lambda offer: offer.replace(
        "SAVPF 96", "SAVPF " + " ".join(str(n) for n in range(1000))
    ),
    "two lines of one mid": lambda offer: offer.replace("a=mid:1", "a=mid:0"),
    "a mid of 65 characters": lambda offer: offer.replace("a=mid:0", "a=mid:" + "0" * 65),
    "a payload type of 128": after_mid("a=rtpmap:128 VP8/90000\r\n"),
    "a number of five thousand digits": after_mid(f"a=ssrc:{'9' * 5000} cname:x\r\n"),
    "digits that are not ASCII": after_mid("a=ssrc:\u0661\u0662\u0663 cname:x\r\n"),
    "an extension id of 65536": after_mid("a=extmap:65536 urn:x\r\n"),
    "no ICE credentials": lambda offer: offer.replace("a=ice-pwd", "a=not-ice-pwd"),
    "no fingerprint": lambda offer: offer.replace("a=fingerprint", "a=not-fingerprint"),
    "a fingerprint that is none": lambda offer: offer.replace("sha-256 ", "sha-256 xyz"),
    "a simulcast without rids": after_mid("a=simulcast:send ;;;;\r\n"),
}

TAKEN: dict[str, Edit] = {
    "as many lines as may be": more_sections(
        "m=video 9 UDP/TLS/RTP/SAVPF 96\r\na=mid:m{n}\r\na=rtpmap:96 VP8/90000\r\na=inactive", 62
    ),
    "250 candidates": after_mid(lines("a=candidate:{n} 1 udp 1 192.0.2.1 9 typ host", 240)),
    "payload types that collide": after_mid(lines("a=rtpmap:96 VP8/90000", 100)),
    "extension ids that collide": after_mid(lines("a=extmap:4 urn:x:{n}", 100)),
    "one SSRC in every group": after_mid(lines("a=ssrc-group:FID 1 1", 100)),
    "wildcards of feedback": after_mid(lines("a=rtcp-fb:* nack {n}", 200)),
    "fingerprints of hashes nobody knows": after_mid(lines("a=fingerprint:md{n} 00:11", 100)),
}


async def answered(rogue: Rogue, edit: Edit) -> tuple[str, float]:
    """The answer or why there is none, and how long that took."""
    began = time.monotonic()
    try:
        answer = await rogue.describe(edit)
    except RpcError as error:
        answer = f"{error.code}: {error}"
    return answer, time.monotonic() - began


async def test_bad_offers_are_refused_with_a_reason(venue: Venue, rogues: MakeRogue) -> None:
    rogue = rogues()
    for name, edit in REFUSED.items():
        reason, took_s = await answered(rogue, edit)
        assert reason.startswith("bad_sdp: "), name
        assert len(reason) > 20, name
        assert took_s < BLOCKED_S, name
        await venue.talk_on(1)
    tracks = (await venue.running.stats())["tracks"]
    assert not any(track.startswith("rogue") for track in tracks)


async def test_offers_at_the_bounds_are_answered_at_once(venue: Venue, rogues: MakeRogue) -> None:
    for name, edit in TAKEN.items():
        answer, took_s = await answered(rogues(name), edit)
        assert answer.startswith("v=0"), name
        assert took_s < BLOCKED_S, name
        await venue.talk_on(1)


async def test_bad_offers_without_end_leave_nothing_behind(venue: Venue, rogues: MakeRogue) -> None:
    rogue = rogues()
    for round_ in range(20):
        for edit in REFUSED.values():
            await answered(rogue, edit)
        if round_ % 5 == 0:
            await venue.talk_on(1)
    assert "rogue" not in (await venue.running.stats())["publishers"]


async def test_a_bad_offer_of_somebody_connected_leaves_what_was_agreed(
    venue: Venue, rogues: MakeRogue
) -> None:
    rogue = rogues()
    await rogue.publish()
    for edit in REFUSED.values():
        await answered(rogue, edit)
    assert rogue.client.state == "connected"
    stats = await venue.running.stats()
    assert set(stats["publishers"]["rogue"]["tracks"]) == {"rogue-audio", "rogue-video"}


async def test_bad_answers_are_refused_with_a_reason(venue: Venue) -> None:
    """What a subscriber says to the worker's offer is as little to be trusted."""
    for name, edit in REFUSED.items():
        offer = await venue.running.client.call(
            rpc.SubscriberSet(
                peer=f"leech {name}",
                room="room",
                wants=[
                    rpc.WantedTrack(track=track, group="ann")
                    for track in ("ann-audio", "ann-video")
                ],
            )
        )
        began = time.monotonic()
        with pytest.raises(RpcError, match="bad_sdp"):
            await venue.running.client.call(
                rpc.SubscriberAnswer(
                    peer=f"leech {name}", generation=offer.generation, sdp=edit(offer.sdp)
                )
            )
        assert time.monotonic() - began < BLOCKED_S, name
        await venue.talk_on(1)
