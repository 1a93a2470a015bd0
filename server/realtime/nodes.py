"""Nodes: this one's lease with its fencing number, who else is alive, and messages between them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Any

import msgspec
import structlog

from rooms.errors import RoomError
from rooms.ids import NodeId
from rooms.live import NodeAddress
from server.realtime.codec import to_json
from server.realtime.link import RedisLink
from server.realtime.records import NodeRecord

log = structlog.get_logger(__name__)

Handler = Callable[[NodeId, dict[str, Any]], Awaitable[None]]
"""Awaited with the sender's id and the payload, one message after the other."""

QUEUE_LENGTH = 1_000


@dataclass(frozen=True, kw_only=True)
class NodeMessage:
    sender: NodeId
    kind: str
    payload: dict[str, Any]


class Nodes:
    """Owner: Realtime. Holds this node's lease and reads the others'.

    Attributes:
        me: this node; ``me.fence`` goes with every write.
        channel: where the bus hears messages to this node.
    """

    def __init__(self, link: RedisLink, me: NodeRecord) -> None:
        self.me = me
        self.channel = f"{link.prefix}node:{me.id}"
        self._link = link
        self._alive: list[NodeRecord] = [me]
        self._handlers: dict[str, Handler] = {}
        self._inbox: asyncio.Queue[NodeMessage] = asyncio.Queue(QUEUE_LENGTH)

    def alive(self) -> list[NodeRecord]:
        """List the living nodes, this one included, sorted by id; as of the last renewal."""
        return list(self._alive)

    def find(self, node: NodeId) -> NodeRecord | None:
        return next((n for n in self._alive if n.id == node), None)

    def addresses(self) -> list[NodeAddress]:
        """Where a client may connect: this node first."""
        others = [n for n in self._alive if n.id != self.me.id]
        return [NodeAddress(id=n.id, url=n.url) for n in [self.me, *others]]

    def announce(self, *, media_address: str, media_port: int) -> None:
        """Tell the others where this node's media arrives, from the next renewal on."""
        self.me = replace(self.me, media_address=media_address, media_port=media_port)

    def on(self, kind: str, handler: Handler) -> None:
        """Handle messages of ``kind`` sent to this node."""
        if kind in self._handlers:
            raise ValueError(f"node messages of kind {kind} have a handler already")
        self._handlers[kind] = handler

    async def send(self, node: NodeId, kind: str, payload: dict[str, Any]) -> bool:
        """Send a message to a node (or this one); it may be lost, so repeat what must arrive.

        Returns:
            Whether the node was listening.

        Raises:
            RoomError: UNAVAILABLE.
        """
        message = NodeMessage(sender=self.me.id, kind=kind, payload=payload)
        return bool(await self._link.run("tell", node, to_json(message)))

    def receive(self, raw: bytes) -> None:
        """Take a message from the bus; never waits."""
        try:
            message = msgspec.json.decode(raw, type=NodeMessage)
            self._inbox.put_nowait(message)
        except (msgspec.DecodeError, asyncio.QueueFull) as error:
            log.warning("node_message_dropped", error=repr(error))

    async def handle_forever(self) -> None:
        """Call the handlers; one that fails is logged and does not stop the others."""
        while True:
            message = await self._inbox.get()
            handler = self._handlers.get(message.kind)
            if handler is None:
                log.warning("node_message_unknown", kind=message.kind, sender=message.sender)
                continue
            try:
                await handler(message.sender, message.payload)
            except RoomError as error:
                log.warning("node_message_refused", kind=message.kind, error=error.message)
            except Exception:
                log.exception("node_message_failed", kind=message.kind, sender=message.sender)

    async def lease(self) -> None:
        """Take a new lease, which fences off every earlier one of this node's id."""
        seconds = self._link.timings.node_lease
        fence = await self._link.insist(
            "node_lease", self.me.id, int(seconds * 1000), to_json(self.me)
        )
        self.me = replace(self.me, fence=int(fence))
        await self.renew()

    async def renew(self) -> None:
        """Renew the lease and read who is alive.

        Raises:
            FencedError: somebody ended this lease; take a new one and open the sessions again.
            RoomError: UNAVAILABLE.
        """
        found = await self._link.insist(
            "node_renew",
            self.me.id,
            self.me.fence,
            int(self._link.timings.node_lease * 1000),
            to_json(self.me),
        )
        self._alive = sorted(
            (msgspec.json.decode(raw, type=NodeRecord) for raw in found), key=lambda n: n.id
        )

    async def release(self) -> None:
        """Give the lease up at an orderly end; it expires by itself where that fails."""
        try:
            await self._link.insist("node_release", self.me.id, self.me.fence)
        except RoomError as error:
            log.info("node_not_released", node=self.me.id, error=error.message)
