"""Reads what has arrived at one socket, many datagrams with one call where there is ``recvmmsg``."""

from __future__ import annotations

import socket
from array import array
from collections.abc import Iterable, Iterator

from media import libc
from media.srtp import Memory

AT_ONCE = 64
SLOT_BYTES = 2048
_NAME_BYTES = 32
_WORDS = 8
_DONTWAIT = 0x40


class Inlet:
    """Owner: the port. Its memory is used again with every call."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._fd = sock.fileno()
        self._slots = Memory(AT_ONCE * SLOT_BYTES)
        self._names = Memory(AT_ONCE * _NAME_BYTES)
        view, names = self._slots.view, self._names.view
        self._views = [view[i * SLOT_BYTES : (i + 1) * SLOT_BYTES] for i in range(AT_ONCE)]
        self._name_bytes = len(libc.sockaddr(sock.getsockname()))
        self._sources = [
            names[i * _NAME_BYTES : i * _NAME_BYTES + self._name_bytes] for i in range(AT_ONCE)
        ]
        self._headers = array("Q", bytes(8 * _WORDS * AT_ONCE))
        self._iovecs = array("Q", bytes(16 * AT_ONCE))
        ffi = libc.ffi
        self._messages = ffi.cast(
            "struct mmsghdr *", ffi.from_buffer(self._headers, require_writable=True)
        )
        iovecs = libc.address_of(ffi.from_buffer(self._iovecs))
        for i in range(AT_ONCE):
            self._iovecs[2 * i] = self._slots.address + i * SLOT_BYTES
            self._iovecs[2 * i + 1] = SLOT_BYTES
            self._headers[_WORDS * i] = self._names.address + i * _NAME_BYTES
            self._headers[_WORDS * i + 2] = iovecs + 16 * i
            self._headers[_WORDS * i + 3] = 1
        # The kernel writes the address's size over it, which for one socket is always the same.
        self._headers[1::_WORDS] = array("Q", [_NAME_BYTES]) * AT_ONCE

    def receive(self) -> Iterable[tuple[memoryview, bytes]]:
        """Give each datagram and its source (``struct sockaddr``), at most ``AT_ONCE``.

        Good until the next call. One of more than ``SLOT_BYTES`` is cut there.

        Raises:
            OSError: as ``recvfrom``, before anything is given.
        """
        if libc.lib is None:
            return self._receive_singly()
        count = libc.lib.recvmmsg(self._fd, self._messages, AT_ONCE, _DONTWAIT, libc.ffi.NULL)
        if count < 0:
            raise OSError(libc.ffi.errno, "recvmmsg")
        if count == 1:
            return ((self._views[0][: self._headers[7] & 0xFFFFFFFF], bytes(self._sources[0])),)
        sizes = self._headers[7 : _WORDS * count : _WORDS]
        return [
            (view[: size & 0xFFFFFFFF], bytes(source))
            for view, source, size in zip(self._views, self._sources, sizes, strict=False)
        ]

    def _receive_singly(self) -> Iterator[tuple[memoryview, bytes]]:
        for view in self._views:
            try:
                size, address = self._sock.recvfrom_into(view)
            except BlockingIOError:
                return
            yield view[:size], libc.sockaddr(address)
