"""The writer in C, built where a compiler is, and only then: never required.

The library is kept in a folder of this node under a name that changes with its
source, so it is compiled once. What fails is told in one line, and the writer in
Python goes on.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import logging
import os
import platform
import shutil
import struct
import tempfile
from array import array
from pathlib import Path
from typing import Any

import cffi

from media.core.run import Layout, Run
from media.srtp import Memory, srtp_protect_address
from media.writer import IMAGE_BYTES, RECEIVER, Row, stride_of

SOURCE = Path(__file__).with_name("native.c")
FLAGS = ("-O2", "-std=c99", "-Wall", "-shared", "-fPIC")
BUILD_S = 60.0
MAX_RECEIVERS = 1024
PACKET = struct.Struct("=IIIHHHHHBBBB2x")
"""``struct packet`` of native.c."""

_log = logging.getLogger("media.native")
_ffi = cffi.FFI()
_ffi.cdef("""
int32_t yunhai_sizes(void);
int32_t yunhai_write(void *protect, const void *image, const void *packets, int32_t count,
    const void *receivers, const void *transport_seqs, int32_t many, void *arena,
    int64_t stride, int32_t *faulty);
""")


class NativeWriter:
    """Owner: the process. Does what ``PlainWriter`` does."""

    name = "native"

    def __init__(self, library: Path, protect: int = srtp_protect_address) -> None:
        """Args:
        protect: address of the function that encrypts, 0 to leave packets as they are.

        Raises:
            OSError: no such library, or not the one this module goes with.
        """
        opened: Any = _ffi.dlopen(str(library))
        self._library = opened
        if opened.yunhai_sizes() != PACKET.size << 16 | RECEIVER.size:
            raise OSError(f"{library.name} was made for another layout")
        self._protect = _ffi.cast("void *", protect)
        self._image = Memory(IMAGE_BYTES)
        self._image_at = _ffi.cast("void *", self._image.address)
        self._arena: Memory | None = None
        self._arena_at: Any = _ffi.NULL
        self._faulty = _ffi.new("int32_t[]", MAX_RECEIVERS)

    def write(
        self, arena: Memory, run: Run, layout: Layout, row: Row, first: int, last: int
    ) -> list[int]:
        if arena is not self._arena:
            self._arena, self._arena_at = arena, _ffi.cast("void *", arena.address)
        run.copy(self._image.view, layout)
        packed = b"".join(
            [
                PACKET.pack(
                    at,
                    wire.size,
                    packet.ts & 0xFFFFFFFF,
                    packet.seq & 0xFFFF,
                    packet.picture & 0x7FFF,
                    wire.twcc,
                    wire.picture_at,
                    wire.tl0_at,
                    wire.marker,
                    wire.wide,
                    packet.tl0 & 0xFF,
                    0,
                )
                for packet, wire, at in zip(run.packets, run.wires, layout.offsets, strict=True)
            ]
        )
        transport_seqs: Any = _ffi.NULL
        if run.numbered:
            numbers = array("H", [seat.transport_seq for seat in row.seats[first:last]])
            transport_seqs = _ffi.from_buffer(numbers)
        bad = self._library.yunhai_write(
            self._protect,
            self._image_at,
            packed,
            len(run.wires),
            row.packed if not first else row.packed[first * RECEIVER.size :],
            transport_seqs,
            last - first,
            self._arena_at,
            stride_of(layout),
            self._faulty,
        )
        return list(self._faulty[0:bad])


def library(folder: Path) -> Path:
    """Where the library of this source, machine and compiler flags is, or will be."""
    of = hashlib.sha256(SOURCE.read_bytes() + " ".join((*FLAGS, platform.machine())).encode())
    return folder / f"native-{of.hexdigest()[:16]}.so"


async def build(folder: Path) -> NativeWriter | None:
    """Load the library, compiling it first if it is not there; None (and a line) if that fails."""
    try:
        path = library(folder)
        if not path.exists():
            await _compile(path)
        return NativeWriter(path)
    except (OSError, TimeoutError) as error:
        _log.warning("no native writer: %s; packets are written in Python", error)
        return None


async def _compile(path: Path) -> None:
    """Raises:
    OSError: there is no compiler, or it does not compile this.
    """
    compiler = shutil.which(os.environ.get("CC") or "cc") or shutil.which("gcc")
    if compiler is None:
        raise OSError("there is no C compiler (cc)")
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    number, draft = tempfile.mkstemp(prefix=".native-", suffix=".so", dir=path.parent)
    os.close(number)
    try:
        process = await asyncio.create_subprocess_exec(
            compiler, *FLAGS, "-o", draft, str(SOURCE),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        try:
            async with asyncio.timeout(BUILD_S):
                _, words = await process.communicate()
        except BaseException:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            raise
        if process.returncode:
            last = words.decode("utf-8", "replace").strip().splitlines()[-1:]
            raise OSError(f"{compiler} failed: {''.join(last)[:200]}")
        os.replace(draft, path)
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(draft)
