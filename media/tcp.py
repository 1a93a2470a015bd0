"""Passive ICE-TCP (RFC 6544): connections to the media port's number, framed as RFC 4571 says.

A connection is a way like a datagram source: whole packets go up with an address
of their own, packets go down through a path. What a connection may cost is
bounded: a stranger in bytes, time and number, a slow reader in memory.
"""

from __future__ import annotations

import asyncio
import errno
import itertools
import logging
import socket
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence

import cffi

from media.path import Address, Buffer

MAX_PACKET_BYTES = 1500
SLOT_BYTES = 2048
READ_BYTES = 16_384
MAX_STREAMS = 4096

MAX_STRANGERS = 256
MAX_STRANGERS_A_SOURCE = 32
STRANGER_BYTES = 4096
STRANGER_S = 10.0
"""From the connection to its first authenticated check."""

KERNEL_BYTES = 128 << 10
MAX_WAITING_BYTES = 64 << 10
"""What waits for a slow reader here, beside ``KERNEL_BYTES`` in the kernel; the rest is dropped."""
STALL_S = 5.0
"""A reader that takes nothing for so long, while more is dropped, is given up."""

BACKLOG = 128
ACCEPTED_AT_ONCE = 32
SHORTAGE_PAUSE_S = 0.5
SHORTAGES = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}

_ffi = cffi.FFI()

logger = logging.getLogger(__name__)


def listener(family: int, host: str, port: int) -> socket.socket:
    """A listening socket. Raises OSError."""
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setblocking(False)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # Accepted sockets inherit it; set later, it would not bound the window already promised.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, KERNEL_BYTES)
        sock.bind((host, port))
        sock.listen(BACKLOG)
    except BaseException:
        sock.close()
        raise
    return sock


def is_stream(address: Address) -> bool:
    return len(address) == 4 and address[2] == "tcp"


def frames(data: Buffer, end: int) -> Iterator[tuple[int, int]]:
    """Find the whole packets (RFC 4571 §2) in the first ``end`` bytes.

    Gives where each begins and ends; (-1, -1) and no more when a length is no packet's.
    A null packet, which says nothing, is as long as that.
    """
    at = 0
    while end - at >= 2:
        begins = at + 2
        at = begins + ((data[at] << 8) | data[at + 1])
        if at - begins > MAX_PACKET_BYTES:
            yield -1, -1
            return
        if at > end:
            return
        yield begins, at


def candidate(number: int, foundation: int, address: str, port: int) -> str:
    """A line as in SDP, without ``a=``: passive, and below every UDP one (RFC 6544 §4.2, §4.5).

    Args:
        number: of the address, 0 for the one liked best.
    """
    local_preference = (4 << 13) | (8191 - number)
    priority = (90 << 24) | (local_preference << 8) | 255
    return f"candidate:{foundation} 1 tcp {priority} {address} {port} typ host tcptype passive"


class Streams:
    """The connections of one media port.

    Owns the listeners it is given. A connection is a stranger until ``admit``.
    """

    def __init__(
        self,
        listeners: Sequence[socket.socket],
        counters: Counter[str],
        route: Callable[[memoryview, Address, float], None],
    ) -> None:
        """Args:
        counters: gets ``tcp_...`` by name.
        route: takes a packet (good, and writable, only during the call), whence, and when.
        """
        self.counters = counters
        self.loop = asyncio.get_running_loop()
        self.outlet = StreamOutlet()
        self.buffer = memoryview(bytearray(READ_BYTES + MAX_PACKET_BYTES + 2))
        self._route = route
        self._listeners = list(listeners)
        self._numbers = itertools.count(1)
        self._streams: dict[Address, Stream] = {}
        self._strangers: dict[Stream, asyncio.TimerHandle] = {}
        self._packet = memoryview(bytearray(SLOT_BYTES))
        self._complained_at = -1.0
        self._pauses: set[asyncio.TimerHandle] = set()
        for sock in self._listeners:
            self.loop.add_reader(sock, self._accept, sock)

    @property
    def listening(self) -> bool:
        return bool(self._listeners)

    def path(self, address: Address) -> Stream:
        """The connection of that address. Raises ValueError when it is over."""
        stream = self._streams.get(address)
        if stream is None:
            raise ValueError(f"the connection from {address[0]} is over")
        return stream

    def admit(self, address: Address) -> None:
        """Somebody has authenticated this connection."""
        stream = self._streams.get(address)
        if stream is not None and not stream.admitted:
            stream.admitted = True
            self._strangers.pop(stream).cancel()

    def release(self, address: Address) -> None:
        """Nobody wants this connection any more; what waits is still sent if there is room."""
        stream = self._streams.get(address)
        if stream is not None:
            stream.close()

    def close(self) -> None:
        for sock in self._listeners:
            self.loop.remove_reader(sock)
            sock.close()
        for timer in self._pauses:
            timer.cancel()
        for stream in list(self._streams.values()):
            stream.close()

    def deliver(self, packet: memoryview, address: Address, now: float) -> None:
        """Aligned memory for whoever works in place; no fault of a handler ends the reading."""
        self._packet[: len(packet)] = packet
        self.counters["received"] += 1
        self.counters["received_bytes"] += len(packet)
        try:
            self._route(self._packet[: len(packet)], address, now)
        except Exception:
            self.counters["handler_error"] += 1
            if now > self._complained_at + 1:
                self._complained_at = now
                logger.exception("a packet from %s could not be handled", address[0])

    def forget(self, stream: Stream) -> None:
        """The connection is closed."""
        del self._streams[stream.address]
        timer = self._strangers.pop(stream, None)
        if timer is not None:
            timer.cancel()

    def _accept(self, sock: socket.socket) -> None:
        for _ in range(ACCEPTED_AT_ONCE):
            try:
                connection, source = sock.accept()
            except BlockingIOError:
                return
            except OSError as error:
                self.counters["tcp_accept_error"] += 1
                if error.errno in SHORTAGES:
                    self._pause(sock)
                return
            self._take_in(connection, source)

    def _take_in(self, connection: socket.socket, source: Address) -> None:
        network = _network(source[0])
        alike = sum(each.network == network for each in self._strangers)
        if len(self._streams) >= MAX_STREAMS or alike >= MAX_STRANGERS_A_SOURCE:
            self.counters["tcp_refused"] += 1
            connection.close()
            return
        if len(self._strangers) >= MAX_STRANGERS:
            self.counters["tcp_strangers_dropped"] += 1
            next(iter(self._strangers)).close()
        address = (source[0], source[1], "tcp", next(self._numbers))
        try:
            stream = Stream(self, connection, address, network)
        except OSError:  # reset before we looked
            connection.close()
            return
        self.counters["tcp_accepted"] += 1
        self._streams[address] = stream
        self._strangers[stream] = self.loop.call_later(STRANGER_S, self._expire, stream)

    def _expire(self, stream: Stream) -> None:
        self.counters["tcp_strangers_dropped"] += 1
        stream.close()

    def _pause(self, sock: socket.socket) -> None:
        """No descriptor is free: asking again at once would only burn time."""
        self.loop.remove_reader(sock)

        def resume() -> None:
            self._pauses.discard(timer)
            self.loop.add_reader(sock, self._accept, sock)

        timer = self.loop.call_later(SHORTAGE_PAUSE_S, resume)
        self._pauses.add(timer)


class StreamOutlet:
    """Memory to protect a packet in before it is copied behind what waits on its stream."""

    def __init__(self) -> None:
        self._memory = _ffi.new("char[]", SLOT_BYTES)
        self._bytes = memoryview(_ffi.buffer(self._memory))
        self._address = int(_ffi.cast("uintptr_t", self._memory))

    def reserve(self) -> int:
        return self._address

    def commit(self, path: Stream, size: int) -> None:
        path.send(self._bytes[:size])


class Stream:
    """One connection, as a path.

    Attributes:
        network: of the source: an IPv4 address, or the 64 leading bits of an IPv6 one.
        admitted: by an authenticated check.
    """

    def __init__(
        self, streams: Streams, sock: socket.socket, address: Address, network: bytes
    ) -> None:
        """Raises OSError if the peer is gone already."""
        self.address = address
        self.network = network
        self.burst = streams.outlet
        self.admitted = False
        self._streams = streams
        self._loop = streams.loop
        self._sock = sock
        self._closed = False
        self._partial = b""
        self._stranger_bytes = 0
        self._waiting = bytearray()
        self._writing = False
        self._stalled_at: float | None = None
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        if sys.platform == "linux":
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 30_000)
        self._loop.add_reader(sock, self._read)

    def send(self, packet: Buffer) -> None:
        """Behind what waits already, or dropped and counted when that is too much."""
        if self._closed:
            return
        size = len(packet)
        waiting = len(self._waiting)
        if waiting + size + 2 > MAX_WAITING_BYTES:
            self._streams.counters["tcp_no_room"] += 1
            if self._stalled_at is not None and self._loop.time() > self._stalled_at + STALL_S:
                self._streams.counters["tcp_stalled"] += 1
                self.close()
            return
        self._waiting += size.to_bytes(2, "big")
        self._waiting += packet
        if not self._writing:
            self._writing = True
            self._loop.call_soon(self._write)

    def close(self) -> None:
        """Sends what the kernel still takes. Closing twice is fine."""
        if self._closed:
            return
        if self._waiting:
            self._flush()
        self._closed = True
        self._loop.remove_reader(self._sock)
        self._loop.remove_writer(self._sock)
        self._sock.close()
        self._waiting = bytearray()
        self._partial = b""
        self._streams.forget(self)

    def _write(self) -> None:
        if self._closed:
            return
        if not self._flush():
            self.close()
        elif self._waiting:
            if self._stalled_at is None:
                self._stalled_at = self._loop.time()
                self._loop.add_writer(self._sock, self._write)
        else:
            self._writing = False
            if self._stalled_at is not None:
                self._stalled_at = None
                self._loop.remove_writer(self._sock)

    def _flush(self) -> bool:
        """Hands over what the kernel takes; False if the connection is broken."""
        try:
            sent = self._sock.send(self._waiting)
        except BlockingIOError:
            return True
        except OSError:
            self._waiting.clear()
            return False
        del self._waiting[:sent]
        if self._stalled_at is not None:
            self._stalled_at = self._loop.time()
        self._streams.counters["tcp_sent_bytes"] += sent
        return True

    def _read(self) -> None:
        streams, buffer = self._streams, self._streams.buffer
        kept = len(self._partial)
        buffer[:kept] = self._partial
        try:
            size = self._sock.recv_into(buffer[kept : kept + READ_BYTES])
        except BlockingIOError:
            return
        except OSError:
            size = 0
        if not size:
            self.close()
            return
        now = self._loop.time()
        end, at = kept + size, 0
        for begins, at in frames(buffer, end):
            if begins < 0:
                streams.counters["tcp_misframed"] += 1
                self.close()
                return
            if at > begins:
                streams.deliver(buffer[begins:at], self.address, now)
                if self._closed:
                    return
        self._partial = bytes(buffer[at:end])
        if not self.admitted:
            self._stranger_bytes += size
            if self._stranger_bytes > STRANGER_BYTES:
                streams.counters["tcp_strangers_dropped"] += 1
                self.close()


def _network(host: str) -> bytes:
    """Whom a source stands for: in IPv6 everybody has 64 bits of addresses to play with."""
    if ":" in host:
        return socket.inet_pton(socket.AF_INET6, host.partition("%")[0])[:8]
    return socket.inet_aton(host)
