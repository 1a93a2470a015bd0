"""The controlling end of ICE towards a lite peer: checks its candidates, keeps consent.

Nominates with every check (the lite end takes the first that arrives), needs no
gathering and never listens for checks.
"""

from __future__ import annotations

import asyncio
import random
import secrets
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from media import stun
from media.ice import CONSENT_S
from media.parameters import IceCredentials
from media.udp import Address, Handler, MediaPort, Path

FIRST_RETRY_S = 0.05
LAST_RETRY_S = 1.0
CONSENT_INTERVAL_S = 5.0
"""RFC 7675 §5.1, give or take 20 %."""
HOST_PRIORITY = (110 << 24) | (65535 << 8) | 255
MAX_PENDING = 64


@dataclass
class _Check:
    path: Path
    remote: IceCredentials


class IceControlling:
    """The agent of one client.

    Attributes:
        local: credentials for the next description.
        path: the candidate that answered first, None before.
    """

    def __init__(
        self,
        port: MediaPort,
        *,
        handler: Handler,
        on_path: Callable[[Path], None],
        on_failed: Callable[[str], None],
    ) -> None:
        """Args as ``media.ice.IceLite``; ``connect`` begins the checks."""
        self._port = port
        self._handler = handler
        self._on_path = on_path
        self._on_failed = on_failed
        self._loop = asyncio.get_running_loop()
        self._tie_breaker = secrets.randbits(64)
        self._remote: IceCredentials | None = None
        self._candidates: dict[Address, Path] = {}
        self._pending: dict[bytes, _Check] = {}
        self._retry_s = FIRST_RETRY_S
        self._heard_at = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self.path: Path | None = None
        self.local = IceCredentials.generate()

    def connect(self, remote: IceCredentials, addresses: Iterable[Address]) -> None:
        """Checks these candidates; again with new credentials after a restart.

        Raises:
            ValueError: none of the addresses can be reached from this socket.
        """
        if remote == self._remote:
            return
        self._remote = remote
        for address in addresses:
            if address not in self._candidates:
                try:
                    self._candidates[address] = self._port.path(address)
                except ValueError:
                    continue
                self._port.register_address(address, self._receive)
        if not self._candidates:
            raise ValueError("no candidate of the peer has an address family this client uses")
        self._retry_s = FIRST_RETRY_S
        self._heard_at = self._loop.time()
        self._check()

    def restart(self) -> IceCredentials:
        """New local credentials; used from the next ``connect`` on."""
        self.local = IceCredentials.generate()
        return self.local

    def check_now(self) -> None:
        """Repeats the checks at once, as after a change of network."""
        self._retry_s = FIRST_RETRY_S
        self._check()

    def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        for address in self._candidates:
            self._port.unregister_address(address, self._receive)
        self._candidates.clear()
        self.path = None

    def _check(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        remote = self._remote
        if remote is None:
            return
        if self._loop.time() > self._heard_at + CONSENT_S:
            self.close()
            self._on_failed(f"the server has not answered checks for {CONSENT_S:.0f} s")
            return
        while len(self._pending) > MAX_PENDING:
            del self._pending[next(iter(self._pending))]
        for path in [self.path] if self.path else self._candidates.values():
            request, transaction = stun.binding_request(
                local=self.local,
                remote=remote,
                tie_breaker=self._tie_breaker,
                priority=HOST_PRIORITY,
            )
            self._pending[transaction] = _Check(path, remote)
            path.send(request)
        self._timer = self._loop.call_later(self._retry_s, self._check)
        self._retry_s = min(2 * self._retry_s, LAST_RETRY_S)

    def _receive(self, datagram: memoryview, address: Address, now: float) -> None:
        if datagram[0] > 3:
            self._handler(datagram, address, now)
            return
        if len(datagram) < stun.HEADER_BYTES:
            return
        check = self._pending.get(bytes(datagram[8:20]))
        if check is None or check.path.address[:2] != address[:2]:
            return
        response = stun.read(datagram, check.remote.pwd)
        if response is None or not stun.is_success(response) or check.remote != self._remote:
            return
        self._pending.clear()
        self._heard_at = now
        if self._timer is not None:
            self._timer.cancel()
        interval_s = CONSENT_INTERVAL_S * random.uniform(0.8, 1.2)  # noqa: S311
        self._retry_s = FIRST_RETRY_S
        self._timer = self._loop.call_later(interval_s, self._check)
        if self.path is None:
            self.path = check.path
            self._on_path(check.path)
