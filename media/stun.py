"""STUN Binding messages (RFC 8489) with short-term credentials.

Checks are read and answered here, everything else by aioice.
Every reader of foreign bytes here answers None instead of raising.
"""

from __future__ import annotations

import hmac
import socket
import struct
import zlib
from dataclasses import dataclass
from typing import Any

from aioice.stun import Class, Message, Method, parse_message

from media.parameters import IceCredentials

HEADER_BYTES = 20
COOKIE = b"\x21\x12\xa4\x42"
USERNAME = 0x0006
MESSAGE_INTEGRITY = 0x0008
USE_CANDIDATE = 0x0025
FINGERPRINT = 0x8028
ICE_CONTROLLED = 0x8029

_ATTRIBUTE = struct.Struct("!HH")
_U16 = struct.Struct("!H")
_U32 = struct.Struct("!I")


@dataclass(slots=True)
class Check:
    """An authentic connectivity check (RFC 8445 §7.3). ``controlled``: it claims to be controlled."""

    transaction_id: bytes
    nominates: bool = False
    controlled: bool = False


def is_request(datagram: memoryview | bytes) -> bool:
    return len(datagram) >= HEADER_BYTES and datagram[0] == 0 and datagram[1] == 1


def named_ufrag(datagram: memoryview | bytes) -> str | None:
    """Of a request's USERNAME ``theirs:sender's``, the first half: who is meant. Not yet authentic."""
    if datagram[4:8] != COOKIE or int.from_bytes(datagram[2:4], "big") != len(datagram) - 20:
        return None
    position, end = HEADER_BYTES, len(datagram)
    while position + 4 <= end:
        kind, length = struct.unpack_from("!HH", datagram, position)
        position += 4
        if kind == USERNAME:
            name, colon, _ = bytes(datagram[position : position + length]).partition(b":")
            return name.decode("ascii", "replace") if colon else None
        position += (length + 3) & ~3
    return None


def read(datagram: memoryview | bytes, pwd: str) -> Message | None:
    """The Binding message, if whole, with the right FINGERPRINT (if any) and MESSAGE-INTEGRITY."""
    try:
        message = parse_message(bytes(datagram))
        authentic = message.check_message_integrity(pwd.encode())
    except (ValueError, struct.error, IndexError, KeyError, TypeError):
        return None
    return message if authentic and message.message_method == Method.BINDING else None


def binding_request(
    *, local: IceCredentials, remote: IceCredentials, tie_breaker: int, priority: int
) -> tuple[bytes, bytes]:
    """A nominating check of the controlling side, and its transaction id."""
    message = Message(
        message_method=Method.BINDING,
        message_class=Class.REQUEST,
        attributes={
            "USERNAME": f"{remote.ufrag}:{local.ufrag}",
            "PRIORITY": priority,
            "ICE-CONTROLLING": tie_breaker,
            "USE-CANDIDATE": None,
        },
    )
    message.add_message_integrity(remote.pwd.encode())
    return bytes(message), message.transaction_id


def check(datagram: memoryview | bytes, pwd: str) -> Check | None:
    """Read a Binding request as ``read`` does, for those who answer thousands."""
    data = bytearray(datagram)
    end = len(data)
    if end < HEADER_BYTES or data[4:8] != COOKIE or _U16.unpack_from(data, 2)[0] != end - 20:
        return None
    found = Check(bytes(data[8:20]))
    at = HEADER_BYTES
    while at + 4 <= end:
        kind, length = _ATTRIBUTE.unpack_from(data, at)
        value, at = at + 4, at + 4 + ((length + 3) & ~3)
        if at > end:
            return None
        if kind == USE_CANDIDATE:
            found.nominates = True
        elif kind == ICE_CONTROLLED:
            found.controlled = True
        elif kind == MESSAGE_INTEGRITY:
            # What is behind it does not count, but for the fingerprint (RFC 8489 §14.5).
            _U16.pack_into(data, 2, at - HEADER_BYTES)
            digest = hmac.digest(pwd.encode(), data[: value - 4], "sha1")
            if length != 20 or not hmac.compare_digest(digest, data[value:at]):
                return None
            return found if at == end or _fingerprint_holds(data, at, end) else None
    return None


def _fingerprint_holds(data: bytearray, at: int, end: int) -> bool:
    """Whether the FINGERPRINT behind the integrity (RFC 8489 §14.7), if it is one, is right."""
    _U16.pack_into(data, 2, end - HEADER_BYTES)
    if end - at < 8 or _ATTRIBUTE.unpack_from(data, end - 8) != (FINGERPRINT, 4):
        return True
    return bool(_U32.unpack_from(data, end - 4)[0] == zlib.crc32(data[: end - 8]) ^ 0x5354554E)


def success(request: Check | Message, address: tuple[Any, ...], pwd: str) -> bytes:
    """The answer to a check: where it came from."""
    host, port = address[0].partition("%")[0], address[1] ^ 0x2112
    if ":" in host:
        family, key = 2, COOKIE + request.transaction_id
        packed = socket.inet_pton(socket.AF_INET6, host)
    else:
        family, key = 1, COOKIE
        packed = socket.inet_aton(host)
    masked = bytes(a ^ b for a, b in zip(packed, key, strict=True))
    mapped = struct.pack("!HHBBH", 0x0020, 4 + len(masked), 0, family, port) + masked
    tail = COOKIE + request.transaction_id + mapped
    head = struct.pack("!HH", 0x0101, len(mapped) + 24)
    digest = hmac.digest(pwd.encode(), head + tail, "sha1")
    signed = tail + _ATTRIBUTE.pack(MESSAGE_INTEGRITY, 20) + digest
    head = struct.pack("!HH", 0x0101, len(mapped) + 32)
    crc = zlib.crc32(head + signed) ^ 0x5354554E
    return head + signed + struct.pack("!HHI", FINGERPRINT, 4, crc)


def role_conflict(request: Check, pwd: str) -> bytes:
    """RFC 8445 §7.3.1.1: we are lite, so the peer is the one that controls."""
    message = Message(
        message_method=Method.BINDING,
        message_class=Class.ERROR,
        transaction_id=request.transaction_id,
        attributes={"ERROR-CODE": (487, "Role Conflict")},
    )
    message.add_message_integrity(pwd.encode())
    return bytes(message)


def is_success(message: Message) -> bool:
    return bool(message.message_class == Class.RESPONSE)
