"""The synthetic people: one process in which each signs in, joins, talks and is seen.

``python -m server.demo.people gz=http://localhost:8080 ...``; settings as the
nodes have them. They come in by the same doors as everybody: a token, a
Socket.IO connection, ``room.join``, ``media.publish``.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import uuid
from pathlib import Path
from typing import Any

import socketio

from media.client import MediaClient, OutgoingStream
from rooms.commands import ChatSend, MediaPublish, RoomJoin, RoomLeave
from rooms.live import Source
from rooms.signals import MediaState
from server import config, tokens
from server.demo.cast import PEOPLE, ROOMS, DemoPerson
from server.demo.clips import Clip, portrait_clip, slide_clip
from server.demo.replay import AudioReplay, VideoReplay

TICK_S = 0.02
ACK_TIMEOUT_S = 10.0
AGAIN_S = 2.0
GREET_EVERY_S = 900
DAY_S = 86_400


class Tab:
    """One connection of a synthetic person, as one browser tab is of a real one.

    Owner: ``play``. Lifetime: the process; it comes back when its node does.
    """

    def __init__(
        self, person: DemoPerson, clip: Clip, source: Source, *, url: str, token: str
    ) -> None:
        self.person = person
        self._clip = clip
        self._source = source
        self._url = url
        self._token = token
        self._client: MediaClient | None = None
        self._replays: list[VideoReplay | AudioReplay] = []
        self._ended = asyncio.Event()
        self._socket = socketio.AsyncClient(serializer="msgpack", reconnection=False)
        self._socket.on("disconnect", self._on_disconnect)
        self._socket.on("signal", self._on_signal)

    def tick(self, now: float) -> None:
        """Send what is due."""
        if self._client is not None and self._client.state == "connected":
            for replay in self._replays:
                replay.tick(now)

    async def live(self) -> None:
        """Be in the room for ever, coming back after every interruption."""
        while True:
            try:
                self._ended.clear()
                await self._socket.connect(
                    self._url, auth={"token": self._token}, transports=["websocket"]
                )
                await self._command(RoomJoin.name, {"room": self.person.room})
                await self._publish()
                await self._ended.wait()
            except (socketio.exceptions.SocketIOError, OSError, TimeoutError, ValueError) as error:
                print(f"{self.person.identity}: {error}; again in {AGAIN_S:.0f} s", file=sys.stderr)
            finally:
                await self._leave()
            await asyncio.sleep(AGAIN_S)

    async def greet(self, delay_s: float) -> None:
        """Say hello after ``delay_s``, and again every quarter of an hour."""
        await asyncio.sleep(delay_s)
        while True:
            with contextlib.suppress(socketio.exceptions.SocketIOError, TimeoutError, ValueError):
                await self._command(ChatSend.name, {"text": self.person.greeting})
            await asyncio.sleep(GREET_EVERY_S)

    async def _publish(self) -> None:
        self._client = client = MediaClient(
            host="127.0.0.1",
            on_keyframe_request=self._on_keyframe_request,
            on_state=lambda state, _: self._ended.set() if state in ("failed", "closed") else None,
        )
        offer = client.offer(audio=bool(self._clip.audio))
        mids = iter("01")
        tracks = []
        if self._clip.audio:
            tracks.append({"mid": next(mids), "source": Source.MICROPHONE, "muted": False})
        tracks.append({"mid": next(mids), "source": self._source, "muted": False})
        answer = await self._command(MediaPublish.name, {"sdp": offer, "tracks": tracks})
        client.take_answer(answer["sdp"])
        await client.connected()
        now = asyncio.get_running_loop().time()
        self._replays = [VideoReplay(self._clip, client.stream("video"), now)]
        if self._clip.audio:
            self._replays.append(AudioReplay(self._clip, client.stream("audio"), now))

    async def _leave(self) -> None:
        if self._client is not None:
            self._client.close()
        self._client, self._replays = None, []
        if self._socket.connected:
            with contextlib.suppress(socketio.exceptions.SocketIOError, TimeoutError, ValueError):
                await self._command(RoomLeave.name, {})
            await self._socket.disconnect()

    async def _command(self, name: str, data: dict[str, Any]) -> dict[str, Any]:
        """Send a command; return its result.

        Raises:
            ValueError: the server refused it.
        """
        message = {"id": str(uuid.uuid4()), "data": data}
        answer = await self._socket.call(name, message, timeout=ACK_TIMEOUT_S)
        if "ok" not in answer:
            raise ValueError(f"{name}: {answer['error']['message']}")
        result: dict[str, Any] = answer["ok"]
        return result

    def _on_keyframe_request(self, _: OutgoingStream) -> None:
        for replay in self._replays:
            if isinstance(replay, VideoReplay):
                replay.want_keyframe()

    async def _on_disconnect(self, *_: object) -> None:
        self._ended.set()

    async def _on_signal(self, signal_: dict[str, Any]) -> None:
        """Publish anew when the server says that our media is lost."""
        data = signal_["data"]
        if signal_["name"] == MediaState.name and data["state"] != "connected":
            self._ended.set()


async def play(nodes: dict[str, str]) -> None:
    """Bring everybody in and keep them there until interrupted."""
    settings = config.load(os.environ)
    folder = Path(settings.data_dir).parent / "clips"
    first = next(iter(nodes.values()))
    places = {room.id: nodes.get(room.node, first) for room in ROOMS}
    loop = asyncio.get_running_loop()
    tabs: list[Tab] = []
    stop = asyncio.Event()
    for name in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(name, stop.set)
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(_conduct(tabs))]
        for index, person in enumerate(PEOPLE):
            token = tokens.mint(
                settings,
                identity=person.identity,
                name=person.name,
                role=person.role,
                room=person.room,
                city=person.city,
                synthetic=True,
                ttl_s=DAY_S * 30,
            )
            seen = await asyncio.to_thread(
                portrait_clip, folder, person.identity, person.looks, pitch_hz=person.pitch_hz
            )
            parts = [(seen, Source.CAMERA)]
            if person.slides:
                parts.append((await asyncio.to_thread(slide_clip, folder), Source.SCREEN))
            for clip, source in parts:
                tab = Tab(person, clip, source, url=places[person.room], token=token)
                tabs.append(tab)
                tasks.append(group.create_task(tab.live()))
                if source is Source.CAMERA:
                    tasks.append(group.create_task(tab.greet(1.0 + 0.5 * index)))
        await stop.wait()
        for task in tasks:
            task.cancel()


async def _conduct(tabs: list[Tab]) -> None:
    """Give everybody the time, fifty times a second, from one task."""
    loop = asyncio.get_running_loop()
    while True:
        now = loop.time()
        for tab in tabs:
            tab.tick(now)
        await asyncio.sleep(TICK_S)


if __name__ == "__main__":
    asyncio.run(play(dict(argument.split("=", 1) for argument in sys.argv[1:])))
