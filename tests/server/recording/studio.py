"""A whole node that records, served over HTTP, and people who publish for real."""

from __future__ import annotations

import asyncio
import base64
import re
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import aiohttp
import av
from aiohttp.test_utils import TestServer

from rooms import actions
from rooms.commands import RecordingConsent, RecordingStart
from rooms.events import Event
from rooms.ids import Identity, RecordingId, RoomId
from rooms.live import Live, Recording, RecordingScope, Role
from rooms.ports import Ports
from server import keys, tokens
from server.http import application
from server.realtime.sessions import Session
from server.recording.recordings import Recordings
from tests.media.people import _VideoEncoder, _VoiceEncoder
from tests.server.guests import grant, until
from tests.server.signalling.media import TICK_S, Sender
from tests.server.signalling.nodes import ROOM, Node, running_node


class Presenter(Sender):
    """Publishes pictures and sound that decode."""

    def __init__(self) -> None:
        super().__init__()
        self.frames: list[bytes] = []
        self._encoder = _VideoEncoder(320, 240, 400)
        self._voice = _VoiceEncoder()
        self._keyframe_due = True
        self.client._on_keyframe_request = self._asked

    def _asked(self, _: object) -> None:
        self._keyframe_due = True

    def _tick(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(TICK_S, self._tick)
        self._ticks += 1
        for payload in self._voice.encode():
            self.client.stream("audio").send(payload, self._ticks * 960, level_dbov=20)
        if self._ticks % 2 == 0:
            payloads = self._encoder.encode(keyframe=self._keyframe_due)
            self._keyframe_due = False
            self.frames.append(b"".join(payload[4:] for payload in payloads))
            for index, payload in enumerate(payloads):
                last = index == len(payloads) - 1
                self.client.stream("video").send(payload, self._ticks * 1800, marker=last)

    async def shows(self, more: int) -> None:
        """Wait until that many more pictures were sent."""
        goal = len(self.frames) + more
        await until(lambda: len(self.frames) >= goal, f"{more} pictures", 90)


class OutOfBand(Sender):
    """Publishes H.264 whose parameter sets are in the offer alone (RFC 6184 §8.1)."""

    def __init__(self) -> None:
        super().__init__(audio=False)
        self._camera = av.CodecContext.create("libx264", "w")
        self._camera.width, self._camera.height = 320, 240
        self._camera.pix_fmt = "yuv420p"
        self._camera.time_base = Fraction(1, 25)
        self._camera.options = {
            "preset": "ultrafast", "tune": "zerolatency", "profile": "baseline", "g": "25",
        }  # fmt: skip
        self._camera.flags |= 1 << 22  # AV_CODEC_FLAG_GLOBAL_HEADER
        self._camera.open()
        sets = [base64.b64encode(unit).decode() for unit in units_of(self._camera.extradata)[:2]]
        self.sdp = self.sdp.replace("VP8/90000", "H264/90000").replace(
            "a=rtpmap:96 ",
            "a=fmtp:96 packetization-mode=1;profile-level-id=42c00d;"
            f"sprop-parameter-sets={','.join(sets)}\r\na=rtpmap:96 ",
        )

    def _tick(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(2 * TICK_S, self._tick)
        self._ticks += 1
        picture = av.VideoFrame(320, 240, "yuv420p")
        for index, plane in enumerate(picture.planes):
            plane.update(bytes([(self._ticks * 3 + index * 50) & 0xFF]) * plane.buffer_size)
        picture.pts = self._ticks
        for packet in self._camera.encode(picture):
            units = units_of(bytes(packet))
            for unit in units:
                last = unit is units[-1]
                self.client.stream("video").send(unit, self._ticks * 3600, marker=last)


def units_of(stream: bytes) -> list[bytes]:
    """Take NAL units from between their start codes (ITU-T H.264 annex B)."""
    return [unit for unit in re.split(rb"\x00{2,3}\x01", stream) if unit]


@dataclass
class Studio:
    """The node, its recordings, and their HTTP face."""

    node: Node
    recordings: Recordings
    http: aiohttp.ClientSession
    url: str
    heard: list[Event | None] = field(default_factory=list)

    @property
    def ports(self) -> Ports:
        return Ports(
            live=self.node.realtime.live,
            stores=self.node.store,
            tracks=self.node.signalling.peers,
            recorder=self.recordings,
            clock=lambda: time.time_ns() // 1_000_000,
        )

    @property
    def live(self) -> Live:
        mirror = self.node.realtime.mirrors.get(ROOM)
        assert mirror is not None
        return mirror.live

    def session(self, identity: str) -> Session:
        return self.node.realtime.sessions.of(Identity(identity))[0]

    async def enter(self, identity: str, role: Role = Role.MEMBER) -> Session:
        session = await self.node.realtime.sessions.open(ROOM, grant(identity, role=role), "socket")
        session.mirror.watch(lambda _, event: self.heard.append(event))
        return session

    async def publish(self, presenter: Sender, identity: str, **token: Any) -> Session:
        """Publish as an encoder does."""
        endpoint = await self.node.signalling.encoders.publish(
            ROOM, grant(identity, **token), presenter.sdp
        )
        await presenter.start(endpoint.answer)
        return endpoint.session

    async def start(self, scope: RecordingScope, by: str = "mod") -> Recording:
        await actions.start_recording(
            self.ports, self.session(by).actor, RecordingStart(scope=scope)
        )
        await until(lambda: self.live.recording, "the recording")
        assert self.live.recording is not None
        return self.live.recording

    async def stop(self, by: str = "mod") -> None:
        await actions.stop_recording(self.ports, self.session(by).actor)
        await self.over()

    async def over(self) -> None:
        await until(lambda: self.live.recording is None, "no recording")
        await until(lambda: len(self.recordings) == 0, "the files")

    async def consent(self, identity: str, given: bool = True) -> None:
        await actions.answer_recording(
            self.ports, self.session(identity).actor, RecordingConsent(given=given)
        )
        await until(
            lambda: self.live.participants[Identity(identity)].recording_consent is given,
            f"the answer of {identity}",
        )

    async def get(
        self, path: str, identity: str | None = "mod", role: Role = Role.MODERATOR, **headers: str
    ) -> tuple[aiohttp.ClientResponse, bytes]:
        if identity is not None:
            token = tokens.mint(
                self.node.settings, identity=identity, name=identity, role=role, any_room=True
            )
            headers["Authorization"] = f"Bearer {token}"
        async with self.http.get(self.url + path, headers=headers) as answer:
            return answer, await answer.read()

    async def delete(
        self, recording: RecordingId, identity: str = "mod", role: Role = Role.MODERATOR
    ) -> int:
        """Ask for a recording to be deleted; give the answer's status."""
        token = tokens.mint(
            self.node.settings, identity=identity, name=identity, role=role, any_room=True
        )
        url = f"{self.url}/api/v1/rooms/{ROOM}/recordings/{recording}"
        headers = {"Authorization": f"Bearer {token}"}
        async with self.http.delete(url, headers=headers) as answer:
            return answer.status

    async def listed(self) -> list[dict[str, Any]]:
        answer, _ = await self.get(f"/api/v1/rooms/{ROOM}/recordings")
        assert answer.status == 200
        found: list[dict[str, Any]] = (await answer.json())["recordings"]
        return found

    async def has_written(self, recording: Recording, files: int = 1) -> list[Path]:
        """Wait until that many files have begun; return all there are."""
        folder = self.recordings.folder(ROOM, recording.id)
        found: list[Path] = []

        def enough() -> bool:
            found[:] = sorted(p for p in folder.glob("*") if p.suffix in (".webm", ".mkv"))
            return len([p for p in found if p.stat().st_size > 0]) >= files

        await until(enough, f"{files} files", 30)
        return found


@asynccontextmanager
async def running_studio(
    folder: Path, valkey_url: str, name: str = "gz", **options: Any
) -> AsyncIterator[Studio]:
    """Run a studio; two of one folder and Valkey are nodes of one convention."""
    async with (
        running_node(folder, valkey_url, name, **options) as node,
        Recordings.start(
            node.settings,
            node.realtime,
            node.store,
            node.signalling.workers,
            node.signalling.relays,
        ) as recordings,
    ):
        app = application.build(node.settings)
        app[keys.STORE] = node.store
        app[keys.REALTIME] = node.realtime
        app[keys.SIGNALLING] = node.signalling
        app[keys.RECORDINGS] = recordings
        async with TestServer(app) as server, aiohttp.ClientSession() as http:
            yield Studio(node, recordings, http, str(server.make_url("")).rstrip("/"))


__all__ = ["ROOM", "Presenter", "RoomId", "Studio", "running_studio", "until"]
