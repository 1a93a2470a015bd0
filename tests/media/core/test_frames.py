"""Payloads joined into frames, against packers of our own and hostile bytes."""

from __future__ import annotations

from base64 import b64decode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from media.core.frames import joiner

CODECS = ["VP8", "VP9", "H264", "AV1", "opus"]


def test_vp8_descriptors_of_every_length_are_taken_away() -> None:
    join = joiner("VP8")
    assert join([b"\x10abc", b"\x00def"]) == b"abcdef"
    assert join([b"\x90\x80\x81\x02abc", b"\x80\xf0\x81\x02\x03\x04def"]) == b"abcdef"
    assert join([b"\x90\x80\x01abc"]) == b"abc"
    assert join([b"\x00abc"]) is None, "the beginning of the frame is missing"


def test_vp9_layers_become_a_superframe() -> None:
    join = joiner("VP9")
    assert join([b"\x8c\x01abc"]) == b"abc"
    both = join([b"\xa8\x01\x00\x00" + b"a" * 300, b"\xa8\x01\x02\x00" + b"b" * 5])
    marker = bytes([0xC0 | 1 << 3 | 1])
    sizes = (300).to_bytes(2, "little") + (5).to_bytes(2, "little")
    assert both == b"a" * 300 + b"b" * 5 + marker + sizes + marker


def test_h264_units_get_start_codes() -> None:
    join = joiner("H264")
    stap = b"\x78" + b"\0\2\x67a" + b"\0\2\x68b"
    fragments = [b"\x7c\x85xx", b"\x7c\x05yy", b"\x7c\x45zz"]
    assert join([stap, *fragments]) == (b"\0\0\0\1\x67a\0\0\0\1\x68b\0\0\0\1\x65xxyyzz")
    assert join([b"\x41abc"]) == b"\0\0\0\1\x41abc"
    assert join(fragments[1:]) is None
    assert join(fragments[:2]) is None


def test_av1_units_get_their_sizes_and_lose_delimiters() -> None:
    join = joiner("AV1")
    delimiter, frame = b"\x12\0", b"\x30" + b"f" * 200
    sized = b"\x32\xc8\x01" + b"f" * 200
    assert join([b"\x28" + b"\x02" + delimiter + frame]) == sized
    # One unit over two packets: Y on the first, Z on the second.
    assert join([b"\x50" + frame[:100], b"\x90" + frame[100:]]) == sized
    assert join([b"\x90" + frame[100:]]) is None
    assert join([b"\x50" + frame[:100]]) is None


@pytest.mark.parametrize("codec", CODECS)
@given(payloads=st.lists(st.binary(max_size=40), max_size=6))
def test_hostile_payloads_make_a_frame_or_none(codec: str, payloads: list[bytes]) -> None:
    frame = joiner(codec)(payloads)
    assert frame is None or frame


def test_an_av1_header_without_its_extension_makes_no_frame() -> None:
    """Once its size came out as -1, and the recorder's part ended."""
    assert joiner("av1")([b"\x10\x0c"]) is None


def test_h264_parameter_sets_of_the_offer_precede_pictures_that_come_without() -> None:
    """``sprop-parameter-sets``: Z0IACpZTBYmI is an SPS, aMljiA== a PPS (RFC 6184 §8.2.1)."""
    join = joiner("H264", "packetization-mode=1; sprop-parameter-sets=Z0IACpZTBYmI,aMljiA==")
    sets = b"\0\0\0\1" + b64decode("Z0IACpZTBYmI") + b"\0\0\0\1" + b64decode("aMljiA==")
    assert join([b"\x65abc"]) == sets + b"\0\0\0\1\x65abc"
    assert join([b"\x41abc"]) == b"\0\0\0\1\x41abc"
    own = join([b"\x67own", b"\x68own", b"\x65abc"])
    assert own == b"\0\0\0\1\x67own\0\0\0\1\x68own\0\0\0\1\x65abc"
    assert join([]) is None


@pytest.mark.parametrize("sets", ["", "%%%", "Z", ",", "=="])
def test_parameter_sets_that_cannot_be_read_are_none(sets: str) -> None:
    join = joiner("H264", f"sprop-parameter-sets={sets}")
    assert join([b"\x65abc"]) == b"\0\0\0\1\x65abc"
