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


@pytest_asyncio.fixture
async def nursery() -> AsyncIterator[Nursery]:
    nursery = Nursery()
    yield nursery
    await nursery.close()


async def ended(worker: WorkerProcess) -> int:
    async with asyncio.timeout(10):
        return await worker.wait()


async def waiting(nursery: Nursery, folder: Path, name: str = "s") -> WorkerProcess:
    """Start a worker that connects to a socket nobody serves further, and wait until it has."""
    connected = asyncio.Event()
    path = folder / name
    server = await asyncio.start_unix_server(lambda _, writer: connected.set(), path)
    worker = await nursery.start(["--socket", str(path), "--host", "127.0.0.1"])
    async with asyncio.timeout(10):
        await connected.wait()
    server.close()
    return worker


async def test_each_worker_s_words_and_end_are_its_own(nursery: Nursery, tmp_path: Path) -> None:
    lost, confused = await asyncio.gather(
        nursery.start(["--socket", str(tmp_path / "nobody"), "--host", "127.0.0.1"]),
        nursery.start(["--socket", "x", "--colour", "red"]),
    )
    assert b"cannot connect" in await lost.stderr.read()
    assert b"--colour" in await confused.stderr.read()
    assert (await ended(lost), await ended(confused)) == (1, USAGE)
    assert lost.pid != confused.pid
    lost.send_signal(signal.SIGKILL)  # its number may be another process's by now
    assert lost.returncode == 1


async def test_a_worker_is_killed_even_when_stopped(nursery: Nursery, tmp_path: Path) -> None:
    worker, other = await waiting(nursery, tmp_path), await waiting(nursery, tmp_path, "t")
    os.kill(worker.pid, signal.SIGSTOP)
    worker.send_signal(signal.SIGKILL)
    assert await ended(worker) == -signal.SIGKILL
    assert other.returncode is None
    other.send_signal(signal.SIGTERM)
    assert await ended(other) in (0, -signal.SIGTERM)  # told perhaps before it listens


@pytest.mark.slow
async def test_workers_end_with_the_nursery_and_the_next_start_has_another(
    nursery: Nursery, tmp_path: Path
) -> None:
    worker = await waiting(nursery, tmp_path)
    assert nursery._process is not None
    nursery._process.kill()
    assert await ended(worker) == KILLED
    again = await waiting(nursery, tmp_path, "t")
    assert again.returncode is None
    again.send_signal(signal.SIGTERM)
    assert await ended(again) in (0, -signal.SIGTERM)


async def test_closing_ends_what_is_left(nursery: Nursery, tmp_path: Path) -> None:
    worker = await waiting(nursery, tmp_path)
    await nursery.close()
    assert await ended(worker) == KILLED
    assert b"Traceback" not in await worker.stderr.read()
