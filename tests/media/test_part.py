"""Files of every codec, written as they are and decoded again."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import pytest

from media.recorder.part import DiskFullError, Part, picture_size
from tests.media.recorders import Film

ENCODERS = {
    "VP8": ("libvpx", {"deadline": "realtime", "cpu-used": "8", "lag-in-frames": "0"}),
    "VP9": ("libvpx-vp9", {"deadline": "realtime", "cpu-used": "8", "lag-in-frames": "0"}),
    "AV1": ("libsvtav1", {"preset": "12"}),
    "H264": ("libx264", {"preset": "ultrafast", "tune": "zerolatency"}),
}


def pictures(codec: str, count: int = 5) -> list[bytes]:
    name, options = ENCODERS[codec]
    context: Any = av.CodecContext.create(name, "w")
    context.width, context.height = 128, 96
    context.pix_fmt = "yuv420p"
    context.time_base = Fraction(1, 25)
    context.options = options
    frames = []
    for number in range(count):
        frame = av.VideoFrame(128, 96, "yuv420p")
        for plane in frame.planes:
            plane.update(bytes([40 * number + 20]) * plane.buffer_size)
        frame.pts = number
        frames += [bytes(packet) for packet in context.encode(frame)]
    return frames + [bytes(packet) for packet in context.encode(None)]


@pytest.mark.parametrize("codec", ENCODERS)
def test_pictures_of_every_codec_come_out_as_they_went_in(codec: str, tmp_path: Path) -> None:
    frames = pictures(codec)
    size = picture_size(codec, frames[0])
    assert size == (128, 96)
    path = tmp_path / "part"
    part = Part(path, picture=codec, size=size, sound=True)
    for number, frame in enumerate(frames):
        part.write("video", number * 40, frame, keyframe=number == 0)
    assert part.close()
    film = Film(path)
    assert film.pictures == [(128, 96)] * 5
    assert film.times_s == [0.0, 0.04, 0.08, 0.12, 0.16]


def test_what_is_no_picture_has_no_size() -> None:
    for codec in ENCODERS:
        assert picture_size(codec, b"\x10 this is no picture") is None


def test_a_disk_without_room_is_told_apart(tmp_path: Path) -> None:
    part = Part(Path("/dev/full"), picture="", size=(0, 0), sound=True)

    def write_much() -> None:
        for number in range(2_000):
            part.write("audio", number * 20, bytes(200), keyframe=True)

    with pytest.raises(DiskFullError):
        write_much()
    part.close()
