"""ICE-lite (RFC 8445 §2.5) for one peer: answers authenticated checks, nothing else.

A check establishes or moves the peer's address and renews consent (RFC 7675).
Never sends a check, never answers a stranger, learns nothing from media.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial

from media import stun
from media.parameters import IceCredentials
from media.udp import Address, Handler, MediaPort, Path

CONSENT_S = 30.0
SILENT_S = 8.0
"""So long without a check from the chosen address, and any other checked one may take its place."""
MAX_ADDRESSES = 8
MAX_CHECKS_REMEMBERED = 64
MAX_CHECKS_PER_S = 100
"""Authentic ones that are answered: eight addresses checked every 100 ms, and some."""


class IceLite:
    """The agent of one peer on the shared port.

    Attributes:
        local: credentials for the next description.
        path: where to send, None before the first check.
    """

    def __init__(
        self,
        port: MediaPort,
        *,
        handler: Handler,
        on_path: Callable[[Path], None],
        on_failed: Callable[[str], None],
    ) -> None:
        """Args:
        handler: gets what else comes from addresses the peer has checked from.
        on_path: called with the first and each later path chosen.
        on_failed: consent is over; the agent is closed by then.
        """
        self._port = port
        self._handler = handler
        self._on_path = on_path
        self._on_failed = on_failed
        self._loop = asyncio.get_running_loop()
        self._outgoing: IceCredentials | None = None
        self._checked: dict[Address, Path] = {}
        self._seen_checks: dict[bytes, Address] = {}
        self._path_heard_at = self._heard_at = self._loop.time()
        self._checks_left = MAX_CHECKS_PER_S
        self._checks_until = 0.0
        self.path: Path | None = None
        self.local = self._admit_credentials()
        self._timer = self._loop.call_at(self._heard_at + CONSENT_S, self._watch)

    def restart(self) -> IceCredentials:
        """New local credentials; the old ones serve until the new ones are checked (RFC 8445 §9)."""
        if self._outgoing is None:
            self._outgoing = self.local
        else:
            self._port.unregister_ufrag(self.local.ufrag)
        self.local = self._admit_credentials()
        return self.local

    def close(self) -> None:
        self._timer.cancel()
        for credentials in (self.local, self._outgoing):
            if credentials is not None:
                self._port.unregister_ufrag(credentials.ufrag)
        for address in self._checked:
            self._port.unregister_address(address, self._handler)
        self._checked.clear()
        self.path = None

    def _admit_credentials(self) -> IceCredentials:
        credentials = IceCredentials.generate()
        self._port.register_ufrag(credentials.ufrag, partial(self._on_check, credentials))
        return credentials

    def _on_check(
        self, credentials: IceCredentials, datagram: memoryview, address: Address, now: float
    ) -> None:
        request = stun.check(datagram, credentials.pwd)
        if request is None:
            self._port.counters["dropped_unauthentic_check"] += 1
            return
        if now >= self._checks_until:
            self._checks_until = now + 1
            self._checks_left = MAX_CHECKS_PER_S
        self._checks_left -= 1
        if self._checks_left < 0:
            self._port.counters["dropped_check_flood"] += 1
            return
        if self._seen_checks.setdefault(request.transaction_id, address) != address:
            self._port.counters["dropped_replayed_check"] += 1
            return
        if len(self._seen_checks) > MAX_CHECKS_REMEMBERED:
            del self._seen_checks[next(iter(self._seen_checks))]
        if request.controlled:
            self._port.send(stun.role_conflict(request, credentials.pwd), address)
            return
        if self._outgoing is not None and credentials is self.local:
            self._port.unregister_ufrag(self._outgoing.ufrag)
            self._outgoing = None
        self._heard_at = now
        path = self._admit_address(address)
        path.send(stun.success(request, address, credentials.pwd))
        if path is self.path:
            self._path_heard_at = now
        elif self.path is None or request.nominates or now > self._path_heard_at + SILENT_S:
            self.path = path
            self._path_heard_at = now
            self._on_path(path)

    def _admit_address(self, address: Address) -> Path:
        path = self._checked.pop(address, None)
        if path is None:
            path = self._port.path(address)
        if len(self._checked) >= MAX_ADDRESSES:
            oldest = next(a for a, p in self._checked.items() if p is not self.path)
            del self._checked[oldest]
            self._port.unregister_address(oldest, self._handler)
        self._checked[address] = path
        self._port.register_address(address, self._handler)
        return path

    def _watch(self) -> None:
        deadline = self._heard_at + CONSENT_S
        if self._loop.time() < deadline:
            self._timer = self._loop.call_at(deadline, self._watch)
            return
        never = self.path is None
        self.close()
        self._on_failed(
            f"no connectivity check arrived within {CONSENT_S:.0f} s: is {'UDP or TCP' if self._port.tcp else 'UDP'}"
            f" port {self._port.port}"
            f" open, and are the advertised addresses reachable?"
            if never
            else f"the peer has been silent for {CONSENT_S:.0f} s"
        )
