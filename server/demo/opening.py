"""What is done once the demo's nodes are started: wait for them, make the rooms, say how to get in.

Apart from ``supervisor``, so that this and what it needs is imported while the
nodes start.
"""

from __future__ import annotations

import asyncio
import contextlib

import aiohttp

from rooms.live import Role
from server import config, tokens
from server.demo.cast import ROOMS
from server.demo.supervisor import DemoError, DemoNode, NodePlan

START_TIMEOUT_S = 30.0
PROBE_TIMEOUT = aiohttp.ClientTimeout(total=2)
DAY_S = 86_400

VISITORS: tuple[tuple[Role, str, str], ...] = (
    (Role.MODERATOR, "you-moderator", "Moderator 主持人"),
    (Role.SPEAKER, "you-speaker", "Speaker 演讲者"),
    (Role.MEMBER, "you-member", "Talent 人才"),
    (Role.VIEWER, "you-viewer", "Viewer 观众"),
)
"""Whom the newcomer may be: role, identity, name."""


async def open_venue(nodes: list[DemoNode]) -> str:
    """Await the nodes and create the rooms; return what to tell the newcomer.

    Raises:
        DemoError: a node ended, or was not ready within 30 s; or a room was refused.
    """
    async with aiohttp.ClientSession() as http:
        await asyncio.gather(*(until_ready(http, node) for node in nodes))
        plans = [node.plan for node in nodes]
        settings = config.load(plans[0].environment)
        await create_rooms(http, settings, plans[0].url)
    return welcome(settings, plans)


async def until_ready(http: aiohttp.ClientSession, node: DemoNode) -> None:
    """Poll ``/readyz``; a node that ends has already said why on the terminal."""
    deadline = asyncio.get_running_loop().time() + START_TIMEOUT_S
    while True:
        if node.process.returncode is not None:
            raise DemoError(
                f"node {node.plan.name} ended with {node.process.returncode}; its reason is above",
                node.process.returncode,
            )
        with contextlib.suppress(aiohttp.ClientError, TimeoutError):
            async with http.get(f"{node.plan.url}/readyz", timeout=PROBE_TIMEOUT) as answer:
                if answer.status == 200:
                    return
        if asyncio.get_running_loop().time() > deadline:
            raise DemoError(
                f"node {node.plan.name} is not ready after {START_TIMEOUT_S:.0f} s; "
                f"ask {node.plan.url}/readyz what it waits for"
            )
        await asyncio.sleep(0.02)


async def create_rooms(http: aiohttp.ClientSession, settings: config.Settings, url: str) -> None:
    """Create the demo's rooms through the HTTP API; those that exist stay as they are."""
    token = tokens.mint(
        settings,
        identity="demo-organiser",
        name="Demo organiser",
        role=Role.MODERATOR,
        any_room=True,
        create=True,
        ttl_s=600,
    )
    headers = {"Authorization": f"Bearer {token}"}
    for room in ROOMS:
        body = {
            "id": room.id,
            "kind": room.kind,
            "names": room.names,
            "city": room.city,
            "zone": room.zone,
        }
        async with http.post(f"{url}/api/v1/rooms", json=body, headers=headers) as answer:
            if answer.status not in (201, 409):
                raise DemoError(f"room {room.id} was not created: {await answer.text()}")


def welcome(settings: config.Settings, nodes: list[NodePlan]) -> str:
    """Write what the terminal shows: one sign-in link per role and node."""
    lines = ["", "Yunhai 云海 is open. Sign in with a click (links are good for a day):", ""]
    for node in nodes:
        if len(nodes) > 1:
            lines.append(f"  node {node.name}")
        for role, identity, name in VISITORS:
            token = tokens.mint(
                settings,
                identity=identity,
                name=name,
                role=role,
                any_room=True,
                create=role is Role.MODERATOR,
                ttl_s=DAY_S,
            )
            lines.append(f"  {role.value:<10} {node.url}/enter#token={token}")
        lines.append("")
    lines.append("The people inside are synthetic sample data. Ctrl-C ends the demo.")
    return "\n".join(lines)
