"""Redundant audio (RFC 2198): a packet that carries earlier ones along, taken apart and put to use.

::

    F|PT 7|timestamp offset 14|length 10   for each earlier block, F = 1
    0|PT 7                                 for the newest, whose block is the rest
"""

from __future__ import annotations

from typing import NamedTuple

from media.core.history import History
from media.core.packet import HEADER, Malformed, Packet, parse

OPUS_PT = 111
"""What Opus is called within the blocks of every packet that we pass on."""
MAX_BLOCKS = 8


class Block(NamedTuple):
    """An earlier packet's payload: so much older in timestamp units, and where in ``data``."""

    age: int
    start: int
    end: int


def open_red(packet: Packet) -> list[Block] | Malformed:
    """Make ``payload`` that of the newest block, and ``red`` where the blocks begin.

    Returns:
        The earlier blocks, newest first.
    """
    data, begin, end = packet.data, packet.payload, packet.end
    heads: list[int] = []
    at = begin
    while at < end and data[at] & 0x80:
        heads.append(at)
        at += 4
    if at >= end or len(heads) > MAX_BLOCKS:
        return Malformed.RED
    names = [*heads, at]
    at += 1
    blocks: list[Block] = []
    for head in heads:
        field = int.from_bytes(data[head + 1 : head + 4], "big")
        size = field & 0x3FF
        blocks.append(Block(field >> 10, at, at + size))
        at += size
    if at >= end:
        return Malformed.RED
    if any(data[name] & 0x7F != OPUS_PT for name in names):
        packet.data = renamed = bytearray(data)
        for name in names:
            renamed[name] = data[name] & 0x80 | OPUS_PT
    packet.red = begin
    packet.payload = at
    blocks.reverse()
    return blocks


def newest_only(packet: Packet) -> None:
    """Take the earlier blocks out of a packet that was opened."""
    data = bytearray(packet.data)
    del data[packet.red : packet.payload]
    packet.end -= packet.payload - packet.red
    packet.data, packet.payload, packet.red = data, packet.red, 0


def missing_before(
    packet: Packet, blocks: list[Block], newest: int, history: History
) -> list[Packet]:
    """Make the packets missing just before a numbered one out of it, oldest first.

    Args:
        newest: number handed on last, -1 before the first: nothing older is made.
        history: of the stream; what is made is kept there.
    """
    made: list[Packet] = []
    for back, block in enumerate(blocks, 1):
        seq = packet.seq - back
        empty = block.start == block.end
        if empty or not 0 <= newest < seq or history.get(seq) is not None:
            break
        made.append(_earlier(packet, block, back))
        history.add(made[-1])
    made.reverse()
    return made


def _earlier(packet: Packet, block: Block, back: int) -> Packet:
    head = bytearray(12)
    seq16, ts32 = (packet.seq16 - back) & 0xFFFF, (packet.ts32 - block.age) & 0xFFFFFFFF
    HEADER.pack_into(head, 0, 0x80, OPUS_PT, seq16, ts32, packet.ssrc)
    made = parse(head + packet.data[block.start : block.end])
    assert isinstance(made, Packet)
    made.source = packet.source
    made.seq = packet.seq - back
    made.ts = packet.ts - block.age
    made.arrival = packet.arrival
    return made
