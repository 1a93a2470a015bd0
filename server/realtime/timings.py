"""How long things last in the real-time core. The defaults are the product's promise."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Timings:
    """Seconds unless named otherwise. Tests shorten them; nobody else should.

    Attributes:
        session_lease, session_renewal: a session nobody renews is gone after the first.
        node_lease, node_renewal: likewise for a node and all its sessions.
        sweep: how often one node looks for the dead.
        seat: how long hand, floor and role wait for a person to come back.
        resume: how long a closed session may be continued by its client.
        blink: how long a session outlives its socket unseen by others.
        redis: longest wait for Redis in a client's way.
        pause: how long nobody asks a Redis that just failed.
        bus_silence: a bus connection silent for so long is tested, then replaced.
    """

    session_lease: float = 15.0
    session_renewal: float = 5.0
    node_lease: float = 5.0
    node_renewal: float = 1.5
    sweep: float = 1.0
    seat: float = 600.0
    resume: float = 30.0
    blink: float = 4.0
    redis: float = 1.0
    pause: float = 1.0
    bus_silence: float = 2.0
