"""Socket.IO packets in msgpack, and the Engine.IO packets that carry them.

A frame holds one encoded Socket.IO packet for any number of sockets: over
WebSocket they share the same bytes, over long-polling the same base64 text.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from engineio import packet as engine
from socketio import packet as socket_packet
from socketio.msgpack_packet import MsgPackPacket

UNDEFINED = 0
"""Extension type under which socket.io-msgpack-parser sends JavaScript's ``undefined``."""


def _extension(code: int, data: bytes) -> None:
    """Read ``undefined`` as None; no command of ours has dates or typed arrays."""
    if code != UNDEFINED:
        raise ValueError(f"msgpack extension type {code} is not understood here")


Packet = MsgPackPacket.configure(ext_hook=_extension)


@dataclass(frozen=True, slots=True)
class Frame:
    """One Socket.IO packet, encoded."""

    payload: bytes
    _websocket: engine.Packet = field(init=False, repr=False, compare=False)
    _polling: list[engine.Packet] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_websocket", engine.Packet(engine.MESSAGE, self.payload))
        object.__setattr__(self, "_polling", [])

    def __len__(self) -> int:
        return len(self.payload)

    def packet(self, *, websocket: bool) -> engine.Packet:
        """Give the Engine.IO packet, shared: it caches its encoding, which differs by transport."""
        if websocket:
            return self._websocket
        if not self._polling:
            self._polling.append(engine.Packet(engine.MESSAGE, self.payload))
        return self._polling[0]


def event_frame(name: str, data: Any) -> Frame:
    """Encode ``emit(name, data)``."""
    return Frame(Packet(socket_packet.EVENT, data=[name, data], namespace="/").encode())


def ack_frame(ack: int, result: Any) -> Frame:
    return Frame(Packet(socket_packet.ACK, data=[result], namespace="/", id=ack).encode())


def disconnect_frame() -> Frame:
    """Encode the server's disconnect, after which a client does not come back by itself."""
    return Frame(Packet(socket_packet.DISCONNECT, namespace="/").encode())


def refusal_frame(data: Any) -> Frame:
    """Encode a ``connect_error``."""
    return Frame(Packet(socket_packet.CONNECT_ERROR, data=data, namespace="/").encode())
