"""What the load's packets carry: who sent them, which one it is, when it left, and a checksum.

The head is what a forwarder may look at or rewrite (VP8's descriptor, Opus's first
byte); all behind it must arrive as it left.
"""

from __future__ import annotations

import struct
import time
import zlib
from dataclasses import dataclass

VIDEO_BYTES = 1100
AUDIO_BYTES = 100
_BODY = struct.Struct("!4sIQ")
_MAGIC = b"yhbn"
_CHECKSUM = struct.Struct("!I")
_VP8_BYTES = 4
_VP8_KEYFRAME = bytes((0x10, 0x02, 0x00, 0x9D, 0x01, 0x2A, 0x00, 0x05, 0xD0, 0x02))
"""RFC 6386 §9.1: frame tag with the key frame bit 0, start code, 1280 x 720."""
_VP8_INTERFRAME = bytes((0x11, 0x02, 0x00)).ljust(len(_VP8_KEYFRAME), b"\0")
_OPUS_HEAD = b"\xfc"
_HEADS = {"video": _VP8_BYTES, "audio": len(_OPUS_HEAD)}


@dataclass(frozen=True, slots=True)
class Mark:
    """What a payload says of itself."""

    number: int
    sent_ns: int


def video(number: int, picture: int, *, first: bool, keyframe: bool) -> bytes:
    """A VP8 payload (RFC 7741 §4.2): X bit, S bit on a frame's first, 15-bit picture id.

    Every payload has room for the frame's first bytes, so that all are of one size.
    """
    head = struct.pack("!BBH", 0x90 if first else 0x80, 0x80, 0x8000 | picture & 0x7FFF)
    frame = _VP8_KEYFRAME if keyframe else _VP8_INTERFRAME
    return head + _body(frame, number, VIDEO_BYTES - len(head))


def audio(number: int) -> bytes:
    return _OPUS_HEAD + _body(b"", number, AUDIO_BYTES - len(_OPUS_HEAD))


def read(kind: str, payload: bytes) -> Mark | None:
    """None if it is not one of ours, or not as it left."""
    start = _HEADS[kind]
    if len(payload) < start + _BODY.size + _CHECKSUM.size:
        return None
    body = payload[start:-4]
    if _CHECKSUM.unpack_from(payload, len(payload) - 4)[0] != zlib.crc32(body):
        return None
    offset = len(_VP8_KEYFRAME) if kind == "video" else 0
    magic, number, sent_ns = _BODY.unpack_from(body, offset)
    return Mark(number, sent_ns) if magic == _MAGIC else None


def _body(begin: bytes, number: int, size: int) -> bytes:
    marked = begin + _BODY.pack(_MAGIC, number, time.time_ns())
    body = marked.ljust(size - 4, b"\x5a")
    return body + _CHECKSUM.pack(zlib.crc32(body))
