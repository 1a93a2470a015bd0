"""Frames out of RTP payloads: what a codec's packets carried, as files store it.

The payloads of one frame, whole and in order, go in; what a decoder takes comes
out: VP8 and VP9 frames, AV1 temporal units without delimiters, H.264 access units
with start codes. Payloads that make no frame give None; nothing raises.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence

Join = Callable[[Sequence[bytes]], bytes | None]

_START_CODE = b"\0\0\0\1"
_IDR, _SPS = 5, 7  # ITU-T H.264 table 7-1
_STAP_A, _FU_A = 24, 28  # RFC 6184 table 1
_AV1_SKIPPED = frozenset({2, 8, 15})  # temporal delimiter, tile list, padding


def joiner(codec: str, fmtp: str = "") -> Join:
    """Find the function for a codec by its SDP name, any case; unknown ones are concatenated.

    Args:
        fmtp: of the stream; of H.264 it may hold parameter sets that its packets do not carry
            (RFC 6184 §8.1): each IDR picture that comes without gets them.
    """
    sets = _parameter_sets(fmtp) if codec.lower() == "h264" else b""
    if not sets:
        return _JOINERS.get(codec.lower(), _plain)

    def join(payloads: Sequence[bytes]) -> bytes | None:
        unit = _h264(payloads)
        if unit is None:
            return None
        kinds = _unit_kinds(unit)
        return sets + unit if _IDR in kinds and _SPS not in kinds else unit

    return join


def _parameter_sets(fmtp: str) -> bytes:
    """Read sprop-parameter-sets, each behind a start code; b"" when there are none to use."""
    for parameter in fmtp.split(";"):
        name, _, value = parameter.strip().partition("=")
        if name.lower() == "sprop-parameter-sets":
            try:
                units = [base64.b64decode(part, validate=True) for part in value.split(",")]
            except ValueError:
                return b""
            return b"".join(_START_CODE + unit for unit in units if unit)
    return b""


def _unit_kinds(unit: bytes) -> set[int]:
    """Of an access unit as ``_h264`` makes it."""
    kinds: set[int] = set()
    at = unit.find(_START_CODE)
    while at >= 0:
        kinds.update(kind & 0x1F for kind in unit[at + 4 : at + 5])
        at = unit.find(_START_CODE, at + 4)
    return kinds


def _plain(payloads: Sequence[bytes]) -> bytes | None:
    return b"".join(payloads) or None


def _vp8(payloads: Sequence[bytes]) -> bytes | None:
    """Take away each payload descriptor (RFC 7741 §4.2)."""
    frame = bytearray()
    for index, payload in enumerate(payloads):
        try:
            first = payload[0]
            at = 1
            if first & 0x80:  # X: I L T K
                flags = payload[1]
                at = 2
                if flags & 0x80:
                    at += 2 if payload[2] & 0x80 else 1
                at += (flags >> 6 & 1) + bool(flags & 0x30)
        except IndexError:
            return None
        if index == 0 and first & 0x17 != 0x10:  # a frame begins with partition 0
            return None
        frame += payload[at:]
    return bytes(frame) or None


def _vp9(payloads: Sequence[bytes]) -> bytes | None:
    """Take away each payload descriptor (RFC 9628 §4.2); several layers become a superframe."""
    layers: list[bytearray] = []
    for payload in payloads:
        try:
            at = _vp9_descriptor(payload)
        except IndexError:
            return None
        if payload[0] & 0x08:  # B: a layer's frame begins
            layers.append(bytearray())
        if not layers:
            return None
        layers[-1] += payload[at:]
    layers = [layer for layer in layers if layer]
    if not 0 < len(layers) <= 8:
        return None
    frame = b"".join(layers)
    if len(layers) == 1:
        return frame
    # VP9 bitstream specification, annex B: the sizes, between two copies of a marker.
    width = max(1, (max(map(len, layers)).bit_length() + 7) // 8)
    marker = bytes([0xC0 | (width - 1) << 3 | len(layers) - 1])
    sizes = b"".join(len(layer).to_bytes(width, "little") for layer in layers)
    return frame + marker + sizes + marker


def _vp9_descriptor(data: bytes) -> int:
    """Measure a payload descriptor; raises IndexError when it is cut short."""
    first = data[0]  # I P L F B E V Z
    at = 1
    if first & 0x80:
        at += 2 if data[at] & 0x80 else 1
    if first & 0x20:
        at += 1 if first & 0x10 else 2
    if first & 0x50 == 0x50:
        while data[at] & 1:
            at += 1
        at += 1
    if first & 0x02:
        structure = data[at]  # N_S(3) Y G
        at += 1
        if structure & 0x10:
            at += ((structure >> 5) + 1) * 4
        if structure & 0x08:
            pictures = data[at]
            at += 1
            for _ in range(pictures):
                at += 1 + (data[at] >> 2 & 3)
    return at


def _h264(payloads: Sequence[bytes]) -> bytes | None:
    """Put NAL units together again (RFC 6184 §5.6–5.8), each behind a start code."""
    unit = bytearray()
    whole = True
    for payload in payloads:
        if not payload:
            continue
        kind = payload[0] & 0x1F
        if kind == _STAP_A:
            at = 1
            while at + 2 < len(payload):
                length = payload[at] << 8 | payload[at + 1]
                at += 2
                unit += _START_CODE + payload[at : at + length]
                at += length
        elif kind == _FU_A:
            if len(payload) < 3:
                return None
            if payload[1] & 0x80:
                unit += _START_CODE
                unit.append(payload[0] & 0xE0 | payload[1] & 0x1F)
                whole = False
            elif whole:
                return None  # the beginning of this unit is missing
            unit += payload[2:]
            whole = whole or bool(payload[1] & 0x40)
        elif 0 < kind < _STAP_A:
            unit += _START_CODE + payload
        else:
            return None
    return bytes(unit) if unit and whole else None


def _av1(payloads: Sequence[bytes]) -> bytes | None:
    """Put OBUs together again (AV1 RTP specification §4.4–4.5), each with its size."""
    units: list[bytearray] = []
    continued = False
    try:
        for payload in payloads:
            head = payload[0]  # Z Y W(2) N
            if bool(head & 0x80) is not continued:
                return None
            elements = _av1_elements(payload, head >> 4 & 3)
            for index, element in enumerate(elements):
                if index == 0 and continued:
                    units[-1] += element
                else:
                    units.append(bytearray(element))
            continued = bool(head & 0x40)
        if continued:
            return None
        return b"".join(_sized(unit) for unit in units if unit) or None
    except IndexError:
        return None


def _av1_elements(payload: bytes, count: int) -> list[bytes]:
    elements: list[bytes] = []
    at = 1
    while at < len(payload):
        if count and len(elements) == count - 1:
            elements.append(payload[at:])
            break
        length = shift = 0
        while True:
            byte = payload[at]
            at += 1
            length |= (byte & 0x7F) << shift
            shift += 7
            if not byte & 0x80:
                break
        if at + length > len(payload):
            raise IndexError
        elements.append(payload[at : at + length])
        at += length
    return elements


def _sized(unit: bytearray) -> bytes:
    head = unit[0]
    if head >> 3 & 15 in _AV1_SKIPPED:
        return b""
    if head & 0x02:
        return bytes(unit)
    at = 2 if head & 0x04 else 1
    left = len(unit) - at
    if left < 0:
        raise IndexError("the header is cut short")
    size = bytearray()
    while left > 0x7F:
        size.append(left & 0x7F | 0x80)
        left >>= 7
    size.append(left)
    return bytes([head | 0x02]) + unit[1:at] + size + unit[at:]


_JOINERS: dict[str, Join] = {"vp8": _vp8, "vp9": _vp9, "h264": _h264, "av1": _av1}
