"""Where media workers come from: a process that has loaded what they need and forks them
(``media.nursery``). Starts it when first needed, and anew should it die.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import sys
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

START_TIMEOUT_S = 30.0
STOP_TIMEOUT_S = 3.0
KILLED = -signal.SIGKILL

_ROOT = Path(__file__).resolve().parents[2]


class NurseryError(Exception):
    """No worker can be had; the message says why."""


class _Report(msgspec.Struct):
    """A worker was born, or (``code``) has ended."""

    pid: int
    code: int | None = None


class WorkerProcess:
    """A worker's process, as ``asyncio.subprocess.Process`` would show it. Owner: its MediaWorker."""

    def __init__(self, pid: int, output: _Output, send: Callable[[int, int], None]) -> None:
        self.pid = pid
        self.stderr = output.reader
        self._output = output
        self.returncode: int | None = None
        self._send = send
        self._ended = asyncio.Event()

    def send_signal(self, number: signal.Signals) -> None:
        """Send a signal; nobody gets it when the process has ended."""
        if self.returncode is None:
            self._send(self.pid, number)

    async def wait(self) -> int:
        await self._ended.wait()
        assert self.returncode is not None
        return self.returncode

    def end(self, code: int) -> None:
        """Note that it has ended."""
        self.returncode = code
        self._ended.set()

    def close(self) -> None:
        """Let go of what it wrote."""
        self._output.transport.close()


@dataclass(frozen=True)
class _Output:
    """Our end of a worker's stderr."""

    reader: asyncio.StreamReader
    transport: asyncio.ReadTransport


@dataclass(frozen=True)
class _Birth:
    """A worker asked for."""

    output: _Output
    worker: asyncio.Future[WorkerProcess]


class Nursery:
    """Owner: Workers. Lifetime: until ``close``."""

    def __init__(self) -> None:
        self._turn = asyncio.Lock()
        self._process: asyncio.subprocess.Process | None = None
        self._orders: socket.socket | None = None
        self._reading: asyncio.Task[None] | None = None
        self._births: deque[_Birth] = deque()
        self._workers: dict[int, WorkerProcess] = {}

    async def start(self, arguments: Sequence[str]) -> WorkerProcess:
        """Start a worker.

        Args:
            arguments: as of ``python -m media``.

        Raises:
            NurseryError: there is none to be had.
        """
        await self.begin()
        async with self._turn:
            if self._orders is None:
                raise NurseryError("the media nursery ended")
            output, theirs = await _pipe()
            birth = _Birth(output, asyncio.get_running_loop().create_future())
            self._births.append(birth)
            line = msgspec.json.encode({"start": list(arguments)}) + b"\n"
            try:
                socket.send_fds(self._orders, [line], [theirs])
            except OSError as error:
                self._births.remove(birth)
                output.transport.close()
                raise NurseryError(f"the media nursery is gone: {error.strerror}") from error
            finally:
                os.close(theirs)
        try:
            async with asyncio.timeout(START_TIMEOUT_S):
                return await birth.worker
        except TimeoutError:
            raise NurseryError(f"no media worker within {START_TIMEOUT_S:.0f} s") from None

    async def close(self) -> None:
        """End the process, and every worker that is left. Twice is fine."""
        if self._orders is not None:
            self._orders.close()
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.gather(self._reading, return_exceptions=True)
        if self._process is not None:
            try:
                async with asyncio.timeout(STOP_TIMEOUT_S):
                    await self._process.wait()
            except TimeoutError:
                with contextlib.suppress(ProcessLookupError):
                    self._process.kill()
                await self._process.wait()

    async def begin(self) -> None:
        """Start the process, if it does not run; it loads while its first worker is prepared for."""
        async with self._turn:
            if self._orders is None:
                await self._begin()

    async def _begin(self) -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "media.nursery", str(theirs.fileno()),
                cwd=_ROOT,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.DEVNULL,
                pass_fds=(theirs.fileno(),),
                process_group=0,  # Ctrl-C in a terminal is for the server, which then stops us
            )  # fmt: skip
        self._orders = ours.dup()
        self._orders.setblocking(False)
        reader, writer = await asyncio.open_unix_connection(sock=ours)
        self._reading = asyncio.create_task(self._read(reader, writer), name="media nursery")

    async def _read(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while line := await reader.readline():
                report = msgspec.json.decode(line, type=_Report)
                if report.code is not None:
                    self._workers.pop(report.pid).end(report.code)
                    continue
                birth = self._births.popleft()
                if birth.worker.done():  # nobody waits for it any more
                    self._workers[report.pid] = WorkerProcess(report.pid, birth.output, self._kill)
                    self._kill(report.pid, signal.SIGKILL)
                    birth.output.transport.close()
                    continue
                worker = WorkerProcess(report.pid, birth.output, self._kill)
                self._workers[report.pid] = worker
                birth.worker.set_result(worker)
        finally:
            self._gone()
            writer.close()

    def _gone(self) -> None:
        """It has died or is closed: its workers end with it, the next start begins another."""
        if self._orders is not None:
            self._orders.close()
        self._orders = None
        for birth in self._births:
            birth.output.transport.close()
            if not birth.worker.done():
                birth.worker.set_exception(NurseryError("the media nursery ended"))
        self._births.clear()
        for worker in self._workers.values():
            worker.end(KILLED)
        self._workers.clear()

    def _kill(self, pid: int, number: int) -> None:
        if self._orders is not None:
            with contextlib.suppress(OSError):
                self._orders.send(msgspec.json.encode({"kill": pid, "signal": number}) + b"\n")


async def _pipe() -> tuple[_Output, int]:
    """Make a pipe: what comes out of it here, and its other end."""
    out, into = os.pipe()
    reader = asyncio.StreamReader()
    transport, _ = await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(out, "rb", 0)
    )
    return _Output(reader, transport), into
