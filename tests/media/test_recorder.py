"""A recorder process, fed by a worker that people publish to for real."""

from __future__ import annotations

import asyncio
import json
import shutil
from pathlib import Path

import msgspec
import pytest

from media import rpc
from media.framing import RpcError
from media.recorder.rpc import Manifest
from tests.media.people import Performer
from tests.media.recorders import Film, Witness, is_run_of, recorder, reel
from tests.media.workers import kill, worker
from tests.wire import until


def size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


async def test_what_was_published_is_in_the_file_frame_by_frame(tmp_path: Path) -> None:
    async with worker() as running, recorder(tmp_path) as writing:
        ann = Performer(running, "ann")
        tracks = await ann.publish()
        witness = Witness(ann)
        await until(lambda: len(witness.frames) > 10)
        writing.wish(reel("program", tracks))
        await writing.feed(running, *(track.track for track in tracks))
        begun = len(witness.frames)
        await until(lambda: len(witness.frames) > begun + 60)
        manifest = await writing.stopped()
        ann.close()
    [file] = manifest.files
    film = Film(tmp_path / file.name)
    assert film.codecs == {"video": "vp8", "audio": "opus"}
    assert len(film.frames) == len(film.pictures) == file.frames > 40
    assert is_run_of(film.frames, witness.frames)
    assert set(film.pictures) == {(320, 240)}
    # Sound for the whole of the picture: two packets each, and at the same times.
    # A decoder leaves out the first 312 samples, as the stream's head says.
    assert film.samples + 312 == 960 * len(film.sound_s)
    assert abs(len(film.sound_s) - 2 * len(film.frames)) < 30
    assert film.times_s == sorted(film.times_s)
    assert abs(film.sound_s[0] - film.times_s[0]) < 0.5
    assert abs(film.sound_s[-1] - film.times_s[-1]) < 0.1
    assert file.complete
    assert manifest.reason == "stopped"
    assert file.lost == manifest.dropped == 0
    assert [(s.kind, s.identity) for s in sorted(file.segments, key=lambda s: s.kind)] == [
        ("audio", "ann"),
        ("video", "ann"),
    ]
    on_disk = msgspec.json.decode((tmp_path / "manifest.json").read_bytes(), type=Manifest)
    assert on_disk == manifest


async def test_five_percent_loss_is_repaired(tmp_path: Path) -> None:
    async with worker() as running, recorder(tmp_path) as writing:
        ann = Performer(running, "ann")
        tracks = await ann.publish()
        witness = Witness(ann)
        witness.lose(ann.client.stream("video"), 0.05, seed=20261121)
        writing.wish(reel("program", tracks))
        await writing.feed(running, *(track.track for track in tracks))
        await until(lambda: witness.lost > 20 and len(witness.frames) > 100, 30)
        manifest = await writing.stopped()
        ann.close()
    [file] = manifest.files
    film = Film(tmp_path / file.name)
    # A machine that pauses for longer than the recorder waits may cost a packet of twenty.
    assert file.lost <= witness.lost // 10
    assert len(film.pictures) == len(film.frames) > 60
    assert is_run_of(film.frames, witness.frames)


async def test_when_the_worker_is_killed_the_file_plays_to_the_last_second(tmp_path: Path) -> None:
    async with recorder(tmp_path) as writing:
        async with worker() as running:
            ann = Performer(running, "ann")
            tracks = await ann.publish()
            witness = Witness(ann)
            writing.wish(reel("program", tracks))
            await writing.feed(running, *(track.track for track in tracks))
            await until(lambda: len(witness.frames) > 60)
            await kill(running)
            published = len(witness.frames)
            ann.close()
        async with worker() as running:
            # The next worker feeds the same recorder: the recording goes on.
            bob = Performer(running, "ann")
            tracks = await bob.publish()
            again = Witness(bob, ahead=37)
            await writing.feed(running, *(track.track for track in tracks))
            await until(lambda: len(again.frames) > 40)
            manifest = await writing.stopped()
            bob.close()
    [file] = manifest.files
    film = Film(tmp_path / file.name)
    assert len(film.pictures) == len(film.frames)
    first = [frame for frame in film.frames if frame in witness.frames]
    assert is_run_of(first, witness.frames)
    assert first[-1] in witness.frames[published - 25 :]
    assert len(film.frames) - len(first) > 20


async def test_when_the_recorder_is_killed_the_file_plays_to_the_last_second(
    tmp_path: Path,
) -> None:
    async with worker() as running:
        async with recorder(tmp_path) as writing:
            ann = Performer(running, "ann")
            tracks = await ann.publish()
            witness = Witness(ann)
            writing.wish(reel("program", tracks))
            await writing.feed(running, *(track.track for track in tracks))
            await until(lambda: len(witness.frames) > 100)
            writing.process.kill()
            await writing.process.wait()
            published = len(witness.frames)
        before = (await running.stats())["recordings"]["r_1"]
        # The worker goes on, and knows that nobody writes any more.
        await until(lambda: len(witness.frames) > published + 10)
        after = (await running.stats())["recordings"]["r_1"]
        ann.close()
    assert not after["open"], before
    film = Film(tmp_path / "program-001.webm")
    assert is_run_of(film.frames, witness.frames)
    assert len(film.pictures) == len(film.frames)
    # 25 pictures a second; a few were on their way.
    assert published - witness.frames.index(film.frames[-1]) <= 25 + 3


async def test_a_full_disk_ends_the_recording_and_nothing_else(tmp_path: Path) -> None:
    async with (
        worker() as running,
        recorder(tmp_path, largest_file_bytes=100_000) as writing,
    ):
        ann = Performer(running, "ann")
        tracks = await ann.publish()
        witness = Witness(ann)
        writing.wish(reel("program", tracks))
        await writing.feed(running, *(track.track for track in tracks))
        ended = await writing.ended()
        assert ended.reason == "disk_full"
        await asyncio.wait_for(writing.process.wait(), 10)
        assert writing.process.returncode == 0
        seen = len(witness.frames)
        await until(lambda: len(witness.frames) > seen + 10)
        assert (await running.stats())["publishers"]["ann"]["state"] == "connected"
        ann.close()
    [file] = ended.manifest.files
    film = Film(tmp_path / file.name)
    assert is_run_of(film.frames, witness.frames)
    assert len(film.frames) > 10
    assert json.loads((tmp_path / "manifest.json").read_text())["reason"] == "disk_full"


async def test_a_recording_ends_before_the_last_reserve_of_the_disk(tmp_path: Path) -> None:
    free = shutil.disk_usage(tmp_path).free
    async with recorder(tmp_path, reserve_bytes=free * 2) as writing:
        ended = await writing.ended()
    assert ended.reason == "disk_full"
    assert ended.manifest.files == []


async def test_the_program_goes_from_one_person_to_another_in_one_file(tmp_path: Path) -> None:
    async with worker() as running, recorder(tmp_path) as writing:
        ann, bob = Performer(running, "ann"), Performer(running, "bob")
        of_ann, of_bob = await ann.publish(), await bob.publish()
        seen_ann, seen_bob = Witness(ann), Witness(bob, ahead=37)
        writing.wish(reel("program", of_ann))
        await writing.feed(running, *(track.track for track in of_ann))
        await until(lambda: len(seen_ann.frames) > 40)
        writing.wish(reel("program", of_bob, "bob"))
        await writing.feed(running, *(track.track for track in of_bob))
        begun = len(seen_bob.frames)
        await until(lambda: len(seen_bob.frames) > begun + 40)
        manifest = await writing.stopped()
        ann.close()
        bob.close()
    [file] = manifest.files
    film = Film(tmp_path / file.name)
    of_first = [frame for frame in film.frames if frame in seen_ann.frames]
    of_second = film.frames[len(of_first) :]
    assert is_run_of(of_first, seen_ann.frames)
    assert is_run_of(of_second, seen_bob.frames)
    assert len(of_first) > 20
    assert len(of_second) > 20
    assert len(film.pictures) == len(film.frames)
    shown = [s.identity for s in file.segments if s.kind == "video"]
    assert shown == ["ann", "bob"]


async def test_whoever_is_not_wished_for_is_not_in_the_file_any_more(tmp_path: Path) -> None:
    async with worker() as running, recorder(tmp_path) as writing:
        ann, bob = Performer(running, "ann"), Performer(running, "bob")
        of_ann, of_bob = await ann.publish(), await bob.publish()
        seen_ann, seen_bob = Witness(ann), Witness(bob, ahead=37)
        both = [reel("01-camera", of_ann), reel("02-camera", of_bob, "bob")]
        tracks = [track.track for track in (*of_ann, *of_bob)]
        writing.wish(*both)
        await writing.feed(running, *tracks)
        await until(lambda: len(seen_ann.frames) > 50 and len(writing.files) == 2)
        writing.wish(both[0])
        await writing.feed(running, *(track.track for track in of_ann))
        until_frame = len(seen_bob.frames)
        begun = len(seen_ann.frames)
        await until(lambda: len(seen_ann.frames) > begun + 40)
        manifest = await writing.stopped()
        ann.close()
        bob.close()
    first, second = (Film(tmp_path / file.name) for file in manifest.files)
    if manifest.files[0].reel == "02-camera":
        first, second = second, first
    assert is_run_of(first.frames, seen_ann.frames)
    assert seen_ann.frames.index(first.frames[-1]) > begun + 20
    assert is_run_of(second.frames, seen_bob.frames)
    assert seen_bob.frames.index(second.frames[-1]) <= until_frame + 5


async def test_a_picture_that_comes_later_begins_the_next_file(tmp_path: Path) -> None:
    async with worker() as running, recorder(tmp_path) as writing:
        voice, camera = Performer(running, "voice"), Performer(running, "camera")
        [sound] = await voice.publish(video=False)
        writing.wish(reel("01-camera", [sound]))
        await writing.feed(running, sound.track)
        await until(lambda: len(writing.files) == 1)
        [picture] = await camera.publish(audio=False)
        witness = Witness(camera)
        writing.wish(reel("01-camera", [sound, picture]))
        await writing.feed(running, sound.track, picture.track)
        await until(lambda: len(writing.files) == 2)
        seen = len(witness.frames)
        await until(lambda: len(witness.frames) > seen + 25)
        manifest = await writing.stopped()
        voice.close()
        camera.close()
    first, second = (Film(tmp_path / file.name) for file in manifest.files)
    assert first.codecs == {"audio": "opus"}
    assert first.samples > 0
    assert second.codecs == {"video": "vp8", "audio": "opus"}
    assert is_run_of(second.frames, witness.frames)
    assert second.samples > 0


async def test_of_simulcast_the_best_layer_is_recorded(tmp_path: Path) -> None:
    async with worker() as running, recorder(tmp_path) as writing:
        ann = Performer(running, "ann")
        tracks = await ann.publish(audio=False, rids=("q", "h", "f"))
        writing.wish(reel("program", tracks, sound=False))
        await writing.feed(running, tracks[0].track)
        await until(lambda: len(writing.files) == 1)
        at = tmp_path / writing.files[0]
        await until(lambda: size(at) > 100_000, 60)
        manifest = await writing.stopped()
        ann.close()
    film = Film(tmp_path / manifest.files[-1].name)
    assert (640, 480) in film.pictures
    assert len(film.pictures) == len(film.frames)


async def test_when_the_node_is_gone_the_files_are_finished(tmp_path: Path) -> None:
    async with worker() as running, recorder(tmp_path) as writing:
        ann = Performer(running, "ann")
        tracks = await ann.publish()
        writing.wish(reel("program", tracks))
        await writing.feed(running, *(track.track for track in tracks))
        await until(lambda: len(writing.files) == 1)
        assert writing.process.stdin is not None
        writing.process.stdin.close()
        await asyncio.wait_for(writing.process.wait(), 10)
        ann.close()
    manifest = msgspec.json.decode((tmp_path / "manifest.json").read_bytes(), type=Manifest)
    assert manifest.reason == "node_lost"
    assert manifest.files[0].complete


async def test_a_worker_refuses_a_recorder_that_does_not_listen(tmp_path: Path) -> None:
    async with worker() as running:
        with pytest.raises(RpcError, match="no recorder listens"):
            await running.client.call(
                rpc.RecordingFeed(recording="r", socket=str(tmp_path / "none"), tracks=["t"])
            )


async def test_what_somebody_left_in_a_recording_stays_when_they_come_back(tmp_path: Path) -> None:
    """Their next file had the name of their first, and took its place."""
    async with worker() as running, recorder(tmp_path) as writing:
        ann = Performer(running, "ann")
        tracks = await ann.publish()
        witness = Witness(ann)
        for files in (1, 2):
            writing.wish(reel("01-camera", tracks))
            await writing.feed(running, *(track.track for track in tracks))
            await until(lambda n=files: len(writing.files) == n)  # type: ignore[misc]
            seen = len(witness.frames)
            await until(lambda s=seen: len(witness.frames) > s + 30)  # type: ignore[misc]
            writing.wish()
            await writing.feed(running)
        manifest = await writing.stopped()
        ann.close()
    assert [file.name for file in manifest.files] == ["01-camera-001.webm", "01-camera-002.webm"]
    first, second = (Film(tmp_path / file.name) for file in manifest.files)
    for film in (first, second):
        assert is_run_of(film.frames, witness.frames)
        assert len(film.pictures) == len(film.frames) > 10
    assert witness.frames.index(first.frames[-1]) < witness.frames.index(second.frames[0])
