"""Packets of one layer that leave together: their sizes, their order in memory, their numbers.

A kernel that cuts one message into datagrams (GSO) wants all of one size but the
last, which may be shorter. Encoders make the packets of a frame nearly so; RTP
padding (RFC 3550 §5.1) makes them exactly so.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

from media.core.extensions import Wire
from media.core.outgoing import stamp
from media.core.packet import Packet

MAX_PADDING_BYTES = 8
"""A packet is padded by so much at most; libwebrtc's of one frame differ by one byte."""
MAX_SEGMENTS = 64
MAX_MESSAGE_BYTES = 65_000
"""Of one message to the kernel: UDP_MAX_SEGMENTS, and the size of a datagram (RFC 768)."""


class Numbers(NamedTuple):
    """What one receiver's packets differ by from what came in; all but the first two are added."""

    ssrc: int
    pt: int
    seq: int
    ts: int
    picture: int
    tl0: int


class Message(NamedTuple):
    """Neighbours in memory that leave as one message.

    ``segment_bytes`` is the size of each but the last.
    """

    at: int
    size_bytes: int
    segment_bytes: int
    packets: int


class Layout(NamedTuple):
    """How one receiver's packets lie in memory. ``offsets``: where each begins."""

    offsets: list[int]
    messages: list[Message]
    total_bytes: int


def even_out(packets: Sequence[Packet]) -> None:
    """Pad neighbours of nearly one size to exactly one size; sets ``padding``.

    Once for all receivers: sent again under the same number a packet must be the same.
    """
    if len({packet.end for packet in packets}) == 1:
        return
    first, count = 0, len(packets)
    while first < count - 1:
        largest = smallest = packets[first].end
        last = first + 1
        while last < count:
            size = packets[last].end
            if max(largest, size) - min(smallest, size) > MAX_PADDING_BYTES:
                break
            largest, smallest = max(largest, size), min(smallest, size)
            last += 1
        # The last of all may stay shorter: nothing follows it in its message.
        for packet in packets[first : last if last < count else last - 1]:
            packet.padding = largest - packet.end
        first = last


@lru_cache(maxsize=256)
def lay_out(sizes: tuple[int, ...], tag_bytes: int, *, coalesce: bool) -> Layout:
    """Lay packets of these sizes side by side, each with room for its authentication tag.

    What it gives is shared: sound and full packets come in the same few sizes.
    """
    offsets: list[int] = []
    messages: list[Message] = []
    at = 0
    start = segment = packets = 0
    open_ = False
    for size in sizes:
        sealed = size + tag_bytes
        if open_ and (
            sealed > segment or packets == MAX_SEGMENTS or at + sealed - start > MAX_MESSAGE_BYTES
        ):
            messages.append(Message(start, at - start, segment, packets))
            open_ = False
        if not open_:
            start, segment, packets, open_ = at, sealed, 0, True
        offsets.append(at)
        at += sealed
        packets += 1
        if not coalesce or sealed < segment:
            messages.append(Message(start, at - start, segment, packets))
            open_ = False
    if open_:
        messages.append(Message(start, at - start, segment, packets))
    return Layout(offsets, messages, at)


class Run:
    """The packets of one layer of one drain, in one set of extension numbers.

    Attributes:
        sizes: of the wires, before encryption.
        octets: payload bytes of all, without padding, for sender reports.
        numbered: how many want a transport-wide number.
    """

    __slots__ = ("numbered", "octets", "packets", "sizes", "wires")

    def __init__(self, packets: Sequence[Packet], wires: Sequence[Wire]) -> None:
        self.packets = packets
        self.wires = wires
        sizes = []
        octets = numbered = 0
        for wire in wires:
            sizes.append(wire.size)
            octets += wire.octets
            if wire.twcc:
                numbered += 1
        self.sizes = tuple(sizes)
        self.octets = octets
        self.numbered = numbered

    def layout(self, tag_bytes: int, *, coalesce: bool) -> Layout:
        """How the packets lie with tags of this size."""
        return lay_out(self.sizes, tag_bytes, coalesce=coalesce)

    def copy(self, image: memoryview, layout: Layout) -> None:
        """Put the packets as they are into ``image``."""
        for wire, at in zip(self.wires, layout.offsets, strict=True):
            image[at : at + wire.size] = wire.data

    def number(self, image: memoryview, layout: Layout, numbers: Numbers) -> None:
        """Write one receiver's numbers (but transport-wide ones) over those in ``image``."""
        ssrc, pt, seq, ts, picture, tl0 = numbers
        for packet, wire, at in zip(self.packets, self.wires, layout.offsets, strict=True):
            stamp(
                image,
                at,
                wire,
                pt,
                packet.seq + seq,
                packet.ts + ts,
                ssrc,
                packet.picture + picture,
                packet.tl0 + tl0,
            )
