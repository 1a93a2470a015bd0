"""Audio levels (RFC 6464) to active speakers of one room, loudest first, without flicker."""

from __future__ import annotations


class Speakers:
    """Owner: the worker, one per room."""

    __slots__ = ("_active", "_voices")

    def __init__(self) -> None:
        raise NotImplementedError

    def heard(self, track: str, level: int, now: float) -> None:
        """Note a packet's level: 0 loudest .. 127 silence, in -dBov."""
        raise NotImplementedError

    def remove(self, track: str) -> None:
        raise NotImplementedError

    def update(self, now: float) -> list[str] | None:
        """Return the speakers, loudest first, when the list changed, else None; call every 100 ms or so."""
        raise NotImplementedError

    def loudest(self, count: int) -> list[str]:
        """Return at most ``count`` tracks worth hearing in a large room, loudest first."""
        raise NotImplementedError
