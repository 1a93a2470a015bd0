"""Payload descriptors: where frames, keyframes and layers are."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from media.core.codecs import codec
from media.core.codecs.opus import is_silent
from media.core.packet import Packet
from tests.media.core.rtp import parsed, rtp, vp8


def inspected(name: str, payload: bytes, padding: int = 0) -> Packet:
    packet = parsed(rtp(payload=payload, padding=padding))
    codec(name).inspect(packet)
    return packet


def test_vp8_keyframe_with_everything() -> None:
    packet = inspected("VP8", vp8(keyframe=True, picture=0x1234, tl0=200, tid=0))
    assert (packet.begins, packet.keyframe, packet.sync, packet.temporal) == (True, True, True, 0)
    assert (packet.picture, packet.picture_mask, packet.tl0) == (0x1234, 0x7FFF, 200)
    assert codec("vp8").size(packet) == (640, 360)


@pytest.mark.parametrize(
    ("payload", "begins", "keyframe", "picture", "temporal", "sync"),
    [
        (b"\x10\x00", True, True, -1, 0, True),  # the shortest keyframe start
        (b"\x10\x01", True, False, -1, 0, True),
        (b"\x00\x00", False, False, -1, 0, True),  # a later packet of the frame
        (b"\x11\x00", False, False, -1, 0, True),  # partition 1 begins
        (b"\x90\x80\x11\x01", True, False, 0x11, 0, True),  # 7-bit picture id
        (b"\x90\x80\x81\x11\x01", True, False, 0x111, 0, True),
        (b"\x90\x20\x80\x01", True, False, -1, 2, False),  # TID 2
        (b"\x90\x20\xa0\x01", True, False, -1, 2, True),  # with Y
        (b"\x90\x10\x9f\x01", True, False, -1, 0, True),  # KEYIDX alone: no TID
        (b"\x90\xe0\x11\x22\x40\x01", True, False, 0x11, 1, False),
        (b"", False, False, -1, 0, False),
        (b"\x90", False, False, -1, 0, False),
        (b"\x90\x80\x80", False, False, -1, 0, False),
        (b"\x90\xe0\x11\x22", False, False, -1, 0, False),
        (b"\x10", True, False, -1, 0, True),  # begins, but no header to read
    ],
)
def test_vp8_descriptors(
    payload: bytes, begins: bool, keyframe: bool, picture: int, temporal: int, sync: bool
) -> None:
    packet = inspected("VP8", payload)
    seen = (packet.begins, packet.keyframe, packet.picture, packet.temporal, packet.sync)
    assert seen == (begins, keyframe, picture, temporal, sync)


def test_vp9_keyframe_picture_numbers_and_size() -> None:
    """RFC 9628 §4.2: I L B V; structure with two spatial layers and sizes."""
    structure = bytes([1 << 5 | 0x10]) + struct.pack("!HHHH", 320, 180, 640, 360)
    packet = inspected("VP9", b"\xaa\x91\x23\x00\x07" + structure)
    assert (packet.begins, packet.keyframe) == (True, True)
    assert (packet.picture, packet.picture_mask, packet.tl0) == (0x1123, 0x7FFF, 7)
    assert codec("VP9").size(packet) == (640, 360)


@pytest.mark.parametrize(
    ("payload", "begins", "keyframe"),
    [
        (b"\x88\x01data", True, True),
        (b"\xc8\x01data", True, False),  # P: inter-predicted
        (b"\x80\x01data", False, False),  # not the begin
        (b"\xa8\x01\x02\x00data", False, False),  # upper spatial layer begins
        (b"\x28", False, False),
        (b"", False, False),
    ],
)
def test_vp9_descriptors(payload: bytes, begins: bool, keyframe: bool) -> None:
    packet = inspected("VP9", payload)
    assert (packet.begins, packet.keyframe) == (begins, keyframe)


@pytest.mark.parametrize(
    ("payload", "keyframe"),
    [
        (b"\x67sps", True),
        (b"\x65idr", True),
        (b"\x61slice", False),
        (b"\x68pps", False),
        (b"\x09\xf0", False),
        (b"\x78" + b"\x00\x03\x67ab" + b"\x00\x02\x68c", True),  # STAP-A: SPS, PPS
        (b"\x78" + b"\x00\x02\x68c" + b"\x00\x02\x65c", True),
        (b"\x78" + b"\x00\x02\x06c" + b"\x00\x02\x61c", False),
        (b"\x78" + b"\xff\xff\x61", False),
        (b"\x78\x00", False),
        (b"\x7c\x85data", True),  # FU-A: IDR starts
        (b"\x7c\x05data", False),  # its middle
        (b"\x7c\x45data", False),  # its end
        (b"\x7c\x81data", False),
        (b"\x7c", False),
        (b"", False),
    ],
)
def test_h264_keyframes(payload: bytes, keyframe: bool) -> None:
    assert inspected("H264", payload).keyframe is keyframe


@pytest.mark.parametrize(
    ("payload", "begins", "keyframe"),
    [
        (b"\x18\x0a", True, True),  # N
        (b"\x10\x32", True, False),
        (b"\x90\x00", False, False),  # Z: continued
        (b"\x98\x00", False, False),  # N and Z contradict each other
        (b"", False, False),
    ],
)
def test_av1_aggregation_header(payload: bytes, begins: bool, keyframe: bool) -> None:
    packet = inspected("AV1", payload)
    assert (packet.begins, packet.keyframe) == (begins, keyframe)


def test_opus_stands_alone_and_silence_is_seen() -> None:
    packet = inspected("opus", b"\xfc" + bytes(60))
    assert packet.keyframe
    assert not codec("OPUS").keyframes
    assert not is_silent(packet, 30)
    assert not is_silent(packet, None)
    assert is_silent(packet, 127)
    assert is_silent(inspected("opus", b"\xf8\xff"), None)


def test_unknown_codec_passes_through() -> None:
    packet = inspected("G722", b"abc")
    assert (packet.keyframe, packet.picture, packet.temporal) == (True, -1, 0)
    assert codec("G722").size(packet) is None


@given(
    st.sampled_from(["VP8", "VP9", "H264", "AV1", "opus"]),
    st.binary(max_size=40),
    st.integers(0, 20),
)
def test_junk_never_raises_and_offsets_stay_in_the_payload(
    name: str, payload: bytes, padding: int
) -> None:
    packet = inspected(name, payload, padding)
    codec(name).size(packet)
    if packet.picture >= 0:
        width = 2 if packet.picture_mask == 0x7FFF else 1
        assert packet.payload <= packet.picture_at <= packet.end - width
        if packet.tl0 >= 0:
            assert packet.payload <= packet.tl0_at < packet.end
