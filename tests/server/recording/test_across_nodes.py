"""Recordings at one node of people at another, and files that lie elsewhere."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from rooms.ids import Identity
from rooms.live import RecordingScope, Role
from tests.media.recorders import Film, is_run_of
from tests.server.recording.studio import ROOM, Presenter, Studio, running_studio, until
from tests.services import Valkey

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.slow]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def studios(
    tmp_path_factory: pytest.TempPathFactory, valkey_server: Valkey
) -> AsyncIterator[tuple[Studio, Studio]]:
    """Two nodes; each puts the second peer of a room on another of its two workers."""
    valkey_server.flush()
    folder = tmp_path_factory.mktemp("nodes")
    spread = {"workers": 2, "room_load": 1}
    async with (
        running_studio(folder, valkey_server.url, "gz", **spread) as gz,
        running_studio(folder, valkey_server.url, "sf", **spread) as sf,
    ):
        for studio in (gz, sf):
            nodes = studio.node.realtime.nodes
            await until(lambda n=nodes: len(n.alive()) == 2, "the nodes to know each other")  # type: ignore[misc]
        yield gz, sf


async def test_people_of_both_nodes_and_of_every_worker_are_in_the_recording(
    studios: tuple[Studio, Studio],
) -> None:
    gz, sf = studios
    await gz.enter("mod", Role.MODERATOR)
    await sf.enter("eve", Role.MODERATOR)
    ann, bob, cat = Presenter(), Presenter(), Presenter()
    try:
        await gz.publish(ann, "ann")
        await until(lambda: gz.node.up(1), "the second worker of gz")
        await gz.publish(bob, "bob")
        await sf.publish(cat, "cat")
        await until(lambda: len(gz.live.tracks) == 6, "everybody's tracks at gz")
        assert {(r.node, r.worker) for r in gz.session("mod").mirror.records.values()} == {
            ("gz", 0), ("gz", 1), ("sf", 0),
        }  # fmt: skip
        recording = await gz.start(RecordingScope.PARTICIPANTS)
        await gz.consent("ann")
        await gz.consent("bob")
        await sf.consent("cat")
        await gz.has_written(recording, 3)
        for presenter in (ann, bob, cat):
            await presenter.shows(40)
        # Whoever moderates elsewhere stops it just as well.
        await until(lambda: sf.live.recording == recording, "sf to know")
        await sf.stop(by="eve")
        await gz.over()

        files = (await sf.listed())[0]["files"]
        folder = gz.recordings.folder(ROOM, recording.id)
        shown = {file["segments"][0]["identity"]: folder / file["name"] for file in files}
        for identity, presenter in (("ann", ann), ("bob", bob), ("cat", cat)):
            film = Film(shown[identity])
            assert is_run_of(film.frames, presenter.frames), identity
            assert len(film.pictures) == len(film.frames) > 25, identity
            assert film.samples > 24_000, identity

        # The files lie at gz; a moderator at sf deletes them all the same.
        assert await sf.delete(recording.id) == 204
        await until(lambda: not folder.exists(), "the files to go")
        assert await gz.node.store.recordings.get(ROOM, recording.id) is None
        assert Identity("cat") in gz.live.participants
    finally:
        for presenter in (ann, bob, cat):
            presenter.close()
