"""SSRC to m-line: by declared SSRC, else MID, else RID, else a unique payload type.

RFC 8843 §9.2, RFC 8852. Asked once per SSRC; unknown ones are not remembered, so
strangers cannot grow memory.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum

from media.core.extensions import ExtensionIds
from media.core.packet import Packet


class Unbound(Enum):
    """Why an SSRC was not bound; a counter each."""

    UNKNOWN = "unknown"  # says nothing that leads to an m-line (yet)
    LIMIT = "limit"  # too many SSRCs


@dataclass(frozen=True, slots=True)
class Route:
    """Where an SSRC belongs.

    Attributes:
        rid: "" without simulcast.
        repair: an RTX stream; its packets repair the source with the same mid and rid.
        replaces: SSRC that had this place before and is now unbound, or None.
    """

    ssrc: int
    mid: str
    rid: str
    repair: bool
    replaces: int | None = None


class Demux:
    """Owner: the publisher's transport. Lifetime: the transport's."""

    __slots__ = ("_lines", "_newcomers", "_newcomers_at", "_routes", "ids")

    def __init__(self, ids: ExtensionIds) -> None:
        raise NotImplementedError

    def expect(
        self,
        mid: str,
        *,
        payload_types: Iterable[int],
        rtx_payload_types: Iterable[int] = (),
        rids: Iterable[str] = (),
        ssrcs: Iterable[int] = (),
        rtx_of: Mapping[int, int] | None = None,
    ) -> None:
        """Declare (or redeclare) an m-line we receive.

        Args:
            rids: offered simulcast streams; empty without.
            ssrcs: ``a=ssrc`` media SSRCs.
            rtx_of: RTX SSRC to media SSRC (``a=ssrc-group:FID``).
        """
        raise NotImplementedError

    def forget(self, mid: str) -> list[int]:
        """Remove an m-line; returns its bound SSRCs."""
        raise NotImplementedError

    def learn(self, packet: Packet, now: float) -> Route | Unbound:
        """Bind the packet's SSRC, or say why not. Call for SSRCs you have no source for."""
        raise NotImplementedError
