"""RTP packets for tests, written byte by byte and not by the code under test."""

from __future__ import annotations

import struct
from collections.abc import Mapping

from media.core.codecs import codec
from media.core.packet import Packet, parse
from media.core.source import Source

ONE, TWO = 0xBEDE, 0x1000


def rtp(
    seq16: int = 1,
    ts32: int = 0,
    ssrc: int = 0x11223344,
    pt: int = 96,
    payload: bytes = b"\xff\xff",
    *,
    marker: bool = False,
    extensions: Mapping[int, bytes] | None = None,
    profile: int = ONE,
    padding: int = 0,
    csrcs: tuple[int, ...] = (),
) -> bytes:
    first = 0x80 | len(csrcs)
    block = b""
    if extensions is not None:
        first |= 0x10
        for number, value in extensions.items():
            if profile == ONE:
                block += bytes([number << 4 | len(value) - 1]) + value
            else:
                block += bytes([number, len(value)]) + value
        block += bytes(-len(block) % 4)
        block = struct.pack("!HH", profile, len(block) // 4) + block
    tail = b""
    if padding:
        first |= 0x20
        tail = bytes(padding - 1) + bytes([padding])
    return (
        struct.pack("!BBHII", first, marker << 7 | pt, seq16 & 0xFFFF, ts32 & 0xFFFFFFFF, ssrc)
        + struct.pack(f"!{len(csrcs)}I", *csrcs)
        + block
        + payload
        + tail
    )


def parsed(data: bytes) -> Packet:
    packet = parse(data)
    assert isinstance(packet, Packet)
    return packet


def vp8(
    *,
    begins: bool = True,
    keyframe: bool = False,
    picture: int | None = 0,
    tl0: int | None = 0,
    tid: int = 0,
    sync: bool = False,
    wide: bool = True,
    body: bytes = bytes(20),
) -> bytes:
    """A VP8 payload (RFC 7741 §4.2): X with I, L, T as asked."""
    flags = (0x80 if picture is not None else 0) | (0x60 if tl0 is not None else 0)
    out = bytes([0x80 | (0x10 if begins else 0), flags])
    if picture is not None:
        out += struct.pack("!H", 0x8000 | picture & 0x7FFF) if wide else bytes([picture & 0x7F])
    if tl0 is not None:
        out += bytes([tl0 & 0xFF, tid << 6 | (0x20 if sync else 0)])
    if begins:
        out += bytes([0 if keyframe else 1])
        if keyframe:
            out += b"\x00\x00\x9d\x01\x2a" + struct.pack("<HH", 640, 360)
    return out + body


def received(source: Source, data: bytes, now: float, name: str = "VP8") -> Packet:
    """Take a packet in as a track does."""
    packet = parsed(data)
    source.receive(packet, now)
    codec(name).inspect(packet)
    return packet
