"""A worker process with publishers and subscribers: real DTLS, real codecs."""

from __future__ import annotations

import pytest

from media import rpc
from media.framing import RpcError
from tests.media.conftest import MakeViewer
from tests.media.people import Performer, Reception
from tests.media.workers import RunningWorker, connected
from tests.wire import until

pytestmark = pytest.mark.asyncio(loop_scope="module")

SEED = 20261121


async def shows(reception: Reception, frames: int = 10) -> None:
    """Waits for so many more pictures."""
    seen = reception.pictures
    await until(lambda: reception.pictures >= seen + frames)


async def test_two_subscribers_receive_a_decodable_gapless_picture_and_sound(
    running: RunningWorker, performer: Performer, viewers: MakeViewer
) -> None:
    tracks = await performer.publish()
    assert [(t.track, t.kind, t.codec, len(t.layers)) for t in tracks] == [
        ("p-audio", "audio", "opus", 1),
        ("p-video", "video", "VP8", 1),
    ]
    both = [viewers("a"), viewers("b")]
    for viewer in both:
        await viewer.watch("p-audio", "p-video")
        await connected(running, viewer.peer)
    for viewer in both:
        picture, sound = viewer.on("p-video"), viewer.on("p-audio")
        await shows(picture, 25)
        sizes = picture.decoded_sizes()
        assert len(sizes) >= 25
        assert set(sizes) == {(320, 240)}
        assert picture.missing == sound.missing == 0
        assert sound.heard_samples() >= 960 * 40


async def test_a_late_subscriber_is_given_a_keyframe_at_once(
    performer: Performer, viewers: MakeViewer
) -> None:
    early, late = viewers("early"), viewers("late")
    await performer.publish(audio=False)
    await early.watch("p-video")
    await shows(early.on("p-video"))
    asked = len(performer.keyframes_asked)
    await late.watch("p-video")
    await shows(late.on("p-video"))
    assert len(performer.keyframes_asked) == asked + 1
    assert len(late.on("p-video").decoded_sizes()) >= 10
    assert early.on("p-video").missing == 0


async def test_keyframe_requests_of_many_are_one_request_in_half_a_second(
    performer: Performer, viewers: MakeViewer
) -> None:
    viewer = viewers("a")
    await performer.publish(audio=False)
    await viewer.watch("p-video")
    reception = viewer.on("p-video")
    await shows(reception, 20)
    asked = len(performer.keyframes_asked)
    ssrc = next(iter(viewer.received))
    for _ in range(100):
        viewer.client.request_keyframe(ssrc)
    await shows(reception, 10)
    assert 1 <= len(performer.keyframes_asked) - asked <= 2


async def test_retransmissions_repair_five_percent_loss(
    performer: Performer, viewers: MakeViewer
) -> None:
    print(f"seed {SEED}")
    viewer = viewers("lossy", loss=0.05, seed=SEED)
    await performer.publish(audio=False)
    await viewer.watch("p-video")
    reception = viewer.on("p-video")
    await until(lambda: viewer.dropped >= 12 and reception.missing == 0)
    assert viewer.repaired >= 8
    assert len(reception.decoded_sizes()) == len(reception.frames()) >= 10


async def test_losses_on_the_way_in_are_asked_for_and_repaired(
    running: RunningWorker, performer: Performer, viewers: MakeViewer
) -> None:
    viewer = viewers("a")
    await performer.publish(audio=False)
    await viewer.watch("p-video")
    reception = viewer.on("p-video")
    await shows(reception, 5)
    performer.lose_every(10)
    await until(lambda: performer.lost >= 15)
    performer.lose_every(0)
    await until(lambda: reception.missing == 0)
    await shows(reception)
    track = (await running.stats())["tracks"]["p-video"]
    assert track["layers"][""]["nacked"] >= 15
    assert len(reception.decoded_sizes()) == len(reception.frames()) >= 10


async def test_a_held_track_is_not_forwarded_and_comes_back_at_a_keyframe(
    running: RunningWorker, performer: Performer, viewers: MakeViewer
) -> None:
    viewer = viewers("a")
    await performer.publish()
    await viewer.watch("p-audio", "p-video")
    picture, sound = viewer.on("p-video"), viewer.on("p-audio")
    await shows(picture)

    async def dropped(count: int) -> None:
        while (await running.stats())["worker"].get("held", 0) < count:
            assert running.process.returncode is None

    for track in ("p-video", "p-audio"):
        await running.client.call(rpc.TrackHold(track=track, held=True))
    await dropped(20)
    before = len(picture.packets), len(sound.packets)
    await dropped(60)
    assert (len(picture.packets), len(sound.packets)) == before
    for track in ("p-video", "p-audio"):
        await running.client.call(rpc.TrackHold(track=track, held=False))
    await shows(picture)
    await until(lambda: len(sound.packets) >= before[1] + 10)
    assert picture.missing == sound.missing == 0
    assert len(picture.decoded_sizes()) >= 20
    with pytest.raises(RpcError, match="no track"):
        await running.client.call(rpc.TrackHold(track="nobody", held=True))


async def test_unpublishing_renegotiates_and_the_idle_lines_are_used_again(
    running: RunningWorker, performer: Performer, viewers: MakeViewer
) -> None:
    viewer = viewers("a")
    await performer.publish()
    offer = await viewer.watch("p-audio", "p-video", "q-video")
    assert set(offer.tracks.values()) == {"p-audio", "p-video"}
    await shows(viewer.on("p-video"))
    await running.client.call(rpc.PeerClose(peer="p"))
    await until(lambda: running.notices(rpc.SubscriberOfferNotice))
    await viewer.take_noticed()
    assert viewer.offers[-1].tracks == {}
    assert viewer.offers[-1].generation == 2
    assert viewer.offers[-1].sdp.count("a=inactive") == 2

    another = Performer(running, "q")
    try:
        await another.publish(audio=False)
        await until(lambda: len(running.notices(rpc.SubscriberOfferNotice)) == 2)
        await viewer.take_noticed()
        assert viewer.offers[-1].tracks == {
            mid: "q-video" for mid, track in offer.tracks.items() if track == "p-video"
        }
        assert viewer.offers[-1].sdp.count("m=") == 2
        await shows(viewer.on("q-video"))
        assert len(viewer.on("q-video").decoded_sizes()) >= 10
    finally:
        another.close()


async def test_a_change_while_an_offer_is_out_is_in_the_next_one(
    running: RunningWorker, performer: Performer, viewers: MakeViewer
) -> None:
    viewer = viewers("a")
    await performer.publish()

    async def wish(*tracks: str) -> rpc.SubscriberOffer:
        wants = [rpc.WantedTrack(track=track, group="g") for track in tracks]
        return await running.client.call(rpc.SubscriberSet(peer="a", room="room", wants=wants))

    first = await wish("p-audio")
    assert first.sdp
    second = await wish("p-audio", "p-video")
    assert (second.sdp, second.generation) == ("", first.generation)
    assert not running.notices(rpc.SubscriberOfferNotice)
    await viewer.take(first)
    await until(lambda: running.notices(rpc.SubscriberOfferNotice))
    assert await viewer.take_noticed() == 1
    assert viewer.offers[-1].generation == first.generation + 1
    assert set(viewer.offers[-1].tracks.values()) == {"p-audio", "p-video"}
    await shows(viewer.on("p-video"))
    # An answer to an offer of before is ignored.
    await running.client.call(
        rpc.SubscriberAnswer(peer="a", generation=first.generation, sdp="nonsense")
    )


async def test_a_bad_answer_is_refused_and_the_next_wish_offers_again(
    running: RunningWorker, performer: Performer, viewers: MakeViewer
) -> None:
    viewer = viewers("a")
    await performer.publish(audio=False)
    want = rpc.SubscriberSet(
        peer="a", room="room", wants=[rpc.WantedTrack(track="p-video", group="g")]
    )
    offer = await running.client.call(want)
    with pytest.raises(RpcError) as caught:
        await running.client.call(
            rpc.SubscriberAnswer(peer="a", generation=offer.generation, sdp="v=0\r\n")
        )
    assert caught.value.code == "bad_sdp"
    again = await running.client.call(want)
    assert again.generation == offer.generation + 1
    await viewer.take(again)
    await shows(viewer.on("p-video"))


async def test_a_subscriber_restarts_ice_and_starts_anew(
    running: RunningWorker, performer: Performer, viewers: MakeViewer
) -> None:
    viewer = viewers("a")
    await performer.publish(audio=False)
    first = await viewer.watch("p-video")
    await shows(viewer.on("p-video"))

    def ufrag(offer: rpc.SubscriberOffer) -> str:
        return offer.sdp.split("a=ice-ufrag:")[1].split()[0]

    restarted = await running.client.call(rpc.SubscriberRestart(peer="a", anew=False))
    assert not restarted.anew
    assert ufrag(restarted) != ufrag(first)
    await viewer.take(restarted)
    await shows(viewer.on("p-video"))
    assert viewer.on("p-video").missing == 0

    anew = await running.client.call(rpc.SubscriberRestart(peer="a", anew=True))
    assert anew.anew
    assert anew.generation == 3
    await viewer.take(anew)
    await shows(viewer.on("p-video"))
    assert len(viewer.on("p-video").decoded_sizes()) >= 10
    states = [n.state for n in running.notices(rpc.PeerStateNotice) if n.peer == "a"]
    assert states.count("connected") == 2
    assert "closed" not in states


async def test_a_publisher_restarts_ice_by_fragment_and_adds_a_track_by_offer(
    running: RunningWorker, performer: Performer, viewers: MakeViewer
) -> None:
    viewer = viewers("a")
    await performer.publish(audio=False)
    await viewer.watch("p-video")
    await shows(viewer.on("p-video"))
    mine = performer.client.restart_ice()
    theirs = await running.client.call(rpc.PeerRestart(peer="p", ufrag=mine.ufrag, pwd=mine.pwd))
    again = await running.client.call(rpc.PeerRestart(peer="p", ufrag=mine.ufrag, pwd=mine.pwd))
    assert again == theirs
    assert theirs.candidates[0].startswith("candidate:")
    performer.client.take_restart(f"a=ice-ufrag:{theirs.ufrag}\r\na=ice-pwd:{theirs.pwd}\r\n")
    await shows(viewer.on("p-video"))
    assert viewer.on("p-video").missing == 0


async def test_an_offer_that_names_mids_makes_those_tracks_and_drops_the_others(
    running: RunningWorker, performer: Performer
) -> None:
    offer = performer.client.offer()
    request = rpc.PublisherOffer(peer="p", room="room", sdp=offer, tracks={"0": "mic", "1": "cam"})
    answer = await running.client.call(request)
    assert {info.track for info in answer.tracks} == {"mic", "cam"}
    answer = await running.client.call(
        rpc.PublisherOffer(peer="p", room="room", sdp=offer, tracks={"1": "cam"})
    )
    assert [info.track for info in answer.tracks] == ["cam"]
    assert set((await running.stats())["tracks"]) == {"cam"}
    unnamed = await running.client.call(rpc.PublisherOffer(peer="other", room="room", sdp=offer))
    assert {info.track for info in unnamed.tracks} == {"other:0", "other:1"}


async def test_speakers_are_told_by_their_audio_levels(
    running: RunningWorker, performer: Performer
) -> None:
    await performer.publish(video=False)
    await until(
        lambda: (
            rpc.SpeakersNotice(room="room", tracks=["p-audio"])
            in running.notices(rpc.SpeakersNotice)
        )
    )
    performer.level_dbov = 127
    await until(
        lambda: (
            running.notices(rpc.SpeakersNotice)[-1] == rpc.SpeakersNotice(room="room", tracks=[])
        )
    )


async def test_a_peer_that_says_goodbye_is_gone_with_its_tracks(
    running: RunningWorker, performer: Performer
) -> None:
    await performer.publish()
    performer.close()
    await until(
        lambda: any(
            n.peer == "p" and n.state == "closed" for n in running.notices(rpc.PeerStateNotice)
        )
    )
    stats = await running.stats()
    assert stats["tracks"] == {}
    assert stats["publishers"] == {}


@pytest.mark.parametrize("sdp", ["", "v=0\r\n", "x" * 70_000, "v=0\r\nm=audio 9 X 0\r\n"])
async def test_a_bad_offer_is_refused_with_a_sentence_and_leaves_nothing(
    running: RunningWorker, sdp: str
) -> None:
    for request in (
        rpc.PublisherOffer(peer="p", room="room", sdp=sdp),
        rpc.PlayerOffer(peer="w", room="room", sdp=sdp, wants=[]),
    ):
        with pytest.raises(RpcError) as caught:
            await running.client.call(request)
        assert caught.value.code == "bad_sdp"
        assert len(caught.value.message) > 10
    stats = await running.stats()
    assert stats["publishers"] == stats["players"] == {}


async def test_requests_about_unknown_peers_are_refused_and_closing_them_is_fine(
    running: RunningWorker,
) -> None:
    for request in (
        rpc.SubscriberRestart(peer="x", anew=False),
        rpc.SubscriberAnswer(peer="x", generation=1, sdp=""),
        rpc.PlayerSet(peer="x", wants=[]),
        rpc.PeerRestart(peer="x", ufrag="a", pwd="b"),
    ):
        with pytest.raises(RpcError) as caught:
            await running.client.call(request)
        assert caught.value.code == "unknown_peer"
    assert await running.client.call(rpc.PeerClose(peer="x")) == {}
