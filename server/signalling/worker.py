"""Keeps the node's media worker running: its process, its socket, its restarts.

Starts ``python -m media``, which connects back to a Unix socket in a folder
only we can enter. When the process or its connection ends, it is started again
on the same UDP port, at once the first time, then with growing pauses. What the
worker was doing is made good by the owner, in ``on_up`` and ``on_down``. Importing
this takes little, so that the first process can be launched before the rest of the
server is imported.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sys
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Self

import msgspec
import structlog

from media import rpc
from media.framing import RpcClient, RpcError
from server.config import Settings
from server.signalling.media_link import MediaLink
from server.sockets import socket_folder

START_TIMEOUT_S = 30.0
STOP_TIMEOUT_S = 3.0
STEADY_S = 30.0
"""A worker that lived this long is restarted without pause."""
MAX_PAUSE_S = 5.0
EXIT_PORT_TAKEN = 3
"""Exit code of the worker, and of the server, when the media port is taken."""

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]

_ROOT = Path(__file__).resolve().parents[2]
log = structlog.get_logger("media")


class WorkerStartError(Exception):
    """The media worker did not come up; the message says what it said last."""

    exit_code = 1


class MediaPortTakenError(WorkerStartError):
    """Another program holds the media port; the message names it and YUNHAI_MEDIA_PORT."""

    exit_code = EXIT_PORT_TAKEN


class WorkerProcess:
    """One process of the media worker and its connection to us, from start to end.

    Owner: MediaWorker; of the first one, until it takes over, whoever launched it.
    """

    def __init__(
        self,
        process: asyncio.subprocess.Process,
        listener: asyncio.Server,
        path: Path,
        accepted: asyncio.Future[Streams],
        port: int,
    ) -> None:
        self._process = process
        self._listener = listener
        self._path = path
        self._accepted = accepted
        self._port = port
        self._last_words: deque[str] = deque(maxlen=20)
        assert process.stderr is not None
        self._echo = asyncio.create_task(self._repeat(process.stderr), name="media log")

    @classmethod
    async def launch(cls, settings: Settings, port: int) -> Self:
        """Start a worker on that UDP port; it is not ready before ``connected`` says so.

        Raises:
            WorkerStartError: there can be no socket for it.
        """
        try:
            path = socket_folder(settings.data_dir) / "media.sock"
        except OSError as error:
            raise WorkerStartError(
                f"no folder for the media worker's socket: {error}; set YUNHAI_DATA_DIR"
            ) from None
        path.unlink(missing_ok=True)
        accepted: asyncio.Future[Streams] = asyncio.get_running_loop().create_future()

        def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            if accepted.done():
                writer.close()
            else:
                accepted.set_result((reader, writer))

        arguments = [
            "--socket", str(path),
            "--host", settings.media_host,
            "--port", str(port),
            "--advertise", ",".join(settings.media_addresses),
        ]  # fmt: skip
        if not settings.media_tcp:
            arguments.append("--no-tcp")
        if settings.native:
            arguments += ["--native", str(settings.data_dir / "native")]
        listener = await asyncio.start_unix_server(accept, path)
        try:
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "media", *arguments,
                cwd=_ROOT,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.DEVNULL,
                stderr=asyncio.subprocess.PIPE,
                process_group=0,  # Ctrl-C in a terminal is for the server, which then stops us
            )  # fmt: skip
        except BaseException:
            listener.close()
            raise
        return cls(process, listener, path, accepted, port)

    @property
    def pid(self) -> int | None:
        """Process id, or None once it has ended."""
        return self._process.pid if self._process.returncode is None else None

    async def connected(self) -> Streams:
        """Await the worker's connection, or its end.

        Raises:
            MediaPortTakenError: it found its port taken.
            WorkerStartError: it ended for another reason, or did not connect in time.
        """
        exited = asyncio.create_task(self._process.wait())
        try:
            either: list[asyncio.Future[Any]] = [self._accepted, exited]
            await asyncio.wait(either, timeout=START_TIMEOUT_S, return_when=asyncio.FIRST_COMPLETED)
        finally:
            exited.cancel()
            self._stop_listening()
        if self._accepted.done():
            return self._accepted.result()
        if self._process.returncode is None:
            raise WorkerStartError(f"the media worker did not connect in {START_TIMEOUT_S:.0f} s")
        await asyncio.wait([self._echo], timeout=1.0)
        if self._process.returncode == EXIT_PORT_TAKEN:
            raise MediaPortTakenError(
                self._last_words[-1]
                if self._last_words
                else f"UDP port {self._port} is taken: free it or set YUNHAI_MEDIA_PORT"
            )
        raise WorkerStartError(f"the media worker did not start: {self.ending()}")

    def ending(self) -> str:
        """Tell how it ended: exit code and last words."""
        words = f": {self._last_words[-1]}" if self._last_words else ""
        return f"exit code {self._process.returncode}{words}"

    async def stop(self) -> None:
        """End the process; kill it if it does not go. May be called again."""
        self._stop_listening()
        process = self._process
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.terminate()
            try:
                async with asyncio.timeout(STOP_TIMEOUT_S):
                    await process.wait()
            except TimeoutError:
                with contextlib.suppress(ProcessLookupError):
                    process.kill()
                await process.wait()
        await asyncio.wait([self._echo], timeout=1.0)
        self._echo.cancel()

    def _stop_listening(self) -> None:
        if self._listener.is_serving():
            self._listener.close()
            self._path.unlink(missing_ok=True)

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
            log.log(level, event, **fields)


class MediaWorker:
    """The one media worker of a node, whichever process it is now.

    Owner: Signalling. Lifetime: ``running``. Invariant: ``link`` is attached
    exactly between ``on_up`` and ``on_down``.

    Args:
        on_up: a worker is ready; called after every start but the first.
        on_down: the worker and everything it held are gone.
        first: the first process, if it has been launched already.
    """

    def __init__(
        self,
        settings: Settings,
        link: MediaLink,
        *,
        on_up: Callable[[], None],
        on_down: Callable[[], None],
        first: WorkerProcess | None = None,
    ) -> None:
        self._settings = settings
        self._link = link
        self._on_up = on_up
        self._on_down = on_down
        self._port = settings.media_port
        self._process = first
        self._reading: asyncio.Task[None] | None = None
        self.restarts = 0

    @property
    def pid(self) -> int | None:
        """Process id of the worker, or None while there is none."""
        return self._process.pid if self._process is not None else None

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Run the worker for the length of the block.

        Raises:
            MediaPortTakenError: at the first start.
            WorkerStartError: at the first start, any other reason.
        """
        try:
            if self._process is None:
                self._process = await WorkerProcess.launch(self._settings, self._port)
            await self._greet(self._process)
            supervising = asyncio.create_task(self._supervise(), name="media worker")
            try:
                yield
            finally:
                supervising.cancel()
                await asyncio.gather(supervising, return_exceptions=True)
                self._link.detach()
        finally:
            await self._stop()

    async def _supervise(self) -> None:
        clock = asyncio.get_running_loop().time
        pause_s = 0.0
        while True:
            began = clock()
            assert self._reading is not None
            assert self._process is not None
            await asyncio.wait([self._reading])
            self._link.detach()
            await self._stop()
            cause = self._process.ending()
            log.error("the media worker ended; starting it again", cause=cause)
            self._on_down()
            if clock() - began > STEADY_S:
                pause_s = 0.0
            while True:
                await asyncio.sleep(pause_s)
                pause_s = min(MAX_PAUSE_S, max(0.25, pause_s * 2))
                try:
                    self._process = await WorkerProcess.launch(self._settings, self._port)
                    await self._greet(self._process)
                    break
                except WorkerStartError as error:
                    await self._stop()
                    log.error("no media worker", cause=str(error), again_in_s=pause_s)
            self.restarts += 1
            self._on_up()

    async def _greet(self, process: WorkerProcess) -> None:
        """Await the worker's connection and say hello."""
        reader, writer = await process.connected()
        client = RpcClient(reader, writer, self._link.take)
        self._reading = asyncio.create_task(self._read(client), name="media worker replies")
        try:
            info = await client.call(rpc.Hello(node=self._settings.node), timeout=START_TIMEOUT_S)
        except RpcError as error:
            raise WorkerStartError(f"the media worker did not say hello: {error}") from error
        self._port = info.port
        self._link.attach(client, info)
        log.info("the media worker is ready", pid=info.pid, port=info.port)

    async def _read(self, client: RpcClient) -> None:
        try:
            await client.run()
        except Exception:
            log.exception("the media worker's replies cannot be read")

    async def _stop(self) -> None:
        """End the connection, hence the process."""
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.gather(self._reading, return_exceptions=True)
        if self._process is not None:
            await self._process.stop()


def _logged(line: str) -> tuple[int, str, dict[str, Any]]:
    """Read a line of the worker's log: JSON from its logger, or anything else it says."""
    try:
        entry = msgspec.json.decode(line, type=dict[str, Any])
        level = logging.getLevelNamesMapping()[str(entry.pop("level")).upper()]
        event = str(entry.pop("event"))
    except (msgspec.MsgspecError, KeyError):
        return logging.WARNING, line, {}
    return level, event, {k: v for k, v in entry.items() if k not in ("timestamp", "logger")}
