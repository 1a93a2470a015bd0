"""Header extensions between two transports: which id means what, and renumbering.

Ids are private to a transport; URIs are what both agree on. Translation happens
once per packet and set of target ids, not per subscriber.
"""

from __future__ import annotations

from collections.abc import Mapping

from media.core.packet import Packet

MID = "urn:ietf:params:rtp-hdrext:sdes:mid"
RID = "urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id"
REPAIRED_RID = "urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id"
AUDIO_LEVEL = "urn:ietf:params:rtp-hdrext:ssrc-audio-level"
TRANSPORT_CC = "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01"
ABS_SEND_TIME = "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time"
VIDEO_ORIENTATION = "urn:3gpp:video-orientation"
PLAYOUT_DELAY = "http://www.webrtc.org/experiments/rtp-hdrext/playout-delay"
VIDEO_CONTENT_TYPE = "http://www.webrtc.org/experiments/rtp-hdrext/video-content-type"
DEPENDENCY_DESCRIPTOR = (
    "https://aomediacodec.github.io/av1-rtp-spec/#dependency-descriptor-rtp-header-extension"
)


class ExtensionIds:
    """The ids negotiated on one m-line or transport; 0 where not negotiated.

    Hashable and comparable: equal sets share translations.

    Args:
        uris: id to URI, as in ``a=extmap``.
    """

    __slots__ = (
        "_key",
        "abs_send_time",
        "audio_level",
        "mid",
        "repaired_rid",
        "rid",
        "transport_cc",
        "uris",
    )

    uris: dict[int, str]
    mid: int
    rid: int
    repaired_rid: int
    audio_level: int
    transport_cc: int
    abs_send_time: int

    def __init__(self, uris: Mapping[int, str]) -> None:
        raise NotImplementedError


class Wire:
    """A packet with its extensions in the target's ids, padding removed; shared by its subscribers.

    ``data``: to be copied, then header fields patched. ``first``: byte 0.
    ``twcc``: offset of the transport-wide number, 0 when there is none.
    ``shift``: how far the payload moved against the source packet.
    """

    __slots__ = ("data", "first", "packet", "payload", "shift", "twcc")

    data: bytes | bytearray
    first: int
    packet: Packet
    payload: int
    shift: int
    twcc: int


class Translation:
    """Renumbers extensions from a publisher's ids to a subscriber's, in place.

    mid, rid and repaired-rid become padding (subscribers know their SSRCs from
    SDP); what the subscriber did not negotiate becomes padding; everything else,
    known to us or not, keeps its value under the new id. transport-cc gets a slot
    when the subscriber negotiated it, also where the publisher's packet has none;
    abs-send-time is restamped with ``now``.

    Owned by a track, one per distinct set of subscriber ids; remembers the last
    packet so that all subscribers of a batch share its result.
    """

    __slots__ = ("_identity", "_packet", "_table", "_wire", "source", "target")

    def __init__(self, source: ExtensionIds, target: ExtensionIds) -> None:
        raise NotImplementedError

    def apply(self, packet: Packet, now: float) -> Wire:
        """Return the packet as the target set of ids wants it."""
        raise NotImplementedError


def audio_level(packet: Packet, wanted: int) -> tuple[int, bool] | None:
    """Read RFC 6464: (level 0 loudest..127 silence in -dBov, voice flag), None if absent."""
    raise NotImplementedError


def text(packet: Packet, wanted: int) -> str | None:
    """Read a mid or rid value (RFC 7941: ASCII, at most 16 characters here), None if absent or odd."""
    raise NotImplementedError


def transport_seq(packet: Packet, wanted: int) -> int:
    """Read the transport-wide number, -1 if absent."""
    raise NotImplementedError
