"""Receives many datagrams with one ``recvmmsg`` (Linux), with the kernel's time of arrival if asked.

One set of slots serves all sockets in turn: what was read is good until the next read.
"""

from __future__ import annotations

import socket
import struct
from typing import Any

import cffi

SLOTS = 64
SLOT_BYTES = 2048
CONTROL_BYTES = 64
SO_TIMESTAMPNS = 35
"""``asm-generic/socket.h``; Python has no name for it. The control message has the same number."""

_ffi = cffi.FFI()
_ffi.cdef("""
struct iovec { void *iov_base; size_t iov_len; };
struct msghdr {
    void *msg_name; unsigned int msg_namelen;
    struct iovec *msg_iov; size_t msg_iovlen;
    void *msg_control; size_t msg_controllen;
    int msg_flags;
};
struct mmsghdr { struct msghdr msg_hdr; unsigned int msg_len; };
int recvmmsg(int sockfd, struct mmsghdr *msgvec, unsigned int vlen, int flags, void *timeout);
""")
_libc: Any = _ffi.dlopen(None)
_timespec = struct.Struct("=8xiiqq")  # cmsghdr of a timespec: length, level, type; seconds, ns


class Datagrams:
    """The slots.

    Attributes:
        memory: slot ``i`` begins at ``i * SLOT_BYTES``.
    """

    def __init__(self, *, stamped: bool = False) -> None:
        """Args:
        stamped: ask for arrival times too; the sockets read must have been ``stamp``ed.
        """
        self._stamped = stamped
        self._memory = _ffi.new("char[]", SLOTS * SLOT_BYTES)
        self._control = _ffi.new("char[]", SLOTS * CONTROL_BYTES)
        self._iovecs = _ffi.new("struct iovec[]", SLOTS)
        self._messages = _ffi.new("struct mmsghdr[]", SLOTS)
        self.memory = memoryview(_ffi.buffer(self._memory)).cast("B")
        self._controls = memoryview(_ffi.buffer(self._control)).cast("B")
        for i in range(SLOTS):
            self._iovecs[i].iov_base = self._memory + i * SLOT_BYTES
            self._iovecs[i].iov_len = SLOT_BYTES
            header = self._messages[i].msg_hdr
            header.msg_iov = self._iovecs + i
            header.msg_iovlen = 1
            if stamped:
                header.msg_control = self._control + i * CONTROL_BYTES

    def read(self, fd: int) -> int:
        """How many datagrams came, at most ``SLOTS``; 0 when none waits."""
        if self._stamped:
            for i in range(SLOTS):
                self._messages[i].msg_hdr.msg_controllen = CONTROL_BYTES
        return max(
            0, int(_libc.recvmmsg(fd, self._messages, SLOTS, socket.MSG_DONTWAIT, _ffi.NULL))
        )

    def datagram(self, i: int) -> memoryview:
        start = i * SLOT_BYTES
        return self.memory[start : start + self._messages[i].msg_len]

    def second_bytes(self, count: int) -> bytes:
        """The second byte of each of the first so many, which tells media from the rest."""
        return self.memory[1 : count * SLOT_BYTES : SLOT_BYTES].tobytes()

    def arrived_ns(self, i: int) -> int:
        """When the kernel received it, by the wall clock; 0 if it did not say."""
        if self._messages[i].msg_hdr.msg_controllen < _timespec.size:
            return 0
        _, kind, seconds, ns = _timespec.unpack_from(self._controls, i * CONTROL_BYTES)
        return int(seconds) * 1_000_000_000 + int(ns) if kind == SO_TIMESTAMPNS else 0


def stamp(sock: socket.socket) -> None:
    """Let the kernel note when each datagram arrives."""
    sock.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
