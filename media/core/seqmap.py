"""Numbers that wrap, and numbers that move up when packets are left out."""

from __future__ import annotations

from bisect import bisect_right

# Runs remembered per map. Leaving out every second frame of 30 makes 15 runs a
# second, so this is 8 s at least: longer than anybody asks for packets again.
MAX_RUNS = 256


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
    if highest is None:
        return 0x10000 + seq16
    ahead = (seq16 - highest) & 0xFFFF
    return highest + (ahead if ahead < 0x8000 else ahead - 0x10000)


def extend_ts(ts32: int, latest: int | None) -> int:
    """Unwrap a 32-bit RTP timestamp; as ``extend_seq``, modulo 2**32."""
    if latest is None:
        return 0x100000000 + ts32
    ahead = (ts32 - latest) & 0xFFFFFFFF
    return latest + (ahead if ahead < 0x80000000 else ahead - 0x100000000)


class SeqMap:
    """Maps one source's numbers to gapless outgoing ones, leaving out what was dropped.

    Numbers of packets that merely have not arrived stay reserved, so a late packet
    keeps its place. Asking again about an old number gives the same answer.

    Args:
        first: source number of the first packet.
        out: its outgoing number.
        picture_delta: added to picture ids at start.
    """

    __slots__ = (
        "_deltas",
        "_firsts",
        "_picture_deltas",
        "delta",
        "first",
        "highest",
        "picture_delta",
    )

    def __init__(self, first: int, out: int, picture_delta: int = 0) -> None:
        self.first = first
        self.highest = first - 1
        self.delta = out - first
        self.picture_delta = picture_delta
        # Parallel lists, one entry a run: its first source number and what to add
        # from there on. A number whose sum reaches into the next run was left out.
        self._firsts = [first]
        self._deltas = [self.delta]
        self._picture_deltas = [picture_delta]

    def skip(self, seq: int, pictures: int = 0) -> bool:
        """Leave ``seq`` out; only possible while newer than all others.

        ``pictures``: how many picture ids go with it (1 on a frame's first packet).
        """
        if seq <= self.highest:
            return False
        self.highest = seq
        self.delta -= 1
        self.picture_delta -= pictures
        if self._firsts[-1] == seq:
            self._firsts[-1] = seq + 1
            self._deltas[-1] = self.delta
            self._picture_deltas[-1] = self.picture_delta
            return True
        self._firsts.append(seq + 1)
        self._deltas.append(self.delta)
        self._picture_deltas.append(self.picture_delta)
        if len(self._firsts) > MAX_RUNS:
            half = MAX_RUNS // 2
            del self._firsts[:half], self._deltas[:half], self._picture_deltas[:half]
        return True

    def map(self, seq: int) -> int | None:
        """Outgoing number of ``seq``, None when it was left out or is forgotten."""
        if seq > self.highest:
            self.highest = seq
            return seq + self.delta
        run = bisect_right(self._firsts, seq) - 1
        if run < 0:
            return None
        out = seq + self._deltas[run]
        after = run + 1
        if after < len(self._firsts) and out >= self._firsts[after] + self._deltas[after]:
            return None
        return out

    def picture_delta_at(self, seq: int) -> int:
        """What to add to the picture id of ``seq``."""
        return self._picture_deltas[max(bisect_right(self._firsts, seq) - 1, 0)]

    def reverse(self, out: int) -> int | None:
        """Source number behind an outgoing one, None when none or forgotten."""
        firsts, deltas = self._firsts, self._deltas
        low, high = 0, len(firsts)
        while low < high:
            middle = (low + high) // 2
            if firsts[middle] + deltas[middle] <= out:
                low = middle + 1
            else:
                high = middle
        if low == 0:
            return None
        seq = out - deltas[low - 1]
        return seq if seq <= self.highest else None
