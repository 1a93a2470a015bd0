"""A node served over real HTTP, with a real worker, for encoders and players."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import aiohttp

from rooms.ids import RoomId
from rooms.live import Role
from server import tokens
from tests.server.signalling.media import Receiver, Sender
from tests.server.signalling.nodes import ROOM, Node

SDP = "application/sdp"
FRAGMENT = "application/trickle-ice-sdpfrag"


@dataclass
class Venue:
    """A node with its HTTP application served on a free port."""

    node: Node
    http: aiohttp.ClientSession
    url: str

    def token(self, identity: str, **options: Any) -> str:
        """Mint a token that opens every room, as a member who may do everything."""
        values: dict[str, Any] = {"role": Role.MEMBER, "any_room": True, **options}
        return tokens.mint(self.node.settings, identity=identity, name=identity.title(), **values)

    async def request(
        self, method: str, path: str, token: str | None = None, **options: Any
    ) -> tuple[aiohttp.ClientResponse, str]:
        headers = dict(options.pop("headers", {}))
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        async with self.http.request(method, self.url + path, headers=headers, **options) as answer:
            return answer, await answer.text()

    async def post(
        self, path: str, token: str | None, sdp: str, **headers: str
    ) -> tuple[aiohttp.ClientResponse, str]:
        headers = {"Content-Type": SDP} | headers
        return await self.request("POST", path, token, data=sdp, headers=headers)

    async def patch(
        self, path: str, token: str | None, fragment: str, **headers: str
    ) -> tuple[aiohttp.ClientResponse, str]:
        headers = {"Content-Type": FRAGMENT} | {k.replace("_", "-"): v for k, v in headers.items()}
        return await self.request("PATCH", path, token, data=fragment, headers=headers)

    async def publish(self, sender: Sender, identity: str, room: RoomId = ROOM) -> str:
        """Publish as an encoder does; return the session's URL."""
        answer, sdp = await self.post(f"/whip/{room}", self.token(identity), sender.sdp)
        assert answer.status == 201, sdp
        await sender.start(sdp)
        return answer.headers["Location"]

    async def play(self, receiver: Receiver, path: str, identity: str = "screen") -> str:
        """Play as a hall screen does; return the session's URL."""
        offer = receiver.client.offer(direction="recvonly")
        answer, sdp = await self.post(path, self.token(identity), offer)
        assert answer.status == 201, sdp
        receiver.client.take_answer(sdp)
        await receiver.client.connected()
        return answer.headers["Location"]

    def people(self, room: RoomId = ROOM) -> set[str]:
        mirror = self.node.realtime.mirrors.get(room)
        return set(mirror.live.participants) if mirror is not None else set()


def fragment(sdp: str, **changes: str) -> str:
    """Make a trickle fragment with an offer's credentials."""
    ufrag = changes.get("ufrag") or re.findall(r"a=ice-ufrag:(\S+)", sdp)[0]
    pwd = changes.get("pwd") or re.findall(r"a=ice-pwd:(\S+)", sdp)[0]
    return (
        f"a=ice-ufrag:{ufrag}\r\na=ice-pwd:{pwd}\r\nm=audio 9 UDP/TLS/RTP/SAVPF 0\r\na=mid:0\r\n"
        "a=candidate:1 1 udp 2130706431 192.0.2.1 50000 typ host\r\n"
    )
