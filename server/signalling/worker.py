"""Keeps one media worker running: its process, its socket, its restarts.

Has it started by the nursery; it connects back to a Unix socket in a folder
only we can enter. When the process or its connection ends, or it does not answer
any more, it is started again on the same UDP port, at once the first time, then
with growing pauses. What the worker was doing is made good by the owner, in
``on_up`` and ``on_down``.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import structlog

from media import rpc
from media.framing import RpcClient, RpcError
from server.config import Settings
from server.signalling.media_link import MediaLink
from server.signalling.nursery import Nursery, NurseryError, WorkerProcess
from server.sockets import socket_folder

START_TIMEOUT_S = 30.0
STOP_TIMEOUT_S = 3.0
EXIT_S = 0.25
"""How long a worker that is to be replaced may take to go: people are waiting."""
STEADY_S = 30.0
"""A worker that lived this long is restarted without pause."""
MAX_PAUSE_S = 5.0
PING_S = 1.0
PING_TIMEOUT_S = 1.5
PINGS_MISSED = 2
"""In a row, and the worker hangs. Two, since after a pause of the whole machine the first one's
time is up before the worker could answer."""
EXIT_PORT_TAKEN = 3
"""Exit code of the worker, and of the server, when the media port is taken."""

log = structlog.get_logger("media")


class WorkerStartError(Exception):
    """The media worker did not come up; the message says what it said last."""

    exit_code = 1


class MediaPortTakenError(WorkerStartError):
    """Another program holds the media port; the message names it and YUNHAI_MEDIA_PORT."""

    exit_code = EXIT_PORT_TAKEN


class MediaWorker:
    """One media worker, whichever process it is now.

    Owner: Workers. Lifetime: ``begin`` to ``end``. Invariant: ``link`` is attached
    exactly between ``on_up`` and ``on_down``.

    Args:
        on_up: the process is ready.
        on_down: the process and everything it held are gone, or it could not be started.
    """

    def __init__(
        self,
        settings: Settings,
        link: MediaLink,
        nursery: Nursery,
        *,
        on_up: Callable[[], None],
        on_down: Callable[[], None],
    ) -> None:
        self._settings = settings
        self._link = link
        self._on_up = on_up
        self._on_down = on_down
        self._port = settings.media_port + link.index if settings.media_port else 0
        self._supervising: asyncio.Task[None] | None = None
        self._nursery = nursery
        self._process: WorkerProcess | None = None
        self._reading: asyncio.Task[None] | None = None
        self._echo: asyncio.Task[None] | None = None
        self._last_words: deque[str] = deque(maxlen=20)
        self.restarts = 0

    @property
    def index(self) -> int:
        return self._link.index

    @property
    def pid(self) -> int | None:
        """Process id of the worker, or None while there is none."""
        return self._process.pid if self._process and self._process.returncode is None else None

    @property
    def begun(self) -> bool:
        return self._supervising is not None

    async def start(self) -> None:
        """Start the worker and keep it running.

        Raises:
            MediaPortTakenError: its port is taken, and it is not kept running.
            WorkerStartError: any other reason, likewise.
        """
        await self._start()
        self.begin()

    def begin(self) -> None:
        """Keep the worker running from now on, however often its start fails."""
        self._supervising = asyncio.create_task(
            self._supervise(), name=f"media worker {self.index}"
        )

    async def end(self) -> None:
        if self._supervising is not None:
            self._supervising.cancel()
            await asyncio.gather(self._supervising, return_exceptions=True)
        self._link.detach()
        await self._stop(STOP_TIMEOUT_S)

    async def _supervise(self) -> None:
        clock = asyncio.get_running_loop().time
        pause_s = 0.0
        while True:
            if not self._link.up:
                await asyncio.sleep(pause_s)
                pause_s = min(MAX_PAUSE_S, max(0.25, pause_s * 2))
                try:
                    await self._start()
                except WorkerStartError as error:
                    log.error(
                        "no media worker", worker=self.index, cause=str(error), again_in_s=pause_s
                    )
                    self._link.lost = True
                    self._on_down()
                    continue
            began = clock()
            self._on_up()
            cause = await self._lived()
            self._link.detach()
            await self._stop()
            self.restarts += 1
            log.error(
                "the media worker ended; starting it again",
                worker=self.index, cause=cause or self._ending(),
            )  # fmt: skip
            self._on_down()
            if clock() - began > STEADY_S:
                pause_s = 0.0

    async def _lived(self) -> str:
        """Wait for the end of the process, or for it to hang; return a cause if we know one."""
        assert self._reading is not None
        missed = 0
        while missed < PINGS_MISSED:
            done, _ = await asyncio.wait([self._reading], timeout=0 if missed else PING_S)
            if done:
                return ""
            try:
                await self._link.ping(PING_TIMEOUT_S)
                missed = 0
            except RpcError as error:
                missed += error.code == "timeout"
        return "it does not answer"

    async def _start(self) -> None:
        try:
            path = socket_folder(self._settings.data_dir) / f"media-{self.index}.sock"
        except OSError as error:
            raise WorkerStartError(
                f"no folder for the media worker's socket: {error}; set YUNHAI_DATA_DIR"
            ) from None
        path.unlink(missing_ok=True)
        accepted: asyncio.Future[tuple[asyncio.StreamReader, asyncio.StreamWriter]]
        accepted = asyncio.get_running_loop().create_future()

        def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            if accepted.done():
                writer.close()
            else:
                accepted.set_result((reader, writer))

        listener = await asyncio.start_unix_server(accept, path)
        try:
            await self._launch(path)
            reader, writer = await self._connection(accepted)
        except BaseException:
            await self._stop()
            raise
        finally:
            listener.close()
            path.unlink(missing_ok=True)
        client = RpcClient(reader, writer, self._link.take)
        self._reading = asyncio.create_task(self._read(client), name="media worker replies")
        try:
            info = await client.call(
                rpc.Hello(
                    node=self._settings.node,
                    loudest=self._settings.voices,
                    above=self._settings.voices_above,
                ),
                timeout=START_TIMEOUT_S,
            )
        except RpcError as error:
            await self._stop()
            raise WorkerStartError(f"the media worker did not say hello: {error}") from error
        self._port = info.port
        self._link.attach(client, info)
        log.info("the media worker is ready", worker=self.index, pid=info.pid, udp_port=info.port)

    async def _launch(self, path: Path) -> None:
        settings = self._settings
        arguments = [
            "--socket", str(path),
            "--host", settings.media_host,
            "--port", str(self._port),
            "--advertise", ",".join(settings.media_addresses),
        ]  # fmt: skip
        if not settings.media_tcp:
            arguments.append("--no-tcp")
        if settings.native:
            arguments += ["--native", str(settings.data_dir / "native")]
        self._last_words.clear()
        try:
            self._process = await self._nursery.start(arguments)
        except NurseryError as error:
            raise WorkerStartError(str(error)) from error
        self._echo = asyncio.create_task(self._repeat(self._process.stderr), name="media log")

    async def _connection(
        self, accepted: asyncio.Future[tuple[asyncio.StreamReader, asyncio.StreamWriter]]
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Await the worker's connection, or its end."""
        assert self._process is not None
        assert self._echo is not None
        exited = asyncio.create_task(self._process.wait())
        try:
            either: list[asyncio.Future[Any]] = [accepted, exited]
            await asyncio.wait(either, timeout=START_TIMEOUT_S, return_when=asyncio.FIRST_COMPLETED)
        finally:
            exited.cancel()
        if accepted.done():
            return accepted.result()
        if self._process.returncode is None:
            raise WorkerStartError(f"the media worker did not connect in {START_TIMEOUT_S:.0f} s")
        await asyncio.wait([self._echo], timeout=1.0)
        if self._process.returncode == EXIT_PORT_TAKEN:
            raise MediaPortTakenError(
                self._last_words[-1]
                if self._last_words
                else f"UDP port {self._port} is taken: free it or set YUNHAI_MEDIA_PORT"
            )
        raise WorkerStartError(f"the media worker did not start: {self._ending()}")

    async def _read(self, client: RpcClient) -> None:
        try:
            await client.run()
        except Exception:
            log.exception("the media worker's replies cannot be read")

    async def _repeat(self, stderr: asyncio.StreamReader) -> None:
        """Pass on what the worker logs, keeping its last words."""
        while True:
            try:
                line = await stderr.readline()
            except ValueError:  # longer than the reader's limit: its rest follows
                continue
            if not line:
                return
            text = line.decode(errors="replace").rstrip()
            level, event, fields = _logged(text)
            self._last_words.append(event)
            log.log(level, event, **{"worker": self.index, **fields})

    def _ending(self) -> str:
        code = self._process.returncode if self._process else None
        words = f": {self._last_words[-1]}" if self._last_words else ""
        return f"exit code {code}{words}"

    async def _stop(self, patience_s: float = EXIT_S) -> None:
        """End the connection, hence the process; kill one that does not go in that time."""
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.gather(self._reading, return_exceptions=True)
        process = self._process
        if process is not None and process.returncode is None:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(patience_s):
                    await process.wait()
            process.send_signal(signal.SIGKILL)
            await process.wait()
        if self._echo is not None:
            await asyncio.wait([self._echo], timeout=1.0)
            self._echo.cancel()
        if process is not None:
            process.close()


def _logged(line: str) -> tuple[int, str, dict[str, Any]]:
    """Read a line of the worker's log: JSON from its logger, or anything else it says."""
    try:
        entry = msgspec.json.decode(line, type=dict[str, Any])
        level = logging.getLevelNamesMapping()[str(entry.pop("level")).upper()]
        event = str(entry.pop("event"))
    except (msgspec.MsgspecError, KeyError):
        return logging.WARNING, line, {}
    return level, event, {k: v for k, v in entry.items() if k not in ("timestamp", "logger")}
