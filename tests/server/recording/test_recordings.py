"""Recordings of a whole node: real people publish, moderators start, stop and download."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import imageio_ffmpeg
import pytest
import pytest_asyncio

from rooms import actions
from rooms.commands import RecordingStart
from rooms.errors import Code, RoomError
from rooms.events import RecordingFailed, RecordingStarted, RecordingStopped
from rooms.ids import Identity, NodeId, RecordingId
from rooms.live import Recording, RecordingScope, Role
from server import tokens
from server.realtime.codec import BusMessage
from server.recording import recordings
from tests.media.recorders import Film, is_run_of
from tests.server.recording.studio import ROOM, OutOfBand, Presenter, Studio, running_studio, until
from tests.services import Valkey

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.slow]

PROGRAM, PARTICIPANTS = RecordingScope.PROGRAM, RecordingScope.PARTICIPANTS


def mount(folder: Path) -> bool:
    """Put a small disk there, if this container allows it."""
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=70m", "tmpfs", str(folder)])
    return made.returncode == 0


def unmount(folder: Path) -> None:
    subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def building(
    tmp_path_factory: pytest.TempPathFactory, valkey_server: Valkey
) -> AsyncIterator[Studio]:
    valkey_server.flush()
    folder = tmp_path_factory.mktemp("node")
    async with running_studio(folder, valkey_server.url) as running:
        yield running


@pytest_asyncio.fixture(loop_scope="module")
async def studio(building: Studio) -> AsyncIterator[Studio]:
    """The module's studio with a moderator in the room."""
    building.heard.clear()
    await building.enter("mod", Role.MODERATOR)
    yield building
    if building.live.recording is not None:
        await building.stop()
    for session in building.node.realtime.sessions.of(Identity("mod")):
        await session.close("left")


@pytest_asyncio.fixture(loop_scope="module")
async def ann(studio: Studio) -> AsyncIterator[Presenter]:
    presenter = Presenter()
    session = await studio.publish(presenter, "ann")
    yield presenter
    presenter.close()
    await session.close("left")


@pytest_asyncio.fixture(loop_scope="module")
async def bob(studio: Studio) -> AsyncIterator[Presenter]:
    presenter = Presenter()
    session = await studio.publish(presenter, "bob")
    yield presenter
    presenter.close()
    await session.close("left")


async def test_a_program_is_recorded_listed_and_downloaded_in_ranges(
    studio: Studio, ann: Presenter
) -> None:
    recording = await studio.start(PROGRAM)
    await studio.consent("ann")
    await studio.has_written(recording)
    await ann.shows(40)
    await studio.stop()
    assert [e for e in studio.heard if isinstance(e, RecordingStarted | RecordingStopped)] == [
        RecordingStarted(recording=recording),
        RecordingStopped(id=recording.id, by=Identity("mod")),
    ]
    listed = (await studio.listed())[0]
    assert (listed["id"], listed["reason"], listed["by"]) == (recording.id, "stopped", "mod")
    [file] = listed["files"]
    path = studio.recordings.folder(ROOM, recording.id) / file["name"]
    film = Film(path)
    assert is_run_of(film.frames, ann.frames)
    assert len(film.pictures) == len(film.frames) > 25
    assert film.samples > 0
    whole = path.read_bytes()
    assert file["bytes"] == len(whole)
    url = file["url"].partition("?")[0]
    answer, body = await studio.get(url)
    assert (answer.status, answer.headers["Content-Type"]) == (200, "video/webm")
    assert body == whole
    answer, body = await studio.get(url, Range="bytes=100-199")
    assert answer.status == 206
    assert answer.headers["Content-Range"] == f"bytes 100-199/{len(whole)}"
    assert body == whole[100:200]
    answer, body = await studio.get(file["url"], None)  # the link alone, as a browser follows it
    assert body == whole
    answer, body = await studio.get(url.rpartition("/")[0] + "/manifest.json")
    assert (await answer.json())["files"][0]["segments"][0]["identity"] == "ann"


async def test_a_recording_goes_on_whose_room_hears_late_of_it(
    studio: Studio, ann: Presenter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The recorder looked at the room before the room had heard, and ended: nothing was written."""
    mirror = studio.node.realtime.mirrors.get(ROOM)
    assert mirror is not None
    receive, reached = mirror.receive, mirror.reached
    held: list[BusMessage] = []
    asked = asyncio.Event()

    def hold(message: BusMessage) -> bool:
        held.append(message)
        return True

    async def ask(*args: Any) -> bool:
        asked.set()
        return await reached(*args)

    monkeypatch.setattr(mirror, "receive", hold)
    monkeypatch.setattr(mirror, "reached", ask)
    starting = asyncio.create_task(
        actions.start_recording(
            studio.ports, studio.session("mod").actor, RecordingStart(scope=PROGRAM)
        )
    )
    await until(lambda: held and (asked.is_set() or starting.done()), "the start")
    monkeypatch.undo()
    for message in held:
        assert receive(message)
    await starting
    assert studio.live.recording is not None
    await studio.consent("ann")
    await studio.has_written(studio.live.recording)
    await studio.stop()


async def test_only_moderators_see_recordings_and_only_files_of_recordings(
    studio: Studio, ann: Presenter
) -> None:
    recording = await studio.start(PROGRAM)
    await studio.consent("ann")
    await studio.has_written(recording)
    await studio.stop()
    [file] = (await studio.listed())[0]["files"]
    url, _, ticket = file["url"].partition("?")
    for path in (f"/api/v1/rooms/{ROOM}/recordings", url):
        answer, _ = await studio.get(path, "eve", Role.MEMBER)
        assert answer.status == 403
        answer, _ = await studio.get(path, None)
        assert answer.status == 401
        # A moderator's token counts for less while the room says they are something else.
        answer, _ = await studio.get(path, "ann", Role.MODERATOR)
        assert answer.status == 403
    folder = url.rpartition("/")[0]
    for name in ("../../../../yunhai.db", "..%2f..%2fsecret", ".ballast", "%2e%2e", "nothing"):
        answer, _ = await studio.get(f"{folder}/{name}")
        assert answer.status in (403, 404)
    answer, _ = await studio.get(f"{folder}/manifest.json?{ticket}", None)
    assert answer.status == 401, "a ticket opens another file"
    token = tokens.mint(
        studio.node.settings, identity="mod", name="m", role=Role.MODERATOR, room="elsewhere"
    )
    async with studio.http.get(
        studio.url + url, headers={"Authorization": f"Bearer {token}"}
    ) as refused:
        assert refused.status == 404


async def test_nobody_is_recorded_before_they_agree_or_after_they_withdraw(
    studio: Studio, ann: Presenter, bob: Presenter
) -> None:
    recording = await studio.start(PARTICIPANTS)
    await ann.shows(10)
    stats = (await studio.node.stats())["recordings"]
    assert stats == {}, "something is captured without consent"
    await studio.consent("ann")
    await studio.consent("bob", False)
    await studio.has_written(recording)
    await ann.shows(30)
    await studio.consent("ann", False)
    withdrawn = len(ann.frames)
    await ann.shows(50)
    assert (await studio.node.stats())["recordings"] == {}
    await studio.stop()
    listed = (await studio.listed())[0]
    [file] = listed["files"]
    assert {segment["identity"] for segment in file["segments"]} == {"ann"}
    film = Film(studio.recordings.folder(ROOM, recording.id) / file["name"])
    assert is_run_of(film.frames, ann.frames)
    # 25 pictures a second.
    assert ann.frames.index(film.frames[-1]) <= withdrawn + 25


async def test_an_encoder_whose_token_says_so_is_recorded_until_its_person_says_no(
    studio: Studio,
) -> None:
    encoder = Presenter()
    session = await studio.publish(encoder, "hall-camera", recordable=True)
    recording = await studio.start(PROGRAM)
    [path] = await studio.has_written(recording)
    await encoder.shows(20)
    await studio.enter("hall-camera")
    await studio.consent("hall-camera", False)
    withdrawn = len(encoder.frames)
    await encoder.shows(50)
    assert (await studio.node.stats())["recordings"] == {}
    await studio.stop()
    encoder.close()
    await session.close("left")
    film = Film(path)
    assert is_run_of(film.frames, encoder.frames)
    assert 10 < encoder.frames.index(film.frames[-1]) <= withdrawn + 25
    for person in studio.node.realtime.sessions.of(Identity("hall-camera")):
        await person.close("left")


async def test_each_recording_asks_anew(studio: Studio, ann: Presenter) -> None:
    await studio.start(PROGRAM)
    await studio.consent("ann")
    await studio.stop()
    await studio.start(PROGRAM)
    assert studio.live.participants[Identity("ann")].recording_consent is None
    await studio.stop()


async def test_a_second_recording_of_a_room_is_refused(studio: Studio, ann: Presenter) -> None:
    await studio.start(PROGRAM)
    with pytest.raises(RoomError) as caught:
        await studio.start(PARTICIPANTS)
    assert caught.value.code is Code.CONFLICT
    with pytest.raises(RoomError) as caught:
        await studio.stop(by="ann")
    assert caught.value.code is Code.FORBIDDEN
    await studio.stop()


async def test_a_recorder_that_dies_is_told_and_its_file_plays(
    studio: Studio, ann: Presenter
) -> None:
    recording = await studio.start(PROGRAM)
    await studio.consent("ann")
    [path] = await studio.has_written(recording)
    await ann.shows(60)
    studio.recordings._running[recording.id]._process._process.kill()
    await studio.over()
    failure = [e for e in studio.heard if isinstance(e, RecordingFailed)]
    assert failure == [RecordingFailed(id=recording.id, reason="recorder_failed")]
    film = Film(path)
    assert is_run_of(film.frames, ann.frames)
    assert (await studio.listed())[0]["files"][0]["name"] == path.name
    await ann.shows(5)
    assert "ann" in studio.live.participants, "the room did not go on"


async def test_a_worker_that_dies_does_not_end_the_recording(
    studio: Studio, ann: Presenter
) -> None:
    recording = await studio.start(PROGRAM)
    await studio.consent("ann")
    await studio.has_written(recording)
    await ann.shows(20)
    restarts = studio.node.signalling.workers.processes[0].restarts
    os.kill(studio.node.pid(), 9)
    await until(
        lambda: (
            studio.node.signalling.workers.processes[0].restarts > restarts and studio.node.up()
        ),
        "another worker",
        60,
    )
    await until(lambda: "ann" not in studio.live.participants, "the encoder's end")
    again = Presenter()
    session = await studio.publish(again, "ann")
    await studio.consent("ann")
    await again.shows(50)
    await studio.stop()
    again.close()
    await session.close("left")
    files = (await studio.listed())[0]["files"]
    folder = studio.recordings.folder(ROOM, recording.id)
    frames = [frame for file in files for frame in Film(folder / file["name"]).frames]
    assert any(frame in ann.frames for frame in frames)
    assert frames[-1] in again.frames


async def test_h264_of_an_encoder_becomes_matroska(studio: Studio) -> None:
    token = tokens.mint(
        studio.node.settings, identity="ffmpeg", name="F", role=Role.MEMBER, any_room=True
    )
    ffmpeg = await asyncio.create_subprocess_exec(
        imageio_ffmpeg.get_ffmpeg_exe(), "-hide_banner", "-loglevel", "warning", "-nostdin", "-re",
        *["-f", "lavfi", "-i", "testsrc2=size=320x240:rate=10"],
        *["-f", "lavfi", "-i", "sine=frequency=440:sample_rate=48000"],
        *["-c:v", "libx264", "-profile:v", "baseline", "-pix_fmt", "yuv420p"],
        *["-tune", "zerolatency", "-preset", "ultrafast", "-bf", "0", "-g", "20"],
        *["-b:v", "300k", "-c:a", "libopus", "-ac", "2", "-t", "60"],
        *["-f", "whip", "-authorization", token, f"{studio.url}/whip/{ROOM}"],
        stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        await until(
            lambda: len([t for t in studio.live.tracks.values() if t.identity == "ffmpeg"]) == 2,
            "the encoder",
            60,
        )
        recording = await studio.start(PARTICIPANTS)
        await studio.consent("ffmpeg")
        # Sound alone may have begun a file: this encoder makes keyframes when it likes.
        folder = studio.recordings.folder(ROOM, recording.id)
        await until(lambda: list(folder.glob("*.mkv")), "the picture", 60)
        [path] = folder.glob("*.mkv")
        await until(
            lambda: path.stat().st_size > 100_000 or ffmpeg.returncode is not None,
            "some seconds",
            60,
        )
        assert ffmpeg.returncode is None, await ffmpeg.communicate()
        await studio.stop()
    finally:
        if ffmpeg.returncode is None:
            ffmpeg.terminate()
        await ffmpeg.communicate()
    assert path.name.startswith("01-camera-00")
    film = Film(path)
    assert film.format.startswith("matroska")
    assert film.codecs["audio"] == "opus"
    assert film.codecs["video"] == "h264"
    assert len(film.pictures) == len(film.frames) > 10
    assert set(film.pictures) == {(320, 240)}
    assert film.samples > 48_000


async def test_h264_whose_parameter_sets_are_in_the_offer_alone_plays(studio: Studio) -> None:
    encoder = OutOfBand()
    session = await studio.publish(encoder, "obs")
    recording = await studio.start(PROGRAM)
    await studio.consent("obs")
    [path] = await studio.has_written(recording)
    await until(lambda: path.stat().st_size > 10_000, "some seconds", 30)
    await studio.stop()
    encoder.close()
    await session.close("left")
    film = Film(path)
    assert film.codecs["video"] == "h264"
    assert len(film.pictures) == len(film.frames) > 25
    assert set(film.pictures) == {(320, 240)}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root mounts")
async def test_a_full_disk_ends_the_recording_and_the_room_goes_on(
    studio: Studio, ann: Presenter
) -> None:
    folder = studio.recordings._root
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    if not mount(folder):
        pytest.skip("this container may not mount")
    try:
        recording = await studio.start(PROGRAM)
        await studio.consent("ann")
        [path] = await studio.has_written(recording)
        await ann.shows(30)
        (folder / "something-large").write_bytes(bytes(10 << 20))
        await studio.over()
        failure = [e for e in studio.heard if isinstance(e, RecordingFailed)]
        assert failure == [RecordingFailed(id=recording.id, reason="disk_full")]
        film = Film(path)
        assert is_run_of(film.frames, ann.frames)
        await ann.shows(5)
        with pytest.raises(RoomError, match="free on the disk") as caught:
            await studio.start(PROGRAM)
        assert caught.value.code is Code.UNAVAILABLE
        assert studio.live.recording is None
    finally:
        unmount(folder)


async def test_a_room_whose_recording_node_is_lost_is_told(studio: Studio) -> None:
    lost = Recording(
        id=RecordingId("r_lost"), scope=PROGRAM, by=Identity("mod"), started_ms=1,
        node=NodeId("sf"),
    )  # fmt: skip
    await studio.node.realtime.live.update(ROOM, lambda _: RecordingStarted(recording=lost))
    await until(lambda: studio.live.recording == lost, "the recording")
    await until(lambda: studio.live.recording is None, "its end")
    failure = [e for e in studio.heard if isinstance(e, RecordingFailed)]
    assert failure == [RecordingFailed(id=lost.id, reason="node_lost")]


async def test_the_recording_of_a_room_that_stays_empty_ends(
    studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recordings, "EMPTY_TICKS", 1)
    recording = await studio.start(PROGRAM)
    await studio.session("mod").close("left")
    await until(lambda: len(studio.recordings) == 0, "its end")
    stored = await studio.node.store.recordings.get(ROOM, recording.id)
    assert stored is not None
    assert (stored.reason, stored.files) == ("stopped", [])
    await studio.enter("mod", Role.MODERATOR)


async def test_what_a_crash_left_behind_is_listed_after_the_next_start(
    tmp_path: Path, studio: Studio, ann: Presenter
) -> None:
    recording = await studio.start(PROGRAM)
    await studio.consent("ann")
    await studio.has_written(recording)
    await ann.shows(20)
    await studio.stop()
    stored = await studio.node.store.recordings.get(ROOM, recording.id)
    assert stored is not None
    # As the next process of a crashed node finds it: files, and a row without an end.
    crashed = Recording(
        id=RecordingId("r_crashed"), scope=PROGRAM, by=Identity("mod"), started_ms=5,
        node=recording.node,
    )  # fmt: skip
    await studio.node.store.recordings.add(ROOM, crashed)
    shutil.copytree(
        studio.recordings.folder(ROOM, recording.id), studio.recordings.folder(ROOM, crashed.id)
    )
    await studio.recordings._adopt()
    adopted = await studio.node.store.recordings.get(ROOM, crashed.id)
    assert adopted is not None
    assert adopted.reason == "node_lost"
    assert [file["name"] for file in adopted.files] == [file["name"] for file in stored.files]
