"""Header parsing, extension lookup and RTX unwrapping, on good, odd and hostile bytes."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from media.core.packet import (
    ONE_BYTE,
    OPAQUE,
    TWO_BYTE,
    Malformed,
    Packet,
    find_extension,
    parse,
    unwrap_rtx,
)
from tests.media.core.rtp import ONE, TWO, parsed, rtp


def test_plain_header_is_read_field_by_field() -> None:
    packet = parsed(rtp(0xABCD, 0x89ABCDEF, 0xDEADBEEF, 111, b"abc", marker=True))
    assert (packet.seq16, packet.ts32, packet.ssrc) == (0xABCD, 0x89ABCDEF, 0xDEADBEEF)
    assert (packet.pt, packet.marker, packet.profile) == (111, True, 0)
    assert bytes(packet.data[packet.payload : packet.end]) == b"abc"


def test_csrcs_extensions_and_padding_are_stepped_over() -> None:
    packet = parsed(rtp(payload=b"abc", csrcs=(1, 2), extensions={3: b"xy"}, padding=5))
    assert packet.payload == 12 + 8 + 4 + 4
    assert bytes(packet.data[packet.payload : packet.end]) == b"abc"


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", Malformed.SHORT),
        (b"\x80" * 11, Malformed.SHORT),
        (b"\x40" + bytes(20), Malformed.VERSION),
        (b"\x8f" + bytes(59), Malformed.CSRC),
        (b"\x90" + bytes(11), Malformed.EXTENSION),
        (b"\x90" + bytes(11) + b"\xbe\xde\x00\x01", Malformed.EXTENSION),
        (b"\x90" + bytes(11) + b"\xbe\xde\xff\xff" + bytes(64), Malformed.EXTENSION),
        (b"\xa0" + bytes(11), Malformed.PADDING),  # P set, nothing there
        (rtp(payload=b"ab\x00")[:0] + b"\xa0" + rtp(payload=b"ab\x00")[1:], Malformed.PADDING),
        (b"\xa0" + rtp(payload=b"ab\x04")[1:], Malformed.PADDING),  # more than there is
        (b"\xa0" + rtp(payload=b"ab\xff")[1:], Malformed.PADDING),
    ],
)
def test_malformed_packets_are_named_not_raised(data: bytes, reason: Malformed) -> None:
    assert parse(data) is reason


def test_usual_packets_have_all_that_others_have() -> None:
    """They are parsed by a short way."""
    block = b"\xbe\xde\x00\x01\x10\x05\x00\x00"
    header = struct.pack("!BHII", 0xE0, 5, 6, 7)
    usual = parse(b"\x90" + header + block + b"payload")
    padded = parse(b"\xb0" + header + block + b"payload" + b"\x01")
    assert isinstance(usual, Packet)
    assert isinstance(padded, Packet)
    read = [
        {name: getattr(packet, name) for name in Packet.__slots__ if hasattr(packet, name)}
        for packet in (usual, padded)
    ]
    for each in read:
        del each["data"]
    assert read[0] == read[1]
    assert read[0]["payload"] == 20


def test_packet_of_padding_alone_is_a_packet_without_payload() -> None:
    packet = parsed(rtp(payload=b"", padding=255))
    assert packet.payload == packet.end == 12


@pytest.mark.parametrize(
    ("profile", "seen"), [(ONE, ONE_BYTE), (TWO, TWO_BYTE), (0x100F, TWO_BYTE), (0x1234, OPAQUE)]
)
def test_extension_profiles(profile: int, seen: int) -> None:
    block = struct.pack("!HH", profile, 1) + b"\x10\xaa\x00\x00"
    assert parsed(b"\x90" + rtp(payload=block)[1:]).profile == seen


def test_extension_of_rfc_8285_with_padding_between() -> None:
    # §4.2's second example: ids 1 (1 byte), then 0-padding, 2 (1 byte) ... written out.
    block = b"\xbe\xde\x00\x03" + b"\x10\xaa\x31\x01\x02\x00\x00\x53\x09\x08\x07\x06"
    packet = parsed(b"\x90" + rtp(payload=block)[1:])
    assert find_extension(packet, 1) == (17, 1)
    assert find_extension(packet, 3) == (19, 2)
    assert find_extension(packet, 5) == (24, 4)
    assert find_extension(packet, 2) is None
    assert find_extension(packet, 0) is None


@pytest.mark.parametrize("stop", [b"\xf0\x00", b"\x01\x00"])
def test_elements_behind_a_terminator_are_not_considered(stop: bytes) -> None:
    """RFC 8285 §4.2: id 15, or id 0 with a length, ends the block."""
    block = b"\xbe\xde\x00\x02" + b"\x10\xaa" + stop + b"\x20\xbb\x00\x00"
    packet = parsed(b"\x90" + rtp(payload=block)[1:])
    assert find_extension(packet, 1) == (17, 1)
    assert find_extension(packet, 2) is None


def test_two_byte_element_may_be_empty() -> None:
    packet = parsed(rtp(extensions={7: b"", 200: b"abc"}, profile=TWO))
    assert find_extension(packet, 7) == (18, 0)
    assert find_extension(packet, 200) == (20, 3)


def test_element_that_runs_over_the_block_is_not_found() -> None:
    block = b"\xbe\xde\x00\x01" + b"\x1f\xaa\xbb\xcc" + bytes(40)
    assert find_extension(parsed(b"\x90" + rtp(payload=block)[1:]), 1) is None


@given(st.binary(max_size=80))
def test_junk_never_raises_and_offsets_stay_inside(data: bytes) -> None:
    packet = parse(b"\xb0" + data)
    if isinstance(packet, Packet):
        assert 12 <= packet.payload <= packet.end <= len(packet.data)
        for number in range(1, 256):
            found = find_extension(packet, number)
            if found is not None:
                assert packet.extensions <= found[0] <= found[0] + found[1]
                assert found[0] + found[1] <= packet.extensions_end


def test_rtx_gives_back_the_original() -> None:
    original = rtp(777, 90_000, 5, 96, b"payload", marker=True, extensions={1: b"0"})
    repair = rtp(
        3,
        90_000,
        6,
        97,
        struct.pack("!H", 777) + b"payload",
        marker=True,
        extensions={1: b"0"},
        padding=9,
    )
    packet = unwrap_rtx(parsed(repair), ssrc=5, pt=96)
    assert isinstance(packet, Packet)
    assert bytes(packet.data) == original
    assert (packet.seq16, packet.ssrc, packet.pt, packet.end) == (777, 5, 96, len(original))


@pytest.mark.parametrize("payload", [b"", b"\x01"])
def test_rtx_without_an_original_is_a_probe(payload: bytes) -> None:
    assert unwrap_rtx(parsed(rtp(payload=payload, padding=20)), 5, 96) is Malformed.RTX
