"""Outgoing datagrams of one socket, gathered side by side and handed to the kernel together.

On Linux a burst leaves with one ``sendmmsg``, elsewhere datagram by datagram. What
the kernel will not take now is dropped and counted, as a full queue on the way would.
"""

from __future__ import annotations

import errno
import socket
from collections import Counter
from collections.abc import Callable

from media import libc
from media.path import Address, Buffer
from media.volley import NO_ROOM, Volley

SLOT_BYTES = 2048

_ffi = libc.ffi


class Burst:
    """Slots for the datagrams of one socket that are about to leave.

    Whoever writes in place takes the memory of the next slot by ``reserve`` and
    says by ``commit`` how many bytes of it go where.

    Attributes:
        volley: for runs of packets to many, on the same socket.
    """

    def __init__(
        self,
        sock: socket.socket,
        counters: Counter[str],
        on_first: Callable[[], None],
        slots: int = 64,
    ) -> None:
        """Args:
        on_first: called when the burst was empty and gets its first datagram.
        """
        self.volley = Volley(sock, counters, self.flush)
        self._sock = sock
        self._fd = sock.fileno()
        self._counters = counters
        self._on_first = on_first
        self._slots = slots
        self._closed = False
        self._paths: list[Path] = []
        self._sizes: list[int] = []
        self._memory = _ffi.new("char[]", slots * SLOT_BYTES)
        self._bytes = memoryview(_ffi.buffer(self._memory))
        base = int(_ffi.cast("uintptr_t", self._memory))
        self._addresses = [base + i * SLOT_BYTES for i in range(slots)]
        self._iovecs = _ffi.new("struct iovec[]", slots)
        self._messages = _ffi.new("struct mmsghdr[]", slots)
        for i in range(slots):
            self._iovecs[i].iov_base = self._memory + i * SLOT_BYTES
            header = self._messages[i].msg_hdr
            header.msg_iov = self._iovecs + i
            header.msg_iovlen = 1

    def reserve(self) -> int:
        """Memory address of the next slot, ``SLOT_BYTES`` long, good until the next ``commit``."""
        if len(self._paths) == self._slots:
            self.flush()
        return self._addresses[len(self._paths)]

    def commit(self, path: Path, size: int) -> None:
        """The reserved slot's first ``size`` bytes leave on the path with this burst."""
        i = len(self._paths)
        if libc.lib is not None:
            header = self._messages[i].msg_hdr
            header.msg_name = path.sockaddr
            header.msg_namelen = path.sockaddr_bytes
            self._iovecs[i].iov_len = size
        self._paths.append(path)
        self._sizes.append(size)
        if i == 0:
            self._on_first()

    def append(self, path: Path, packet: Buffer) -> None:
        """Copies a datagram in."""
        size = len(packet)
        if size > SLOT_BYTES:
            self._counters["send_oversized"] += 1
            return
        self.reserve()
        start = len(self._paths) * SLOT_BYTES
        self._bytes[start : start + size] = packet
        self.commit(path, size)

    def close(self) -> None:
        """Sends what is here; what comes later goes nowhere, as the socket is another's then."""
        self.flush()
        self._closed = True
        self.volley.close()

    def flush(self) -> None:
        if not self._paths:
            return
        if self._closed:
            pass
        elif libc.lib is not None:
            self._send_together()
        else:
            self._send_singly()
        self._paths.clear()
        self._sizes.clear()

    def _send_together(self) -> None:
        count, done = len(self._paths), 0
        while done < count:
            sent = libc.lib.sendmmsg(self._fd, self._messages + done, count - done, 0)
            if sent > 0:
                self._counters["sent"] += sent
                self._counters["sent_bytes"] += sum(self._sizes[done : done + sent])
                done += sent
            elif libc.ffi.errno in NO_ROOM:
                self._counters["send_no_room"] += count - done
                return
            elif libc.ffi.errno != errno.EINTR:
                self._counters["send_error"] += 1
                done += 1

    def _send_singly(self) -> None:
        for i, (path, size) in enumerate(zip(self._paths, self._sizes, strict=True)):
            start = i * SLOT_BYTES
            try:
                self._sock.sendto(self._bytes[start : start + size], path.address)
            except OSError as error:
                full = error.errno in NO_ROOM
                self._counters["send_no_room" if full else "send_error"] += 1
            else:
                self._counters["sent"] += 1
                self._counters["sent_bytes"] += size


class Path:
    """A way out: one destination on one socket.

    Attributes:
        burst: what leaves with the next flush of that socket.
        sockaddr_at: where the address is in memory, as the kernel wants it.
        cuts: messages to there may be cut into datagrams by the kernel.
    """

    def __init__(self, burst: Burst, address: Address) -> None:
        self.burst = burst
        self.address = address
        packed = libc.sockaddr(address)
        self.sockaddr = _ffi.new("char[]", packed)
        self.sockaddr_at = libc.address_of(self.sockaddr)
        self.sockaddr_bytes = len(packed)
        self.cuts = True

    def send(self, packet: Buffer) -> None:
        """The datagram leaves when the current drain or callback ends."""
        self.burst.append(self, packet)
