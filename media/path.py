"""What every way to a peer can do, be it datagrams or a stream.

Names and types only; ``media.burst`` and ``media.tcp`` hold the ways themselves.
"""

from __future__ import annotations

from typing import Any, Protocol

Buffer = bytes | bytearray | memoryview
Address = tuple[Any, ...]
"""As the socket gives it: (host, port) or (host, port, flow, scope); of a TCP connection
(host, port, "tcp", its number)."""


class Outlet(Protocol):
    """Memory to write a packet into before it leaves on one of its paths."""

    def reserve(self) -> int:
        """Memory address of 2048 bytes, good until the next ``commit``."""

    def commit(self, path: Any, size: int) -> None:
        """The reserved memory's first ``size`` bytes leave on the path, which is one of ours."""


class Path(Protocol):
    """A way to one destination."""

    @property
    def address(self) -> Address: ...

    @property
    def burst(self) -> Outlet: ...

    def send(self, packet: Buffer) -> None:
        """The packet leaves when the current drain or callback ends, if there is room."""
