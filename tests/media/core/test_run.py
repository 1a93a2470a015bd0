"""Runs: which packets may be one message to the kernel, and how they are made to fit."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from media.core.extensions import ExtensionIds, Translation
from media.core.packet import Packet, parse
from media.core.run import (
    MAX_MESSAGE_BYTES,
    MAX_PADDING_BYTES,
    MAX_SEGMENTS,
    Message,
    even_out,
    lay_out,
)

PLAIN = Translation(ExtensionIds({}), ExtensionIds({}))


def packets(*payload_sizes: int) -> list[Packet]:
    made = []
    for seq, size in enumerate(payload_sizes):
        packet = parse(struct.pack("!BBHII", 0x80, 96, seq, 0, 1) + bytes([seq + 1]) * size)
        assert isinstance(packet, Packet)
        packet.picture = packet.tl0 = -1
        made.append(packet)
    return made


def wires(run: list[Packet]) -> list[bytes]:
    even_out(run)
    return [bytes(PLAIN.apply(packet, 0.0).data) for packet in run]


def test_equal_packets_and_one_shorter_at_the_end_are_one_message() -> None:
    layout = lay_out((100, 100, 100, 40), 16, coalesce=True)
    assert layout.messages == [Message(0, 3 * 116 + 56, 116, 4)]
    assert layout.offsets == [0, 116, 232, 348]


def test_a_shorter_packet_ends_its_message_and_a_longer_one_begins_the_next() -> None:
    layout = lay_out((100, 40, 40, 100), 16, coalesce=True)
    assert [(m.at, m.packets, m.segment_bytes) for m in layout.messages] == [
        (0, 2, 116),
        (172, 1, 56),
        (228, 1, 116),
    ]


def test_without_cutting_each_packet_is_a_message() -> None:
    layout = lay_out((100, 100), 10, coalesce=False)
    assert layout.messages == [Message(0, 110, 110, 1), Message(110, 110, 110, 1)]


@given(
    st.lists(st.integers(12, 1472), min_size=1, max_size=200),
    st.sampled_from([10, 16]),
    st.booleans(),
)
def test_every_message_is_one_the_kernel_cuts_back_into_the_packets(
    sizes: list[int], tag_bytes: int, coalesce: bool
) -> None:
    layout = lay_out(tuple(sizes), tag_bytes, coalesce=coalesce)
    cut = []
    for message in layout.messages:
        assert message.packets <= (MAX_SEGMENTS if coalesce else 1)
        assert message.size_bytes <= MAX_MESSAGE_BYTES
        left, at = message.size_bytes, message.at
        while left > 0:
            cut.append((at, min(left, message.segment_bytes)))
            at += message.segment_bytes
            left -= message.segment_bytes
    assert cut == list(zip(layout.offsets, [s + tag_bytes for s in sizes], strict=True))
    assert layout.total_bytes == sum(sizes) + tag_bytes * len(sizes)


def test_packets_of_nearly_one_size_are_padded_to_one() -> None:
    run = packets(1100, 1100, 1101, 1101)
    sent = wires(run)
    assert len({len(wire) for wire in sent}) == 1
    assert [packet.padding for packet in run] == [1, 1, 0, 0]
    for packet, wire in zip(run, sent, strict=True):
        again = parse(wire)
        assert isinstance(again, Packet)
        assert wire[again.payload : again.end] == bytes(packet.data[packet.payload :])


def test_padding_is_neither_payload_nor_kept_for_the_last_packet() -> None:
    run = packets(200, 203, 198)
    sent = wires(run)
    assert [len(wire) for wire in sent] == [215, 215, 210]
    assert sent[0][0] == 0xA0
    assert sent[0][-3:] == b"\0\0\3"
    assert sent[1][0] == sent[2][0] == 0x80
    assert PLAIN.apply(run[0], 0.0).octets == 200


@pytest.mark.parametrize("sizes", [(100, 100 + MAX_PADDING_BYTES + 1), (500,), (100, 400, 100)])
def test_packets_of_different_sizes_stay_as_they_are(sizes: tuple[int, ...]) -> None:
    run = packets(*sizes)
    even_out(run)
    assert [packet.padding for packet in run] == [0] * len(sizes)


@given(st.lists(st.integers(1, 40), min_size=1, max_size=30))
def test_padding_is_small_and_never_changes_the_payload(sizes: list[int]) -> None:
    run = packets(*sizes)
    for packet, wire in zip(run, wires(run), strict=True):
        assert 0 <= packet.padding <= MAX_PADDING_BYTES
        again = parse(wire)
        assert isinstance(again, Packet)
        assert again.end - again.payload == packet.end - packet.payload


def test_a_packet_sent_again_is_the_same_as_before() -> None:
    run = packets(100, 101)
    first = wires(run)
    PLAIN.apply(run[1], 0.0)
    assert bytes(PLAIN.apply(run[0], 5.0).data) == first[0]
