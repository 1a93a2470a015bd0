"""Real H.264 as encoders packetise it: a keyframe is seen where a decoder can start, and only there."""

from __future__ import annotations

import random
from fractions import Fraction
from typing import Any

import av
import pytest

from media.core.codecs import codec
from media.core.frames import joiner
from media.core.packet import Packet
from tests.media.core.rtp import parsed, rtp

FRAMES, KEYFRAMES = 20, {0, 7, 15}
SEI, DELIMITER = 6, 9  # ITU-T H.264 table 7-1

_NOISE = random.Random(5).randbytes(320 * 240 + 100 * FRAMES)


def encode(**options: str) -> list[bytes]:
    """Noise with keyframes where asked, in Annex B."""
    context: Any = av.CodecContext.create("libx264", "w")
    context.width, context.height, context.pix_fmt = 320, 240, "yuv420p"
    context.time_base, context.framerate = Fraction(1, 30), Fraction(30)
    context.bit_rate, context.gop_size, context.max_b_frames = 600_000, 10_000, 0
    context.options = {
        "preset": "ultrafast", "tune": "zerolatency", "forced-idr": "1", "x264-params": "scenecut=0",
        **options,
    }  # fmt: skip
    frames = []
    for n in range(FRAMES):
        frame: Any = av.VideoFrame(320, 240, "yuv420p")
        for plane in frame.planes:
            plane.update(_NOISE[n * 100 : n * 100 + plane.buffer_size])
        frame.pts = n
        kinds = av.video.frame.PictureType
        frame.pict_type = kinds.I if n in KEYFRAMES else kinds.NONE
        frames.append(b"".join(bytes(packet) for packet in context.encode(frame)))
    return frames


def units(frame: bytes) -> list[bytes]:
    """NAL units between start codes (ITU-T H.264 annex B)."""
    parts = frame.replace(b"\0\0\0\1", b"\0\0\1").split(b"\0\0\1")
    return [part for part in parts if part]


def packetised(frame: bytes, limit: int, *, aggregate: bool) -> list[bytes]:
    """RFC 6184 §5: small units together (STAP-A) if asked, large ones in pieces (FU-A)."""
    payloads: list[bytes] = []
    small: list[bytes] = []

    def flush() -> None:
        if len(small) == 1:
            payloads.append(small[0])
        elif small:
            together = b"".join(len(unit).to_bytes(2, "big") + unit for unit in small)
            payloads.append(b"\x78" + together)
        small.clear()

    for unit in units(frame):
        if len(unit) > limit:
            flush()
            pieces = [unit[at : at + limit] for at in range(1, len(unit), limit)]
            for n, piece in enumerate(pieces):
                edge = (0x80 if n == 0 else 0) | (0x40 if n == len(pieces) - 1 else 0)
                payloads.append(bytes([unit[0] & 0xE0 | 28, edge | unit[0] & 0x1F]) + piece)
        else:
            if not aggregate or sum(map(len, small)) + len(unit) > limit:
                flush()
            small.append(unit)
    flush()
    return payloads


@pytest.mark.parametrize("limit", [150, 1100])
@pytest.mark.parametrize("aggregate", [True, False])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"x264-params": "scenecut=0:slices=4"},
        {"x264-params": "scenecut=0:aud=1"},
        {"profile": "baseline"},
        {"profile": "high"},
    ],
)
def test_keyframes_of_an_encoder_are_seen_and_a_decoder_can_start_there(
    options: dict[str, str], aggregate: bool, limit: int
) -> None:
    frames = encode(**options)
    seen: dict[int, list[int]] = {}
    stream: list[list[bytes]] = []
    for n, frame in enumerate(frames):
        payloads = packetised(frame, limit, aggregate=aggregate)
        stream.append(payloads)
        for at, payload in enumerate(payloads):
            packet: Packet = parsed(rtp(payload=payload))
            codec("H264").inspect(packet)
            if packet.keyframe:
                seen.setdefault(n, []).append(at)
    assert set(seen) == KEYFRAMES
    join = joiner("H264")
    for n, places in seen.items():
        kinds = [unit[0] & 0x1F for unit in units(join(stream[n][: places[0]]) or b"")]
        assert set(kinds) <= {SEI, DELIMITER}
        decoder: Any = av.CodecContext.create("h264", "r")
        pictures = 0
        for late, payloads in enumerate(stream[n:]):
            data = join(payloads[places[0] :] if late == 0 else payloads)
            assert data is not None
            pictures += len(decoder.decode(av.Packet(data)))
        pictures += len(decoder.decode(None))
        assert pictures == FRAMES - n
