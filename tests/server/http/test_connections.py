"""How people are connected, for moderators over HTTP; with real peers at a real worker."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path

import pytest
from aiohttp.test_utils import TestServer
from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families

from rooms.live import Role
from server import keys
from server.http import application
from server.http.media_metrics import families
from tests.server.guests import grant, until
from tests.server.http.venue import Venue
from tests.server.signalling.media import Follower, Receiver, Sender
from tests.server.signalling.nodes import HALL, ROOM, running_node
from tests.services import Valkey

pytestmark = pytest.mark.asyncio(loop_scope="module")

PATH = f"/api/v1/rooms/{ROOM}/connections"


async def test_a_moderator_reads_what_everybody_sends_and_receives(venue: Venue) -> None:
    with closing(Sender()) as sender, closing(Receiver()) as receiver:
        await venue.publish(sender, "ann")
        await venue.play(receiver, f"/whep/{ROOM}")
        tab = await venue.node.tab(grant("bob"))
        follower = Follower(tab)
        (video,) = [t.id for t in tab.session.mirror.live.tracks.values() if t.kind == "video"]
        await follower.view(video)
        await until(lambda: bool(follower.receiver.packets), "packets for bob")
        await receiver.flows("audio", "video")
        staff = venue.token("eva", role=Role.MODERATOR)
        answer, text = await venue.request("GET", PATH, staff)
        assert answer.status == 200, text
        listed = {each["identity"]: each for each in json.loads(text)["connections"]}
        assert set(listed) == {"ann", "screen", "bob"}
        tracks = listed["ann"]["publisher"]["tracks"].values()
        assert {t["codec"] for t in tracks} == {"opus", "VP8"}
        assert all(t["layers"][""]["packets"] > 0 for t in tracks)
        assert listed["ann"]["publisher"]["route"] == {"protocol": "udp", "family": "IPv4"}
        assert listed["ann"]["subscriber"] is None
        assert {t["kind"] for t in listed["screen"]["subscriber"]["tracks"]} == {"audio", "video"}
        (of_bob,) = [t for t in listed["bob"]["subscriber"]["tracks"] if t["track"] == video]
        assert of_bob["packets"] > 0
        assert "127.0.0.1" not in text
        answer, text = await venue.request("GET", f"{PATH}/{tab.session.id}", staff)
        assert json.loads(text)["identity"] == "bob"
        assert json.loads(text)["subscriber"]["state"] == "connected"
        follower.close()


async def test_others_are_refused(venue: Venue) -> None:
    tab = await venue.node.tab(grant("bob"))
    for path in (PATH, f"{PATH}/{tab.session.id}"):
        assert (await venue.request("GET", path, venue.token("bob")))[0].status == 403
        assert (await venue.request("GET", path))[0].status == 401
        elsewhere = venue.token("eva", role=Role.MODERATOR, any_room=False, room=HALL)
        assert (await venue.request("GET", path, elsewhere))[0].status == 404
        assert (await venue.request("GET", f"{path}?ticket=forged"))[0].status == 401
    staff = venue.token("eva", role=Role.MODERATOR)
    assert (await venue.request("GET", f"{PATH}/nobody", staff))[0].status == 404
    other_room = f"/api/v1/rooms/{HALL}/connections/{tab.session.id}"
    assert (await venue.request("GET", other_room, staff))[0].status == 404


async def test_a_session_of_another_node_is_told_by_that_one(
    venue: Venue, tmp_path: Path, valkey_server: Valkey
) -> None:
    async with running_node(tmp_path, valkey_server.url, "sf") as far:
        app = application.build(far.settings)
        app[keys.STORE], app[keys.REALTIME] = far.store, far.realtime
        app[keys.SIGNALLING] = far.signalling
        tab = await far.tab(grant("tomoko"))
        staff = venue.token("eva", role=Role.MODERATOR)
        await until(
            lambda: venue.node.realtime.nodes.find(far.realtime.nodes.me.id), "the other node"
        )
        _, text = await venue.request("GET", PATH, staff)
        (listed,) = [e for e in json.loads(text)["connections"] if e["identity"] == "tomoko"]
        assert (listed["node"], listed["kind"]) == ("sf", "socket")
        path = f"{PATH}/{tab.session.id}"
        answer, _ = await venue.request("GET", path, staff, allow_redirects=False)
        assert answer.status == 307
        for link in (answer.headers["Location"], listed["url"]):
            host, found, ticket = link.partition(path)
            assert (host, found) == (far.realtime.nodes.me.url, path)
            async with TestServer(app) as server:
                async with venue.http.get(server.make_url(path + ticket)) as told:
                    assert (await told.json())["session"] == tab.session.id
                async with venue.http.get(server.make_url(PATH + ticket)) as refused:
                    assert refused.status == 401, "a link opens another page"
        await tab.session.close("left")


async def test_metrics_tell_of_real_traffic_and_of_nobody(venue: Venue) -> None:
    async def read() -> dict[str, float]:
        return {
            f"{sample.name} {' '.join(v for _, v in sorted(sample.labels.items()))}": sample.value
            for family in text_string_to_metric_families((await app[keys.METRICS].text()).decode())
            for sample in family.samples
        }

    async def figures() -> Iterable[Metric]:
        return families(await venue.node.signalling.workers.figures())

    app = application.build(venue.node.settings)
    app[keys.METRICS].ask(figures)
    before = len(await read())
    with closing(Sender(rids=("q", "h", "f"))) as sender, closing(Receiver()) as receiver:
        await venue.publish(sender, "ann")
        await venue.play(receiver, f"/whep/{ROOM}")
        await receiver.flows("audio", "video")

        async def told() -> bool:
            found = await read()
            rate = "yunhai_media_connection_bits_per_second_count"
            return all(found.get(f"{rate} {way} 0") for way in ("publisher", "subscriber"))

        while not await told():
            assert venue.node.up()
        found = await read()
        assert found["yunhai_media_tracks VP8 video 0"] == 1
        assert found["yunhai_media_layers 2 0"] == 1
        assert found["yunhai_media_peers player connected 0"] == 1
        others = [Receiver() for _ in range(5)]
        for number, each in enumerate(others):
            await venue.play(each, f"/whep/{ROOM}", f"screen-{number}")
        # A counter may show for the first time, but nothing grows with the people.
        grown = Counter(name.split()[0] for name in await read() if name not in found)
        assert all(count < len(others) for count in grown.values()), grown
        text = (await app[keys.METRICS].text()).decode()
        for each in others:
            each.close()
    assert before < len(found)
    assert not any(name in text for name in ("ann", "screen", ROOM))
