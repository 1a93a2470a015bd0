"""STUN Binding messages (RFC 8489) with short-term credentials; aioice is the

Every reader of foreign bytes here answers None instead of raising.
"""

from __future__ import annotations

import struct
from typing import Any

from aioice.stun import Class, Message, Method, parse_message

from media.parameters import IceCredentials

HEADER_BYTES = 20
COOKIE = b"\x21\x12\xa4\x42"
USERNAME = 0x0006


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


def success(request: Message, address: tuple[Any, ...], pwd: str) -> bytes:
    """The answer to a check: where it came from."""
    return _reply(request, Class.RESPONSE, "XOR-MAPPED-ADDRESS", address[:2], pwd)


def role_conflict(request: Message, pwd: str) -> bytes:
    """RFC 8445 §7.3.1.1: we are lite, so the peer is the one that controls."""
    return _reply(request, Class.ERROR, "ERROR-CODE", (487, "Role Conflict"), pwd)


def is_success(message: Message) -> bool:
    return bool(message.message_class == Class.RESPONSE)


def _reply(request: Message, kind: Class, name: str, value: Any, pwd: str) -> bytes:
    message = Message(
        message_method=Method.BINDING,
        message_class=kind,
        transaction_id=request.transaction_id,
        attributes={name: value},
    )
    message.add_message_integrity(pwd.encode())
    return bytes(message)
