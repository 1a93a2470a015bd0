"""Real VP8 through the whole core: encoded layers in, losses and switches, decoded pictures out.

Every decoded picture must be, byte for byte, the one its layer decodes to on its own.
"""

from __future__ import annotations

import random
import struct
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import av
import pytest

from media.core.codecs import codec
from media.core.demux import Demux, Route
from media.core.extensions import MID, RID, TRANSPORT_CC, ExtensionIds, Translation
from media.core.forwarder import Forwarder
from media.core.history import VIDEO_PACKETS, History
from media.core.nack import Losses, Repairs
from media.core.packet import Packet, parse, unwrap_rtx
from media.core.rtcp import Nack, build_nack, parse_rtcp
from media.core.source import Receipt, Source
from tests.media.core.rtp import rtp

VP8 = codec("VP8")
PUBLISHER = ExtensionIds({1: MID, 2: RID, 3: TRANSPORT_CC})
SUBSCRIBER = ExtensionIds({4: TRANSPORT_CC})
CHUNK = 300  # small, so that small pictures make several packets


@dataclass
class Encoded:
    data: bytes
    keyframe: bool
    tid: int


def encode(
    width: int, height: int, frames: int, keyframes: set[int], *, temporal: bool = False
) -> list[Encoded]:
    """Encode moving bars with libvpx; keyframes only where asked."""
    context: Any = av.CodecContext.create("libvpx", "w")
    context.width, context.height, context.pix_fmt = width, height, "yuv420p"
    context.time_base, context.framerate = Fraction(1, 30), Fraction(30)
    context.bit_rate, context.gop_size = 400_000, 10_000
    context.options = {
        "deadline": "realtime",
        "cpu-used": "8",
        "lag-in-frames": "0",
        "auto-alt-ref": "0",
    }
    if temporal:
        # Without it upper frames change the probabilities that lower ones are coded with.
        context.options["error-resilient"] = "default"
        context.options["ts-parameters"] = (
            "ts_number_layers=2:ts_target_bitrate=240,400:ts_rate_decimator=2,1:"
            "ts_periodicity=2:ts_layer_id=0,1:ts_layering_mode=2"
        )
    made: list[Encoded] = []
    for n in range(frames):
        frame: Any = av.VideoFrame(width, height, "yuv420p")
        for plane in frame.planes:
            row = bytes((x * 3 + n * 7) & 0xFF for x in range(plane.line_size))
            plane.update(row * plane.height)
        frame.pts = n
        frame.pict_type = (
            av.video.frame.PictureType.I if n in keyframes else av.video.frame.PictureType.NONE
        )
        (packet,) = context.encode(frame)
        made.append(Encoded(bytes(packet), packet.is_keyframe, n % 2 if temporal else 0))
    assert {n for n, frame in enumerate(made) if frame.keyframe} == keyframes
    return made


def decode(frames: list[bytes]) -> list[bytes]:
    context: Any = av.CodecContext.create("vp8", "r")
    pictures: list[bytes] = []
    for data in frames:
        for picture in context.decode(av.Packet(data)):
            pictures.append(
                b"".join(
                    bytes(plane)[row * plane.line_size :][: plane.width]
                    for plane in picture.planes
                    for row in range(plane.height)
                )
            )
    return pictures


@dataclass
class Layer:
    """A simulcast layer: packets as a browser makes them, and the track's side of it."""

    rid: str
    frames: list[Encoded]
    seq: int
    ts: int
    picture: int
    tl0: int = 0
    source: Source = field(init=False)
    history: History = field(init=False)
    losses: Losses = field(init=False)

    def __post_init__(self) -> None:
        self.source = Source(int.from_bytes(self.rid.encode(), "big"), 90_000, "p", self.rid)
        self.history, self.losses = History(VIDEO_PACKETS), Losses()

    def packets(self, n: int) -> list[bytes]:
        frame = self.frames[n]
        self.tl0 += frame.tid == 0
        parts = [frame.data[at : at + CHUNK] for at in range(0, len(frame.data), CHUNK)]
        made = []
        for at, part in enumerate(parts):
            descriptor = bytes([0x90 if at == 0 else 0x80, 0xE0]) + struct.pack(
                "!HBB", 0x8000 | (self.picture + n) & 0x7FFF, self.tl0 & 0xFF, frame.tid << 6 | 0x20
            )
            extensions = {1: b"0", 3: struct.pack("!H", self.seq & 0xFFFF)}
            if n < 5:  # as Chrome: until a report comes back
                extensions[2] = self.rid.encode()
            made.append(
                rtp(
                    self.seq,
                    self.ts + n * 3000,
                    self.source.ssrc,
                    96,
                    descriptor + part,
                    marker=at == len(parts) - 1,
                    extensions=extensions,
                )
            )
            self.seq += 1
        return made

    def take(self, data: bytes, now: float) -> Packet | None:
        packet = parse(data)
        assert isinstance(packet, Packet)
        if self.source.receive(packet, now) >= Receipt.STRAY or not self.history.add(packet):
            return None
        self.losses.received(packet.seq, now)
        VP8.inspect(packet)
        return packet


class Viewer:
    """A subscriber: puts packets in order, asks for lost ones, takes pictures apart."""

    def __init__(self, out: Forwarder) -> None:
        self.out = out
        self.source = Source(1, 90_000, "v")
        self.losses = Losses()
        self.got: dict[int, Packet] = {}

    def take(self, data: bytes, now: float) -> None:
        packet = parse(data)
        assert isinstance(packet, Packet)
        if packet.pt == self.out.rtx_pt:
            original = unwrap_rtx(packet, self.out.ssrc, self.out.pt)
            assert isinstance(original, Packet)
            packet = original
        assert self.source.receive(packet, now) < Receipt.STRAY
        self.losses.received(packet.seq, now)
        VP8.inspect(packet)
        self.got[packet.seq] = packet

    def frames(self) -> list[bytes | None]:
        """Frames in order, None for one cut off by a switch; the stream must show no seam."""
        frames: list[bytes | None] = []
        before: Packet | None = None
        body = b""
        for seq in sorted(self.got):
            packet = self.got[seq]
            if before is not None:
                assert seq == before.seq + 1
                assert (packet.picture - before.picture) & 0x7FFF == int(packet.begins)
                lowest = packet.begins and packet.temporal == 0
                assert (packet.tl0 - before.tl0) & 0xFF == int(lowest)
                assert packet.ts > before.ts if packet.begins else packet.ts == before.ts
                if packet.begins and not before.marker:
                    assert packet.keyframe  # only a switch may do that
                    frames.append(None)
            body = (b"" if packet.begins else body) + bytes(
                packet.data[packet.tl0_at + 2 : packet.end]
            )
            if packet.marker:
                frames.append(body)
            before = packet
        return frames


def forwarder(chance: random.Random) -> Forwarder:
    return Forwarder(
        ssrc=77,
        pt=100,
        clock_rate=90_000,
        keyframes=True,
        rtx_ssrc=78,
        rtx_pt=101,
        seq=chance.getrandbits(16),
        ts=chance.getrandbits(32),
    )


def layer(rid: str, frames: list[Encoded], chance: random.Random) -> Layer:
    return Layer(
        rid, frames, chance.getrandbits(16), chance.getrandbits(32), chance.getrandbits(15)
    )


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_switched_and_repaired_stream_decodes_to_its_layers_pictures(seed: int) -> None:
    """Two layers, seven switches, 5 % loss on both ways with reordering: no picture is lost or wrong."""
    print("seed", seed)
    chance = random.Random(seed)
    keyframes = {0} | set(range(15, 120, 15))
    layers = [
        layer("q", encode(160, 96, 120, keyframes), chance),
        layer("f", encode(320, 192, 120, keyframes), chance),
    ]
    demux = Demux(PUBLISHER)
    demux.expect("0", payload_types=[96], rids=["q", "f"])
    for one in layers:
        one.source.sender_report(1_000 << 32, one.ts, 1.0)
    out = forwarder(chance)
    viewer = Viewer(out)
    translation = Translation(PUBLISHER, SUBSCRIBER)
    repairs = Repairs()
    buffer = bytearray(2000)
    followed: dict[int, tuple[int, int]] = {}  # outgoing number: (layer, frame) begun there
    uplink: list[tuple[float, int, bytes]] = []
    downlink: list[tuple[float, bytes]] = []
    sent_up: list[dict[int, bytes]] = [{}, {}]
    bound: dict[int, Route] = {}
    now = 1.0
    loss = 0.0

    def forward(packet: Packet, index: int) -> None:
        if out.map(packet) is not None:
            return
        size = out.write(buffer, 0, translation.apply(packet, now), 5)
        if packet.begins:
            followed[out.seq] = (index, (packet.picture - layers[index].picture) & 0x7FFF)
        if chance.random() > loss:
            downlink.append((now + 0.03 + chance.random() * 0.004, bytes(buffer[:size])))

    def deliver(frame: int | None) -> None:
        for index, one in enumerate(layers):
            for data in one.packets(frame) if frame is not None else ():
                sent_up[index][struct.unpack_from("!H", data, 2)[0]] = data
                if chance.random() > loss:
                    uplink.append((now + chance.random() * 0.004, index, data))
        uplink.sort(key=lambda item: item[0])
        while uplink and uplink[0][0] <= now + 0.004:
            _, index, data = uplink.pop(0)
            packet = layers[index].take(data, now)
            if packet is None:
                continue
            if packet.ssrc not in bound:
                route = demux.learn(packet, now)
                assert isinstance(route, Route)
                assert route.rid == layers[index].rid
                bound[packet.ssrc] = route
            forward(packet, index)
        for index, one in enumerate(layers):
            for seq in one.losses.due(now, 0.02):
                uplink.append((now + 0.02, index, sent_up[index][seq & 0xFFFF]))
        downlink.sort(key=lambda item: item[0])
        while downlink and downlink[0][0] <= now:
            viewer.take(downlink.pop(0)[1], now)
        asked = viewer.losses.due(now, 0.06)
        if asked:
            (nack,), _ = parse_rtcp(build_nack(1, 77, asked))
            assert isinstance(nack, Nack)
            for seq16 in nack.seqs16:
                found = out.locate(seq16)
                held = next((one for one in layers if found and one.source is found[0]), None)
                original = held.history.get(found[1]) if held and found else None
                if (
                    held is None
                    or original is None
                    or not repairs.allow(seq16, 400, now, 0.0, 5_000_000)
                ):
                    continue
                assert out.map(original) is None
                assert out.seq & 0xFFFF == seq16
                if original.begins:  # came before the keyframe we joined at, which was late
                    n = (original.picture - held.picture) & 0x7FFF
                    followed[out.seq] = (layers.index(held), n)
                size = out.write_rtx(buffer, 0, translation.apply(original, now), 6)
                if chance.random() > 0.05:
                    downlink.append((now + 0.03, bytes(buffer[:size])))

    for n in range(120):
        # Nothing after it would tell that the last one was lost.
        loss = 0.05 if 0 < n < 119 else 0.0
        if n % 15 == 8 or n == 0:
            out.aim(layers[(n // 15) % 2].source)
        deliver(n)
        now += 1 / 30
    for _ in range(100):  # until every repair is through
        deliver(None)
        now += 0.02
    expected = [decode([frame.data for frame in one.frames]) for one in layers]
    begun = [followed[seq] for seq in sorted(followed)]
    frames = viewer.frames()
    assert len(frames) == len(begun)
    assert frames.count(None) <= 7
    whole = [
        (index, n, frame)
        for (index, n), frame in zip(begun, frames, strict=True)
        if frame is not None
    ]
    pictures = decode([frame for _, _, frame in whole])
    assert len(pictures) == len(whole) >= 110
    wrong = [
        (index, n)
        for picture, (index, n, _) in zip(pictures, whole, strict=True)
        if picture != expected[index][n]
    ]
    assert wrong == []
    assert {index for index, _, _ in whole} == {0, 1}


def test_upper_temporal_layer_can_be_left_out() -> None:
    chance = random.Random(9)
    frames = encode(160, 96, 60, {0, 30}, temporal=True)
    one = layer("q", frames, chance)
    out = forwarder(chance)
    viewer = Viewer(out)
    out.aim(one.source, temporal=0)
    translation = Translation(PUBLISHER, SUBSCRIBER)
    buffer = bytearray(2000)
    for n in range(60):
        if n == 40:
            out.aim(one.source, temporal=1)
        for data in one.packets(n):
            packet = one.take(data, n / 30)
            assert packet is not None
            if out.map(packet) is None:
                viewer.take(
                    bytes(buffer[: out.write(buffer, 0, translation.apply(packet, 0.0))]), n / 30
                )
    expected = decode([frame.data for frame in frames])
    kept = [n for n in range(60) if n % 2 == 0 or n > 40]
    got = [frame for frame in viewer.frames() if frame is not None]
    assert decode(got) == [expected[n] for n in kept]


def test_keyframes_and_sizes_are_seen_in_what_libvpx_makes() -> None:
    chance = random.Random(1)
    frames = encode(320, 192, 20, {0, 7, 13})
    one = layer("f", frames, chance)
    seen = []
    for n in range(20):
        for data in one.packets(n):
            packet = one.take(data, 0.0)
            assert packet is not None
            if packet.keyframe:
                seen.append(n)
                assert VP8.size(packet) == (320, 192)
    assert seen == [0, 7, 13]
