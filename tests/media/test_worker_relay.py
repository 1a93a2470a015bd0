"""Two workers and the link between them."""

from __future__ import annotations

import secrets
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
import pytest_asyncio

from media import rpc
from media.framing import RpcError
from tests.media.people import Performer, Viewer
from tests.media.test_worker import shows
from tests.media.workers import RunningWorker, connected, kill, worker
from tests.wire import Wire, until

SEED = 20261121

pytestmark = pytest.mark.slow


@dataclass
class Pair:
    """``near`` has the publisher, ``far`` the viewers."""

    near: RunningWorker
    far: RunningWorker
    performer: Performer
    viewer: Viewer

    async def open(self, wire: Wire | None = None) -> None:
        """Opens the link, through a wire if given, and waits until both sides hear each other."""
        up, down = secrets.token_bytes(44), secrets.token_bytes(44)
        to_far = wire.port if wire else self.far.info.port
        to_near = wire.far_address[1] if wire else self.near.info.port
        for side, port, tx, rx in (
            (self.near, to_far, up, down),
            (self.far, to_near, down, up),
        ):
            await side.client.call(
                rpc.RelayOpen(link="link", address="127.0.0.1", port=port, tx_key=tx, rx_key=rx)
            )
        await until(lambda: self.states(self.near)[-1:] == self.states(self.far)[-1:] == ["up"])

    def states(self, side: RunningWorker) -> list[str]:
        return [notice.state for notice in side.notices(rpc.RelayStateNotice)]

    async def carry(self, *infos: rpc.TrackInfo, rids: list[str] | None = None) -> None:
        """Says the whole wish of what crosses from near to far."""
        await self.far.client.call(
            rpc.RelayReceive(
                link="link", room_of={info.track: "room" for info in infos}, tracks=list(infos)
            )
        )
        await self.near.client.call(
            rpc.RelaySend(
                link="link",
                tracks={info.track: rids or [layer.rid for layer in info.layers] for info in infos},
            )
        )


@pytest_asyncio.fixture
async def pair() -> AsyncIterator[Pair]:
    async with worker() as near, worker() as far:
        it = Pair(near, far, Performer(near, "p"), Viewer(far, "a"))
        yield it
        it.performer.close()
        it.viewer.close()


async def test_a_track_published_on_one_worker_is_watched_on_the_other(pair: Pair) -> None:
    infos = await pair.performer.publish()
    await pair.open()
    offer = await pair.viewer.watch("p-audio", "p-video")
    assert offer.sdp == ""  # nothing is known of them yet
    await pair.carry(*infos)
    await until(lambda: pair.far.notices(rpc.SubscriberOfferNotice))
    await pair.viewer.take_noticed()
    while len(pair.viewer.offers[-1].tracks) < 2:
        await until(pair.far.notices(rpc.SubscriberOfferNotice).__len__)
        await pair.viewer.take_noticed()
    await connected(pair.far, "a")
    picture, sound = pair.viewer.on("p-video"), pair.viewer.on("p-audio")
    await shows(picture, 20)
    assert picture.missing == sound.missing == 0
    assert len(picture.decoded_sizes()) == len(picture.frames()) >= 20
    assert sound.heard_samples() > 0
    # The far worker hears who speaks, too.
    await until(lambda: pair.far.notices(rpc.SpeakersNotice))
    assert pair.far.notices(rpc.SpeakersNotice)[-1].tracks == ["p-audio"]

    # A late viewer's keyframe request goes through to the publisher.
    asked = len(pair.performer.keyframes_asked)
    late = Viewer(pair.far, "late")
    try:
        await late.watch("p-video")
        await shows(late.on("p-video"))
        assert len(pair.performer.keyframes_asked) > asked
        assert len(late.on("p-video").decoded_sizes()) >= 10
    finally:
        late.close()

    # Unwanted, it crosses no more.
    await pair.carry()
    await until(lambda: len(pair.far.notices(rpc.SubscriberOfferNotice)) > len(pair.viewer.offers))
    await pair.viewer.take_noticed()
    assert pair.viewer.offers[-1].tracks == {}
    assert (await pair.near.stats())["links"]["link"]["sending"] == []
    assert (await pair.far.stats())["tracks"] == {}

    # And wanted again, it goes on under the same keys.
    await pair.carry(*infos)
    await until(lambda: len(pair.far.notices(rpc.SubscriberOfferNotice)) > len(pair.viewer.offers))
    while len(pair.viewer.offers[-1].tracks) < 2:
        await pair.viewer.take_noticed()
    await shows(pair.viewer.on("p-video"))
    assert (await pair.far.stats())["links"]["link"]["dropped"].get("unauthentic", 0) == 0


async def test_only_the_wanted_layers_cross(pair: Pair) -> None:
    (info,) = await pair.performer.publish(audio=False, rids=("q", "h"))
    await pair.open()
    await pair.carry(info, rids=["q"])
    await pair.viewer.watch("p-video")
    picture = pair.viewer.on("p-video")
    await shows(picture)
    assert set(picture.decoded_sizes()) == {(160, 120)}
    layers = (await pair.far.stats())["tracks"]["p-video"]["layers"]
    assert layers["q"]["packets"] > 0
    assert layers["h"]["packets"] == 0
    await pair.carry(info)
    await until(lambda: (320, 240) in picture.keyframe_sizes)
    await shows(picture)
    assert picture.missing == 0


async def test_loss_on_the_link_is_repaired_on_the_link(pair: Pair) -> None:
    (info,) = await pair.performer.publish(audio=False)
    wire = await Wire(seed=SEED).open(("127.0.0.1", pair.far.info.port))
    try:
        await pair.open(wire)
        await pair.carry(info)
        await pair.viewer.watch("p-video")
        picture = pair.viewer.on("p-video")
        await shows(picture, 5)
        wire.loss = 0.08
        before = len(picture.packets)
        await until(lambda: wire.counters["up_lost"] + wire.counters["down_lost"] >= 12)
        wire.loss = 0.0
        await until(lambda: len(picture.packets) > before + 50 and picture.missing == 0)
        await shows(picture, 5)
        assert picture.missing == 0
        assert len(picture.decoded_sizes()) == len(picture.frames())
        layer = (await pair.far.stats())["tracks"]["p-video"]["layers"][""]
        assert layer["nacked"] > 0
        publisher = (await pair.near.stats())["tracks"]["p-video"]["layers"][""]
        assert publisher["nacked"] == 0
    finally:
        wire.close()


async def test_a_dead_worker_is_noticed_and_a_new_link_takes_the_old_ones_place(
    pair: Pair,
) -> None:
    (info,) = await pair.performer.publish(audio=False)
    await pair.open()
    await pair.carry(info)
    await pair.viewer.watch("p-video")
    await shows(pair.viewer.on("p-video"))
    await pair.open()  # new keys, same link: everything goes on
    await pair.carry(info)
    await shows(pair.viewer.on("p-video"), 20)
    await kill(pair.near)
    await until(lambda: pair.states(pair.far)[-1] == "lost", deadline_s=4.5)
    await pair.far.client.call(rpc.RelayClose(link="link"))
    assert (await pair.far.stats())["tracks"] == {}
    await until(lambda: pair.far.notices(rpc.SubscriberOfferNotice))
    assert pair.far.notices(rpc.SubscriberOfferNotice)[-1].offer.tracks == {}


async def test_strangers_at_the_link_are_not_believed_and_not_answered(pair: Pair) -> None:
    (info,) = await pair.performer.publish(audio=False)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
        stranger.bind(("127.0.0.1", 0))
        stranger.setblocking(False)
        # The far worker is told that the other one is where the stranger is.
        await pair.far.client.call(
            rpc.RelayOpen(
                link="link", address="127.0.0.1", port=stranger.getsockname()[1],
                tx_key=bytes(44), rx_key=secrets.token_bytes(44),
            )
        )  # fmt: skip
        await pair.far.client.call(rpc.RelayReceive(link="link", room_of={}, tracks=[info]))
        ssrc = info.layers[0].ssrc.to_bytes(4, "big")
        for second in range(256):
            stranger.sendto(
                bytes([0x80, second]) + bytes(6) + ssrc + bytes(40),
                ("127.0.0.1", pair.far.info.port),
            )
        while True:
            dropped = (await pair.far.stats())["links"]["link"]["dropped"]
            if sum(dropped.values()) >= 256:
                break
        assert pair.states(pair.far) in ([], ["lost"])
        received = 0
        while True:
            try:
                stranger.recv(2048)
                received += 1
            except BlockingIOError:
                break
        assert received <= 10  # keepalives only
        assert (await pair.far.stats())["tracks"]["p-video"]["layers"][""]["packets"] == 0


async def test_wrong_keys_and_addresses_are_refused(pair: Pair) -> None:
    for address, key in (("127.0.0.1", bytes(43)), ("not an address", bytes(44))):
        with pytest.raises(RpcError) as caught:
            await pair.near.client.call(
                rpc.RelayOpen(link="x", address=address, port=9, tx_key=key, rx_key=key)
            )
        assert caught.value.code == "bad_request"
    with pytest.raises(RpcError) as caught:
        await pair.near.client.call(rpc.RelaySend(link="x", tracks={}))
    assert caught.value.code == "unknown_link"
    assert (await pair.near.stats())["links"] == {}


async def join(one: RunningWorker, other: RunningWorker, link: str, *, near: bool) -> None:
    up, down = secrets.token_bytes(44), secrets.token_bytes(44)
    for side, port, tx, rx in (
        (one, other.info.port, up, down),
        (other, one.info.port, down, up),
    ):
        await side.client.call(
            rpc.RelayOpen(
                link=link, address="127.0.0.1", port=port, tx_key=tx, rx_key=rx, near=near
            )
        )


@pytest.mark.parametrize("near", [True, False])
async def test_only_within_a_node_does_a_worker_pass_on_what_came_from_another(
    pair: Pair, near: bool
) -> None:
    async with worker() as third:
        viewer = Viewer(third, "b")
        infos = await pair.performer.publish()
        ids = sorted(info.track for info in infos)
        await join(pair.near, pair.far, "link", near=False)
        await pair.carry(*infos)
        await join(pair.far, third, "on", near=near)
        await third.client.call(
            rpc.RelayReceive(link="on", room_of=dict.fromkeys(ids, "room"), tracks=list(infos))
        )
        await pair.far.client.call(rpc.RelaySend(link="on", tracks={i.track: [""] for i in infos}))
        await pair.viewer.watch("p-audio", "p-video")
        await viewer.watch("p-audio", "p-video")
        await shows(pair.viewer.on("p-video"))
        sending = (await pair.far.stats())["links"]["on"]["sending"]
        assert sorted(sending) == (ids if near else [])
        if near:
            await shows(viewer.on("p-video"))
        else:
            assert viewer.on("p-video").decoded_sizes() == []
        viewer.close()


async def test_of_many_voices_only_the_loudest_and_those_wanted_always_cross(pair: Pair) -> None:
    people = [Performer(pair.near, f"p{number}") for number in range(10)]
    try:
        infos = []
        for person in people:
            person.level_dbov = 127
            infos += await person.publish(video=False)
        await pair.open()
        await pair.carry(*infos)
        tracks = {info.track: [""] for info in infos}
        await pair.near.client.call(rpc.RelaySend(link="link", tracks=tracks, always=["p9-audio"]))
        await pair.viewer.watch(*tracks)
        await connected(pair.far, "a")
        for person in people[:6]:
            person.level_dbov = 25

        async def crossed() -> dict[str, int]:
            figures = (await pair.far.stats())["tracks"]
            return {track: figures[track]["layers"][""]["packets"] for track in tracks}

        async def cross(*names: str) -> dict[str, int]:
            """Waits for 25 more packets of each; what crossed meanwhile."""
            before = await crossed()
            while True:
                now = await crossed()
                if all(now[f"{name}-audio"] >= before[f"{name}-audio"] + 25 for name in names):
                    return {track: now[track] - before[track] for track in tracks}

        await cross(*(f"p{number}" for number in range(6)), "p9")
        more = await cross(*(f"p{number}" for number in range(6)), "p9")
        assert [more[f"p{number}-audio"] for number in (6, 7, 8)] == [0, 0, 0]
        # The others fall silent, one of those left out begins to speak: heard over there.
        began = people[7]._ticks
        people[7].level_dbov = 10
        sound = pair.viewer.on("p7-audio")
        await until(lambda: len(sound.packets) >= 25)
        first = sound.packets[min(sound.packets)]
        assert 0 <= first.ts32 // 960 - began <= 1
        assert [pair.viewer.on(track).missing for track in tracks] == [0] * 10
        (link,) = (await pair.far.stats())["links"].values()
        nacked = (await pair.far.stats())["tracks"]
        assert sum(nacked[track]["layers"][""]["nacked"] for track in tracks) == 0, link
    finally:
        for person in people:
            person.close()


async def test_redundant_audio_crosses_a_link_and_is_plain_for_who_loses_nothing(
    pair: Pair,
) -> None:
    infos = await pair.performer.publish(video=False, red=True)
    await pair.open()
    await pair.carry(*infos)
    await pair.viewer.watch("p-audio")
    await connected(pair.far, "a")
    sound = pair.viewer.on("p-audio")
    pair.performer.lose_every(4)
    await until(lambda: pair.performer.lost >= 10)
    pair.performer.lose_every(0)
    await until(lambda: len(sound.packets) >= 60)
    assert sound.missing == 0
    assert {packet.pt for packet in sound.packets.values()} == {111}
    assert sound.heard_samples() == 960 * len(sound.packets)
    layers = (await pair.far.stats())["tracks"]["p-audio"]["layers"]
    assert layers[""]["packets"] >= len(sound.packets)
