"""Datagrams on one side, a framed TCP connection on the other: takes a UDP client to a TCP port."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Self


class Bridge(asyncio.DatagramProtocol):
    """Stands between one client that speaks UDP and a media port that is reached by TCP."""

    def __init__(self) -> None:
        self.received = 0
        self._client: tuple[str, int] | None = None
        self._reading: asyncio.Task[None] | None = None

    async def open(self, target: tuple[str, int]) -> Self:
        self._target = target
        self._near, _ = await asyncio.get_running_loop().create_datagram_endpoint(
            lambda: self, local_addr=("127.0.0.1", 0)
        )
        await self._dial()
        return self

    @property
    def far_port(self) -> int:
        """Where the target sees the connection come from."""
        return int(self._writer.get_extra_info("sockname")[1])

    def through(self, description: str) -> str:
        """The target's description with its TCP candidate alone, led through this bridge."""
        lines = description.split("\r\n")
        near = self._near.get_extra_info("sockname")[1]
        host, port = self._target
        return "\r\n".join(
            f"a=candidate:1 1 udp 1 127.0.0.1 {near} typ host" if " tcp " in line else line
            for line in lines
            if not (line.startswith("a=candidate:") and " udp " in line)
            and (" tcp " not in line or f" {host} {port} " in line)
        )

    async def redial(self) -> None:
        """Closes the connection and makes another."""
        self._hang_up()
        await self._dial()

    async def close(self) -> None:
        self._near.close()
        self._hang_up()
        assert self._reading is not None
        await asyncio.gather(self._reading, return_exceptions=True)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self._client = addr
        if not self._writer.is_closing():
            self._writer.write(len(data).to_bytes(2, "big") + data)

    async def _dial(self) -> None:
        reader, self._writer = await asyncio.open_connection(*self._target)
        self._reading = asyncio.create_task(self._read(reader))

    def _hang_up(self) -> None:
        self._writer.close()
        if self._reading is not None:
            self._reading.cancel()

    async def _read(self, reader: asyncio.StreamReader) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                size = int.from_bytes(await reader.readexactly(2), "big")
                packet = await reader.readexactly(size)
                self.received += 1
                if self._client is not None:
                    self._near.sendto(packet, self._client)
