"""Numbers that wrap, and numbers that move up when packets are left out."""

from __future__ import annotations


def extend_seq(seq16: int, highest: int | None) -> int:
    """Unwrap a 16-bit RTP sequence number into one that never wraps.

    The candidate nearest to ``highest`` wins (RFC 3550 §5.1), so a packet may
    be up to 32767 late or early. The first packet is placed one cycle up,
    which keeps a straggler sent before it positive.

    Args:
        seq16: number from the header, 0..65535.
        highest: greatest extended number seen on this SSRC, or None at start.

    Returns:
        The extended number; its low 16 bits equal ``seq16``.
    """
    raise NotImplementedError


def extend_ts(ts32: int, latest: int | None) -> int:
    """Unwrap a 32-bit RTP timestamp; as ``extend_seq``, modulo 2**32."""
    raise NotImplementedError


class SeqMap:
    """Maps one source's numbers to gapless outgoing ones, leaving out what was dropped.

    Numbers of packets that merely have not arrived stay reserved, so a late packet
    keeps its place. Asking again about an old number gives the same answer.

    Args:
        first: source number of the first packet.
        out: its outgoing number.
        picture_delta: added to picture ids at start.
    """

    __slots__ = ("_deltas", "_firsts", "_picture_deltas", "delta", "highest", "picture_delta")

    def __init__(self, first: int, out: int, picture_delta: int = 0) -> None:
        raise NotImplementedError

    def skip(self, seq: int, pictures: int = 0) -> bool:
        """Leave ``seq`` out; only possible while newer than all others.

        ``pictures``: how many picture ids go with it (1 on a frame's first packet).
        """
        raise NotImplementedError

    def map(self, seq: int) -> int | None:
        """Outgoing number of ``seq``, None when it was left out or is forgotten."""
        raise NotImplementedError

    def picture_delta_at(self, seq: int) -> int:
        """What to add to the picture id of ``seq``."""
        raise NotImplementedError

    def reverse(self, out: int) -> int | None:
        """Source number behind an outgoing one, None when none or forgotten."""
        raise NotImplementedError
