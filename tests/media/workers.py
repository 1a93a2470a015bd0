"""A media worker as its node runs it: a process of its own, spoken to over a Unix socket."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar, cast

import msgspec

from media import rpc
from media.framing import Notice, RpcClient
from tests.wire import until

ROOT = Path(__file__).resolve().parents[2]
_N = TypeVar("_N", bound=Notice)


class RunningWorker:
    """The node's view of a worker.

    Attributes:
        heard: every notice so far, in order.
    """

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.heard: list[Notice] = []
        self.client: RpcClient
        self.info: rpc.WorkerInfo

    def notices(self, kind: type[_N]) -> list[_N]:
        return [notice for notice in self.heard if isinstance(notice, kind)]

    async def stats(self) -> dict[str, Any]:
        stats = await self.client.call(rpc.Stats(detail=True))
        return cast(dict[str, Any], msgspec.to_builtins(stats))

    async def ended(self) -> int:
        async with asyncio.timeout(10):
            return await self.process.wait()


async def start_process(
    socket_path: Path, *, host: str = "127.0.0.1", port: int = 0, more: Sequence[str] = ()
) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable, "-W", "error", "-m", "media",
        "--socket", str(socket_path), "--host", host, "--port", str(port), *more,
        cwd=ROOT, stderr=asyncio.subprocess.PIPE, env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip


@asynccontextmanager
async def worker(host: str = "127.0.0.1", more: Sequence[str] = ()) -> AsyncIterator[RunningWorker]:
    """Runs a worker for the length of the block; a traceback in its log fails the test."""
    accepted: asyncio.Queue[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = asyncio.Queue()
    with tempfile.TemporaryDirectory(prefix="yunhai-", dir="/tmp") as folder:
        path = Path(folder) / "media.sock"
        listener = await asyncio.start_unix_server(
            lambda reader, writer: accepted.put_nowait((reader, writer)), path
        )
        process = await start_process(path, host=host, more=more)
        assert process.stderr is not None
        log = asyncio.create_task(process.stderr.read())
        running = RunningWorker(process)
        reading = None
        try:
            async with asyncio.timeout(30):
                reader, writer = await accepted.get()
            running.client = RpcClient(reader, writer, running.heard.append)
            reading = asyncio.create_task(running.client.run())
            running.info = await running.client.call(rpc.Hello(node="test"))
            yield running
        finally:
            listener.close()
            if reading is not None:
                running.client.close()
                await reading
            elif process.returncode is None:
                process.kill()
            try:
                await asyncio.wait_for(process.wait(), 10)
            except TimeoutError:
                process.kill()
                raise
            finally:
                text = (await log).decode(errors="replace")
                print(text)
        assert "Traceback" not in text, text
        assert process.returncode in (0, -signal.SIGKILL), text


async def kill(running: RunningWorker) -> None:
    """Ends a worker as a crash would."""
    with contextlib.suppress(ProcessLookupError):
        running.process.kill()
    await running.process.wait()


async def connected(running: RunningWorker, peer: str) -> None:
    await until(
        lambda: any(
            notice.peer == peer and notice.state == "connected"
            for notice in running.notices(rpc.PeerStateNotice)
        )
    )
