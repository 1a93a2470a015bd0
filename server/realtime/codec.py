"""Bytes to types and back: Redis and bus speak JSON, clients Socket.IO in msgpack."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgspec

from rooms.events import EVENTS, Event
from rooms.live import Envelope, Track
from rooms.signals import Signal
from server.realtime.records import TrackRecord
from server.realtime.wire import Frame, event_frame


@dataclass(frozen=True, kw_only=True)
class BusMessage:
    """One journal entry: the envelope clients get, and a part only nodes read."""

    epoch: str
    seq: int
    name: str
    data: dict[str, object]
    private: dict[str, object] | None = None


_bus = msgspec.json.Decoder(BusMessage)


def decode_bus(raw: bytes) -> BusMessage:
    """Read a message as the Lua scripts wrote it."""
    return _bus.decode(raw)


def event_of(message: BusMessage) -> Event:
    """Read the event inside a bus message."""
    return msgspec.convert(message.data, EVENTS[message.name])


def record_of(message: BusMessage) -> TrackRecord:
    """Read the track record inside a ``track.published`` message."""
    return msgspec.convert({**(message.private or {}), **message.data}, TrackRecord)


def record_from(track: Track, private: bytes) -> TrackRecord:
    """Join a track with its private part as Redis keeps it."""
    return msgspec.convert(
        {**msgspec.json.decode(private), "track": msgspec.to_builtins(track)}, TrackRecord
    )


def private_part(record: TrackRecord) -> str:
    """Write what nodes know of a track and clients do not."""
    parts = msgspec.to_builtins(record)
    del parts["track"]
    return to_json(parts)


def to_json(value: object) -> str:
    return msgspec.json.encode(value).decode()


def plain(value: object) -> Any:
    """Turn dataclasses, enums and tuples into what msgpack carries."""
    return msgspec.to_builtins(value)


def encode_event(envelope: Envelope) -> Frame:
    """Encode a numbered event once for everybody."""
    return event_frame("event", plain(envelope))


def encode_signal(signal: Signal) -> Frame:
    return event_frame("signal", {"name": signal.name, "data": plain(signal)})
