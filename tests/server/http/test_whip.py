"""WHIP and WHEP over real HTTP, with a real worker: who is in, and media that flows."""

from __future__ import annotations

import asyncio
import os
import re
import signal
from contextlib import closing

import imageio_ffmpeg
import pytest

from rooms.events import RoleChanged, StageChanged
from rooms.ids import Identity
from rooms.live import Role
from tests.server.guests import until
from tests.server.http.venue import SDP, Venue
from tests.server.signalling.media import Receiver, Sender
from tests.server.signalling.nodes import ROOM

pytestmark = pytest.mark.asyncio(loop_scope="module")


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


async def test_a_player_without_the_stream_s_codec_is_told_so(venue: Venue) -> None:
    with closing(Sender()) as sender, closing(Receiver()) as receiver:
        await venue.publish(sender, "ann")
        offer = receiver.client.offer(direction="recvonly").replace("VP8/90000", "H264/90000")
        answer, body = await venue.post(f"/whep/{ROOM}", venue.token("screen"), offer)
        assert answer.status == 422
        assert "VP8" in body


@pytest.mark.slow
async def test_while_a_worker_starts_again_posts_wait_for_it(venue: Venue) -> None:
    with (
        closing(Sender()) as sender,
        closing(Sender()) as other,
        closing(Sender()) as again,
        closing(Receiver()) as receiver,
    ):
        location = await venue.publish(sender, "ann")
        played = await venue.play(receiver, f"/whep/{ROOM}")

        pid = venue.node.pid()
        os.kill(pid, signal.SIGKILL)
        await until(lambda: not venue.node.up(), "the worker to be gone")
        await venue.publish(other, "bob")
        assert venue.node.up()
        assert venue.node.pid() != pid
        await until(lambda: venue.people() == {"bob"}, "the dead encoder to leave")
        for session, who in ((location, "ann"), (played, "screen")):
            assert (await venue.request("DELETE", session, venue.token(who)))[0].status == 404
        await venue.publish(again, "ann")


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
