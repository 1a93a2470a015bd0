"""What the SFU must know of a codec's payload: where frames and keyframes begin, layers, sizes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from media.core.codecs import av1, h264, vp8, vp9
from media.core.packet import Packet


@dataclass(frozen=True, slots=True)
class Codec:
    """One codec's functions.

    Attributes:
        name: as in SDP.
        keyframes: forwarding must begin at one.
        inspect: sets the codec fields of a packet; never raises.
        layered: one stream may hold spatial layers; ``inspect`` then sets ``spatial``,
            ``ends`` and ``dependency``.
        size: (width, height) told by a keyframe's first packet, None if it does not say.
    """

    name: str
    keyframes: bool
    inspect: Callable[[Packet], None]
    size: Callable[[Packet], tuple[int, int] | None]
    layered: bool = False


def _plain(packet: Packet) -> None:
    packet.begins = packet.keyframe = packet.sync = True
    packet.temporal = 0
    packet.picture = packet.tl0 = -1


def _sizeless(packet: Packet) -> None:
    return None


_CODECS = {
    "vp8": Codec("VP8", True, vp8.inspect, vp8.size),
    "vp9": Codec("VP9", True, vp9.inspect, vp9.size, layered=True),
    "h264": Codec("H264", True, h264.inspect, h264.size),
    "av1": Codec("AV1", True, av1.inspect, av1.size, layered=True),
    "opus": Codec("opus", False, _plain, _sizeless),
}


def codec(name: str) -> Codec:
    """Look a codec up by its SDP name, any case; unknown ones pass through without layers."""
    return _CODECS.get(name.lower()) or Codec(name, False, _plain, _sizeless)
