"""Header extensions between two transports: which id means what, and renumbering.

Ids are private to a transport; URIs are what both agree on. Translation happens
once per packet and set of target ids, not per subscriber.
"""

from __future__ import annotations

from collections.abc import Mapping

from media.core.packet import (
    MAX_PACKET_BYTES,
    ONE_BYTE,
    OPAQUE,
    TWO_BYTE,
    U16,
    Packet,
    find_extension,
)

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
        "dependency",
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
    dependency: int

    def __init__(self, uris: Mapping[int, str]) -> None:
        self.uris = dict(uris)
        self._key = frozenset(self.uris.items())
        ids = {uri: number for number, uri in self.uris.items()}
        self.mid = ids.get(MID, 0)
        self.rid = ids.get(RID, 0)
        self.repaired_rid = ids.get(REPAIRED_RID, 0)
        self.audio_level = ids.get(AUDIO_LEVEL, 0)
        self.transport_cc = ids.get(TRANSPORT_CC, 0)
        self.abs_send_time = ids.get(ABS_SEND_TIME, 0)
        self.dependency = ids.get(DEPENDENCY_DESCRIPTOR, 0)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ExtensionIds) and self._key == other._key

    def __hash__(self) -> int:
        return hash(self._key)


class Wire:
    """A packet with its extensions in the target's ids and our padding for its; shared by its subscribers.

    ``data`` (``size`` bytes) is to be copied, then header fields patched. Offsets into
    it, 0 where there is no such thing: ``twcc`` (transport-wide number), ``frame_at`` (frame
    number of the dependency descriptor), ``picture_at`` (``wide``: 15 bits), ``tl0_at``. ``marker`` is 0x80 or 0; ``payload`` the payload's offset,
    ``octets`` its size without padding.
    """

    __slots__ = (
        "data",
        "frame_at",
        "marker",
        "octets",
        "payload",
        "picture_at",
        "size",
        "tl0_at",
        "twcc",
        "wide",
    )

    data: bytearray
    frame_at: int
    marker: int
    octets: int
    payload: int
    picture_at: int
    size: int
    tl0_at: int
    twcc: int
    wide: bool


class Translation:
    """Renumbers extensions from a publisher's ids to a subscriber's, in place.

    mid, rid and repaired-rid become padding (subscribers know their SSRCs from
    SDP); what the subscriber did not negotiate becomes padding; everything else,
    known to us or not, keeps its value under the new id. transport-cc gets a slot
    when the subscriber negotiated it, also where the publisher's packet has none;
    abs-send-time is restamped with ``now``.

    Owned by a track, one per distinct set of subscriber ids; remembers the last
    packet so that all subscribers of a batch share its result.

    Args:
        redundant: packets of redundant audio (RFC 2198) stay what they are; else only
            their newest block is left.
    """

    __slots__ = ("_keeps", "_packet", "_table", "_wire", "redundant", "source", "target")

    def __init__(
        self, source: ExtensionIds, target: ExtensionIds, *, redundant: bool = False
    ) -> None:
        self.source = source
        self.target = target
        self.redundant = redundant
        wanted = {uri: number for number, uri in target.uris.items() if uri not in _PRIVATE}
        table = bytearray(256)
        for number, uri in source.uris.items():
            table[number & 0xFF] = wanted.get(uri, 0)
        self._table = bytes(table)
        self._keeps = any(table)
        self._packet: Packet | None = None
        self._wire: Wire | None = None

    def apply(self, packet: Packet, now: float) -> Wire:
        """Return the packet as the target set of ids wants it."""
        if packet is self._packet and self._wire is not None:
            return self._wire
        wire = Wire()
        wire.payload = packet.red or packet.payload
        wire.twcc = wire.frame_at = 0
        data = bytearray(packet.data)
        if packet.end < len(data):
            del data[packet.end :]
            data[0] &= 0xDF
        if packet.red and not self.redundant:
            del data[packet.red : packet.payload]
        wire.data = data
        profile = packet.profile
        room = 0
        if profile == ONE_BYTE:
            room = self._renumber_one_byte(wire, data, packet, now)
        elif profile == TWO_BYTE:
            room = self._renumber_two_byte(wire, data, packet, now)
        if self.target.transport_cc and not wire.twcc and profile != OPAQUE:
            self._insert_twcc(wire, data, packet, room)
        size = len(data)
        wire.octets = size - wire.payload
        padding = packet.padding
        if padding:
            data += bytes(padding - 1)
            data.append(padding)
            data[0] |= 0x20
            size += padding
        wire.size = size
        wire.marker = 0x80 if packet.marker else 0
        wire.picture_at = wire.tl0_at = 0
        wire.wide = False
        if packet.picture >= 0:
            shift = wire.payload - packet.payload
            wire.picture_at = packet.picture_at + shift
            wire.wide = packet.picture_mask == 0x7FFF
            if packet.tl0 >= 0:
                wire.tl0_at = packet.tl0_at + shift
        self._packet = packet
        self._wire = wire
        return wire

    def _renumber_one_byte(self, wire: Wire, data: bytearray, packet: Packet, now: float) -> int:
        """Rewrite ids in place; returns where the trailing padding starts."""
        table = self._table
        target = self.target
        used = at = packet.extensions
        end = packet.extensions_end
        while at < end and self._keeps:
            head = data[at]
            if head == 0:
                at += 1
                continue
            after = at + 2 + (head & 0x0F)
            if head < 0x10 or head > 0xEF or after > end:
                break
            number = table[head >> 4]
            if 0 < number < 15:
                if at > used:
                    data[used:at] = bytes(at - used)
                data[at] = number << 4 | head & 0x0F
                used = after
                if number == target.transport_cc and head & 0x0F == 1:
                    wire.twcc = at + 1
                elif number == target.abs_send_time and head & 0x0F == 2:
                    _stamp(data, at + 1, now)
                elif number == target.dependency and head & 0x0F >= 2:
                    wire.frame_at = at + 2
            at = after
        if used < end:
            data[used:end] = bytes(end - used)
        return used

    def _renumber_two_byte(self, wire: Wire, data: bytearray, packet: Packet, now: float) -> int:
        """As for one-byte elements."""
        table = self._table
        target = self.target
        at = packet.extensions
        end = packet.extensions_end
        used = at
        while at < end:
            if data[at] == 0:
                at += 1
                continue
            if at + 2 > end:
                break
            length = data[at + 1]
            after = at + 2 + length
            if after > end:
                break
            number = table[data[at]]
            if number:
                data[at] = number
                used = after
                if number == target.transport_cc and length == 2:
                    wire.twcc = at + 2
                elif number == target.abs_send_time and length == 3:
                    _stamp(data, at + 2, now)
                elif number == target.dependency and length >= 3:
                    wire.frame_at = at + 3
            else:
                data[at:after] = bytes(after - at)
            at = after
        data[used:end] = bytes(end - used)
        return used

    def _insert_twcc(self, wire: Wire, data: bytearray, packet: Packet, room: int) -> None:
        """Make a place for a transport-wide number: in padding, else by growing the block."""
        number = self.target.transport_cc
        if packet.profile == TWO_BYTE:
            element = bytes((number, 2, 0, 0))
        elif number > 14:
            return
        else:
            element = bytes((number << 4 | 1, 0, 0))
        end = packet.extensions_end
        if packet.profile and end - room >= len(element):
            data[room : room + len(element)] = element
            wire.twcc = room + len(element) - 2
            return
        grown = 4 if packet.profile else 8
        if len(data) + grown > MAX_PACKET_BYTES:
            return
        if packet.profile:
            words = (end - packet.extensions) // 4 + 1
            if words > 0xFFFF:
                return
            data[end:end] = bytes(4)
            data[room : room + len(element)] = element
            wire.twcc = room + len(element) - 2
            U16.pack_into(data, packet.extensions - 2, words)
        else:
            data[end:end] = b"\xbe\xde\x00\x01" + element + b"\x00"
            wire.twcc = end + 5
            data[0] |= 0x10
        wire.payload += grown


# Private to a transport (RFC 8843 §15, RFC 8852): our subscribers know their SSRCs from SDP.
_PRIVATE = frozenset((MID, RID, REPAIRED_RID))


def _stamp(data: bytearray, at: int, now: float) -> None:
    """Write abs-send-time: seconds as 6.18 fixed point (webrtc.org/experiments/rtp-hdrext/abs-send-time)."""
    value = int(now * 262144) & 0xFFFFFF
    data[at : at + 3] = value.to_bytes(3, "big")


def audio_level(packet: Packet, wanted: int) -> tuple[int, bool] | None:
    """Read RFC 6464: (level 0 loudest..127 silence in -dBov, voice flag), None if absent."""
    found = find_extension(packet, wanted)
    if found is None or found[1] == 0:
        return None
    value = packet.data[found[0]]
    return value & 0x7F, value > 0x7F


def text(packet: Packet, wanted: int) -> str | None:
    """Read a mid or rid value (RFC 7941: ASCII, at most 16 characters here), None if absent or odd."""
    found = find_extension(packet, wanted)
    if found is None or not 0 < found[1] <= 16:
        return None
    value = bytes(packet.data[found[0] : found[0] + found[1]])
    if not all(0x20 < byte < 0x7F for byte in value):
        return None
    return value.decode("ascii")


def transport_seq(packet: Packet, wanted: int) -> int:
    """Read the transport-wide number, -1 if absent."""
    found = find_extension(packet, wanted)
    if found is None or found[1] != 2:
        return -1
    at = found[0]
    return packet.data[at] << 8 | packet.data[at + 1]
