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
from media.srtp import PROFILES, Memory, Sealer, SrtpKeys, SrtpSession
from media.writer import IMAGE_BYTES, RECEIVER, Row, stride_of

SOURCES = (Path(__file__).with_name("native.c"), Path(__file__).with_name("seal.c"))
FLAGS = ("-O2", "-std=c99", "-Wall", "-shared", "-fPIC")
BUILD_S = 60.0
MAX_RECEIVERS = 1024
PACKET = struct.Struct("=IIIHHHHHBBBB2x")
"""``struct packet`` of native.c."""

_pack = PACKET.pack
_log = logging.getLogger("media.native")
_ffi = cffi.FFI()
_ffi.cdef("""
int32_t yunhai_sizes(void);
int32_t yunhai_write(int32_t plain, const void *image, const void *packets, int32_t count,
    const void *receivers, const void *transport_seqs, int32_t many, void *arena,
    int64_t stride, int32_t *faulty);
void yunhai_take_crypto(void **functions);
void *yunhai_seal_new(const void *key, int32_t key_bytes, const void *salt);
void yunhai_seal_forget(void *seal, uint32_t ssrc);
void yunhai_seal_free(void *seal);
int yunhai_protect(void *seal, void *packet, int *size);
""")
_EVP = (
    "EVP_CIPHER_CTX_new", "EVP_CIPHER_CTX_free", "EVP_aes_128_gcm", "EVP_aes_256_gcm",
    "EVP_EncryptInit_ex", "EVP_EncryptUpdate", "EVP_EncryptFinal_ex", "EVP_CIPHER_CTX_ctrl",
)  # fmt: skip
"""Of libcrypto, in the order of seal.c; part of its stable interface since 1.0.1."""
_crypto_ffi = cffi.FFI()
_crypto_ffi.cdef("".join(f"void {name}(void);" for name in _EVP))
_LIBCRYPTO = ("libcrypto.so.3", "libcrypto.so.1.1")


class NativeSeal:
    """A session's encryption; as ``media.srtp.Seal``."""

    def __init__(self, library: Any, key: bytes, salt: bytes) -> None:
        """Raises:
        OSError: libcrypto will not do it.
        """
        self._library = library
        made = library.yunhai_seal_new(key, len(key), salt)
        if not made:
            raise OSError("libcrypto refuses AES-GCM")
        self._state = _ffi.gc(made, library.yunhai_seal_free)
        self.context = int(_ffi.cast("uintptr_t", made))
        self.protect = int(_ffi.cast("uintptr_t", library.yunhai_protect))

    def forget(self, ssrc: int) -> None:
        self._library.yunhai_seal_forget(self._state, ssrc)


class NativeSealer:
    """Owner: the writer. Lifetime: the process's."""

    def __init__(self, library: Any) -> None:
        self._library = library

    def seal(self, key: bytes, salt: bytes) -> NativeSeal:
        return NativeSeal(self._library, key, salt)


def _sealer(library: Any) -> NativeSealer | None:
    """Lend it the system's libcrypto; None where there is none that does as libsrtp does."""
    crypto = _libcrypto()
    if crypto is None:
        return None
    functions = [_ffi.cast("void *", getattr(crypto, name)) for name in _EVP]
    library.yunhai_take_crypto(_ffi.new("void *[]", functions))
    sealer = NativeSealer(library)
    return sealer if agrees_with_libsrtp(sealer) else None


def _libcrypto() -> Any:
    """Open libcrypto: the one that Python's own modules use, where it is not built into them."""
    for name in _LIBCRYPTO:
        try:
            opened = _crypto_ffi.dlopen(name)
            for function in _EVP:
                getattr(opened, function)
        except (OSError, AttributeError):
            continue
        return opened
    return None


def agrees_with_libsrtp(sealer: Sealer) -> bool:
    """Whether it makes of a packet, at each key length, exactly what libsrtp makes of it."""
    packet = bytes.fromhex("90e0fffe00000001000000070000bede0001100000005a") + bytes(100)
    try:
        for profile in PROFILES.values():
            size = profile.key_bytes + profile.salt_bytes
            keys = SrtpKeys(profile, bytes(range(1, size + 1)), bytes(size))
            if SrtpSession(keys, sealer=sealer).protect(packet) != SrtpSession(keys).protect(
                packet
            ):
                return False
    except OSError:
        return False
    return True


class NativeWriter:
    """Owner: the process. Does what ``PlainWriter`` does.

    Attributes:
        name: ``native``, or ``native-libsrtp`` where no libcrypto was found to encrypt with.
    """

    def __init__(self, library: Path, *, protects: bool = True) -> None:
        """Args:
        protects: encrypt; if not, packets stay as they are.

        Raises:
            OSError: no such library, or not the one this module goes with.
        """
        opened: Any = _ffi.dlopen(str(library))
        self._library = opened
        if opened.yunhai_sizes() != PACKET.size << 16 | RECEIVER.size:
            raise OSError(f"{library.name} was made for another layout")
        self._plain = not protects
        self.sealer: Sealer | None = _sealer(opened)
        self.name = "native" if self.sealer is not None else "native-libsrtp"
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
        image = self._image.view
        packed = b""
        for packet, wire, at in zip(run.packets, run.wires, layout.offsets, strict=True):
            size = wire.size
            image[at : at + size] = wire.data
            packed += _pack(
                at,
                size,
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
        transport_seqs: Any = _ffi.NULL
        if run.numbered:
            numbers = array("H", [seat.transport_seq for seat in row.seats[first:last]])
            transport_seqs = _ffi.from_buffer(numbers)
        bad = self._library.yunhai_write(
            self._plain,
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
        return list(self._faulty[0:bad]) if bad else []


def library(folder: Path) -> Path:
    """Where the library of this source, machine and compiler flags is, or will be."""
    of = hashlib.sha256(
        b"".join(source.read_bytes() for source in SOURCES)
        + " ".join((*FLAGS, platform.machine())).encode()
    )
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
            compiler, *FLAGS, "-o", draft, *map(str, SOURCES),
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
