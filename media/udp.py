"""The worker's UDP port: one socket per address family, read and written in bursts.

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

from media import libc, stun
from media.burst import Address, Buffer, Burst, Path
from media.inlet import Inlet
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
        port: the UDP port bound (useful when 0 was asked for).
        addresses: IP addresses that candidates carry.
        counters: ``received``, ``sent`` and their bytes, and what was dropped, by reason.
    """

    def __init__(
        self, host: str, port: int, advertise: Sequence[str] = (), *, burst: int = DRAIN
    ) -> None:
        """Binds and begins reading on the running loop.

        Args:
            host: an address, ``0.0.0.0`` for all of IPv4, ``::`` for all of both families.
            advertise: addresses for candidates; without any, the host, or for a wildcard the
                machine's own outgoing addresses.
            burst: datagrams that leave together at most.

        Raises:
            OSError: its ``strerror`` is "cannot bind UDP port N on HOST: ...".
        """
        self._loop = asyncio.get_running_loop()
        self.counters: Counter[str] = Counter()
        self._ufrags: dict[str, Handler] = {}
        self._sources: dict[bytes, tuple[Handler, Address]] = {}
        self._paths: dict[Address, Path] = {}
        self._draining = False
        self._deferred: list[Callable[[], None]] = []
        self._closed = False
        self._complained_at = -1.0
        self._sockets = _bind(host, port)
        self.port: int = self._sockets[0].getsockname()[1]
        self.addresses = tuple(advertise) or _own_addresses(host, self._sockets)
        self._bursts: dict[int, Burst] = {}
        for sock in self._sockets:
            self._bursts[sock.family] = Burst(sock, self.counters, self._flush_soon, burst)
            self._loop.add_reader(sock, self._drain, Inlet(sock))

    @property
    def candidates(self) -> list[str]:
        """Host candidate lines as in SDP, without ``a=``, one per advertised address."""
        return [
            f"candidate:{i + 1} 1 udp {(126 << 24) | ((65535 - i) << 8) | 255}"
            f" {address} {self.port} typ host"
            for i, address in enumerate(self.addresses)
        ]

    def register_ufrag(self, ufrag: str, handler: Handler) -> None:
        """Binding requests whose USERNAME begins with ``ufrag:`` go to the handler."""
        self._ufrags[ufrag] = handler

    def unregister_ufrag(self, ufrag: str) -> None:
        self._ufrags.pop(ufrag, None)

    def register_address(self, address: Address, handler: Handler) -> None:
        """Everything but Binding requests from the address goes to the handler."""
        self._sources[libc.sockaddr(address)] = handler, address

    def unregister_address(self, address: Address, handler: Handler) -> None:
        """Forgets the address if it still belongs to that handler."""
        with contextlib.suppress(OSError):  # not an address at all: never registered
            source = libc.sockaddr(address)
            if self._sources.get(source, (None,))[0] == handler:
                del self._sources[source]

    def path(self, address: Address) -> Path:
        """The way to an address, kept by whoever sends there often.

        Raises:
            ValueError: not an IP address of a family this port serves.
        """
        burst = self._bursts.get(socket.AF_INET6 if ":" in address[0] else socket.AF_INET)
        if burst is None:
            raise ValueError(f"this port has no socket for {address[0]}")
        try:
            return Path(burst, address)
        except OSError as error:
            raise ValueError(f"{address[0]} is not an IP address") from error

    def send(self, packet: Buffer, address: Address) -> None:
        """Sends when the current drain or callback ends. Raises ValueError as ``path``."""
        path = self._paths.get(address)
        if path is None:
            if len(self._paths) >= PATHS_KEPT:
                self._paths.clear()
            path = self._paths[address] = self.path(address)
        path.send(packet)

    def send_many(self, packets: Iterable[tuple[Buffer, Address]]) -> None:
        for packet, address in packets:
            self.send(packet, address)

    @property
    def way(self) -> str:
        """How runs of packets leave, and who writes them: ``gso/native``, ``sendmmsg/python``."""
        volley = self._bursts[self._sockets[0].family].volley
        return f"{volley.way}/{volley.writer.name}"

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

    def close(self) -> None:
        """Sends what is waiting and lets go of the sockets. Closing twice is fine."""
        if self._closed:
            return
        self._closed = True
        for sock in self._sockets:
            self._bursts[sock.family].close()
            self._loop.remove_reader(sock)
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

    def _route(self, datagram: memoryview, source: bytes, now: float) -> None:
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
            handler(datagram, libc.address(source) if known is None else known[1], now)


def _bind(host: str, port: int) -> list[socket.socket]:
    """One socket, or for ``::`` one per family on the same port."""
    for attempts_left in reversed(range(8)):
        sockets: list[socket.socket] = []
        try:
            if host == "::":
                sockets.append(_socket(socket.AF_INET, "0.0.0.0", port))  # noqa: S104
                with _without_ipv6():
                    sockets.append(_socket(socket.AF_INET6, host, sockets[0].getsockname()[1]))
            else:
                family = socket.AF_INET6 if ":" in host else socket.AF_INET
                sockets.append(_socket(family, host, port))
        except OSError as error:
            for sock in sockets:
                sock.close()
            if port == 0 and attempts_left and error.errno == errno.EADDRINUSE:
                continue
            cause = error.strerror or str(error)
            raise OSError(error.errno, f"cannot bind UDP port {port} on {host}: {cause}") from error
        return sockets
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
