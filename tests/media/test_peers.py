"""Independent WebRTC stacks against our transports: aiortc's peer connection, FFmpeg's WHIP muxer."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiortc import RTCPeerConnection, RTCSessionDescription
from aiortc.mediastreams import AudioStreamTrack
from imageio_ffmpeg import get_ffmpeg_exe

from media import sdp
from media.udp import MediaPort
from tests.wire import ServerEnd, until


@pytest.fixture
async def port() -> AsyncIterator[MediaPort]:
    port = MediaPort("127.0.0.1", 0)
    yield port
    port.close()
    assert port.counters["handler_error"] == 0


async def test_aiortc_publishes_to_us(port: MediaPort) -> None:
    server, peer = ServerEnd(port), RTCPeerConnection()
    peer.addTrack(AudioStreamTrack())
    await peer.setLocalDescription(await peer.createOffer())
    answer = server.answer(peer.localDescription.sdp)
    await peer.setRemoteDescription(RTCSessionDescription(sdp=answer, type="answer"))
    await until(lambda: len(server.rtp) >= 3)
    assert server.rtp[0][1] & 0x7F == 96  # aiortc's number for opus
    await peer.close()
    await until(lambda: server.transport.state == "closed")


async def test_aiortc_answers_our_offer_and_receives(port: MediaPort) -> None:
    server, offers, peer = ServerEnd(port), sdp.SubscriberOffers(), RTCPeerConnection()
    offers.set(
        [
            sdp.OutgoingTrack(
                track="T", stream="s", kind="audio", codec="opus", clock_rate=48000, channels=2,
                fmtp="", ssrc=77, rtx_ssrc=78,
            )
        ]
    )  # fmt: skip
    offer = offers.offer(server.transport.local_parameters, port.candidates)
    await peer.setRemoteDescription(RTCSessionDescription(sdp=offer, type="offer"))
    await peer.setLocalDescription(await peer.createAnswer())
    agreement = offers.accept(peer.localDescription.sdp)
    server.transport.connect(agreement.remote, agreement.role)
    await until(lambda: server.transport.state == "connected")
    (line,) = agreement.outgoing
    seq = 0

    def counted() -> bool:
        nonlocal seq
        seq += 1
        head = bytes([0x80, line.codec.payload_type]) + seq.to_bytes(2, "big")
        server.transport.send_rtp(head + bytes(4) + (77).to_bytes(4, "big") + b"\xf8\xff\xfe")
        return any(packet[1] == 201 for packet in server.rtcp)

    await until(counted)
    await peer.close()


class WhipDoor:
    """As much HTTP as FFmpeg's WHIP muxer needs: POST is answered, DELETE is taken."""

    def __init__(self, server: ServerEnd) -> None:
        self._server = server
        self.offer = ""
        self.deleted = False

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            fields = dict(
                line.lower().split(": ", 1) for line in head.split("\r\n")[1:] if ": " in line
            )
            body = await reader.readexactly(int(fields.get("content-length", "0")))
            answer = b""
            if head.startswith("POST"):
                self.offer = body.decode()
                answer = self._server.answer(self.offer).encode()
                status = "201 Created\r\nLocation: /session\r\nContent-Type: application/sdp"
            else:
                self.deleted = True
                status = "200 OK"
            writer.write(
                f"HTTP/1.1 {status}\r\nContent-Length: {len(answer)}\r\n"
                "Connection: close\r\n\r\n".encode()
                + answer
            )
            await writer.drain()
        finally:
            writer.close()


@pytest.mark.slow
@pytest.mark.parametrize("role", ["passive", "active"])
async def test_ffmpeg_publishes_by_whip(port: MediaPort, role: str, tmp_path: Path) -> None:
    server = ServerEnd(port)
    door = WhipDoor(server)
    listener = await asyncio.start_server(door.serve, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}/whip"
    flags = ["-whip_flags", "dtls_active"] if role == "active" else []
    with (tmp_path / "log").open("wb") as log:
        ffmpeg = await asyncio.create_subprocess_exec(
            get_ffmpeg_exe(), "-re", "-f", "lavfi", "-i", "testsrc=s=160x120:r=10",
            "-f", "lavfi", "-i", "sine", "-t", "2", "-c:v", "libx264", "-profile:v", "baseline",
            "-pix_fmt", "yuv420p", "-bf", "0", "-tune", "zerolatency", "-c:a", "libopus", "-ar", "48000", "-ac", "2",
            *flags, "-f", "whip", url,
            stdin=asyncio.subprocess.DEVNULL, stdout=log, stderr=log, env=dict(os.environ),
        )  # fmt: skip
    try:
        await until(lambda: server.rtp or ffmpeg.returncode is not None)
        assert server.rtp, (tmp_path / "log").read_text()
        await ffmpeg.wait()
    finally:
        if ffmpeg.returncode is None:
            ffmpeg.kill()
            await ffmpeg.wait()
        listener.close()
        await listener.wait_closed()
    assert f"a=setup:{role}" in door.offer
    assert {packet[1] & 0x7F for packet in server.rtp} == {111, 106}
    assert door.deleted
