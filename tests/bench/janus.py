"""Janus as Debian ships it, with one event loop: how to start it and speak to its VideoRoom."""

from __future__ import annotations

import asyncio
import itertools
import json
import shutil
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import aiohttp

from tests.bench.link import Link
from tests.bench.machine import own_address
from tests.bench.servers import HOST, START_TIMEOUT_S, RefusedError, running_process
from tests.nodes import free_port

KEEPALIVE_S = 20.0


def missing() -> str | None:
    """What keeps it from being measured."""
    if shutil.which("janus") is None:
        return "Janus is not installed (Debian: `apt-get install janus`)"
    return None


class JanusServer:
    """Janus's VideoRoom over its WebSocket API, a room for each stream."""

    name = "Janus"

    def __init__(self, pid: int, socket_: aiohttp.ClientWebSocketResponse) -> None:
        self.pid = pid
        self._socket = socket_
        self._numbers = itertools.count(1)
        self._waiting: dict[str, asyncio.Future[dict[str, Any]]] = {}
        self._session = 0

    async def begin(self) -> None:
        self._session = (await self._ask({"janus": "create"}))["data"]["id"]

    async def publish(self, link: Link, stream: int) -> None:
        handle = await self._attach()
        room = {
            "request": "create",
            "room": stream + 1,
            "publishers": 10,
            "bitrate": 0,
            "fir_freq": 0,
            "audiocodec": "opus",
            "videocodec": "vp8",
            "notify_joining": False,
        }
        await self._message(handle, room)
        join = {
            "request": "joinandconfigure",
            "ptype": "publisher",
            "room": stream + 1,
            "id": 1,
            "audio": True,
            "video": True,
        }
        reply = await self._message(handle, join, {"type": "offer", "sdp": link.offer()})
        link.take_answer(reply["jsep"]["sdp"])

    async def watch(self, link: Link, stream: int) -> None:
        handle = await self._attach()
        join = {
            "request": "join",
            "ptype": "subscriber",
            "room": stream + 1,
            "streams": [{"feed": 1}],
        }
        reply = await self._message(handle, join)
        answer = link.answer(reply["jsep"]["sdp"])
        await self._message(handle, {"request": "start"}, {"type": "answer", "sdp": answer})

    async def listen(self) -> None:
        """Give each reply to whoever asked; runs as long as the connection."""
        async for message in self._socket:
            said = json.loads(message.data)
            waiting = self._waiting.get(said.get("transaction", ""))
            if waiting is not None and said["janus"] != "ack" and not waiting.done():
                waiting.set_result(said)

    async def keep_alive(self) -> None:
        while True:
            await asyncio.sleep(KEEPALIVE_S)
            await self._socket.send_json(
                {"janus": "keepalive", "session_id": self._session, "transaction": "alive"}
            )

    async def _attach(self) -> int:
        plugin = {"janus": "attach", "plugin": "janus.plugin.videoroom"}
        handle: int = (await self._ask({**plugin, "session_id": self._session}))["data"]["id"]
        return handle

    async def _message(
        self, handle: int, body: dict[str, Any], jsep: dict[str, str] | None = None
    ) -> dict[str, Any]:
        asked: dict[str, Any] = {"janus": "message", "handle_id": handle, "body": body}
        if jsep is not None:
            asked["jsep"] = jsep
        return await self._ask({**asked, "session_id": self._session})

    async def _ask(self, what: dict[str, Any]) -> dict[str, Any]:
        transaction = str(next(self._numbers))
        self._waiting[transaction] = asyncio.get_running_loop().create_future()
        try:
            await self._socket.send_json({**what, "transaction": transaction})
            async with asyncio.timeout(START_TIMEOUT_S):
                said = await self._waiting[transaction]
        finally:
            del self._waiting[transaction]
        error = said.get("error") or said.get("plugindata", {}).get("data", {}).get("error")
        if error:
            raise RefusedError(f"Janus refused {what}: {error}")
        return said


@asynccontextmanager
async def running(folder: Path, core: int | None) -> AsyncIterator[JanusServer]:
    """Janus on ``core``. Its executable must be installed."""
    with _running_janus(folder, core) as (pid, url):
        async with (
            aiohttp.ClientSession() as http,
            http.ws_connect(url, protocols=["janus-protocol"]) as socket_,
        ):
            server = JanusServer(pid, socket_)
            tasks = [asyncio.create_task(job()) for job in (server.listen, server.keep_alive)]
            try:
                await server.begin()
                yield server
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)


@contextmanager
def _running_janus(folder: Path, core: int | None) -> Iterator[tuple[int, str]]:
    """Its process id, and where its WebSocket API is."""
    port = free_port()
    _configure_janus(folder / "janus", port)
    command = ["janus", "--configs-folder", str(folder / "janus")]
    with running_process(command, port, core, folder / "janus.log") as pid:
        yield pid, f"ws://{HOST}:{port}"


def _configure_janus(folder: Path, port: int) -> None:
    """Debian's build with its defaults, but one event loop, and only what is needed.

    Its ICE leaves loopback out, hence an address of this machine's own.
    """
    folder.mkdir()
    (folder / "janus.jcfg").write_text(
        "general: { debug_level = 3  event_loops = 1 }\n"
        f'nat: {{ ice_enforce_list = "{own_address()}"  ice_lite = true }}\n'
        f'plugins: {{ disable = "{_all_but("plugins", "videoroom")}" }}\n'
        f'transports: {{ disable = "{_all_but("transports", "websockets")}" }}\n'
    )
    (folder / "janus.transport.websockets.jcfg").write_text(
        f'general: {{ ws = true  ws_port = {port}  ws_ip = "{HOST}" }}\n'
    )
    (folder / "janus.plugin.videoroom.jcfg").write_text("general: { }\n")


def _all_but(kind: str, wanted: str) -> str:
    """Janus loads whatever is not named as disabled."""
    found = {path.name for path in Path("/usr/lib").glob(f"*/janus/{kind}/libjanus_*.so")}
    return ",".join(sorted(name for name in found if wanted not in name))
