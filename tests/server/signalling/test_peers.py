"""The media commands of tabs: real worker, real Redis, real DTLS, no browser."""

from __future__ import annotations

import os
import signal
import socket
from contextlib import closing
from dataclasses import replace
from typing import Any

import pytest

from rooms.commands import MediaAnswer, MediaPublish, MediaRestart, MediaView, OfferedTrack
from rooms.errors import Code, RoomError
from rooms.events import FloorGiven, FloorTaken, TrackUpdated
from rooms.ids import Identity, TrackId
from rooms.live import Role, Source, Track
from server.signalling import media_link, wishes
from tests.server.guests import grant, until
from tests.server.signalling.media import Follower, Sender
from tests.server.signalling.nodes import HALL, MICROPHONE_ONLY, ROOM, Node, Tab
from tests.services import Valkey

pytestmark = pytest.mark.asyncio(loop_scope="module")

MIC = OfferedTrack(mid="0", source=Source.MICROPHONE)
CAMERA = OfferedTrack(mid="1", source=Source.CAMERA)


async def publish(tab: Tab, sender: Sender, *offered: OfferedTrack) -> list[Track]:
    """Publish what the sender offers (microphone and camera), start to send, and hear of it."""
    command = MediaPublish(sdp=sender.sdp, tracks=list(offered or (MIC, CAMERA)))
    result: dict[str, Any] = await tab.node.signalling.peers.publish(tab.session, command)
    await sender.start(result["sdp"])
    tracks: list[Track] = result["tracks"]
    records = tab.session.mirror.records
    await until(lambda: all(track.id in records for track in tracks), "the room to hear of them")
    return tracks


def tracks_of(node: Node, identity: str) -> dict[Source, Track]:
    mirror = node.realtime.mirrors.get(ROOM) or node.realtime.mirrors.get(HALL)
    assert mirror is not None
    return {t.source: t for t in mirror.live.tracks.values() if t.identity == identity}


async def refused(tab: Tab, command: MediaPublish) -> RoomError:
    with pytest.raises(RoomError) as refusal:
        await tab.node.signalling.peers.publish(tab.session, command)
    return refusal.value


async def test_what_one_tab_sends_another_receives(node: Node) -> None:
    ann, bob = await node.tab(grant("ann")), await node.tab(grant("bob"))
    with closing(Sender()) as sender, closing(Follower(bob)) as follower:
        await follower.view()
        tracks = await publish(ann, sender)
        assert [(t.source, t.codec, t.identity) for t in tracks] == [
            (Source.MICROPHONE, "opus", "ann"),
            (Source.CAMERA, "VP8", "ann"),
        ]
        await ann.signal("media.state", peer="publisher", state="connected")
        await until(lambda: len(tracks_of(node, "ann")) == 2, "both tracks in the room")
        await follower.receiver.flows("audio")
        assert follower.receiver.of("video") == 0
        await follower.view(tracks[1].id)
        await follower.receiver.flows("audio", "video")
        await bob.signal("media.state", peer="subscriber", state="connected")
        offers = bob.named("media.offer")
        assert [offer["generation"] for offer in offers] == sorted(
            {offer["generation"] for offer in offers}
        )
        assert {t["track"] for t in offers[-1]["tracks"]} == {t.id for t in tracks}
        await follower.view(audio=False)
        await follower.receiver.stops("audio")


async def test_nobody_hears_themselves_even_in_another_tab(node: Node) -> None:
    ann, again = await node.tab(grant("ann")), await node.tab(grant("ann"))
    bob = await node.tab(grant("bob"))
    with closing(Sender(video=False)) as sender, closing(Follower(bob)) as follower:
        await publish(ann, sender, MIC)
        for tab in (ann, again):
            await node.signalling.peers.view(tab.session, MediaView())
        await follower.view()
        await follower.receiver.flows("audio")
        assert ann.named("media.offer") == again.named("media.offer") == []


async def test_who_leaves_takes_their_tracks_along(node: Node) -> None:
    ann, bob = await node.tab(grant("ann")), await node.tab(grant("bob"))
    with closing(Sender()) as sender, closing(Follower(bob)) as follower:
        await publish(ann, sender)
        await follower.view()
        await follower.receiver.flows("audio")
        await ann.session.close("left")
        await until(lambda: not tracks_of(node, "ann"), "no tracks of ann")
        await follower.receiver.stops("audio")
        assert f"publisher/{ann.session.id}" not in str(await node.stats())


async def test_a_line_no_longer_named_is_unpublished_and_the_others_stay(node: Node) -> None:
    ann = await node.tab(grant("ann"))
    with closing(Sender()) as sender:
        before = {t.source: t.id for t in await publish(ann, sender)}
        command = MediaPublish(sdp=sender.sdp, tracks=[MIC])
        result: dict[str, Any] = await node.signalling.peers.publish(ann.session, command)
        assert [t.id for t in result["tracks"]] == [before[Source.MICROPHONE]]
        await until(
            lambda: tracks_of(node, "ann").keys() == {Source.MICROPHONE}, "the microphone alone"
        )
        nothing = MediaPublish(sdp=sender.sdp, tracks=[])
        last: dict[str, Any] = await node.signalling.peers.publish(ann.session, nothing)
        assert last["tracks"] == []
        assert "a=inactive" in last["sdp"]
        await until(lambda: not tracks_of(node, "ann"), "nothing published")


async def test_a_muted_track_is_announced_as_muted(node: Node) -> None:
    ann = await node.tab(grant("ann"))
    with closing(Sender(video=False)) as sender:
        offered = OfferedTrack(mid="0", source=Source.MICROPHONE, muted=True)
        (track,) = await publish(ann, sender, offered)
        assert track.muted
        assert not track.forced


async def test_another_connection_of_the_same_tab_replaces_the_first(node: Node) -> None:
    ann = await node.tab(grant("ann"))
    with closing(Sender()) as first, closing(Sender()) as second:
        before = {t.id for t in await publish(ann, first)}
        after = {t.id for t in await publish(ann, second)}
        assert not before & after
        await until(
            lambda: {t.id for t in tracks_of(node, "ann").values()} == after, "the new tracks alone"
        )


async def test_the_newest_tab_has_the_camera(node: Node) -> None:
    ann, again = await node.tab(grant("ann")), await node.tab(grant("ann"))
    with closing(Sender()) as first, closing(Sender(audio=False)) as second:
        await publish(ann, first)
        (camera,) = await publish(again, second, OfferedTrack(mid="0", source=Source.CAMERA))
        await until(
            lambda: tracks_of(node, "ann")[Source.CAMERA].id == camera.id, "the new camera alone"
        )
        await until(lambda: len(ann.session.tracks) == 1, "the first tab to lose its camera")
        assert tracks_of(node, "ann").keys() == {Source.MICROPHONE, Source.CAMERA}


@pytest.mark.parametrize(
    ("who", "room", "cause"),
    [
        (grant("vic", role=Role.VIEWER), ROOM, "viewer"),
        (grant("mel"), HALL, "Raise your hand"),
        (grant("tom", may_publish=False), ROOM, "token"),
        (grant("liz", sources=MICROPHONE_ONLY), ROOM, "camera"),
    ],
)
async def test_who_may_not_publish_is_told_why(node: Node, who: Any, room: Any, cause: str) -> None:
    tab = await node.tab(who, room)
    with closing(Sender()) as sender:
        error = await refused(tab, MediaPublish(sdp=sender.sdp, tracks=[MIC, CAMERA]))
    assert error.code is Code.FORBIDDEN
    assert cause in error.message
    assert not tab.session.tracks


async def test_whose_floor_is_taken_is_silent_at_once(node: Node) -> None:
    mel, bob = await node.tab(grant("mel"), HALL), await node.tab(grant("bob"), HALL)
    by = Identity("ann")
    await node.realtime.live.update(
        HALL, lambda live: FloorGiven(identity=mel.session.identity, by=by)
    )
    await until(lambda: mel.session.floor, "the floor")
    with closing(Sender()) as sender, closing(Follower(bob)) as follower:
        await publish(mel, sender)
        await follower.view()
        await follower.receiver.flows("audio")
        await node.realtime.live.update(
            HALL, lambda live: FloorTaken(identity=mel.session.identity, by=by)
        )
        await mel.signal("media.state", peer="publisher", state="closed")
        await until(lambda: not tracks_of(node, "mel"), "no tracks of mel")
        await follower.receiver.stops("audio")
        assert (
            await refused(mel, MediaPublish(sdp=sender.sdp, tracks=[MIC]))
        ).code is Code.FORBIDDEN


async def test_whose_floor_is_taken_during_an_offer_is_silent_too(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing was published yet when the floor went, so nothing was taken back afterwards."""
    mel, ann = await node.tab(grant("mel"), HALL), Identity("ann")
    await node.realtime.live.update(HALL, lambda live: FloorGiven(identity=Identity("mel"), by=ann))
    await until(lambda: mel.session.floor, "the floor")
    offer = node.signalling.workers.links[0].publisher_offer

    async def slow_offer(request: Any) -> Any:
        answer = await offer(request)
        taken = FloorTaken(identity=Identity("mel"), by=ann)
        await node.realtime.live.update(HALL, lambda live: taken)
        await until(lambda: not mel.session.floor, "the floor gone")
        return answer

    monkeypatch.setattr(node.signalling.workers.links[0], "publisher_offer", slow_offer)
    with closing(Sender()) as sender:
        command = MediaPublish(sdp=sender.sdp, tracks=[MIC, CAMERA])
        await node.signalling.peers.publish(mel.session, command)
        await mel.signal("media.state", peer="publisher", state="closed")
        await until(lambda: not tracks_of(node, "mel"), "no tracks of mel")


async def test_a_track_published_by_a_call_that_failed_does_not_stay(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Redis had stored it when the connection broke, and it stayed in the room beside the next."""
    ann = await node.tab(grant("ann"))
    publish_track = node.realtime.live.publish_track

    async def fail_late(record: Any) -> None:
        await publish_track(record)
        raise RoomError(Code.UNAVAILABLE, "The answer was lost.")

    with closing(Sender(video=False)) as sender:
        with monkeypatch.context() as patched:
            patched.setattr(node.realtime.live, "publish_track", fail_late)
            error = await refused(ann, MediaPublish(sdp=sender.sdp, tracks=[MIC]))
        assert error.code is Code.UNAVAILABLE
        (track,) = await publish(ann, sender, MIC)
        mirror = ann.session.mirror
        await until(lambda: mirror.live.tracks.keys() == {track.id}, "the second alone")


async def test_what_ends_while_redis_is_away_is_not_restored_with_the_session(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A Redis that comes back empty is filled from the sessions, and was told of dead tracks."""
    ann = await node.tab(grant("ann"))

    async def away(*_: object) -> None:
        raise RoomError(Code.UNAVAILABLE, "Redis is away.")

    with closing(Sender(video=False)) as sender:
        await publish(ann, sender, MIC)
        await until(lambda: ann.session.tracks, "the track to be kept")
        monkeypatch.setattr(node.realtime.live, "unpublish_track", away)
        await node.signalling.peers.of(ann.session).publisher.end()
        assert not ann.session.tracks


async def test_what_a_moderator_muted_is_held_back_until_lifted(node: Node) -> None:
    ann, bob = await node.tab(grant("ann")), await node.tab(grant("bob"))
    with closing(Sender(video=False)) as sender, closing(Follower(bob)) as follower:
        (track,) = await publish(ann, sender, MIC)
        await follower.view()
        await follower.receiver.flows("audio")
        await node.signalling.peers.hold(ROOM, track.id, True)
        await follower.receiver.stops("audio")
        await node.signalling.peers.hold(ROOM, track.id, False)
        await follower.receiver.flows("audio")


async def test_a_forced_mute_is_held_back_by_whoever_has_the_track(node: Node) -> None:
    """The moderator's node only says so in the room; this is the other node's part."""
    ann, bob = await node.tab(grant("ann")), await node.tab(grant("bob"))
    with closing(Sender(video=False)) as sender, closing(Follower(bob)) as follower:
        (track,) = await publish(ann, sender, MIC)
        await follower.view()
        await follower.receiver.flows("audio")
        await node.realtime.live.update(
            ROOM, lambda live: TrackUpdated(track=replace(track, muted=True, forced=True))
        )
        await follower.receiver.stops("audio")
        # An unmute that was said before it comes too late to let anything through.
        heard = follower.receiver.of("audio")
        await node.signalling.peers.hold(ROOM, track.id, False)
        await follower.receiver.stops("audio")
        assert follower.receiver.of("audio") == heard
        await node.realtime.live.update(ROOM, lambda live: TrackUpdated(track=track))
        await follower.receiver.flows("audio")


async def test_who_unmutes_is_heard_though_there_are_more_voices_than_are_sent(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wishes, "MAX_VOICES", 1)
    ann, bob, cem = [await node.tab(grant(who)) for who in ("ann", "bob", "cem")]
    muted = OfferedTrack(mid="0", source=Source.MICROPHONE, muted=True)
    with (
        closing(Sender(video=False)) as first,
        closing(Sender(video=False)) as second,
        closing(Follower(cem)) as follower,
    ):
        (of_ann,) = await publish(ann, first, muted)
        (of_bob,) = await publish(bob, second, MIC)
        await until(lambda: tracks_of(node, "bob"), "both microphones")
        await follower.view()
        offer = await cem.signal("media.offer")
        assert [t["track"] for t in offer["tracks"]] == [of_bob.id]
        for track in (replace(of_bob, muted=True), replace(of_ann, muted=False)):
            await node.realtime.live.update_track(ROOM, track)
        await until(
            lambda: [t["track"] for t in cem.named("media.offer")[-1]["tracks"]] == [of_ann.id],
            "an offer of ann's voice alone",
        )


async def test_holding_what_has_ended_is_refused(node: Node) -> None:
    with pytest.raises(RoomError) as refusal:
        await node.signalling.peers.hold(ROOM, TrackId("t_0"), True)
    assert refusal.value.code is Code.NOT_FOUND


@pytest.mark.parametrize(
    "sdp",
    [
        "",
        "hello",
        "v=0\r\n",
        "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\n",
        "v=0\r\n" + "a=x:" + "y" * 60_000,
        "v=0\r\n" + "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\n" * 1000,
        "\x00" * 100,
    ],
)
async def test_a_bad_offer_is_refused_with_its_cause(node: Node, sdp: str) -> None:
    ann = await node.tab(grant("ann"))
    error = await refused(ann, MediaPublish(sdp=sdp, tracks=[MIC]))
    assert error.code is Code.BAD_SDP
    assert error.message.endswith("try again.")
    with closing(Sender(video=False)) as sender:
        await publish(ann, sender, MIC)


async def test_names_that_collide_are_refused(node: Node) -> None:
    ann = await node.tab(grant("ann"))
    with closing(Sender()) as sender:
        for second in (
            OfferedTrack(mid="0", source=Source.CAMERA),
            OfferedTrack(mid="1", source=Source.MICROPHONE),
        ):
            error = await refused(ann, MediaPublish(sdp=sender.sdp, tracks=[MIC, second]))
            assert error.code is Code.BAD_COMMAND


async def test_a_camera_on_a_line_of_sound_is_refused(node: Node) -> None:
    ann = await node.tab(grant("ann"))
    with closing(Sender(video=False)) as sender:
        command = MediaPublish(sdp=sender.sdp, tracks=[OfferedTrack(mid="0", source=Source.CAMERA)])
        assert (await refused(ann, command)).code is Code.BAD_COMMAND
        assert not tracks_of(node, "ann")


async def test_who_may_not_subscribe_is_told_so(node: Node) -> None:
    tab = await node.tab(grant("eve", may_subscribe=False))
    with pytest.raises(RoomError) as refusal:
        await node.signalling.peers.view(tab.session, MediaView())
    assert refusal.value.code is Code.FORBIDDEN


async def test_a_bad_answer_is_refused_and_an_old_one_ignored(node: Node) -> None:
    ann, bob = await node.tab(grant("ann")), await node.tab(grant("bob"))
    with closing(Sender(video=False)) as sender:
        await publish(ann, sender, MIC)
        await node.signalling.peers.view(bob.session, MediaView())
        offer = await bob.signal("media.offer")
        generation = offer["generation"]
        old = MediaAnswer(generation=generation - 1, sdp="nonsense")
        assert await node.signalling.peers.answer(bob.session, old) == {}
        with pytest.raises(RoomError) as refusal:
            await node.signalling.peers.answer(
                bob.session, MediaAnswer(generation=generation, sdp="nonsense")
            )
        assert refusal.value.code is Code.BAD_SDP


async def test_an_offer_lost_with_its_socket_is_made_again(node: Node) -> None:
    ann, bob = await node.tab(grant("ann")), await node.tab(grant("bob"))
    with closing(Sender(video=False)) as sender:
        await publish(ann, sender, MIC)
        await node.signalling.peers.view(bob.session, MediaView())
        first = await bob.signal("media.offer")
        with closing(Follower(bob)) as follower:
            await follower.view()
            assert await bob.signal("media.offer", after=1) == first
            await follower.receiver.flows("audio")


@pytest.mark.parametrize("anew", [False, True])
async def test_a_restart_offers_again_and_media_goes_on(node: Node, anew: bool) -> None:
    ann, bob = await node.tab(grant("ann")), await node.tab(grant("bob"))
    with closing(Sender(video=False)) as sender, closing(Follower(bob)) as follower:
        await publish(ann, sender, MIC)
        await follower.view()
        await follower.receiver.flows("audio")
        first = bob.named("media.offer")[-1]
        await node.signalling.peers.restart(bob.session, MediaRestart(anew=anew))
        again = await bob.signal("media.offer", after=len(bob.named("media.offer")) - 1, anew=anew)
        await until(
            lambda: bob.named("media.offer")[-1]["generation"] > first["generation"], "a new offer"
        )
        again = bob.named("media.offer")[-1]
        assert again["anew"] is anew
        await follower.receiver.flows("audio")


@pytest.mark.slow
async def test_a_killed_worker_costs_a_new_connection_not_the_seat(node: Node) -> None:
    ann, bob = await node.tab(grant("ann")), await node.tab(grant("bob"))
    with (
        closing(Sender()) as sender,
        closing(Sender()) as again,
        closing(Follower(bob)) as follower,
    ):
        await publish(ann, sender)
        await follower.view()
        await follower.receiver.flows("audio")
        generation = bob.named("media.offer")[-1]["generation"]
        pid = node.pid()
        os.kill(pid, signal.SIGKILL)
        await until(lambda: not tracks_of(node, "ann"), "the dead tracks to go")
        await ann.signal("media.state", peer="publisher", state="failed")
        await publish(ann, again)
        offer = await bob.signal("media.offer", anew=True)
        assert offer["generation"] > generation
        await follower.receiver.flows("audio")
        assert not ann.session.closed
        assert not bob.session.closed


@pytest.mark.slow
async def test_while_the_worker_is_away_commands_wait_a_little_then_say_when_to_try_again(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(media_link, "AWAY_WAIT_S", 0.0)
    ann = await node.tab(grant("ann"))
    pid = node.pid()
    os.kill(pid, signal.SIGKILL)
    await until(lambda: not node.up(), "the worker to be gone")
    with closing(Sender()) as sender:
        error = await refused(ann, MediaPublish(sdp=sender.sdp, tracks=[MIC, CAMERA]))
        assert error.code is Code.UNAVAILABLE
        assert error.retry_after_s
        with pytest.raises(RoomError, match="starting again"):
            await node.signalling.workers.check()
        monkeypatch.undo()
        await publish(ann, sender)  # waits for the next worker


async def test_who_speaks_is_told_to_everybody(node: Node) -> None:
    ann, bob = await node.tab(grant("ann")), await node.tab(grant("bob"))
    with closing(Sender(video=False)) as sender:
        await publish(ann, sender, MIC)
        await bob.signal("speaker.changed", identities=["ann"])
        await ann.signal("speaker.changed", identities=["ann"])
        late = await node.tab(grant("late"))
        with closing(Follower(late)) as follower:
            await follower.view()
            await late.signal("speaker.changed", identities=["ann"])


@pytest.mark.slow
async def test_a_track_that_ends_while_redis_is_away_is_taken_back_when_it_returns(
    node: Node, valkey_server: Valkey
) -> None:
    ann, bob = await node.tab(grant("ann")), await node.tab(grant("bob"))
    with closing(Sender()) as sender, closing(Follower(bob)) as follower:
        await publish(ann, sender)
        await follower.view()
        await follower.receiver.flows("audio")
        with socket.socket(socket.AF_UNIX) as link:
            link.connect(str(valkey_server.socket_path))
            link.sendall(b"CLIENT PAUSE 2500 ALL\r\n")
            assert link.recv(16) == b"+OK\r\n"
        await follower.receiver.flows("audio")
        sender.close()
        await ann.signal("media.state", peer="publisher", state="closed")
        assert len(tracks_of(node, "ann")) == 2
        await until(lambda: not tracks_of(node, "ann"), "the dead tracks to go")
        assert not ann.session.closed
