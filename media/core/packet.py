"""An RTP packet as bytes plus where its parts are (RFC 3550 §5.1, RFC 8285, RFC 4588).

Parsed once; afterwards only header fields are patched. Payload and header
extensions are never taken apart and put together again.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from media.core.source import Source

MAX_PACKET_BYTES = 1356  # libsrtp via pylibsrtp refuses to protect more


class Malformed(Enum):
    """Why bytes are not a packet we forward; a counter each."""

    SHORT = "short"
    VERSION = "version"
    CSRC = "csrc"
    EXTENSION = "extension"
    PADDING = "padding"
    RTX = "rtx"


class Packet:
    """One received RTP packet.

    Set by ``parse``: ``data`` (kept as given: the caller passes bytes that stay),
    ``pt``, ``marker``, ``seq16``, ``ts32``, ``ssrc``, ``payload`` (offset of the
    payload), ``end`` (offset behind it, where padding starts), ``profile`` (0 none,
    1 one-byte, 2 two-byte extensions), ``extensions`` and ``extensions_end``
    (offsets of the first extension element and behind the last word).

    Set by ``Source.receive``: ``source``, ``seq``, ``ts`` (extended), ``arrival``.

    Set by ``Codec.inspect``: ``begins`` (first packet of a frame), ``keyframe``
    (first packet of a keyframe), ``temporal`` (0 when unknown), ``sync`` (an
    up-switch to this temporal layer may happen here), ``picture`` (VP8 picture id or -1)
    with ``picture_at`` (offset) and ``picture_mask`` (0x7F or 0x7FFF), ``tl0`` (or -1)
    with ``tl0_at``.
    """

    __slots__ = (
        "arrival",
        "begins",
        "data",
        "end",
        "extensions",
        "extensions_end",
        "keyframe",
        "marker",
        "payload",
        "picture",
        "picture_at",
        "picture_mask",
        "profile",
        "pt",
        "seq",
        "seq16",
        "source",
        "ssrc",
        "sync",
        "temporal",
        "tl0",
        "tl0_at",
        "ts",
        "ts32",
    )

    data: bytes | bytearray
    pt: int
    marker: bool
    seq16: int
    ts32: int
    ssrc: int
    payload: int
    end: int
    profile: int
    extensions: int
    extensions_end: int
    source: Source | None
    seq: int
    ts: int
    arrival: float
    begins: bool
    keyframe: bool
    temporal: int
    sync: bool
    picture: int
    picture_at: int
    picture_mask: int
    tl0: int
    tl0_at: int


def parse(data: bytes | bytearray) -> Packet | Malformed:
    """Parse and bounds-check an RTP packet; never raises."""
    raise NotImplementedError


def find_extension(packet: Packet, wanted: int) -> tuple[int, int] | None:
    """Find a header extension element: (offset of its value, length), or None.

    A length may be 0 (two-byte profile). A broken block reads as if it ended
    where it breaks.
    """
    raise NotImplementedError


def unwrap_rtx(packet: Packet, ssrc: int, pt: int) -> Packet | Malformed:
    """Restore the original packet out of a retransmission (RFC 4588 §4).

    Args:
        packet: parsed packet of the RTX stream.
        ssrc: of the stream repaired.
        pt: original payload type (``apt``).

    Returns:
        A new packet with the original number; ``Malformed.RTX`` when there is no
        payload (padding used as a probe: normal, count and forget).
    """
    raise NotImplementedError


def padding(pt: int, seq16: int, ts32: int, ssrc: int, count: int) -> bytes:
    """Build a packet of padding alone, ``count`` bytes of it (1..255), for probing on an RTX stream."""
    raise NotImplementedError
