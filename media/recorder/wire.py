"""Packets on their way from a worker to a recorder: length, kind, body, over a stream socket.

The worker's end writes many at once and never waits; the recorder's end takes apart
whatever arrived. Both run on one machine and share its monotonic clock.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

import msgspec

PACKET, STREAM, CLOCK, END, DROPPED, KEYFRAME = range(6)
"""Kinds. The last goes from the recorder to the worker, the others the other way."""

HEAD = struct.Struct("!IB")
"""Length of what follows the head, kind."""
PACKET_HEAD = struct.Struct("!IBHQqdB")
"""Head, stream, extended number, extended timestamp, arrival, flags; the payload follows."""
_PACKET_BODY = struct.Struct("!HQqdB")
PACKET_BODY_BYTES = _PACKET_BODY.size
MARKER, FIRST_OF_KEYFRAME = 1, 2
MAX_BODY_BYTES = 1 << 16


class Stream(msgspec.Struct, frozen=True, kw_only=True):
    """What a stream carries from now on; numbers begin anew.

    Attributes:
        stream: its number in packets, never used again on this connection.
    """

    stream: int
    track: str
    kind: str
    codec: str
    clock_rate: int
    fmtp: str


class Clock(msgspec.Struct, frozen=True, kw_only=True):
    """A sender report: the sender's clock ``ntp`` (seconds) at ``ts``, told at ``arrival``."""

    stream: int
    ntp: float
    ts: int
    arrival: float


class Taken(msgspec.Struct, frozen=True):
    """A packet as it arrived."""

    stream: int
    seq: int
    ts: int
    arrival: float
    marker: bool
    keyframe: bool
    payload: bytes


Message = Taken | Stream | Clock | tuple[int, int]
"""The pair: ``END`` or ``KEYFRAME`` with a stream, ``DROPPED`` with a count."""

_encode = msgspec.msgpack.encode


class WireError(Exception):
    """The other side does not speak this; the connection is of no more use."""


def pack(message: Stream | Clock) -> bytes:
    body = _encode(message)
    return HEAD.pack(len(body), STREAM if isinstance(message, Stream) else CLOCK) + body


def pack_number(kind: int, number: int) -> bytes:
    return HEAD.pack(4, kind) + number.to_bytes(4, "big")


class Splitter:
    """Takes bytes as they come, gives messages."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> Iterator[Message]:
        """Yield what is complete now.

        Raises:
            WireError: this is not ours to read.
        """
        buffer = self._buffer
        buffer += data
        at = 0
        try:
            while len(buffer) - at >= HEAD.size:
                length, kind = HEAD.unpack_from(buffer, at)
                if length > MAX_BODY_BYTES:
                    raise WireError(f"a message of {length} bytes")
                begin, end = at + HEAD.size, at + HEAD.size + length
                if len(buffer) < end:
                    break
                at = end
                yield _read(kind, bytes(buffer[begin:end]))
        finally:
            del buffer[:at]


def _read(kind: int, body: bytes) -> Message:
    try:
        if kind == PACKET:
            stream, seq, ts, arrival, flags = _PACKET_BODY.unpack_from(body)
            return Taken(
                stream,
                seq,
                ts,
                arrival,
                bool(flags & MARKER),
                bool(flags & FIRST_OF_KEYFRAME),
                body[PACKET_BODY_BYTES:],
            )
        if kind == STREAM:
            return msgspec.msgpack.decode(body, type=Stream)
        if kind == CLOCK:
            return msgspec.msgpack.decode(body, type=Clock)
        if kind in (END, DROPPED, KEYFRAME):
            return kind, int.from_bytes(body, "big")
    except (struct.error, msgspec.MsgspecError) as error:
        raise WireError(str(error)) from error
    raise WireError(f"a message of kind {kind}")
