"""A recorder process as the node keeps it: started, told what to write, heard until its end."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import Callable
from pathlib import Path

import msgspec
import structlog

from media.framing import encode_frame, read_frames
from media.recorder.rpc import (
    Begin,
    Downward,
    Ended,
    Manifest,
    Ready,
    Reel,
    Report,
    Stop,
    Upward,
    Wish,
)
from rooms.errors import Code, RoomError

START_TIMEOUT_S = 15.0
FINISH_TIMEOUT_S = 15.0
RESERVE_BYTES = 64 << 20
"""A recording ends before less than this is left on the disk: the node has to live on."""

_ROOT = Path(__file__).resolve().parents[2]
log = structlog.get_logger("recording")


class RecorderProcess:
    """Owner: the recording. Lifetime: from ``start`` until it ends, asked or not.

    Attributes:
        socket: where workers feed it.
        manifest: as last heard.
        ended: set with the process's end; ``reason`` then says why.
    """

    def __init__(self, process: asyncio.subprocess.Process, socket: Path, begin: Begin) -> None:
        self.socket = socket
        self.ended = asyncio.Event()
        self.reason = "recorder_failed"
        self.manifest = Manifest(
            recording=begin.recording,
            room=begin.room,
            scope=begin.scope,
            by=begin.by,
            started_ms=begin.started_ms,
        )
        self._process = process
        self._ready = asyncio.Event()
        self._on_end: Callable[[], None] | None = None
        self._listening = asyncio.create_task(self._listen(), name="recorder")
        self._echo = asyncio.create_task(self._repeat(), name="recorder log")

    @classmethod
    async def start(
        cls, folder: Path, socket: Path, begin: Begin, *, reserve_bytes: int
    ) -> RecorderProcess:
        """Start a recorder that writes into ``folder``.

        Raises:
            RoomError: UNAVAILABLE, it does not come up.
        """
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "media.recorder",
            "--socket", str(socket), "--folder", str(folder), "--reserve-bytes", str(reserve_bytes),
            cwd=_ROOT,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            process_group=0,  # Ctrl-C in a terminal is for the server, which then stops us
        )  # fmt: skip
        recorder = cls(process, socket, begin)
        recorder._tell(begin)
        waits = [
            asyncio.create_task(recorder._ready.wait()),
            asyncio.create_task(recorder.ended.wait()),
        ]
        try:
            await asyncio.wait(waits, timeout=START_TIMEOUT_S, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
            if not recorder._ready.is_set() or recorder.ended.is_set():
                await recorder.kill()
        if recorder.ended.is_set():
            raise RoomError(
                Code.UNAVAILABLE,
                "The recorder did not start; see the server's log.",
            )
        return recorder

    def on_end(self, callback: Callable[[], None]) -> None:
        """Call back once when it has ended, also if it has already."""
        if self.ended.is_set():
            callback()
        else:
            self._on_end = callback

    def wish(self, reels: list[Reel]) -> None:
        """Write exactly this from now on."""
        self._tell(Wish(reels=reels))

    async def finish(self) -> None:
        """Have the files finished and await the end."""
        self._tell(Stop())
        try:
            async with asyncio.timeout(FINISH_TIMEOUT_S):
                await self.ended.wait()
        except TimeoutError:
            log.error("a recorder does not finish", recording=self.manifest.recording)
        await self.kill()

    async def kill(self) -> None:
        """End the process whatever it does, and wait for it."""
        if self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()
        await self._listening
        await self._echo

    def _tell(self, message: Downward) -> None:
        stdin = self._process.stdin
        if stdin is not None and not stdin.is_closing():
            stdin.write(encode_frame(message))

    async def _listen(self) -> None:
        assert self._process.stdout is not None
        try:
            async for body in read_frames(self._process.stdout):
                if body is not None:
                    self._take(msgspec.msgpack.decode(body, type=Upward))
        except msgspec.MsgspecError:
            log.exception("a recorder is not understood")
        finally:
            if self._process.stdin is not None:
                self._process.stdin.close()
            await self._process.wait()
            self.ended.set()
            callback, self._on_end = self._on_end, None
            if callback is not None:
                callback()

    def _take(self, message: Upward) -> None:
        match message:
            case Ready():
                self._ready.set()
            case Report(manifest=manifest):
                self.manifest = manifest
            case Ended(reason=reason, manifest=manifest):
                self.manifest = manifest
                self.reason = reason

    async def _repeat(self) -> None:
        """Pass on what the recorder logs."""
        assert self._process.stderr is not None
        while True:
            try:
                line = await self._process.stderr.readline()
            except ValueError:  # longer than the reader's limit: its rest follows
                continue
            if not line:
                return
            log.warning("recorder", said=line.decode(errors="replace").rstrip())
