"""A recorder as its node runs it: a process of its own, told by pipes what to write."""

from __future__ import annotations

import asyncio
import random
import sys
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import av
import msgspec

from media import rpc
from media.client.stream import OutgoingStream
from media.framing import encode_frame, read_frames
from media.recorder.rpc import (
    Begin,
    Ended,
    Manifest,
    Ready,
    Reel,
    Report,
    Source,
    Stop,
    Upward,
    Wish,
)
from tests.media.people import Performer
from tests.media.workers import ROOT, RunningWorker
from tests.wire import until

LIMITED = """
import resource, runpy, sys
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]),) * 2)
sys.argv = ["recorder", *sys.argv[2:]]
runpy.run_module("media.recorder", run_name="__main__")
"""


class RunningRecorder:
    """The node's view of a recorder.

    Attributes:
        said: every message so far, in order.
    """

    def __init__(self, process: asyncio.subprocess.Process, socket: Path, folder: Path) -> None:
        self.process = process
        self.socket = socket
        self.folder = folder
        self.said: list[Upward] = []

    def tell(self, message: object) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(encode_frame(message))

    def wish(self, *reels: Reel) -> None:
        self.tell(Wish(reels=list(reels)))

    async def listen(self) -> None:
        assert self.process.stdout is not None
        async for body in read_frames(self.process.stdout):
            assert body is not None
            self.said.append(msgspec.msgpack.decode(body, type=Upward))

    async def feed(self, running: RunningWorker, *tracks: str) -> None:
        await running.client.call(
            rpc.RecordingFeed(recording="r_1", socket=str(self.socket), tracks=list(tracks))
        )

    @property
    def files(self) -> list[str]:
        """Names of the files begun so far."""
        reports = [m for m in self.said if isinstance(m, Report | Ended)]
        return [file.name for file in reports[-1].manifest.files] if reports else []

    async def ended(self) -> Ended:
        await until(lambda: bool(self.said) and isinstance(self.said[-1], Ended))
        last = self.said[-1]
        assert isinstance(last, Ended)
        return last

    async def stopped(self) -> Manifest:
        self.tell(Stop())
        ended = await self.ended()
        assert ended.reason == "stopped"
        return ended.manifest


@asynccontextmanager
async def recorder(
    folder: Path, *, reserve_bytes: int = 0, largest_file_bytes: int | None = None
) -> AsyncIterator[RunningRecorder]:
    """Runs a recorder for the length of the block; a traceback in its log fails the test."""
    start = (
        ["-m", "media.recorder"]
        if largest_file_bytes is None
        else ["-c", LIMITED, str(largest_file_bytes)]
    )
    with tempfile.TemporaryDirectory(prefix="yunhai-", dir="/tmp") as sockets:
        socket = Path(sockets) / "recorder.sock"
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-W", "error", *start,
            "--socket", str(socket), "--folder", str(folder), "--reserve-bytes", str(reserve_bytes),
            cwd=ROOT, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        running = RunningRecorder(process, socket, folder)
        assert process.stderr is not None
        log = asyncio.create_task(process.stderr.read())
        listening = asyncio.create_task(running.listen())
        try:
            running.tell(
                Begin(recording="r_1", room="room", scope="program", by="mod", started_ms=1)
            )
            await until(lambda: any(isinstance(message, Ready) for message in running.said), 20)
            yield running
        finally:
            if process.returncode is None:
                assert process.stdin is not None
                process.stdin.close()
                try:
                    await asyncio.wait_for(process.wait(), 10)
                except TimeoutError:
                    process.kill()
                    raise
            await listening
            text = (await log).decode(errors="replace")
            print(text)
        assert "Traceback" not in text, text


def reel(
    name: str, tracks: Sequence[rpc.TrackInfo], identity: str = "ann", *, sound: bool = True
) -> Reel:
    """A reel of a person's tracks."""

    def source(kind: str) -> Source | None:
        for track in tracks:
            if track.kind == kind:
                what = "camera" if kind == "video" else "microphone"
                return Source(
                    track=track.track, identity=identity, name=identity.title(), source=what
                )
        return None

    return Reel(name=name, sound=sound, audio=source("audio"), video=source("video"))


class Witness:
    """Notes every picture a performer encodes, and may lose packets on the way.

    Attributes:
        frames: as encoded, in order.
    """

    def __init__(self, performer: Performer, *, ahead: int = 0) -> None:
        """``ahead``: pictures left out, so that two performers do not show the same."""
        self.frames: list[bytes] = []
        self.lost = 0
        encoder: Any = performer._encoders[""]
        encoder._count += ahead
        encode = encoder.encode

        def noting(*, keyframe: bool) -> list[bytes]:
            payloads: list[bytes] = encode(keyframe=keyframe)
            self.frames.append(b"".join(payload[4:] for payload in payloads))
            return payloads

        encoder.encode = noting

    def lose(self, stream: OutgoingStream, share: float, seed: int) -> None:
        """Loses this share of all packets of a stream, repairs too."""
        chance = random.Random(seed)
        print(f"loss {share}, seed {seed}")
        send = stream._send

        def send_or_lose(packet: bytes) -> bool:
            if chance.random() < share:
                self.lost += 1
                return True
            return send(packet)

        stream._send = send_or_lose


class Film:
    """What a file holds.

    Attributes:
        frames: encoded pictures. ``pictures``: sizes of those decoded. ``samples``: of sound.
        times_s: of each picture. ``sound_s``: of each packet of sound.
    """

    def __init__(self, path: Path) -> None:
        self.frames: list[bytes] = []
        self.pictures: list[tuple[int, int]] = []
        self.samples = 0
        self.times_s: list[float] = []
        self.sound_s: list[float] = []
        container: Any = av.open(str(path))
        with container:
            self.format = container.format.name
            self.codecs = {s.type: s.codec_context.codec.name for s in container.streams}
            self.duration_s = (container.duration or 0) / 1e6
            for packet in container.demux():
                if not packet.size:  # the end: what the decoder still holds
                    if packet.stream.type == "video":
                        self.pictures += [(f.width, f.height) for f in packet.decode()]
                    continue
                at_s = float(packet.pts * packet.time_base)
                if packet.stream.type == "video":
                    self.frames.append(bytes(packet))
                    self.times_s.append(at_s)
                    self.pictures += [(f.width, f.height) for f in packet.decode()]
                else:
                    self.sound_s.append(at_s)
                    self.samples += sum(frame.samples for frame in packet.decode())


def is_run_of(part: list[bytes], whole: list[bytes]) -> bool:
    """Whether ``part`` is ``whole`` from some place on, without a hole."""
    starts = [at for at, frame in enumerate(whole) if frame == part[0]]
    return any(whole[at : at + len(part)] == part for at in starts)
