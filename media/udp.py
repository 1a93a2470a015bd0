"""The worker's port: one UDP socket per address family, read and written in bursts, and TCP beside.

Routes Binding requests by the user fragment they name and everything else by
source address, which somebody must have authenticated and registered first.
What nobody knows is counted and dropped in silence. Knows nothing of what the
packets hold beyond that.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import socket
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial

from media import libc, stun
from media.burst import Burst
from media.burst import Path as DatagramPath
from media.inlet import Inlet
from media.loop import add_reader, remove_reader
from media.path import Address, Buffer, Path
from media.srtp import Sealer
from media.tcp import Streams, candidate, is_stream, listener
from media.writer import Writer

Handler = Callable[[memoryview, Address, float], None]
"""Takes a datagram (good, and writable, only during the call), its source, and the time it came
(``loop.time()``)."""

DRAIN = 64
MAX_DATAGRAM_BYTES = 1500
SOCKET_BUFFER_BYTES = 4 << 20
PATHS_KEPT = 1024

__all__ = ["Address", "Buffer", "Handler", "MediaPort", "Path"]

logger = logging.getLogger(__name__)


class MediaPort:
    """The shared port.

    Attributes:
        port: the number bound, UDP and TCP (useful when 0 was asked for).
        addresses: IP addresses that candidates carry.
        counters: ``received``, ``sent`` and their bytes, and what was dropped, by reason.
    """

    def __init__(
        self,
        host: str,
        port: int,
        advertise: Sequence[str] = (),
        *,
        burst: int = DRAIN,
        tcp: bool = False,
    ) -> None:
        """Binds and begins reading on the running loop.

        Args:
            host: an address, ``0.0.0.0`` for all of IPv4, ``::`` for all of both families.
            advertise: addresses for candidates; without any, the host, or for a wildcard the
                machine's own outgoing addresses.
            burst: datagrams that leave together at most.
            tcp: take connections on the same port number too.

        Raises:
            OSError: its ``strerror`` is "cannot bind UDP port N on HOST: ..." or the like for TCP.
        """
        self._loop = asyncio.get_running_loop()
        self.counters: Counter[str] = Counter()
        self._ufrags: dict[str, Handler] = {}
        self._sources: dict[bytes | Address, tuple[Handler, Address]] = {}
        self._paths: dict[Address, DatagramPath] = {}
        self._draining = False
        self._deferred: list[Callable[[], None]] = []
        self._closed = False
        self._complained_at = -1.0
        self._sockets, listeners = _bind(host, port, tcp)
        self.port: int = self._sockets[0].getsockname()[1]
        self.addresses = tuple(advertise) or _own_addresses(host, self._sockets)
        self._bursts: dict[int, Burst] = {}
        for sock in self._sockets:
            self._bursts[sock.family] = Burst(sock, self.counters, self._flush_soon, burst)
            add_reader(self._loop, sock, partial(self._drain, Inlet(sock)))
        self._streams = Streams(listeners, self.counters, self._route)

    @property
    def tcp(self) -> bool:
        """Whether connections are taken."""
        return self._streams.listening

    @property
    def candidates(self) -> list[str]:
        """Host candidate lines as in SDP, without ``a=``: per advertised address UDP, then TCP."""
        count = len(self.addresses)
        lines = [
            f"candidate:{i + 1} 1 udp {(126 << 24) | ((65535 - i) << 8) | 255}"
            f" {address} {self.port} typ host"
            for i, address in enumerate(self.addresses)
        ]
        if self.tcp:
            for i, address in enumerate(self.addresses):
                lines.append(candidate(i, count + i + 1, address, self.port))
        return lines

    def register_ufrag(self, ufrag: str, handler: Handler) -> None:
        """Binding requests whose USERNAME begins with ``ufrag:`` go to the handler."""
        self._ufrags[ufrag] = handler

    def unregister_ufrag(self, ufrag: str) -> None:
        self._ufrags.pop(ufrag, None)

    def register_address(self, address: Address, handler: Handler) -> None:
        """Everything but Binding requests from the address goes to the handler."""
        self._sources[_source(address)] = handler, address
        if is_stream(address):
            self._streams.admit(address)

    def unregister_address(self, address: Address, handler: Handler) -> None:
        """Forgets the address if it still belongs to that handler."""
        with contextlib.suppress(OSError):  # not an address at all: never registered
            source = _source(address)
            if self._sources.get(source, (None,))[0] == handler:
                del self._sources[source]
                if is_stream(address):
                    self._streams.release(address)

    def path(self, address: Address) -> Path:
        """The way to an address, kept by whoever sends there often.

        Raises:
            ValueError: not an IP address of a family this port serves, or a connection that is over.
        """
        if is_stream(address):
            return self._streams.path(address)
        burst = self._bursts.get(socket.AF_INET6 if ":" in address[0] else socket.AF_INET)
        if burst is None:
            raise ValueError(f"this port has no socket for {address[0]}")
        try:
            return DatagramPath(burst, address)
        except OSError as error:
            raise ValueError(f"{address[0]} is not an IP address") from error

    def send(self, packet: Buffer, address: Address) -> None:
        """Sends when the current drain or callback ends. Raises ValueError as ``path``."""
        path: Path | None = self._paths.get(address)
        if path is None:
            path = self.path(address)
            if isinstance(path, DatagramPath):
                if len(self._paths) >= PATHS_KEPT:
                    self._paths.clear()
                self._paths[address] = path
        path.send(packet)

    def send_many(self, packets: Iterable[tuple[Buffer, Address]]) -> None:
        for packet, address in packets:
            self.send(packet, address)

    @property
    def way(self) -> str:
        """How runs of packets leave, and who writes them: ``gso/native``, ``sendmmsg/python``."""
        volley = self._bursts[self._sockets[0].family].volley
        return f"{volley.way}/{volley.writer.name}"

    @property
    def sealer(self) -> Sealer | None:
        """What encrypts for new connections in libsrtp's place."""
        return self._bursts[self._sockets[0].family].volley.writer.sealer

    def write_with(self, writer: Writer) -> None:
        """Another writer of runs from now on."""
        for burst in self._bursts.values():
            burst.volley.writer = writer

    def after_drain(self, call: Callable[[], None]) -> None:
        """Calls when the current drain has read all there is, before anything leaves; at once
        outside a drain."""
        if self._draining:
            self._deferred.append(call)
        else:
            call()

    def later(self, delay_s: float, call: Callable[[float], None]) -> asyncio.TimerHandle:
        """Calls after so long, with ``loop.time()``; a fault is counted as one in a drain."""
        return self._loop.call_later(delay_s, self._on_time, call)

    def _on_time(self, call: Callable[[float], None]) -> None:
        try:
            call(self._loop.time())
        except Exception:
            self._complain()

    def close(self) -> None:
        """Sends what is waiting and lets go of the sockets. Closing twice is fine."""
        if self._closed:
            return
        self._closed = True
        self._streams.close()
        for sock in self._sockets:
            self._bursts[sock.family].close()
            remove_reader(self._loop, sock)
            sock.close()
        self._ufrags.clear()
        self._sources.clear()

    def _flush_soon(self) -> None:
        if not self._draining:
            self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        for burst in self._bursts.values():
            burst.flush()

    def _drain(self, inlet: Inlet) -> None:
        now = self._loop.time()
        self._draining = True
        count = size_bytes = 0
        sources = self._sources
        try:
            for datagram, source in inlet.receive():
                count += 1
                size = len(datagram)
                size_bytes += size
                known = sources.get(source)
                try:
                    # What is surely media of somebody known needs no further look here.
                    if known is not None and 12 <= size <= MAX_DATAGRAM_BYTES and datagram[0] > 127:
                        known[0](datagram, known[1], now)
                    else:
                        self._route(datagram, source, now)
                except Exception:
                    self._complain()
                if self._closed:
                    return
        except BlockingIOError:
            pass
        except OSError:
            self.counters["receive_error"] += 1
        finally:
            self.counters["received"] += count
            self.counters["received_bytes"] += size_bytes
            self._finish_drain()

    def _finish_drain(self) -> None:
        while self._deferred:
            deferred, self._deferred = self._deferred, []
            for call in deferred:
                try:
                    call()
                except Exception:
                    self._complain()
        self._draining = False
        self._flush()

    def _complain(self) -> None:
        """A fault in handling one thing must not cost the others."""
        self.counters["handler_error"] += 1
        now = self._loop.time()
        if now > self._complained_at + 1:
            self._complained_at = now
            logger.exception("what arrived could not be handled")

    def _route(self, datagram: memoryview, source: bytes | Address, now: float) -> None:
        """``source``: of a datagram as the kernel writes it, of a stream its address."""
        size = len(datagram)
        if not 0 < size <= MAX_DATAGRAM_BYTES:
            self.counters["dropped_oversized" if size else "dropped_empty"] += 1
            return
        known = self._sources.get(source)
        if stun.is_request(datagram):
            ufrag = stun.named_ufrag(datagram)
            handler = self._ufrags.get(ufrag) if ufrag is not None else None
            reason = "dropped_malformed_check" if ufrag is None else "dropped_unknown_user"
        else:
            handler = known[0] if known is not None else None
            reason = "dropped_unknown_source"
        if handler is None:
            self.counters[reason] += 1
        else:
            if known is not None:
                address = known[1]
            else:
                address = libc.address(source) if isinstance(source, bytes) else source
            handler(datagram, address, now)


def _source(address: Address) -> bytes | Address:
    """What packets from there are known by."""
    return address if is_stream(address) else libc.sockaddr(address)


def _bind(host: str, port: int, tcp: bool) -> tuple[list[socket.socket], list[socket.socket]]:
    """One socket, or for ``::`` one per family, and as many listeners, on the same port number."""
    for attempts_left in reversed(range(8)):
        protocol = "UDP"
        sockets: list[socket.socket] = []
        listeners: list[socket.socket] = []
        try:
            if host == "::":
                sockets.append(_socket(socket.AF_INET, "0.0.0.0", port))  # noqa: S104
                with _without_ipv6():
                    sockets.append(_socket(socket.AF_INET6, host, sockets[0].getsockname()[1]))
            else:
                family = socket.AF_INET6 if ":" in host else socket.AF_INET
                sockets.append(_socket(family, host, port))
            protocol = "TCP"
            for sock in sockets if tcp else ():
                listeners.append(listener(sock.family, *sock.getsockname()[:2]))
        except OSError as error:
            for sock in (*sockets, *listeners):
                sock.close()
            if port == 0 and attempts_left and error.errno == errno.EADDRINUSE:
                continue
            cause = error.strerror or str(error)
            raise OSError(
                error.errno, f"cannot bind {protocol} port {port} on {host}: {cause}"
            ) from error
        return sockets, listeners
    raise AssertionError("unreachable")


@contextlib.contextmanager
def _without_ipv6() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL):
            raise


def _socket(family: socket.AddressFamily, host: str, port: int) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_DGRAM)
    try:
        sock.setblocking(False)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        for option in (socket.SO_RCVBUF, socket.SO_SNDBUF):
            sock.setsockopt(socket.SOL_SOCKET, option, SOCKET_BUFFER_BYTES)
        sock.bind((host, port))
    except BaseException:
        sock.close()
        raise
    return sock


def _own_addresses(host: str, sockets: Sequence[socket.socket]) -> tuple[str, ...]:
    """The addresses this machine would send from to the outside; asks only its routing table."""
    if host not in ("0.0.0.0", "::"):  # noqa: S104
        return (host,)
    outside = {socket.AF_INET: "192.0.2.1", socket.AF_INET6: "2001:db8::1"}
    found = []
    for family in (sock.family for sock in sockets):
        with socket.socket(family, socket.SOCK_DGRAM) as probe, contextlib.suppress(OSError):
            probe.connect((outside[socket.AddressFamily(family)], 9))
            found.append(probe.getsockname()[0])
    return tuple(found) or ("127.0.0.1",)
