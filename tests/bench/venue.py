"""Nodes, rooms, tokens and one encoder for measurements, made the way an operator makes them."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import aiohttp

from media.client import MediaClient
from rooms.live import Role
from server import config, tokens
from server.demo.cast import PEOPLE
from server.demo.clips import portrait_clip
from server.demo.replay import AudioReplay, VideoReplay
from tests.bench.machine import pinned
from tests.nodes import SECRET, Node, running_node
from tests.services import running_valkey

TICK_S = 0.02


@contextmanager
def running_nodes(
    folder: Path, names: tuple[str, ...], core: int | None = None, **settings: Any
) -> Iterator[list[Node]]:
    """Nodes that share a Valkey and a database; on ``core`` if given, Valkey anywhere."""
    with running_valkey() as valkey, ExitStack() as stack:
        with pinned(core):
            yielded = [
                stack.enter_context(
                    running_node(
                        name,
                        folder,
                        redis_url=valkey.url,
                        database_url=f"sqlite:///{folder / 'venue.db'}",
                        YUNHAI_LOG_LEVEL="warning",
                        **settings,
                    )
                )
                for name in names
            ]
        yield yielded


def ticket(folder: Path, identity: str, **grants: Any) -> str:
    """A token; the ``grants`` are those of ``server.tokens.mint``."""
    settings = config.load(
        {"YUNHAI_SECRET": SECRET, "YUNHAI_DATA_DIR": str(folder / "tokens")}, keep=False
    )
    chosen = {"name": identity.title(), "role": Role.MEMBER, **grants}
    return tokens.mint(settings, identity=identity, **chosen)


def operator(folder: Path) -> str:
    """A token that opens every room, and makes it on first use."""
    return ticket(folder, "operator", role=Role.MODERATOR, any_room=True, create=True)


async def open_room(folder: Path, node: Node, room: str) -> None:
    """Make a room in which members speak."""
    body = {"id": room, "kind": "interview", "names": {"en": "Room", "zh": "房间", "ja": "部屋"}}
    headers = {"Authorization": f"Bearer {operator(folder)}"}
    async with (
        aiohttp.ClientSession(headers=headers) as http,
        http.post(f"{node.url}/api/v1/rooms", json=body) as answer,
    ):
        if answer.status != 201:
            raise RuntimeError(f"the room was not made: {answer.status} {await answer.text()}")


@asynccontextmanager
async def encoder(folder: Path, node: Node, room: str, identity: str) -> AsyncIterator[None]:
    """Somebody in the room with a moving picture and a voice, by WHIP."""
    first = PEOPLE[0]
    clip = await asyncio.to_thread(
        portrait_clip, folder / "clips", first.identity, first.looks, pitch_hz=first.pitch_hz
    )
    replays: list[VideoReplay | AudioReplay] = []

    def on_keyframe_request(_: object) -> None:
        for replay in replays:
            if isinstance(replay, VideoReplay):
                replay.want_keyframe()

    client = MediaClient(host="127.0.0.1", on_keyframe_request=on_keyframe_request)
    headers = {
        "Authorization": f"Bearer {ticket(folder, identity, role=Role.SPEAKER, room=room)}",
        "Content-Type": "application/sdp",
    }
    playing: asyncio.Task[None] | None = None
    try:
        async with (
            aiohttp.ClientSession(headers=headers) as http,
            http.post(f"{node.url}/whip/{room}", data=client.offer()) as answer,
        ):
            text = await answer.text()
            if answer.status != 201:
                raise RuntimeError(f"WHIP was answered {answer.status}: {text}")
            client.take_answer(text)
        await client.connected()
        now = asyncio.get_running_loop().time()
        replays += [
            VideoReplay(clip, client.stream("video"), now),
            AudioReplay(clip, client.stream("audio"), now),
        ]
        playing = asyncio.create_task(_play(replays))
        yield
    finally:
        if playing is not None:
            playing.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await playing
        client.close()


async def _play(replays: list[VideoReplay | AudioReplay]) -> None:
    while True:
        for replay in replays:
            replay.tick(asyncio.get_running_loop().time())
        await asyncio.sleep(TICK_S)
