"""Recordings that a moderator deletes, and those that are too old: row and files."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from rooms.ids import Identity, NodeId, RecordingId
from rooms.live import Recording, RecordingScope, Role
from server.recording.disposal import DAY_MS
from tests.server.recording.studio import ROOM, Studio, running_studio, until
from tests.services import Valkey

pytestmark = pytest.mark.asyncio(loop_scope="module")

GZ, SF = NodeId("gz"), NodeId("sf")
NOW_MS = time.time_ns() // 1_000_000


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def studio(
    tmp_path_factory: pytest.TempPathFactory, valkey_server: Valkey
) -> AsyncIterator[Studio]:
    valkey_server.flush()
    async with running_studio(tmp_path_factory.mktemp("node"), valkey_server.url) as running:
        await running.enter("mod", Role.MODERATOR)
        yield running


async def kept(
    studio: Studio, name: str, *, node: NodeId = GZ, days_ago: float | None = 0.0
) -> Path:
    """Add a recording that ended so long ago, or runs still; give its folder."""
    recording = Recording(
        id=RecordingId(name),
        scope=RecordingScope.PROGRAM,
        by=Identity("mod"),
        started_ms=1,
        node=node,
    )
    await studio.node.store.recordings.add(ROOM, recording)
    if days_ago is not None:
        await studio.node.store.recordings.finish(
            recording.id,
            ended_ms=round(NOW_MS - days_ago * DAY_MS),
            reason="stopped",
            files=[{"name": "program-001.webm"}],
        )
    folder = studio.recordings.folder(ROOM, recording.id)
    folder.mkdir(parents=True)
    (folder / "program-001.webm").write_bytes(b"film")
    return folder


async def ids(studio: Studio) -> set[str]:
    return {each["id"] for each in await studio.listed()}


async def test_what_a_moderator_deletes_is_gone_from_list_disk_and_database(
    studio: Studio,
) -> None:
    folder = await kept(studio, "r_1")
    other = await kept(studio, "r_2")
    path = f"/api/v1/rooms/{ROOM}/recordings/r_1/program-001.webm"
    assert (await studio.get(path))[1] == b"film"
    assert await studio.delete(RecordingId("r_1")) == 204
    assert (await studio.get(path))[0].status == 404
    assert await ids(studio) == {"r_2"}
    await until(lambda: not folder.exists(), "the files to go")
    assert (other / "program-001.webm").exists()
    assert await studio.delete(RecordingId("r_1")) == 404


async def test_nobody_else_deletes_and_nothing_that_runs_is_deleted(studio: Studio) -> None:
    folder = await kept(studio, "r_3")
    running = await kept(studio, "r_4", days_ago=None)
    assert await studio.delete(RecordingId("r_3"), "eve", Role.SPEAKER) == 403
    assert await studio.delete(RecordingId("r_4")) == 409
    assert folder.exists()
    assert running.exists()
    assert {"r_3", "r_4"} <= await ids(studio)


async def test_what_cannot_be_removed_is_tried_again(
    studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = await kept(studio, "r_5")
    tried = []

    def refuse(path: Path) -> None:
        tried.append(path)
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("server.recording.disposal._remove", refuse)
    assert await studio.delete(RecordingId("r_5")) == 204
    await until(lambda: tried, "an attempt")
    assert "r_5" not in await ids(studio)
    monkeypatch.undo()
    studio.recordings.disposal._steps.wake()
    await until(lambda: not folder.exists(), "the files to go")


async def test_old_recordings_of_this_node_go_by_themselves(studio: Studio) -> None:
    old = await kept(studio, "r_old", days_ago=30.1)
    young = await kept(studio, "r_young", days_ago=29.9)
    running = await kept(studio, "r_running", days_ago=None)
    elsewhere = await kept(studio, "r_elsewhere", node=SF, days_ago=31)
    disposal = studio.recordings.disposal
    await disposal._step()  # a node that keeps for ever
    assert old.exists()
    disposal._days = 30
    await disposal._step()
    assert [folder.exists() for folder in (old, young, running, elsewhere)] == [
        False, True, True, True,
    ]  # fmt: skip
    assert {"r_old", "r_young", "r_running", "r_elsewhere"} & await ids(studio) == {
        "r_young", "r_running", "r_elsewhere",
    }  # fmt: skip
