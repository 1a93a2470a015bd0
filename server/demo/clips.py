"""Encodes each synthetic person once (VP8, Opus), keeps the packets on disk, hands them out.

A clip is a loop of encoded frames that is replayed for ever without encoding.
Knows no network.
"""

from __future__ import annotations

import math
import os
import random
import struct
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import msgspec

from server.demo.portraits import Canvas, Looks, draw_portrait, draw_slide

FORMAT = 4
"""Raised when drawing or encoding changes, so that old files are not used."""

FPS = 15
SECONDS = 6
KEYFRAME_EVERY = 30
"""Frames; a viewer who asks for a key frame gets the next one, at most 2 s ahead."""

SAMPLE_RATE = 48_000
AUDIO_FRAME_MS = 60


@dataclass(frozen=True, kw_only=True)
class Clip:
    """One loop.

    Attributes:
        video: encoded VP8 frames in order, ``FPS`` a second; index 0 is a key frame.
        keyframes: indices of key frames.
        audio: Opus packets of ``AUDIO_FRAME_MS`` each; empty for a silent clip.
    """

    video: list[bytes]
    keyframes: list[int]
    audio: list[bytes]


def load_clip(
    folder: Path, name: str, draw: Callable[[Canvas, float], None], *, pitch_hz: float | None
) -> Clip:
    """Return the clip, encoding it first if the folder does not have it yet."""
    path = folder / f"{name}-{FORMAT}.clip"
    try:
        return msgspec.msgpack.decode(path.read_bytes(), type=Clip)
    except (OSError, msgspec.DecodeError):
        pass
    video, keyframes = _encode_video(draw)
    audio = _encode_voice(pitch_hz, seed=name) if pitch_hz else []
    clip = Clip(video=video, keyframes=keyframes, audio=audio)
    folder.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(f".{os.getpid()}.part")
    partial.write_bytes(msgspec.msgpack.encode(clip))
    partial.replace(path)
    return clip


def portrait_clip(folder: Path, name: str, looks: Looks, *, pitch_hz: float | None) -> Clip:
    """Return a person's clip; with ``pitch_hz`` they speak at that pitch."""

    def draw(canvas: Canvas, phase: float) -> None:
        draw_portrait(canvas, looks, phase, speaking=pitch_hz is not None)

    return load_clip(folder, name, draw, pitch_hz=pitch_hz)


def slide_clip(folder: Path) -> Clip:
    """Return the roadshow's moving slide."""
    return load_clip(folder, "slide", draw_slide, pitch_hz=None)


def _encode_video(draw: Callable[[Canvas, float], None]) -> tuple[list[bytes], list[int]]:
    width, height = 640, 360
    encoder = av.CodecContext.create("libvpx", "w")
    encoder.width, encoder.height = width, height
    encoder.pix_fmt = "yuv420p"
    encoder.time_base = Fraction(1, FPS)
    encoder.framerate = Fraction(FPS)
    encoder.bit_rate = 350_000
    encoder.gop_size = KEYFRAME_EVERY
    encoder.options = {
        "deadline": "realtime",
        "cpu-used": "6",
        "auto-alt-ref": "0",
        "lag-in-frames": "0",
        "keyint_min": str(KEYFRAME_EVERY),
    }
    frames: list[bytes] = []
    keyframes: list[int] = []
    total = FPS * SECONDS
    canvas = Canvas(width, height)

    def take(packets: list[av.Packet]) -> None:
        for packet in packets:
            if packet.is_keyframe:
                keyframes.append(len(frames))
            frames.append(bytes(packet))

    for index in range(total):
        draw(canvas, index / total)
        frame = av.VideoFrame(width, height, "yuv420p")
        for plane, data in zip(frame.planes, (canvas.y, canvas.u, canvas.v), strict=True):
            _fill_plane(plane, data)
        frame.pts = index
        take(encoder.encode(frame))
    take(encoder.encode(None))
    return frames, keyframes


def _fill_plane(plane: av.video.plane.VideoPlane, data: bytearray) -> None:
    """Copy rows into a plane whose lines may be padded."""
    width, height = plane.width, plane.height
    if plane.line_size == width:
        plane.update(bytes(data))
        return
    padding = bytes(plane.line_size - width)
    plane.update(
        b"".join(bytes(data[r * width : (r + 1) * width]) + padding for r in range(height))
    )


def _encode_voice(pitch_hz: float, *, seed: str) -> list[bytes]:
    """Hum syllables with two formants: soft, recognisable as a voice, no words."""
    dice = random.Random(seed)  # noqa: S311 - a voice, not a secret
    encoder = av.CodecContext.create("libopus", "w")
    encoder.sample_rate = SAMPLE_RATE
    encoder.layout = "mono"
    encoder.format = "s16"
    encoder.bit_rate = 24_000
    encoder.options = {"frame_duration": str(AUDIO_FRAME_MS), "application": "voip"}
    size = SAMPLE_RATE * AUDIO_FRAME_MS // 1000
    count = SECONDS * 1000 // AUDIO_FRAME_MS
    packets: list[bytes] = []
    samples = _voice_samples(pitch_hz, dice, size * count)
    for index in range(count):
        frame = av.AudioFrame("s16", "mono", size)
        frame.sample_rate = SAMPLE_RATE
        frame.pts = index * size
        frame.time_base = Fraction(1, SAMPLE_RATE)
        chunk = samples[index * size : (index + 1) * size]
        frame.planes[0].update(struct.pack(f"<{size}h", *chunk))
        packets.extend(bytes(p) for p in encoder.encode(frame))
    packets.extend(bytes(p) for p in encoder.encode(None))
    return packets[:count]


def _voice_samples(pitch_hz: float, dice: random.Random, total: int) -> list[int]:
    """Make samples at a third of the rate and repeat each: plenty for a hum, a third of the work."""
    step = 3
    rate = SAMPLE_RATE / step
    out: list[int] = []
    phase = 0.0
    while len(out) < total:
        syllable = int(rate * dice.uniform(0.14, 0.26))
        pause = int(rate * (dice.uniform(0.3, 0.6) if dice.random() < 0.2 else 0.04))
        bend = dice.uniform(0.92, 1.12)
        colour = dice.uniform(0.15, 0.6)
        for i in range(syllable):
            phase += 2 * math.pi * pitch_hz * (bend - 0.06 * i / syllable) / rate
            swell = math.sin(math.pi * i / syllable) ** 0.7
            wave = math.sin(phase) + colour * math.sin(2 * phase) + 0.3 * math.sin(5 * phase)
            value = int(2600 * swell * wave)
            out.extend((value, value, value))
        out.extend([0] * (pause * step))
    return out[:total]
