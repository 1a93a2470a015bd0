"""A lossy, slow, reordering piece of network on loopback, and a server end to put behind it.

``Wire`` stands between one client and a target, like a NAT: the target sees one
address per client, which ``rebind`` changes. All chance comes from one printed seed.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import Callable
from typing import Self

from media import sdp
from media.dtls import Certificate
from media.rpc import PeerState
from media.transport import Transport
from media.udp import MediaPort

DEADLINE_S = 20.0


async def until(true: Callable[[], object], deadline_s: float = DEADLINE_S) -> None:
    """Waits until the condition holds."""
    end = time.monotonic() + deadline_s
    while not true():
        assert time.monotonic() < end, "the awaited condition did not come true in time"
        await asyncio.sleep(0.002)


class _Side(asyncio.DatagramProtocol):
    def __init__(self, receive: Callable[[bytes, tuple[str, int]], None]) -> None:
        self.datagram_received = receive  # type: ignore[method-assign,assignment]


class Wire:
    """Args:
    loss, duplication: chance of each packet, either way.
    delay_s: least and most; different delays reorder.
    """

    def __init__(
        self,
        *,
        seed: int,
        loss: float = 0.0,
        duplication: float = 0.0,
        delay_s: tuple[float, float] = (0.0, 0.0),
    ) -> None:
        print(f"wire seed {seed}")
        self._random = random.Random(seed)
        self.loss = loss
        self.duplication = duplication
        self.delay_s = delay_s
        self.counters: Counter[str] = Counter()
        self.upward: list[bytes] = []
        self._loop = asyncio.get_running_loop()
        self._client: tuple[str, int] | None = None
        self._closed = False

    async def open(self, target: tuple[str, int]) -> Self:
        self._target = target
        self._near, _ = await self._loop.create_datagram_endpoint(
            lambda: _Side(self._from_client), local_addr=("127.0.0.1", 0)
        )
        self._far = await self._open_far()
        return self

    @property
    def port(self) -> int:
        return int(self._near.get_extra_info("sockname")[1])

    @property
    def far_address(self) -> tuple[str, int]:
        """Where the target sees the client."""
        host, port = self._far.get_extra_info("sockname")
        return host, port

    def through(self, description: str) -> str:
        """The target's description with candidates that lead through this wire."""
        return description.replace(
            f" {self._target[0]} {self._target[1]} typ host", f" 127.0.0.1 {self.port} typ host"
        )

    async def rebind(self) -> None:
        """The client's packets come from a new address from now on; the old one leads nowhere."""
        old, self._far = self._far, await self._open_far()
        old.close()

    def inject(self, packet: bytes) -> None:
        """A packet to the target with the client's address as its source."""
        self._far.sendto(packet, self._target)

    def close(self) -> None:
        self._closed = True
        self._near.close()
        self._far.close()

    async def _open_far(self) -> asyncio.DatagramTransport:
        side, _ = await self._loop.create_datagram_endpoint(
            lambda: _Side(self._from_target), local_addr=("127.0.0.1", 0)
        )
        return side

    def _from_client(self, data: bytes, source: tuple[str, int]) -> None:
        self._client = source
        self.upward.append(data)
        self._carry("up", lambda: self._far.sendto(data, self._target))

    def _from_target(self, data: bytes, source: tuple[str, int]) -> None:
        client = self._client
        if client is not None:
            self._carry("down", lambda: self._near.sendto(data, client))

    def _carry(self, way: str, send: Callable[[], None]) -> None:
        self.counters[way] += 1
        if self._random.random() < self.loss:
            self.counters[f"{way}_lost"] += 1
            return
        for _ in range(1 + (self._random.random() < self.duplication)):
            delay_s = self._random.uniform(*self.delay_s)
            self._loop.call_later(delay_s, lambda: None if self._closed else send())


class ServerEnd:
    """One peer's transport on a port, and what came out of it."""

    def __init__(self, port: MediaPort) -> None:
        self.port = port
        self.rtp: list[bytes] = []
        self.rtcp: list[bytes] = []
        self.states: list[tuple[PeerState, str]] = []
        self.transport = Transport(
            port,
            certificate=Certificate.generate(),
            on_rtp=lambda packet, now: self.rtp.append(packet),
            on_rtcp=lambda packet, now: self.rtcp.append(packet),
            on_state=lambda state, reason: self.states.append((state, reason)),
        )

    @property
    def target(self) -> tuple[str, int]:
        return self.port.addresses[0], self.port.port

    def answer(self, offer: str) -> str:
        """Receives what the offer sends."""
        agreement = sdp.answer_publisher(
            sdp.parse(offer),
            local=self.transport.local_parameters,
            candidates=self.port.candidates,
        )
        self.transport.connect(agreement.remote, agreement.role)
        return agreement.text
