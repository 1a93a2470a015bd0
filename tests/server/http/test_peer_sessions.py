"""What WHIP and WHEP share over real HTTP: every status, bodies, tokens, limits, ICE restarts."""

from __future__ import annotations

import re
from contextlib import closing
from dataclasses import replace
from typing import Any

import pytest
from aiohttp.test_utils import TestServer

from rooms.live import Role, Source
from server import keys, tokens
from server.http import application
from server.signalling import endpoints, players
from tests.server.guests import until
from tests.server.http.venue import FRAGMENT, SDP, Venue, fragment
from tests.server.signalling.media import Receiver, Sender
from tests.server.signalling.nodes import HALL, ROOM

pytestmark = pytest.mark.asyncio(loop_scope="module")


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
