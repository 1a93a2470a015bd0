"""WHEP players through a worker: answered once, switched at keyframes."""

from __future__ import annotations

import pytest

from media import rpc
from media.framing import RpcError
from tests.media.conftest import MakePerformer, MakeViewer
from tests.media.test_worker import shows
from tests.media.workers import RunningWorker
from tests.wire import until

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.slow]


def wants(*tracks: str) -> list[rpc.WantedTrack]:
    return [rpc.WantedTrack(track=track, group="") for track in tracks]


async def test_a_player_is_switched_to_another_person_without_a_seam(
    running: RunningWorker, perform: MakePerformer, viewers: MakeViewer
) -> None:
    player = viewers("w")
    await perform("p").publish()
    another = perform("r")
    await another.publish(rids=("q", "h"))
    await player.play("p-audio", "p-video")
    picture, sound = player.of_kind("video"), player.of_kind("audio")
    await shows(picture)
    asked = len(another.keyframes_asked)
    await running.client.call(rpc.PlayerSet(peer="w", wants=wants("r-audio", "r-video")))
    await until(lambda: len(another.keyframes_asked) > asked)
    await shows(picture, 20)
    heard = len(sound.packets)
    await until(lambda: len(sound.packets) > heard + 10)
    assert len(player.received) == 2
    assert picture.missing == sound.missing == 0
    assert len(picture.decoded_sizes()) == len(picture.frames())
    ids = picture.picture_ids()
    assert ids == [(ids[0] + n) & 0x7FFF for n in range(len(ids))]
    tracks = (await running.stats())["players"]["w"]["tracks"]
    assert {track["track"] for track in tracks} == {"r-audio", "r-video"}


async def test_a_player_waits_for_a_track_that_is_not_there_yet_and_outlives_it(
    running: RunningWorker, perform: MakePerformer, viewers: MakeViewer
) -> None:
    player = viewers("w")
    answer = await player.play("p-audio", "p-video")
    assert answer.count("a=sendonly") == 2
    await perform("p").publish()
    picture = player.of_kind("video")
    await shows(picture)
    await running.client.call(rpc.PeerClose(peer="p"))
    await running.client.call(rpc.PlayerSet(peer="w", wants=wants("r-video")))
    await perform("r").publish(audio=False)
    await shows(picture, 20)
    assert picture.missing == 0
    assert len(picture.decoded_sizes()) == len(picture.frames())


async def test_a_player_without_the_codec_is_refused(
    running: RunningWorker, perform: MakePerformer, viewers: MakeViewer
) -> None:
    player = viewers("w")
    speaker = perform("p")
    offer = speaker.client.offer(audio=False).replace("VP8/90000", "H264/90000")
    answer = await running.client.call(
        rpc.PublisherOffer(peer="p", room="room", sdp=offer, auto={"video": "p-video"})
    )
    assert answer.tracks[0].codec == "H264"
    with pytest.raises(RpcError, match="H264") as caught:
        await player.play("p-video")
    assert caught.value.code == "no_codec"
    assert (await running.stats())["players"] == {}

    await perform("q").publish()
    await player.play("q-video")
    picture = player.of_kind("video")
    await shows(picture)
    with pytest.raises(RpcError, match="H264") as caught:
        await running.client.call(rpc.PlayerSet(peer="w", wants=wants("p-video")))
    assert caught.value.code == "no_codec"
    await shows(picture)


async def test_a_player_restarts_ice_by_fragment(
    running: RunningWorker, perform: MakePerformer, viewers: MakeViewer
) -> None:
    player = viewers("w")
    await perform("p").publish()
    await player.play("p-video")
    picture = player.of_kind("video")
    await shows(picture)
    mine = player.client.restart_ice()
    ours = await running.client.call(rpc.PeerRestart(peer="w", ufrag=mine.ufrag, pwd=mine.pwd))
    player.client.take_restart(f"a=ice-ufrag:{ours.ufrag}\r\na=ice-pwd:{ours.pwd}\r\n")
    await shows(picture, 20)
    assert picture.missing == 0
