"""The body of transport-wide feedback, to and from bytes.

draft-holmer-rmcat-transport-wide-cc-extensions-01 §3.1. Bookkeeping is in twcc.py.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass

from media.core.packet import U16

_FIXED = struct.Struct("!IIHHI")  # sender, media, base, count, reference time and feedback count
_HEAD = struct.Struct("!BBH")
_I16 = struct.Struct("!h")


@dataclass(slots=True)
class Twcc:
    """Transport-wide feedback.

    Attributes:
        base16: first number reported.
        count: numbers covered; those not in ``arrivals`` were not received.
        feedback: packet count, 0..255.
        arrivals: (seq16, arrival in units of 250 µs on the receiver's clock).
    """

    sender: int
    media: int
    base16: int
    count: int
    feedback: int
    arrivals: list[tuple[int, int]]


def parse_twcc(body: bytes) -> Twcc | None:
    """Read statuses, then deltas; work and memory are bounded by the bytes given, not by ``count``."""
    size = len(body)
    if size < 18:
        return None
    sender, media, base16, count, tail = _FIXED.unpack_from(body)
    received: list[tuple[int, int]] = []  # (offset from base, size of its delta)
    at = 16
    covered = 0
    deltas = 0  # bytes of them announced so far
    while covered < count:
        if at + 2 > size:
            return None
        chunk = body[at] << 8 | body[at + 1]
        at += 2
        if chunk < 0x8000:  # run length: 2-bit symbol, 13-bit length
            symbol = chunk >> 13
            run = min(chunk & 0x1FFF, count - covered)
            deltas += symbol * run
            if symbol == 3 or deltas > size:
                return None
            if symbol:
                received.extend((covered + i, symbol) for i in range(run))
            covered += run
        elif chunk < 0xC000:  # vector of 14 one-bit symbols
            for shift in range(min(14, count - covered)):
                if chunk >> (13 - shift) & 1:
                    received.append((covered + shift, 1))
            covered += 14
        else:  # vector of 7 two-bit symbols
            for index in range(min(7, count - covered)):
                symbol = chunk >> (12 - 2 * index) & 3
                if symbol == 3:
                    return None
                if symbol:
                    received.append((covered + index, symbol))
            covered += 7
    clock = (tail >> 8) << 8  # 64 ms units to 250 µs units: times 256
    arrivals: list[tuple[int, int]] = []
    for offset, symbol in received:
        if at + symbol > size:
            return None
        if symbol == 1:
            clock += body[at]
        else:
            clock += _I16.unpack_from(body, at)[0]
        at += symbol
        arrivals.append(((base16 + offset) & 0xFFFF, clock))
    return Twcc(sender, media, base16, count, tail & 0xFF, arrivals)


def build_twcc(
    sender: int, media: int, base16: int, feedback: int, arrivals: Sequence[int | None]
) -> bytes:
    """Build transport-wide feedback.

    Args:
        arrivals: one per number from ``base16`` on, in units of 250 µs on our clock,
            None for not received. Steps between received ones must fit 16 signed bits.
    """
    clock = next(arrival for arrival in arrivals if arrival is not None) >> 8 << 8
    reference = clock >> 8
    symbols = bytearray()
    deltas = bytearray()
    for arrival in arrivals:
        if arrival is None:
            symbols.append(0)
            continue
        delta = arrival - clock
        clock = arrival
        if 0 <= delta <= 255:
            symbols.append(1)
            deltas.append(delta)
        else:
            symbols.append(2)
            deltas += _I16.pack(delta)
    body = (
        _FIXED.pack(
            sender, media, base16, len(symbols), (reference & 0xFFFFFF) << 8 | feedback & 0xFF
        )
        + _pack_symbols(symbols)
        + deltas
    )
    padding = -len(body) % 4
    first = 0x8F  # version 2, FMT 15
    if padding:
        body += bytes(padding - 1) + bytes((padding,))
        first |= 0x20
    return _HEAD.pack(first, 205, len(body) // 4) + body


def _pack_symbols(symbols: bytearray) -> bytes:
    """Pack statuses in chunks (draft §3.1.3, §3.1.4), runs where they are shorter than vectors."""
    packed = bytearray()
    at = 0
    size = len(symbols)
    while at < size:
        symbol = symbols[at]
        run = 1
        while at + run < size and run < 0x1FFF and symbols[at + run] == symbol:
            run += 1
        if run >= 14 or (run >= 7 and 2 in symbols[at : at + 14]) or at + run == size:
            packed += U16.pack(symbol << 13 | run)
            at += run
            continue
        window = symbols[at : at + 14]
        if 2 in window:
            width, bits, chunk = 7, 2, 0xC000
            window = window[:7]
        else:
            width, bits, chunk = 14, 1, 0x8000
        for index, symbol in enumerate(window):
            chunk |= symbol << (bits * (width - 1 - index))
        packed += U16.pack(chunk)
        at += len(window)
    return bytes(packed)
