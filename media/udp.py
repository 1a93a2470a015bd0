"""The worker's UDP port: one socket per address family, read and written in bursts.

Routes Binding requests by the user fragment they name and everything else by
source address, which somebody must have authenticated and registered first.
What nobody knows is counted and dropped in silence. Knows nothing of what the
packets hold beyond that.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any

Address = tuple[Any, ...]
"""As the socket gives it: (host, port) or (host, port, flow, scope)."""

Handler = Callable[[memoryview, Address, float], None]
"""Takes a datagram (valid, and writable, only during the call), its source, and the time it came
(``loop.time()``)."""


class Path:
    """A way out: one destination on one of the port's sockets."""

    address: Address

    def send(self, packet: bytes | bytearray | memoryview) -> None:
        """Copies the packet into the burst that leaves when the current drain or callback ends."""
        raise NotImplementedError


class MediaPort:
    """The shared port.

    Attributes:
        port: the UDP port bound (useful when 0 was asked for).
        addresses: IP addresses that candidates carry.
        counters: datagrams and bytes in and out, and drops by reason.
    """

    port: int
    addresses: tuple[str, ...]
    counters: Counter[str]

    def __init__(self, host: str, port: int, advertise: Sequence[str] = ()) -> None:
        """Binds and begins reading on the running loop.

        Args:
            host: an address, ``0.0.0.0`` for all of IPv4, ``::`` for all of both families.
            advertise: addresses for candidates; without any, the host, or for a wildcard the
                machine's own outgoing addresses.

        Raises:
            OSError: "cannot bind UDP port N on HOST: ...".
        """
        raise NotImplementedError

    @property
    def candidates(self) -> list[str]:
        """Host candidate lines as in SDP, without ``a=``, one per advertised address."""
        raise NotImplementedError

    def register_ufrag(self, ufrag: str, handler: Handler) -> None:
        """Binding requests whose USERNAME begins with ``ufrag:`` go to the handler."""
        raise NotImplementedError

    def unregister_ufrag(self, ufrag: str) -> None:
        raise NotImplementedError

    def register_address(self, address: Address, handler: Handler) -> None:
        """Everything but Binding requests from the address goes to the handler."""
        raise NotImplementedError

    def unregister_address(self, address: Address, handler: Handler) -> None:
        """Forgets the address if it still belongs to that handler."""
        raise NotImplementedError

    def path(self, address: Address) -> Path:
        """The way to an address, kept by whoever sends there often."""
        raise NotImplementedError

    def send(self, packet: bytes | bytearray | memoryview, address: Address) -> None:
        raise NotImplementedError

    def send_many(self, packets: Iterable[tuple[bytes | bytearray | memoryview, Address]]) -> None:
        raise NotImplementedError

    def close(self) -> None:
        raise NotImplementedError
