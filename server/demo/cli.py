"""``python -m server demo``: starts everything, prints how to get in, waits for Ctrl-C."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import signal
import sys

import aiohttp

from rooms.live import Role
from server import config, tokens
from server.demo.cast import ROOMS
from server.demo.supervisor import DemoError, DemoNode, running_nodes, running_process
from server.valkey import ValkeyError

DAY_S = 86_400

VISITORS: tuple[tuple[Role, str, str], ...] = (
    (Role.MODERATOR, "you-moderator", "Moderator 主持人"),
    (Role.SPEAKER, "you-speaker", "Speaker 演讲者"),
    (Role.MEMBER, "you-member", "Talent 人才"),
    (Role.VIEWER, "you-viewer", "Viewer 观众"),
)
"""Whom the newcomer may be: role, identity, name."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    parser.add_argument(
        "--nodes", type=int, default=1, metavar="N", help="how many nodes to run here (1 to 8)"
    )
    parser.add_argument(
        "--no-people", action="store_true", help="leave the rooms empty of synthetic people"
    )


def run(arguments: argparse.Namespace) -> int:
    """Run the demo until interrupted; return the exit code."""
    if not 1 <= arguments.nodes <= 8:
        print("--nodes: it must be from 1 to 8", file=sys.stderr)
        return 2
    try:
        asyncio.run(_demo(arguments.nodes, people=not arguments.no_people))
    except config.SettingsError as error:
        print("\n".join(error.problems), file=sys.stderr)
        return 2
    except ValkeyError as error:
        print(error, file=sys.stderr)
        return 4
    except DemoError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    return 0


async def _demo(count: int, *, people: bool) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(name, stop.set)
    async with running_nodes(count, os.environ) as nodes:
        settings = config.load(nodes[0].environment)
        await create_rooms(settings, nodes[0].url)
        print(_welcome(settings, nodes), flush=True)
        if not people:
            await stop.wait()
            return
        command = [sys.executable, "-m", "server.demo.people"]
        command += [f"{node.name}={node.url}" for node in nodes]
        environment = nodes[0].environment
        async with running_process(command, environment, new_session=True) as process:
            ended = asyncio.create_task(process.wait())
            stopped = asyncio.create_task(stop.wait())
            await asyncio.wait({ended, stopped}, return_when=asyncio.FIRST_COMPLETED)
            if not stopped.done():
                print(
                    "The synthetic people are gone (their process ended); the rooms stay open.",
                    file=sys.stderr,
                )
            await stopped
            ended.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await ended
    print("\nThe demo has ended.")


async def create_rooms(settings: config.Settings, url: str) -> None:
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
    async with aiohttp.ClientSession(headers=headers) as http:
        for room in ROOMS:
            body = {
                "id": room.id,
                "kind": room.kind,
                "names": room.names,
                "city": room.city,
                "zone": room.zone,
            }
            async with http.post(f"{url}/api/v1/rooms", json=body) as answer:
                if answer.status not in (201, 409):
                    raise DemoError(f"room {room.id} was not created: {await answer.text()}")


def _welcome(settings: config.Settings, nodes: list[DemoNode]) -> str:
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
