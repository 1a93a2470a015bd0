"""Redundant audio taken apart."""

from __future__ import annotations

import random
import struct
from collections.abc import Sequence

from media.core.codecs.opus import DTX_BYTES
from media.core.extensions import TRANSPORT_CC, ExtensionIds, Translation
from media.core.history import History
from media.core.packet import Malformed, Packet, parse
from media.core.red import OPUS_PT, Block, missing_before, open_red
from media.core.source import Source

RED = 63


def red_payload(newest: bytes, *earlier: tuple[int, bytes], pt: int = OPUS_PT) -> bytes:
    """RFC 2198 §3, written anew: earlier blocks oldest first, each with its age."""
    heads = b"".join(
        struct.pack("!I", 1 << 31 | pt << 24 | age << 10 | len(block)) for age, block in earlier
    )
    return heads + bytes([pt]) + b"".join(block for _, block in earlier) + newest


def packet(payload: bytes, seq: int = 100) -> Packet:
    parsed = parse(struct.pack("!BBHII", 0x80, RED, seq & 0xFFFF, seq * 960, 7) + payload)
    assert isinstance(parsed, Packet)
    return parsed


def parts(it: Packet, blocks: Sequence[Block]) -> list[tuple[int, bytes]]:
    return [(block.age, bytes(it.data[block.start : block.end])) for block in blocks]


def test_the_newest_block_becomes_the_payload_and_the_earlier_ones_are_told() -> None:
    it = packet(red_payload(b"newest", (1920, b"oldest"), (960, b"older")))
    blocks = open_red(it)
    assert not isinstance(blocks, Malformed)
    assert parts(it, blocks) == [(960, b"older"), (1920, b"oldest")]
    assert it.data[it.payload : it.end] == b"newest"
    assert it.red == 12
    alone = packet(red_payload(b"newest"))
    assert open_red(alone) == []
    assert alone.data[alone.payload : alone.end] == b"newest"


def test_receivers_get_it_whole_or_the_newest_block_alone() -> None:
    it = packet(red_payload(b"newest", (960, b"older"), pt=120))
    open_red(it)
    it.picture = -1
    ids = ExtensionIds({3: TRANSPORT_CC})
    plain = Translation(ExtensionIds({}), ids).apply(it, 0.0)
    assert plain.data[plain.payload :] == b"newest"
    assert plain.octets == len(b"newest")
    whole = Translation(ExtensionIds({}), ids, redundant=True).apply(it, 0.0)
    assert whole.data[whole.payload :] == red_payload(b"newest", (960, b"older"))


def test_broken_ones_are_refused_and_nothing_is_ever_raised() -> None:
    seed = 20261122
    print("seed", seed)
    chance = random.Random(seed)
    for broken in (b"", b"\x80", b"\xef\x00\x00\x05", b"\x6f", b"\xef\x0f\x00\x05\x6fabcde"):
        assert open_red(packet(broken)) is Malformed.RED
    for _ in range(20_000):
        data = bytearray(
            red_payload(b"x" * chance.randint(0, 9), (960, b"y" * chance.randint(0, 9)))
        )
        for _ in range(chance.randint(0, 3)):
            if data:
                data[chance.randrange(len(data))] = chance.randrange(256)
        it = packet(bytes(data[: chance.randint(0, len(data))]))
        blocks = open_red(it)
        if not isinstance(blocks, Malformed):
            assert it.red <= it.payload < it.end
            assert all(it.red < block.start <= block.end <= it.payload for block in blocks)


def test_what_is_missing_just_before_is_made_of_it() -> None:
    source, history = Source(7, 48000, "clock"), History(64)

    def receive(seq: int, *earlier: tuple[int, bytes]) -> tuple[Packet, list[Block]]:
        it = packet(red_payload(b"%d" % seq, *earlier), seq)
        blocks = open_red(it)
        assert not isinstance(blocks, Malformed)
        source.receive(it, 1.0)
        history.add(it)
        return it, blocks

    first, blocks = receive(65534, (960, b"?"))
    assert missing_before(first, blocks, -1, history) == []  # what was before is nobody's loss
    newest = first.seq
    after, blocks = receive(65537, (1920, b"65535"), (960, b"65536"))
    made = missing_before(after, blocks, newest, history)
    assert [(m.seq - newest, m.seq16, m.ts - first.ts) for m in made] == [
        (1, 65535, 960), (2, 0, 1920),
    ]  # fmt: skip
    assert [bytes(m.data[m.payload : m.end]) for m in made] == [b"65535", b"65536"]
    assert {(m.source, m.ssrc, m.pt, m.red) for m in made} == {(source, 7, OPUS_PT, 0)}
    assert missing_before(after, blocks, newest, history) == []
    # What is older than what went on already is too late.
    late, blocks = receive(65540, (960, b"65539"))
    assert missing_before(late, blocks, late.seq, history) == []
    gap, blocks = receive(65543, (1920, b"65541"), (960, b""))
    assert missing_before(gap, blocks, late.seq, history) == []  # nothing was carried along


def test_a_packet_of_silence_within_is_seen_as_such() -> None:
    it = packet(red_payload(b"\x78", (960, b"a" * 80)))
    open_red(it)
    assert it.end - it.payload <= DTX_BYTES
