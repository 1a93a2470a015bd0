"""The media worker's process: started, restarted, ended."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from media.framing import RpcError
from server.signalling.media_link import MediaLink
from server.signalling.nursery import Nursery
from server.signalling.worker import (
    EXIT_PORT_TAKEN,
    MediaPortTakenError,
    MediaWorker,
    WorkerStartError,
)
from tests.server.guests import until
from tests.server.settings import make_settings


@asynccontextmanager
async def running(
    folder: Path, link: MediaLink, log: list[str], port: int = 0
) -> AsyncIterator[MediaWorker]:
    settings = make_settings(
        folder, media_host="127.0.0.1", media_port=str(port), media_addresses="127.0.0.1"
    )
    nursery = Nursery()
    worker = MediaWorker(
        settings, link, nursery, on_up=lambda: log.append("up"), on_down=lambda: log.append("down")
    )
    try:
        await worker.start()
        await until(lambda: log == ["up"], "the first start to be told")
        log.clear()
        yield worker
    finally:
        await worker.end()
        await nursery.close()


def exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


async def test_a_worker_answers_and_ends_with_its_owner(tmp_path: Path) -> None:
    link = MediaLink()
    async with running(tmp_path, link, []) as worker:
        pid = worker.pid
        assert link.info is not None
        assert pid == link.info.pid
        assert link.info.port > 0
        assert link.info.addresses == ["127.0.0.1"]
        assert await link.stats()
    assert pid is not None
    assert not exists(pid)
    with pytest.raises(RpcError, match="gone"):
        await link.stats()


async def test_a_killed_worker_is_started_again_on_its_port(tmp_path: Path) -> None:
    link, log = MediaLink(), list[str]()
    async with running(tmp_path, link, log) as worker:
        assert link.info is not None
        first, pid = link.info, worker.pid
        assert pid is not None
        waiting = [asyncio.create_task(link.stats()) for _ in range(3)]
        os.kill(pid, signal.SIGKILL)
        await until(lambda: log == ["down", "up"], "the worker to be down, then up")
        assert link.info.port == first.port
        assert link.info.pid != first.pid
        assert (link.starts, worker.restarts) == (2, 1)
        assert await link.stats()
        for outcome in await asyncio.gather(*waiting, return_exceptions=True):
            assert isinstance(outcome, dict | RpcError)


@pytest.mark.slow
async def test_a_worker_that_ends_by_itself_is_started_again(tmp_path: Path) -> None:
    link, log = MediaLink(), list[str]()
    async with running(tmp_path, link, log) as worker:
        pid = worker.pid
        assert pid is not None
        os.kill(pid, signal.SIGTERM)
        await until(lambda: log == ["down", "up"], "the worker to be down, then up")
        assert worker.pid not in (None, pid)


async def test_a_taken_port_is_named_with_the_variable_to_change(tmp_path: Path) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        with pytest.raises(MediaPortTakenError) as refused:
            async with running(tmp_path, MediaLink(), [], port):
                pass
    assert str(port) in str(refused.value)
    assert "YUNHAI_MEDIA_PORT" in str(refused.value)
    assert refused.value.exit_code == EXIT_PORT_TAKEN == 3


async def test_a_data_folder_that_cannot_be_used_is_named_with_its_variable(tmp_path: Path) -> None:
    """With Redis and SQL elsewhere nothing else looks at the folder, so it ended in a traceback."""
    worker = MediaWorker(
        make_settings(tmp_path), MediaLink(), Nursery(), on_up=lambda: None, on_down=lambda: None
    )
    (tmp_path / "run").write_text("in the way")
    with pytest.raises(WorkerStartError, match="YUNHAI_DATA_DIR"):
        await worker.start()
