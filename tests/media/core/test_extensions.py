"""Renumbering header extensions between transports."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from media.core.extensions import (
    ABS_SEND_TIME,
    AUDIO_LEVEL,
    DEPENDENCY_DESCRIPTOR,
    MID,
    REPAIRED_RID,
    RID,
    TRANSPORT_CC,
    VIDEO_ORIENTATION,
    ExtensionIds,
    Translation,
    audio_level,
    text,
    transport_seq,
)
from media.core.packet import MAX_PACKET_BYTES, Packet, find_extension, parse
from media.core.source import Source
from tests.media.core.rtp import ONE, TWO, parsed, received, rtp, vp8

UNKNOWN = "urn:example:nobody-knows"
PUBLISHER = ExtensionIds(
    {
        1: MID,
        2: RID,
        3: REPAIRED_RID,
        4: TRANSPORT_CC,
        5: ABS_SEND_TIME,
        6: AUDIO_LEVEL,
        7: UNKNOWN,
        8: VIDEO_ORIENTATION,
    }
)


def values(data: bytes | bytearray, upto: int = 256) -> dict[int, bytes]:
    packet = parse(data)
    assert isinstance(packet, Packet)
    found = {number: find_extension(packet, number) for number in range(1, upto)}
    return {n: bytes(data[f[0] : f[0] + f[1]]) for n, f in found.items() if f is not None}


def translated(data: bytes, target: ExtensionIds, now: float = 0.0) -> bytearray:
    packet = parsed(data)
    packet.picture = -1
    return Translation(PUBLISHER, target).apply(packet, now).data


@pytest.mark.parametrize("profile", [ONE, TWO])
def test_ids_change_values_stay_and_private_ones_vanish(profile: int) -> None:
    data = rtp(
        extensions={1: b"0", 2: b"hi", 3: b"q", 7: b"opaque", 6: b"\x85", 8: b"\x01"},
        profile=profile,
        payload=b"picture",
    )
    target = ExtensionIds({1: AUDIO_LEVEL, 2: UNKNOWN, 9: MID, 10: RID, 11: REPAIRED_RID})
    out = translated(data, target)
    assert values(out) == {1: b"\x85", 2: b"opaque"}
    assert len(out) == len(data)
    assert out.endswith(b"picture")


def test_what_the_publisher_never_negotiated_becomes_padding() -> None:
    out = translated(rtp(extensions={12: b"a", 7: b"b"}), ExtensionIds({12: MID, 7: UNKNOWN}))
    assert values(out) == {7: b"b"}


def test_id_beyond_14_cannot_be_said_in_one_byte() -> None:
    assert values(translated(rtp(extensions={7: b"b"}), ExtensionIds({20: UNKNOWN}))) == {}
    out = translated(rtp(extensions={7: b"b"}, profile=TWO), ExtensionIds({20: UNKNOWN}))
    assert values(out) == {20: b"b"}


def test_block_that_breaks_is_silenced_from_there() -> None:
    whole = rtp(payload=b"\xbe\xde\x00\x02" + b"\x70\xaa" + b"\x8f" + b"\x01" * 5 + b"pic")
    out = translated(b"\x90" + whole[1:], ExtensionIds({2: UNKNOWN, 1: VIDEO_ORIENTATION}))
    assert bytes(out[16:24]) == b"\x20\xaa" + bytes(6)


CC = ExtensionIds({3: TRANSPORT_CC, 2: UNKNOWN})


@pytest.mark.parametrize(
    ("data", "grown"),
    [
        (rtp(extensions={4: b"\x01\x02"}, payload=b"pic"), 0),  # has it
        (rtp(extensions={1: b"abc"}, payload=b"pic"), 0),  # takes the place of the mid
        (rtp(extensions={7: b"abcdef"}, payload=b"pic"), 4),  # a word more
        (rtp(payload=b"pic"), 8),  # a block of its own
        (rtp(payload=b"pic", csrcs=(1, 2, 3)), 8),
        (rtp(extensions={7: b"abcdef"}, payload=b"pic", profile=TWO), 4),
        (rtp(extensions={1: b"01"}, payload=b"pic", profile=TWO), 0),
    ],
)
def test_every_packet_gets_a_place_for_the_transport_wide_number(data: bytes, grown: int) -> None:
    packet = parsed(data)
    packet.picture = -1
    wire = Translation(PUBLISHER, CC).apply(packet, 0.0)
    assert wire.size == len(wire.data) == len(data) + grown
    wire.data[wire.twcc : wire.twcc + 2] = b"\xca\xfe"
    again = parsed(bytes(wire.data))
    assert transport_seq(again, 3) == 0xCAFE
    assert again.payload == wire.payload
    assert bytes(wire.data[wire.payload :]) == b"pic"
    assert values(wire.data).get(2) == values(data).get(7)


def test_packet_near_the_limit_goes_without_the_number() -> None:
    packet = parsed(rtp(payload=bytes(MAX_PACKET_BYTES - 14)))
    packet.picture = -1
    wire = Translation(PUBLISHER, CC).apply(packet, 0.0)
    assert wire.twcc == 0
    assert wire.size <= MAX_PACKET_BYTES


def test_extensions_of_another_profile_are_left_alone() -> None:
    data = b"\x90" + rtp(payload=b"\x12\x34\x00\x01abcdpic")[1:]
    assert bytes(translated(data, CC)) == data


def test_send_time_is_ours() -> None:
    out = translated(rtp(extensions={5: b"\xff\xff\xff"}), ExtensionIds({5: ABS_SEND_TIME}), 1.5)
    assert values(out) == {5: (int(1.5 * (1 << 18))).to_bytes(3, "big")}


def test_padding_is_taken_off() -> None:
    assert bytes(translated(rtp(payload=b"pic", padding=7), ExtensionIds({}))) == rtp(
        payload=b"pic"
    )


def test_source_packet_is_not_touched_and_the_result_is_shared() -> None:
    data = rtp(extensions={1: b"0"})
    packet = parsed(data)
    packet.picture = -1
    translation = Translation(PUBLISHER, CC)
    assert translation.apply(packet, 0.0) is translation.apply(packet, 0.0)
    assert packet.data == data


def test_picture_offsets_move_with_the_payload() -> None:
    packet = received(Source(1, 90_000, "p"), rtp(payload=vp8(picture=0x1234, tl0=0x56)), 0.0)
    wire = Translation(PUBLISHER, CC).apply(packet, 0.0)
    assert bytes(wire.data[wire.picture_at : wire.picture_at + 2]) == b"\x92\x34"
    assert wire.data[wire.tl0_at] == 0x56


@given(st.binary(max_size=64), st.sampled_from([ONE, TWO]))
def test_any_block_translates_into_a_parsable_packet(block: bytes, profile: int) -> None:
    block += bytes(-len(block) % 4)
    data = (
        b"\x90"
        + rtp(payload=b"")[1:]
        + profile.to_bytes(2, "big")
        + (len(block) // 4).to_bytes(2, "big")
        + block
        + b"pic"
    )
    packet = parsed(data)
    packet.picture = -1
    wire = Translation(PUBLISHER, CC).apply(packet, 0.0)
    assert set(values(wire.data)) <= {2, 3}
    assert bytes(wire.data[wire.payload :]) == b"pic"
    assert find_extension(parsed(bytes(wire.data)), 3) is not None


def test_audio_level_and_voice_flag() -> None:
    assert audio_level(parsed(rtp(extensions={6: b"\x85"})), 6) == (5, True)
    assert audio_level(parsed(rtp(extensions={6: b"\x7f\x00"})), 6) == (127, False)
    assert audio_level(parsed(rtp(extensions={6: b""}, profile=TWO)), 6) is None
    assert audio_level(parsed(rtp()), 6) is None


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (b"q", "q"),
        (b"0123456789abcdef", "0123456789abcdef"),
        (b"\x00", None),
        (b"\xff", None),
        (b"a b", None),
    ],
)
def test_mid_and_rid_text(value: bytes, told: str | None) -> None:
    assert text(parsed(rtp(extensions={1: value})), 1) == told


def test_equal_sets_of_ids_share_translations() -> None:
    assert ExtensionIds({1: MID, 2: RID}) == ExtensionIds({2: RID, 1: MID})
    assert len({ExtensionIds({1: MID}), ExtensionIds({1: MID}), ExtensionIds({2: MID})}) == 2


@pytest.mark.parametrize("profile", [ONE, TWO])
def test_frame_number_of_a_dependency_descriptor_is_found_for_who_gets_it(profile: int) -> None:
    descriptor = b"\xc0\x12\x34"
    packet = parsed(rtp(extensions={3: b"q", 9: descriptor}, profile=profile, payload=b"picture"))
    packet.picture = -1
    source = ExtensionIds({3: RID, 9: DEPENDENCY_DESCRIPTOR})
    wire = Translation(source, ExtensionIds({5: DEPENDENCY_DESCRIPTOR})).apply(packet, 0.0)
    assert wire.data[wire.frame_at : wire.frame_at + 2] == b"\x12\x34"
    assert values(wire.data) == {5: descriptor}
    assert Translation(source, ExtensionIds({5: TRANSPORT_CC})).apply(packet, 0.0).frame_at == 0
