"""WHIP and WHEP over real HTTP, with a real worker: every status, and media that flows."""

from __future__ import annotations

import asyncio
import os
import re
import signal
from collections.abc import AsyncIterator
from contextlib import closing
from dataclasses import dataclass, replace
from typing import Any

import aiohttp
import imageio_ffmpeg
import pytest
import pytest_asyncio
from aiohttp.test_utils import TestServer

from rooms.events import RoleChanged, StageChanged
from rooms.ids import Identity, RoomId
from rooms.live import Role, Source
from server import keys, tokens
from server.http import application
from server.signalling import endpoints, players
from tests.server.guests import until
from tests.server.signalling.media import Receiver, Sender
from tests.server.signalling.nodes import HALL, ROOM, Node, running_node
from tests.services import Valkey

pytestmark = pytest.mark.asyncio(loop_scope="module")

SDP = "application/sdp"
FRAGMENT = "application/trickle-ice-sdpfrag"


@dataclass
class Venue:
    """A node with its HTTP application served on a free port."""

    node: Node
    http: aiohttp.ClientSession
    url: str

    def token(self, identity: str, **options: Any) -> str:
        """Mint a token that opens every room, as a member who may do everything."""
        values: dict[str, Any] = {"role": Role.MEMBER, "any_room": True, **options}
        return tokens.mint(self.node.settings, identity=identity, name=identity.title(), **values)

    async def request(
        self, method: str, path: str, token: str | None = None, **options: Any
    ) -> tuple[aiohttp.ClientResponse, str]:
        headers = dict(options.pop("headers", {}))
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        async with self.http.request(method, self.url + path, headers=headers, **options) as answer:
            return answer, await answer.text()

    async def post(
        self, path: str, token: str | None, sdp: str, **headers: str
    ) -> tuple[aiohttp.ClientResponse, str]:
        headers = {"Content-Type": SDP} | headers
        return await self.request("POST", path, token, data=sdp, headers=headers)

    async def patch(
        self, path: str, token: str | None, fragment: str, **headers: str
    ) -> tuple[aiohttp.ClientResponse, str]:
        headers = {"Content-Type": FRAGMENT} | {k.replace("_", "-"): v for k, v in headers.items()}
        return await self.request("PATCH", path, token, data=fragment, headers=headers)

    async def publish(self, sender: Sender, identity: str, room: RoomId = ROOM) -> str:
        """Publish as an encoder does; return the session's URL."""
        answer, sdp = await self.post(f"/whip/{room}", self.token(identity), sender.sdp)
        assert answer.status == 201, sdp
        await sender.start(sdp)
        return answer.headers["Location"]

    async def play(self, receiver: Receiver, path: str, identity: str = "screen") -> str:
        """Play as a hall screen does; return the session's URL."""
        offer = receiver.client.offer(direction="recvonly")
        answer, sdp = await self.post(path, self.token(identity), offer)
        assert answer.status == 201, sdp
        receiver.client.take_answer(sdp)
        await receiver.client.connected()
        return answer.headers["Location"]

    def people(self, room: RoomId = ROOM) -> set[str]:
        mirror = self.node.realtime.mirrors.get(room)
        return set(mirror.live.participants) if mirror is not None else set()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def module_venue(
    tmp_path_factory: pytest.TempPathFactory, valkey_server: Valkey
) -> AsyncIterator[Venue]:
    valkey_server.flush()
    async with running_node(tmp_path_factory.mktemp("venue"), valkey_server.url) as node:
        app = application.build(node.settings)
        app[keys.STORE] = node.store
        app[keys.REALTIME] = node.realtime
        app[keys.SIGNALLING] = node.signalling
        async with TestServer(app) as server, aiohttp.ClientSession() as http:
            yield Venue(node, http, str(server.make_url("")).rstrip("/"))


@pytest_asyncio.fixture(loop_scope="module")
async def venue(module_venue: Venue) -> AsyncIterator[Venue]:
    await until(module_venue.node.up, "the worker")
    module_venue.node.signalling.encoders.endpoints._posts.clear()
    yield module_venue
    await module_venue.node.realtime.sessions.close_all("left")


def fragment(sdp: str, **changes: str) -> str:
    """Make a trickle fragment with an offer's credentials."""
    ufrag = changes.get("ufrag") or re.search(r"a=ice-ufrag:(\S+)", sdp)[1]  # type: ignore[index]
    pwd = changes.get("pwd") or re.search(r"a=ice-pwd:(\S+)", sdp)[1]  # type: ignore[index]
    return (
        f"a=ice-ufrag:{ufrag}\r\na=ice-pwd:{pwd}\r\nm=audio 9 UDP/TLS/RTP/SAVPF 0\r\na=mid:0\r\n"
        "a=candidate:1 1 udp 2130706431 192.0.2.1 50000 typ host\r\n"
    )


async def test_an_encoder_is_played_and_leaves_by_delete(venue: Venue) -> None:
    with closing(Sender()) as sender, closing(Receiver()) as receiver:
        answer, sdp = await venue.post(f"/whip/{ROOM}", venue.token("obs"), sender.sdp)
        assert answer.status == 201
        assert answer.content_type == SDP
        location = answer.headers["Location"]
        assert re.fullmatch(r"/whip/sessions/[0-9a-f]{32}", location)
        assert re.fullmatch(r'"[^"]+"', answer.headers["ETag"])
        assert "Link" not in answer.headers
        await sender.start(sdp)
        await until(lambda: "obs" in venue.people(), "the encoder in the roster")
        played = await venue.play(receiver, f"/whep/{ROOM}")
        assert re.fullmatch(r"/whep/sessions/[0-9a-f]{32}", played)
        await receiver.flows("audio", "video")
        assert "screen" not in venue.people()
        for session, who in ((played, "screen"), (location, "obs")):
            assert (await venue.request("DELETE", session, venue.token(who)))[0].status == 200
            assert (await venue.request("DELETE", session, venue.token(who)))[0].status == 404
        await until(lambda: "obs" not in venue.people(), "the encoder to leave")


async def test_an_encoder_that_hangs_up_leaves_the_roster(venue: Venue) -> None:
    with closing(Sender()) as sender, closing(Receiver()) as keeper:
        other = closing(Sender())
        with other as stays:
            await venue.publish(stays, "stays")
            await venue.publish(sender, "goes")
            await venue.play(keeper, f"/whep/{ROOM}")
            await until(lambda: {"stays", "goes"} <= venue.people(), "both encoders")
            sender.close()
            await until(lambda: venue.people() == {"stays"}, "the one that hung up to leave")


async def test_a_new_post_replaces_the_same_person_s_encoder(venue: Venue) -> None:
    with closing(Sender()) as first, closing(Sender()) as second, closing(Receiver()) as receiver:
        before = await venue.publish(first, "obs")
        after = await venue.publish(second, "obs")
        token = venue.token("obs")

        async def gone() -> bool:
            return (await venue.patch(before, token, "", If_Match="*"))[0].status == 404

        await until(lambda: len(venue.node.signalling.encoders.endpoints) == 1, "one encoder")
        assert await gone()
        assert "obs" in venue.people()
        await venue.play(receiver, f"/whep/{ROOM}")
        await receiver.flows("audio", "video")
        assert (await venue.request("DELETE", after, token))[0].status == 200


async def test_two_people_s_encoders_live_side_by_side_and_are_played_by_name(venue: Venue) -> None:
    with (
        closing(Sender()) as ann,
        closing(Sender(video=False)) as bob,
        closing(Receiver()) as screen,
    ):
        await venue.publish(ann, "ann")
        await venue.publish(bob, "bob")
        await venue.play(screen, f"/whep/{ROOM}/bob")
        await screen.flows("audio")
        assert screen.of("video") == 0


async def test_the_program_follows_the_stage_without_a_new_connection(venue: Venue) -> None:
    with (
        closing(Sender(audio=False)) as ann,
        closing(Sender(video=False)) as bob,
        closing(Receiver()) as screen,
    ):
        await venue.publish(ann, "ann")
        await venue.publish(bob, "bob")
        await venue.play(screen, f"/whep/{ROOM}")
        await screen.flows("video")
        await venue.node.realtime.live.update(
            ROOM, lambda live: StageChanged(identity=Identity("bob"))
        )
        await screen.stops("video")
        await screen.flows("audio")
        await venue.node.realtime.live.update(ROOM, lambda live: StageChanged(identity=None))
        await screen.flows("video")


@pytest.mark.slow
async def test_a_player_waits_in_place_while_its_stream_is_away(venue: Venue) -> None:
    with closing(Sender()) as first, closing(Sender()) as second, closing(Receiver()) as screen:
        location = await venue.publish(first, "ann")
        await venue.play(screen, f"/whep/{ROOM}/ann")
        await screen.flows("video")
        await venue.request("DELETE", location, venue.token("ann"))
        await screen.stops("video")
        await venue.publish(second, "ann")
        await screen.flows("video", "audio")


@pytest.mark.slow
async def test_three_hundred_players_of_one_token_are_let_in(venue: Venue) -> None:
    """Most only negotiate here: the load itself is a matter for a benchmark."""
    with closing(Sender()) as sender, closing(Receiver()) as receiver:
        await venue.publish(sender, "bench")
        token, offer = venue.token("bench"), receiver.client.offer(direction="recvonly")
        for _ in range(30):
            answers = await asyncio.gather(
                *(venue.post(f"/whep/{ROOM}", token, offer) for _ in range(10))
            )
            assert {answer.status for answer, _ in answers} == {201}
        assert len(venue.node.signalling.players.endpoints) == 300


async def test_a_room_is_made_on_first_use_when_the_token_may(venue: Venue) -> None:
    with closing(Sender()) as sender:
        answer, body = await venue.post("/whip/bench0", venue.token("obs"), sender.sdp)
        assert (answer.status, "not_found" in body) == (404, True)
        offer = Receiver()
        maker = venue.token("obs", create=True)
        with closing(offer):
            text = offer.client.offer(direction="recvonly")
            answer, body = await venue.post("/whep/bench0", maker, text)
            assert (answer.status, answer.headers["Retry-After"]) == (409, "2")
            answer, sdp = await venue.post("/whip/bench0", maker, sender.sdp)
            assert answer.status == 201
            await sender.start(sdp)
            answer, _ = await venue.post("/whep/bench0", maker, text)
            assert answer.status == 201


async def test_candidates_are_taken_and_ice_restarts(venue: Venue) -> None:
    with closing(Sender()) as sender, closing(Receiver()) as receiver:
        token = venue.token("obs")
        answer, sdp = await venue.post(f"/whip/{ROOM}", token, sender.sdp)
        await sender.start(sdp)
        location, etag = answer.headers["Location"], answer.headers["ETag"]
        answer, body = await venue.patch(location, token, fragment(sender.sdp), If_Match=etag)
        assert (answer.status, body) == (204, "")
        fresh = sender.client.restart_ice()
        changed = fragment(sender.sdp, ufrag=fresh.ufrag, pwd=fresh.pwd)
        answer, ours = await venue.patch(location, token, changed, If_Match='"*"')
        assert answer.status == 200
        assert answer.content_type == FRAGMENT
        assert answer.headers["ETag"] not in (etag, "")
        old_ufrag = re.search(r"a=ice-ufrag:(\S+)", sdp)
        assert old_ufrag is not None
        assert old_ufrag[1] not in ours
        sender.client.take_restart(ours)
        await venue.play(receiver, f"/whep/{ROOM}")
        await receiver.flows("audio", "video")
        answer, _ = await venue.patch(location, token, changed, If_Match=etag)
        assert answer.status == 412
        answer, _ = await venue.patch(location, token, "a=end-of-candidates\r\n", If_Match="*")
        assert answer.status == 204


@pytest.mark.slow
async def test_a_player_restarts_too(venue: Venue) -> None:
    with closing(Sender()) as sender, closing(Receiver()) as receiver:
        await venue.publish(sender, "ann")
        token = venue.token("screen")
        offer = receiver.client.offer(direction="recvonly")
        answer, sdp = await venue.post(f"/whep/{ROOM}", token, offer)
        receiver.client.take_answer(sdp)
        await receiver.flows("video")
        fresh = receiver.client.restart_ice()
        changed = fragment(offer, ufrag=fresh.ufrag, pwd=fresh.pwd)
        answer, ours = await venue.patch(answer.headers["Location"], token, changed, If_Match="*")
        assert answer.status == 200
        receiver.client.take_restart(ours)
        await receiver.flows("video", "audio", more=30)


@pytest.mark.parametrize(
    ("content", "headers", "status"),
    [
        (None, {}, 428),
        (None, {"If-Match": '"another"'}, 412),
        (None, {"If-Match": 'W/"another"'}, 412),
        (None, {"If-Match": "*", "Content-Type": SDP}, 415),
        (None, {"If-Match": "*", "Content-Type": "text/plain"}, 415),
        ("nonsense", {"If-Match": "*"}, 422),
        ("a=ice-ufrag:abcd\r\n", {"If-Match": "*"}, 422),
        ("", {"If-Match": "*"}, 422),
        ("a=x:" + "y" * 20_000, {"If-Match": "*"}, 413),
    ],
)
async def test_a_wrong_patch_is_refused_and_the_session_goes_on(
    venue: Venue, content: str | None, headers: dict[str, str], status: int
) -> None:
    with closing(Sender()) as sender, closing(Receiver()) as receiver:
        location = await venue.publish(sender, "obs")
        text = fragment(sender.sdp) if content is None else content
        answer, body = await venue.request(
            "PATCH",
            location,
            venue.token("obs"),
            data=text,
            headers={"Content-Type": FRAGMENT} | headers,
        )
        assert answer.status == status, body
        await venue.play(receiver, f"/whep/{ROOM}")
        await receiver.flows("video")


async def test_a_flood_of_patches_is_slowed_down(venue: Venue) -> None:
    with closing(Sender()) as sender:
        location = await venue.publish(sender, "obs")
        token, text = venue.token("obs"), fragment(sender.sdp)
        statuses = [
            (await venue.patch(location, token, text, If_Match="*"))[0].status
            for _ in range(int(endpoints.PATCH_BURST) + 20)
        ]
        assert statuses[:10] == [204] * 10
        assert statuses[-1] == 429


async def test_a_flood_of_posts_is_slowed_down(venue: Venue) -> None:
    token = venue.token("flooder")
    answers = [(await venue.post(f"/whip/{ROOM}", token, "v=0"))[0] for _ in range(40)]
    assert {answer.status for answer in answers[:10]} == {422}
    assert answers[-1].status == 429
    assert int(answers[-1].headers["Retry-After"]) > 0
    with closing(Sender()) as sender:
        await venue.publish(sender, "somebody-else")


async def test_a_token_has_a_bounded_number_of_players(
    venue: Venue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(players, "MAX_PER_IDENTITY", 2)
    with closing(Sender()) as sender, closing(Receiver()) as receiver:
        await venue.publish(sender, "ann")
        offer = receiver.client.offer(direction="recvonly")
        path, token = f"/whep/{ROOM}", venue.token("screen")
        statuses = [(await venue.post(path, token, offer))[0].status for _ in range(3)]
        assert statuses == [201, 201, 429]
        assert (await venue.post(path, venue.token("another"), offer))[0].status == 201


async def test_a_removed_person_s_encoder_stays_out(venue: Venue) -> None:
    with closing(Sender()) as sender, closing(Sender()) as again:
        await venue.publish(sender, "troll")
        await until(lambda: "troll" in venue.people(), "the encoder")
        bans, live = venue.node.store.bans, venue.node.realtime.live
        await bans.add(ROOM, Identity("troll"), by=Identity("ann"), at_ms=1)
        await live.remove(ROOM, Identity("troll"))
        await until(lambda: "troll" not in venue.people(), "the encoder to be removed")
        answer, body = await venue.post(f"/whip/{ROOM}", venue.token("troll"), again.sdp)
        assert (answer.status, "removed" in body) == (403, True)


async def test_an_encoder_ends_when_its_person_may_publish_no_more(venue: Venue) -> None:
    with closing(Sender()) as sender:
        await venue.publish(sender, "demoted")
        await until(lambda: "demoted" in venue.people(), "the encoder")
        change = RoleChanged(identity=Identity("demoted"), role=Role.VIEWER, by=Identity("bob"))
        await venue.node.realtime.live.update(ROOM, lambda live: change)
        await until(lambda: not venue.people(), "the encoder to end")


async def test_turn_servers_are_named_in_link_headers(venue: Venue) -> None:
    settings = replace(
        venue.node.settings,
        turn_urls=("turn:turn.example.org:3478?transport=udp",),
        turn_secret="s" * 32,
    )
    app = application.build(settings)
    app[keys.SIGNALLING] = venue.node.signalling
    async with TestServer(app) as server:
        with closing(Sender()) as sender:
            async with venue.http.post(
                server.make_url(f"/whip/{ROOM}"),
                data=sender.sdp,
                headers={"Content-Type": SDP, "Authorization": f"Bearer {venue.token('obs')}"},
            ) as answer:
                assert answer.status == 201
                link = answer.headers["Link"]
    assert link.startswith(
        '<turn:turn.example.org:3478?transport=udp>; rel="ice-server"; username='
    )
    assert 'credential-type="password"' in link


@pytest.mark.parametrize("kind", ["whip", "whep"])
async def test_tokens_are_asked_for_on_every_verb(venue: Venue, kind: str) -> None:
    with closing(Sender()) as sender, closing(Receiver()) as receiver:
        whip = await venue.publish(sender, "obs")
        session = whip if kind == "whip" else await venue.play(receiver, f"/whep/{ROOM}", "obs")
        foreign = tokens.mint(
            replace(venue.node.settings, secret="another-secret-that-is-long-enough-0"),
            identity="obs", name="Obs", role=Role.MEMBER, any_room=True,
        )  # fmt: skip
        expired = venue.token("obs", ttl_s=1, now_ms=1_000_000)
        for bad in (None, "nonsense", foreign, expired):
            for method, path in (
                ("POST", f"/{kind}/{ROOM}"),
                ("PATCH", session),
                ("DELETE", session),
            ):
                answer, body = await venue.request(method, path, bad, data=b"")
                assert answer.status == 401, (method, body)
                assert answer.headers["WWW-Authenticate"].startswith("Bearer")
                assert "bad_token" in body
        for method in ("PATCH", "DELETE"):
            answer, _ = await venue.request(method, session, venue.token("somebody"))
            assert answer.status == 403
        answer, _ = await venue.request("DELETE", session, venue.token("obs"))
        assert answer.status == 200


@pytest.mark.parametrize(
    ("path", "options", "status"),
    [
        (f"/whip/{ROOM}", {"role": Role.VIEWER}, 403),
        (f"/whip/{ROOM}", {"publish": False}, 403),
        (f"/whip/{ROOM}", {"sources": frozenset({Source.MICROPHONE})}, 403),
        (f"/whip/{ROOM}", {"any_room": False, "room": "elsewhere"}, 403),
        ("/whip/nowhere", {"any_room": False, "room": "elsewhere"}, 403),
        (f"/whip/{HALL}", {}, 403),
        (f"/whip/{HALL}", {"role": Role.SPEAKER}, 201),
        (f"/whip/{ROOM}", {"any_room": False, "room": str(ROOM)}, 201),
        ("/whip/nowhere", {}, 404),
        ("/whip/No_Room", {}, 404),
        (f"/whep/{ROOM}", {"subscribe": False}, 403),
        (f"/whep/{ROOM}", {"any_room": False, "room": "elsewhere"}, 403),
        (f"/whep/{ROOM}", {}, 409),
        (f"/whep/{ROOM}", {"role": Role.VIEWER, "publish": False}, 409),
        (f"/whep/{ROOM}/nobody", {}, 409),
        (f"/whep/{ROOM}/no%20body", {}, 404),
        ("/whep/nowhere", {}, 404),
    ],
)
async def test_who_may_do_what_where(
    venue: Venue, path: str, options: dict[str, Any], status: int
) -> None:
    with closing(Sender()) as sender:
        answer, body = await venue.post(path, venue.token("obs", **options), sender.sdp)
    assert answer.status == status, body
    if status == 409:
        assert int(answer.headers["Retry-After"]) > 0
    if status != 201:
        assert answer.headers["Access-Control-Allow-Origin"] == "*"
        assert '"message"' in body


@pytest.mark.parametrize("kind", ["whip", "whep"])
@pytest.mark.parametrize(
    ("sdp", "content_type", "status"),
    [
        ("", SDP, 422),
        (" \r\n", SDP, 422),
        ("hello", SDP, 422),
        ("v=0\r\n", SDP, 422),
        ("v=0\r\nm=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\n", SDP, 422),
        ("v=0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 0\r\n", SDP, 422),
        ("\xff\xfe", "application/sdp; charset=latin-1", 422),
        ("v=0\r\n" + "a=x\r\n" * 20_000, SDP, 413),
        ("v=0", "application/json", 415),
        ("v=0", "", 415),
    ],
)
async def test_a_bad_offer_is_refused_with_its_cause(
    venue: Venue, kind: str, sdp: str, content_type: str, status: int
) -> None:
    with closing(Sender()) as sender:
        await venue.publish(sender, "ann")
        headers = {"Content-Type": content_type}
        token = venue.token("obs")
        body = sdp.encode("latin-1")
        answer, text = await venue.request(
            "POST", f"/{kind}/{ROOM}", token, data=body, headers=headers
        )
        assert answer.status == status, text
        assert '"message"' in text
        await until(lambda: "obs" not in venue.people(), "nobody to be left over")


async def test_a_compressed_offer_is_refused(venue: Venue) -> None:
    with closing(Sender()) as sender:
        answer, _ = await venue.request(
            "POST",
            f"/whip/{ROOM}",
            venue.token("obs"),
            data=sender.sdp.encode(),
            headers={"Content-Type": SDP, "Content-Encoding": "gzip"},
        )
    assert answer.status == 415


async def test_a_player_without_the_stream_s_codec_is_told_so(venue: Venue) -> None:
    with closing(Sender()) as sender, closing(Receiver()) as receiver:
        await venue.publish(sender, "ann")
        offer = receiver.client.offer(direction="recvonly").replace("VP8/90000", "H264/90000")
        answer, body = await venue.post(f"/whep/{ROOM}", venue.token("screen"), offer)
        assert answer.status == 422
        assert "VP8" in body


@pytest.mark.slow
async def test_while_the_worker_is_away_posts_are_told_when_to_come_back(venue: Venue) -> None:
    with closing(Sender()) as sender, closing(Sender()) as again, closing(Receiver()) as receiver:
        location = await venue.publish(sender, "ann")
        played = await venue.play(receiver, f"/whep/{ROOM}")

        pid = venue.node.pid()
        os.kill(pid, signal.SIGKILL)
        await until(lambda: not venue.node.up(), "the worker to be gone")
        answer, body = await venue.post(f"/whip/{ROOM}", venue.token("bob"), again.sdp)
        assert (answer.status, "unavailable" in body) == (503, True)
        assert int(answer.headers["Retry-After"]) > 0
        await until(venue.node.up, "the next worker")
        await until(lambda: venue.people() == set(), "the dead encoder to leave")
        for session, who in ((location, "ann"), (played, "screen")):
            assert (await venue.request("DELETE", session, venue.token(who)))[0].status == 404
        await venue.publish(again, "ann")


@pytest.mark.parametrize(
    "path",
    [f"/whip/{ROOM}", f"/whep/{ROOM}", f"/whep/{ROOM}/ann", "/whip/sessions/0", "/whep/sessions/0"],
)
async def test_pages_of_any_origin_may_ask(venue: Venue, path: str) -> None:
    answer, _ = await venue.request("OPTIONS", path, headers={"Origin": "https://example.org"})
    assert answer.status == 200
    assert answer.headers["Accept-Post"] == SDP
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert {"POST", "PATCH", "DELETE"} <= set(
        answer.headers["Access-Control-Allow-Methods"].split(", ")
    )
    assert {"Authorization", "Content-Type", "If-Match"} <= set(
        answer.headers["Access-Control-Allow-Headers"].split(", ")
    )
    assert {"Location", "Link", "ETag"} <= set(
        answer.headers["Access-Control-Expose-Headers"].split(", ")
    )


@pytest.mark.parametrize("path", [f"/whip/{ROOM}", f"/whep/{ROOM}", f"/whep/{ROOM}/ann"])
async def test_a_head_request_finds_an_endpoint_and_a_get_none(venue: Venue, path: str) -> None:
    answer, _ = await venue.request("HEAD", path)
    assert (answer.status, answer.content_type) == (200, SDP)
    answer, _ = await venue.request("GET", path)
    assert answer.status == 405


@pytest.mark.slow
async def test_ffmpeg_publishes_h264_and_a_player_receives_it(venue: Venue) -> None:
    """FFmpeg offers setup:passive and H264, RTX and Opus, and ends by DELETE."""
    command = [
        imageio_ffmpeg.get_ffmpeg_exe(), "-hide_banner", "-loglevel", "warning",
        "-re", "-f", "lavfi", "-i", "testsrc=size=320x240:rate=15",
        "-re", "-f", "lavfi", "-i", "sine=frequency=440:sample_rate=48000",
        "-c:v", "libx264", "-profile:v", "baseline", "-preset", "ultrafast", "-tune", "zerolatency",
        "-pix_fmt", "yuv420p", "-bf", "0", "-g", "15", "-c:a", "libopus", "-ac", "2",
        "-t", "60", "-f", "whip", "-authorization", venue.token("ffmpeg"),
        f"{venue.url}/whip/{ROOM}",
    ]  # fmt: skip
    ffmpeg = await asyncio.create_subprocess_exec(
        *command, stdin=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    with closing(Receiver()) as receiver:
        try:

            def published() -> set[str]:
                assert ffmpeg.returncode is None
                mirror = venue.node.realtime.mirrors.get(ROOM)
                return {t.codec for t in mirror.live.tracks.values()} if mirror else set()

            await until(lambda: published() == {"H264", "opus"}, "FFmpeg's tracks", timeout_s=30.0)
            offer = receiver.client.offer(direction="recvonly").replace("VP8/90000", "H264/90000")
            offer = re.sub(
                r"(a=rtpmap:(\d+) H264/90000\r\n)",
                r"\1a=fmtp:\2 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f\r\n",
                offer,
            )
            answer, sdp = await venue.post(f"/whep/{ROOM}", venue.token("screen"), offer)
            assert answer.status == 201, sdp
            receiver.client.take_answer(sdp)
            await receiver.flows("audio", "video", more=30)
        finally:
            if ffmpeg.returncode is None:
                assert ffmpeg.stdin is not None
                ffmpeg.stdin.write(b"q")
                ffmpeg.stdin.close()
            try:
                async with asyncio.timeout(10):
                    _, errors = await ffmpeg.communicate()
            except TimeoutError:
                ffmpeg.kill()
                _, errors = await ffmpeg.communicate()
            print(errors.decode(errors="replace"))
    await until(lambda: "ffmpeg" not in venue.people(), "FFmpeg to leave")
