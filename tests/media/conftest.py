"""A worker process shared by the tests of a module; each test leaves it empty."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
import pytest_asyncio

from media import native as native_writer
from media import rpc
from media.native import NativeWriter
from tests.media.people import Performer, Viewer
from tests.media.workers import RunningWorker, worker

MakePerformer = Callable[[str], Performer]
MakeViewer = Callable[..., Viewer]


@pytest.fixture(scope="session")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The writer in C, compiled; skips where that cannot be."""
    folder = tmp_path_factory.mktemp("native")
    if asyncio.run(native_writer.build(folder)) is None:
        pytest.skip("there is no C compiler")
    return native_writer.library(folder)


@pytest.fixture
def native(library: Path) -> NativeWriter:
    return NativeWriter(library)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared_worker() -> AsyncIterator[RunningWorker]:
    async with worker() as running:
        yield running


@pytest_asyncio.fixture(loop_scope="module")
async def running(shared_worker: RunningWorker) -> AsyncIterator[RunningWorker]:
    """The module's worker, without peers and notices."""
    shared_worker.heard.clear()
    yield shared_worker
    stats = await shared_worker.stats()
    for kind in ("publishers", "subscribers", "players"):
        for peer in stats[kind]:
            await shared_worker.client.call(rpc.PeerClose(peer=peer))
    left = await shared_worker.stats()
    assert left["tracks"] == {}


@pytest_asyncio.fixture(loop_scope="module")
async def perform(running: RunningWorker) -> AsyncIterator[MakePerformer]:
    """Makes people who publish."""
    made: list[Performer] = []

    def make(peer: str) -> Performer:
        made.append(Performer(running, peer))
        return made[-1]

    yield make
    for performer in made:
        performer.close()


@pytest_asyncio.fixture(loop_scope="module")
async def performer(perform: MakePerformer) -> Performer:
    return perform("p")


@pytest_asyncio.fixture(loop_scope="module")
async def viewers(running: RunningWorker) -> AsyncIterator[MakeViewer]:
    """Makes people who watch."""
    made: list[Viewer] = []

    def make(peer: str, **faults: float) -> Viewer:
        made.append(Viewer(running, peer, **faults))  # type: ignore[arg-type]
        return made[-1]

    yield make
    for viewer in made:
        viewer.close()
