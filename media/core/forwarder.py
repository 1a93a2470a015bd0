"""One down track's mapping: one of several sources becomes one outgoing SSRC.

Gapless numbers, timestamps that only go forward, VP8 picture ids that stay
continuous; switches happen at keyframes. Sees packets, sends none, knows no keys.
"""

from __future__ import annotations

from enum import IntEnum

from media.core.extensions import Wire
from media.core.packet import Packet
from media.core.rtcp import Report, SenderReport
from media.core.source import Source


class Drop(IntEnum):
    """Why a packet was not forwarded; a counter each."""

    PAUSED = 0  # no layer wanted
    OTHER_LAYER = 1
    WAITING_KEYFRAME = 2
    TEMPORAL = 3
    PADDING = 4  # carries no payload
    TOO_OLD = 5  # its place in the outgoing numbers is gone


class Forwarder:
    """Owner: the down track.

    ``map`` decides and leaves the outgoing ``seq``, ``ts``, ``picture``, ``tl0`` in
    attributes; ``write`` renders the packet just mapped. For an old packet ``map``
    changes nothing and answers the same, so a NACK is answered by
    ``locate`` -> history -> ``map`` -> ``write`` or ``write_rtx``.

    Args:
        ssrc, pt: outgoing.
        clock_rate: Hz.
        keyframes: switches wait for one (video).
        seq, ts: first outgoing number and timestamp, random (RFC 3550 §5.1).
        rtx_ssrc, rtx_pt: 0 when RTX was not negotiated.
    """

    __slots__ = (
        "current",
        "octets",
        "packets",
        "pt",
        "rtx_pt",
        "rtx_ssrc",
        "seq",
        "ssrc",
        "target",
        "ts",
    )

    current: Source | None
    target: Source | None

    def __init__(
        self,
        *,
        ssrc: int,
        pt: int,
        clock_rate: int,
        keyframes: bool,
        seq: int,
        ts: int,
        rtx_ssrc: int = 0,
        rtx_pt: int = 0,
    ) -> None:
        raise NotImplementedError

    def aim(self, source: Source | None, temporal: int = 7) -> None:
        """Want another source (at its next keyframe) or none (at once), up to a temporal layer."""
        raise NotImplementedError

    @property
    def wants_keyframe(self) -> bool:
        """Whether ``target`` should be asked for a keyframe."""
        raise NotImplementedError

    def map(self, packet: Packet) -> Drop | None:
        """Decide; None means forward it."""
        raise NotImplementedError

    def write(self, buffer: bytearray | memoryview, at: int, wire: Wire, twcc_seq: int = 0) -> int:
        """Write the packet just mapped into ``buffer`` at ``at``; returns its length."""
        raise NotImplementedError

    def write_rtx(
        self, buffer: bytearray | memoryview, at: int, wire: Wire, twcc_seq: int = 0
    ) -> int:
        """As ``write``, as a retransmission on the RTX stream (RFC 4588); numbers it itself."""
        raise NotImplementedError

    def write_padding(self, buffer: bytearray | memoryview, at: int, count: int) -> int:
        """Write padding on the RTX stream, for probes; needs RTX. Returns the length."""
        raise NotImplementedError

    def locate(self, seq16: int) -> tuple[Source, int] | None:
        """Find whose packet went out under a number: (source, its extended number)."""
        raise NotImplementedError

    def sender_report(self, now: float) -> SenderReport | None:
        """Make the outgoing SR on the publisher's clock; None until the source told its own."""
        raise NotImplementedError

    def rtt(self, report: Report, now: float) -> float | None:
        """Round trip by the LSR and DLSR of a receiver's report on our SSRC."""
        raise NotImplementedError
