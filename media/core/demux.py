"""SSRC to m-line: by declared SSRC, else MID, else RID, else a unique payload type.

RFC 8843 §9.2, RFC 8852. Asked once per SSRC; unknown ones are not remembered, so
strangers cannot grow memory.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum

from media.core.extensions import ExtensionIds, text
from media.core.packet import Packet

# Bindings held, and newcomers let in at once; refilled one a second. Far above
# what a browser uses (m-lines x 3 layers x RTX), far below a random-SSRC flood.
MAX_SSRCS = 50
NEWCOMERS_PER_SECOND = 1.0


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


@dataclass(slots=True)
class _Line:
    mid: str
    payload_types: frozenset[int]
    rtx_payload_types: frozenset[int]
    rids: frozenset[str]


class Demux:
    """Owner: the publisher's transport. Lifetime: the transport's."""

    __slots__ = ("_declared", "_lines", "_newcomers", "_newcomers_at", "_places", "ids")

    def __init__(self, ids: ExtensionIds) -> None:
        self.ids = ids
        self._lines: dict[str, _Line] = {}
        self._declared: dict[int, tuple[str, bool]] = {}  # SSRC -> (mid, repair)
        self._places: dict[tuple[str, str, bool], int] = {}  # (mid, rid, repair) -> SSRC
        self._newcomers = float(MAX_SSRCS)
        self._newcomers_at: float | None = None

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
            rids: offered simulcast streams; empty without. With them SSRCs are bound
                by RID only (Firefox declares both, and its SSRC lines name no layer).
            ssrcs: ``a=ssrc`` media SSRCs.
            rtx_of: RTX SSRC to media SSRC (``a=ssrc-group:FID``).
        """
        line = _Line(mid, frozenset(payload_types), frozenset(rtx_payload_types), frozenset(rids))
        self._lines[mid] = line
        for ssrc in [ssrc for ssrc, (owner, _) in self._declared.items() if owner == mid]:
            del self._declared[ssrc]
        if line.rids:
            return
        repairs = rtx_of or {}
        for ssrc in (*ssrcs, *repairs):
            if len(self._declared) < MAX_SSRCS:
                self._declared[ssrc] = (mid, ssrc in repairs)

    def forget(self, mid: str) -> list[int]:
        """Remove an m-line; returns its bound SSRCs."""
        self._lines.pop(mid, None)
        for ssrc in [ssrc for ssrc, (owner, _) in self._declared.items() if owner == mid]:
            del self._declared[ssrc]
        bound = [place for place in self._places if place[0] == mid]
        return [self._places.pop(place) for place in bound]

    def learn(self, packet: Packet, now: float) -> Route | Unbound:
        """Bind the packet's SSRC, or say why not. Call for SSRCs you have no source for."""
        place = self._place(packet)
        if place is None:
            return Unbound.UNKNOWN
        old = self._places.get(place)
        if old == packet.ssrc:
            return Route(packet.ssrc, *place)
        if self._newcomers_at is not None:
            earned = (now - self._newcomers_at) * NEWCOMERS_PER_SECOND
            self._newcomers = min(float(MAX_SSRCS), self._newcomers + earned)
        self._newcomers_at = now
        if self._newcomers < 1 or (old is None and len(self._places) >= MAX_SSRCS):
            return Unbound.LIMIT
        self._newcomers -= 1
        self._places[place] = packet.ssrc
        return Route(packet.ssrc, *place, replaces=old)

    def _place(self, packet: Packet) -> tuple[str, str, bool] | None:
        """Find the (mid, rid, repair) a packet claims, in the order of RFC 8843 §9.2."""
        declared = self._declared.get(packet.ssrc)
        if declared is not None:
            return declared[0], "", declared[1]
        mid = text(packet, self.ids.mid)
        rid = text(packet, self.ids.rid)
        repaired = text(packet, self.ids.repaired_rid)
        line = self._lines.get(mid) if mid is not None else self._line_of(packet, rid or repaired)
        if line is None:
            return None
        repair = packet.pt in line.rtx_payload_types
        if not repair and packet.pt not in line.payload_types:
            return None
        if not line.rids:
            return line.mid, "", repair
        # RFC 8852 §3.3: a repair stream names what it repairs; some senders say "rid" there too.
        layer = repaired or rid if repair else rid
        if layer is None or layer not in line.rids:
            return None
        return line.mid, layer, repair

    def _line_of(self, packet: Packet, rid: str | None) -> _Line | None:
        """Find the only m-line with this RID, else the only one with this payload type."""
        lines = list(self._lines.values())
        if rid is not None:
            found = [line for line in lines if rid in line.rids]
        else:
            found = [
                line
                for line in lines
                if packet.pt in line.payload_types or packet.pt in line.rtx_payload_types
            ]
        return found[0] if len(found) == 1 else None
