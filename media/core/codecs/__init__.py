"""What the SFU must know of a codec's payload: where frames and keyframes begin, layers, sizes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from media.core.packet import Packet


@dataclass(frozen=True, slots=True)
class Codec:
    """One codec's functions.

    Attributes:
        name: as in SDP.
        keyframes: forwarding must begin at one.
        inspect: sets the codec fields of a packet; never raises.
        size: (width, height) told by a keyframe's first packet, None if it does not say.
    """

    name: str
    keyframes: bool
    inspect: Callable[[Packet], None]
    size: Callable[[Packet], tuple[int, int] | None]


def codec(name: str) -> Codec:
    """Look a codec up by its SDP name, any case; unknown ones pass through without layers."""
    raise NotImplementedError
