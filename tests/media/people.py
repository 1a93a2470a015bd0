"""People before a worker: a camera and microphone that encode for real, viewers that decode.

VP8 and Opus by FFmpeg's encoders (PyAV), packed as RFC 7741 and RFC 7587 say.
"""

from __future__ import annotations

import asyncio
import math
import random
import struct
from collections import defaultdict
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import av

from media import rpc
from media.client import MediaClient
from media.client.stream import OutgoingStream
from media.core.nack import Losses
from media.core.packet import Packet, parse, unwrap_rtx
from media.core.rtcp import build_nack, build_rr
from media.core.seqmap import extend_seq
from tests.media.workers import RunningWorker, connected

FPS = 25
ROUND_TRIP_S = 0.1
"""What a viewer asks for again after: more than a loaded machine needs to answer."""
SIZES = {"": (320, 240), "q": (160, 120), "h": (320, 240), "f": (640, 480)}
PAYLOAD_BYTES = 300


class _VideoEncoder:
    """A moving picture of the given size."""

    def __init__(self, width: int, height: int, kbps: int) -> None:
        context = av.CodecContext.create("libvpx", "w")
        context.width, context.height = width, height
        context.pix_fmt = "yuv420p"
        context.time_base = Fraction(1, FPS)
        context.bit_rate = kbps * 1000
        context.gop_size = 100_000  # keyframes only when asked for
        context.options = {"deadline": "realtime", "cpu-used": "8", "lag-in-frames": "0"}
        self._context: Any = context
        self._count = 0
        self._picture = 0
        self._noise = bytes(
            byte // 3 + 60 for byte in random.Random(7).randbytes(2 * width * height)
        )

    def encode(self, *, keyframe: bool) -> list[bytes]:
        """The next frame as RTP payloads."""
        width, height = self._context.width, self._context.height
        frame = av.VideoFrame(width, height, "yuv420p")
        for plane in frame.planes:
            start = self._count * 4 % width
            plane.update(self._noise[start : start + plane.buffer_size])
        frame.pts = self._count
        frame.pict_type = av.video.frame.PictureType.I if keyframe else 0
        self._count += 1
        data = b"".join(bytes(packet) for packet in self._context.encode(frame))
        picture = 0x8000 | self._picture & 0x7FFF
        self._picture += 1
        # RFC 7741 §4.2: X and I, 15-bit picture id; S on the first packet.
        return [
            bytes([0x80 | (0x10 if at == 0 else 0), 0x80]) + picture.to_bytes(2, "big")
            + data[at : at + PAYLOAD_BYTES]
            for at in range(0, len(data), PAYLOAD_BYTES)
        ]  # fmt: skip


class _VoiceEncoder:
    """20 ms of a tone at a time."""

    def __init__(self) -> None:
        context = av.CodecContext.create("libopus", "w")
        context.sample_rate = 48_000
        context.layout = "mono"
        context.format = "s16"
        context.bit_rate = 32_000
        self._context: Any = context
        self._count = 0
        # 400 Hz: 8 whole waves in 20 ms.
        tone = (int(12_000 * math.sin(2 * math.pi * 400 * n / 48_000)) for n in range(960))
        self._wave = struct.pack("=960h", *tone)

    def encode(self) -> list[bytes]:
        frame = av.AudioFrame("s16", "mono", 960)
        frame.planes[0].update(self._wave)
        frame.sample_rate, frame.pts = 48_000, self._count * 960
        self._count += 1
        return [bytes(packet) for packet in self._context.encode(frame)]


class Performer:
    """Publishes a camera and a microphone to a worker."""

    def __init__(self, running: RunningWorker, peer: str, *, room: str = "room") -> None:
        self.running = running
        self.peer = peer
        self.room = room
        self.keyframes_asked: list[str] = []
        self.level_dbov = 20
        self.tracks: list[rpc.TrackInfo] = []
        self.client = MediaClient(host="127.0.0.1", on_keyframe_request=self._keyframe_asked)
        self._due: set[str] = set()
        self._encoders: dict[str, _VideoEncoder] = {}
        self._voice: _VoiceEncoder | None = None
        self._next: asyncio.TimerHandle | None = None
        self._ticks = 0
        self.lost = 0
        self._lose_every = 0
        self._sent = 0
        self._red = False
        self._before = b""

    def lose_every(self, count: int) -> None:
        """From now on every so many-th packet is lost on the way; 0 for none."""
        self._lose_every = count

    def _lossy(self, stream: OutgoingStream) -> None:
        """Puts a hole into the client's path for first transmissions of a stream."""
        send = stream._send

        def send_or_lose(packet: bytes) -> bool:
            self._sent += 1
            first = packet[1] & 0x7F == stream.identity.payload_type
            if first and self._lose_every and self._sent % self._lose_every == 0:
                self.lost += 1
                return True
            return send(packet)

        stream._send = send_or_lose

    async def publish(
        self,
        *,
        audio: bool = True,
        video: bool = True,
        rids: Sequence[str] = (),
        red: bool = False,
    ) -> list[rpc.TrackInfo]:
        """Begins to send. ``red``: sound as redundant audio, each packet with the one before."""
        self._red = red
        offer = self.client.offer(audio=audio, video=video, rids=rids, red=red)
        answer = await self.running.client.call(
            rpc.PublisherOffer(
                peer=self.peer,
                room=self.room,
                sdp=offer,
                auto={
                    kind: f"{self.peer}-{kind}"
                    for kind, on in (("audio", audio), ("video", video))
                    if on
                },
            )
        )
        self.tracks = answer.tracks
        self.client.take_answer(answer.sdp)
        await self.client.connected()
        if audio:
            self._voice = _VoiceEncoder()
            self._lossy(self.client.stream("audio"))
        if video:
            for rid in rids or ("",):
                width, height = SIZES[rid]
                self._encoders[rid] = _VideoEncoder(width, height, kbps=width * 2)
                self._due.add(rid)
                self._lossy(self.client.stream("video", rid))
        self._tick()
        return answer.tracks

    def _with_the_one_before(self, payload: bytes) -> bytes:
        """RFC 2198 §3."""
        before, self._before = self._before, payload
        head = struct.pack("!I", 0xEF << 24 | 960 << 10 | len(before)) if before else b""
        return head + b"\x6f" + before + payload

    def _keyframe_asked(self, stream: OutgoingStream) -> None:
        self.keyframes_asked.append(stream.identity.rid)
        self._due.add(stream.identity.rid)

    def _tick(self) -> None:
        """Every 20 ms a packet of sound, every 40 ms a picture."""
        self._next = asyncio.get_running_loop().call_later(0.02, self._tick)
        if self._voice is not None:
            for payload in self._voice.encode():
                packed = self._with_the_one_before(payload) if self._red else payload
                self.client.stream("audio").send(
                    packed, self._ticks * 960, level_dbov=self.level_dbov
                )
        if self._ticks % 2 == 0:
            for rid, encoder in self._encoders.items():
                payloads = encoder.encode(keyframe=rid in self._due)
                self._due.discard(rid)
                stream = self.client.stream("video", rid)
                for index, payload in enumerate(payloads):
                    last = index == len(payloads) - 1
                    stream.send(payload, self._ticks // 2 * 3600, marker=last)
        self._ticks += 1

    def close(self) -> None:
        if self._next is not None:
            self._next.cancel()
        self.client.close()


class Reception:
    """What arrived on one SSRC: extended numbers and payloads, decoded when asked.

    Attributes:
        pictures: how many pictures ended.
        keyframe_sizes: of each keyframe that began.
    """

    def __init__(self) -> None:
        self.packets: dict[int, Packet] = {}
        self.pictures = 0
        self.keyframe_sizes: list[tuple[int, int]] = []
        self._highest: int | None = None

    def take(self, packet: Packet) -> int:
        seq = extend_seq(packet.seq16, self._highest)
        self._highest = seq if self._highest is None else max(seq, self._highest)
        if seq not in self.packets:
            self.pictures += packet.marker
            self._note_keyframe(packet)
        self.packets[seq] = packet
        return seq

    def _note_keyframe(self, packet: Packet) -> None:
        """RFC 6386 §9.1: a keyframe's first bytes say its size."""
        frame = bytes(packet.data[packet.payload : packet.end])[4:14]
        if packet.data[packet.payload] & 0x10 and not frame[0] & 1 and frame[3:6] == b"\x9d\x01*":
            width, height = struct.unpack_from("<HH", frame, 6)
            self.keyframe_sizes.append((width & 0x3FFF, height & 0x3FFF))

    @property
    def missing(self) -> int:
        """Numbers that never came, between first and last."""
        if not self.packets:
            return 0
        return max(self.packets) - min(self.packets) + 1 - len(self.packets)

    def frames(self) -> list[bytes]:
        """VP8 frames put together again, up to the first gap."""
        frames: list[bytes] = []
        current = bytearray()
        expected = None
        for seq in sorted(self.packets):
            if expected is not None and seq != expected:
                break
            expected = seq + 1
            packet = self.packets[seq]
            payload = bytes(packet.data[packet.payload : packet.end])
            at = _descriptor_bytes(payload)
            if payload[0] & 0x10:
                current = bytearray()
            current += payload[at:]
            if packet.marker:
                frames.append(bytes(current))
        return frames

    def decoded_sizes(self) -> list[tuple[int, int]]:
        """Sizes of the pictures; raises if a frame cannot be decoded."""
        decoder = av.CodecContext.create("libvpx", "r")
        sizes = []
        for frame in self.frames():
            for picture in decoder.decode(av.Packet(frame)):
                sizes.append((picture.width, picture.height))
        return sizes

    def heard_samples(self) -> int:
        """Samples of sound decoded from Opus; raises if they are not Opus."""
        decoder = av.CodecContext.create("libopus", "r")
        samples = 0
        for seq in sorted(self.packets):
            packet = self.packets[seq]
            payload = bytes(packet.data[packet.payload : packet.end])
            samples += sum(frame.samples for frame in decoder.decode(av.Packet(payload)))
        return samples

    def picture_ids(self) -> list[int]:
        """VP8 picture ids, one a frame, in order."""
        ids: list[int] = []
        for seq in sorted(self.packets):
            packet = self.packets[seq]
            at = packet.payload + 2
            picture = int.from_bytes(packet.data[at : at + 2], "big") & 0x7FFF
            if not ids or ids[-1] != picture:
                ids.append(picture)
        return ids


def _descriptor_bytes(payload: bytes) -> int:
    assert payload[:1], "an empty VP8 payload"
    assert payload[0] & 0x80
    assert payload[1] == 0x80, "our encoder writes picture ids only"
    return 4


class Viewer:
    """Receives: as a subscriber, by answering offers, or as a WHEP player.

    Args:
        loss: chance of each RTP packet to be dropped on arrival; then repairs are asked for.
    """

    def __init__(
        self, running: RunningWorker, peer: str, *, loss: float = 0.0, seed: int = 0
    ) -> None:
        self.running = running
        self.peer = peer
        self.received: dict[int, Reception] = defaultdict(Reception)
        self.repaired = 0
        self.repaired_bytes = 0
        self.padding = 0
        self.arrived_bytes = 0
        self.dropped = 0
        self.offers: list[rpc.SubscriberOffer] = []
        self.client = MediaClient(host="127.0.0.1", on_rtp=self._on_rtp)
        self._loss = loss
        self._random = random.Random(seed)
        self._losses: dict[int, Losses] = defaultdict(Losses)
        self._repairing: asyncio.TimerHandle | None = None
        self._taken = 0
        if loss:
            self._repair()

    async def watch(self, *tracks: rpc.WantedTrack | str) -> rpc.SubscriberOffer:
        """Says what it wants and answers the offer, if there is one."""
        wants = [
            rpc.WantedTrack(track=want, group=want) if isinstance(want, str) else want
            for want in tracks
        ]
        offer = await self.running.client.call(
            rpc.SubscriberSet(peer=self.peer, room="room", wants=wants)
        )
        if offer.sdp:
            await self.take(offer)
        return offer

    async def take(self, offer: rpc.SubscriberOffer) -> None:
        """Answers an offer."""
        self.offers.append(offer)
        if offer.anew:
            self.client.close()
            self.client = MediaClient(host="127.0.0.1", on_rtp=self._on_rtp)
        await self.running.client.call(
            rpc.SubscriberAnswer(
                peer=self.peer, generation=offer.generation, sdp=self.client.answer(offer.sdp)
            )
        )

    async def take_noticed(self) -> int:
        """Answers the offers the worker made on its own since the last call; how many."""
        ours = [
            notice.offer
            for notice in self.running.notices(rpc.SubscriberOfferNotice)
            if notice.offer.peer == self.peer
        ]
        fresh = ours[self._taken :]
        self._taken = len(ours)
        for offer in fresh:
            await self.take(offer)
        return len(fresh)

    async def play(self, *tracks: str) -> str:
        """Connects as a WHEP player."""
        answer = await self.running.client.call(
            rpc.PlayerOffer(
                peer=self.peer,
                room="room",
                sdp=self.client.offer(direction="recvonly"),
                wants=[rpc.WantedTrack(track=track, group="") for track in tracks],
            )
        )
        self.client.take_answer(answer.sdp)
        await self.client.connected()
        await connected(self.running, self.peer)
        return answer.sdp

    def on(self, track: str) -> Reception:
        """What came of a subscribed track."""
        for mid, name in self.offers[-1].tracks.items():
            if name == track:
                ssrc = self.client.lines[mid].ssrc
                assert ssrc is not None
                return self.received[ssrc]
        raise KeyError(track)

    def of_kind(self, kind: str) -> Reception:
        """What came on a player's line of that kind."""
        for line in self.client.lines.values():
            if line.kind == kind and line.ssrc is not None:
                return self.received[line.ssrc]
        raise KeyError(kind)

    def _on_rtp(self, data: bytes, now: float) -> None:
        self.arrived_bytes += len(data)
        packet = parse(data)
        assert isinstance(packet, Packet)
        if self._loss and self._random.random() < self._loss:
            self.dropped += 1
            return
        for line in self.client.lines.values():
            if packet.ssrc == line.rtx_ssrc and line.ssrc is not None:
                restored = unwrap_rtx(packet, line.ssrc, line.codec.payload_type)
                if not isinstance(restored, Packet):
                    self.padding += 1
                    return
                self.repaired_bytes += len(data)
                packet = restored
                self.repaired += 1
        seq = self.received[packet.ssrc].take(packet)
        self._losses[packet.ssrc].received(seq, now)

    def _repair(self) -> None:
        loop = asyncio.get_running_loop()
        self._repairing = loop.call_later(0.01, self._repair)
        for ssrc, losses in self._losses.items():
            due = losses.due(loop.time(), ROUND_TRIP_S)
            if due:
                self.client.send_rtcp(build_rr(1) + build_nack(1, ssrc, due))

    def close(self) -> None:
        if self._repairing is not None:
            self._repairing.cancel()
        self.client.close()
