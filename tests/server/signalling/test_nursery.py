"""The process that workers are forked from: births, deaths, and its own."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from server.signalling.nursery import KILLED, Nursery, WorkerProcess

USAGE = 2
"""Exit code of argparse."""


class Hatchery:
    """A nursery, and the sockets its workers are connected to."""

    def __init__(self, folder: Path) -> None:
        self.nursery = Nursery()
        self.workers: list[WorkerProcess] = []
        self._folder = folder
        self._writers: list[asyncio.StreamWriter] = []

    async def start(self, *arguments: str) -> WorkerProcess:
        worker = await self.nursery.start(arguments)
        self.workers.append(worker)
        return worker

    async def waiting(self) -> WorkerProcess:
        """Start a worker and wait until it is connected to somebody who asks nothing."""
        path = self._folder / f"{len(self.workers)}"
        connected = asyncio.Event()

        def accept(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            self._writers.append(writer)
            connected.set()

        server = await asyncio.start_unix_server(accept, path)
        worker = await self.start("--socket", str(path), "--host", "127.0.0.1")
        async with asyncio.timeout(10):
            await connected.wait()
        server.close()
        return worker

    async def close(self) -> None:
        await self.nursery.close()
        for worker in self.workers:
            worker.close()
        for writer in self._writers:
            writer.close()


@pytest_asyncio.fixture
async def hatchery(tmp_path: Path) -> AsyncIterator[Hatchery]:
    hatchery = Hatchery(tmp_path)
    yield hatchery
    await hatchery.close()


async def ended(worker: WorkerProcess) -> int:
    async with asyncio.timeout(10):
        return await worker.wait()


async def test_each_worker_s_words_and_end_are_its_own(hatchery: Hatchery) -> None:
    lost, confused = await asyncio.gather(
        hatchery.start("--socket", "/nonexistent/socket", "--host", "127.0.0.1"),
        hatchery.start("--socket", "x", "--colour", "red"),
    )
    assert b"cannot connect" in await lost.stderr.read()
    assert b"--colour" in await confused.stderr.read()
    assert (await ended(lost), await ended(confused)) == (1, USAGE)
    assert lost.pid != confused.pid
    lost.send_signal(signal.SIGKILL)  # its number may be another process's by now
    assert lost.returncode == 1


async def test_a_worker_is_killed_even_when_stopped(hatchery: Hatchery) -> None:
    worker, other = await hatchery.waiting(), await hatchery.waiting()
    os.kill(worker.pid, signal.SIGSTOP)
    worker.send_signal(signal.SIGKILL)
    assert await ended(worker) == -signal.SIGKILL
    assert other.returncode is None
    other.send_signal(signal.SIGTERM)
    assert await ended(other) in (0, -signal.SIGTERM)  # told perhaps before it listens


@pytest.mark.slow
async def test_workers_end_with_the_nursery_and_the_next_start_has_another(
    hatchery: Hatchery,
) -> None:
    worker = await hatchery.waiting()
    assert hatchery.nursery._process is not None
    hatchery.nursery._process.kill()
    assert await ended(worker) == KILLED
    again = await hatchery.waiting()
    assert again.returncode is None


async def test_closing_ends_what_is_left(hatchery: Hatchery) -> None:
    worker = await hatchery.waiting()
    await hatchery.nursery.close()
    assert await ended(worker) == KILLED
    assert b"Traceback" not in await worker.stderr.read()
    with pytest.raises(ProcessLookupError):
        os.kill(worker.pid, 0)
