"""Dependency descriptors: what frames belong to, and nothing that junk can do."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from media.core.codecs import codec
from media.core.dependency import (
    ATTACHED_AT_ONCE,
    BrokenDescriptorError,
    Dependencies,
    Structure,
    parse,
)
from media.core.packet import Packet
from tests.media.core.descriptors import L2T2, L2T2_KEY, L3_KEY, Kind, descriptor
from tests.media.core.rtp import TWO, parsed, rtp

SIZES = ((320, 180), (640, 360))


def structure() -> Structure:
    return parse(descriptor(0, 0, structure=L2T2_KEY, sizes=SIZES), None).structure


@pytest.mark.parametrize("offset", [0, 5, 62])
def test_structure_tells_templates_targets_and_sizes(offset: int) -> None:
    told = parse(
        descriptor(0, 0x1234, end=False, structure=L2T2_KEY, offset=offset, sizes=SIZES), None
    )
    assert (told.start, told.end, told.number, told.attached) == (True, False, 0x1234, True)
    assert told.active == 0b1111
    assert told.structure.targets == ((0, 0), (0, 1), (1, 0), (1, 1))
    assert told.structure.sizes == SIZES
    assert [
        (t.spatial, t.temporal, "".join("-DSR"[i] for i in t.indications), t.references)
        for t in told.structure.templates
    ] == [(k.spatial, k.temporal, k.marks, k.references) for k in L2T2_KEY]


def test_later_packets_name_a_template() -> None:
    known = structure()
    told = parse(descriptor(5, 7), known)
    assert len(descriptor(5, 7)) == 3
    assert (told.spatial, told.temporal, told.indications) == (1, 1, (0, 0, 0, 1))
    assert (told.attached, told.active, told.references) == (False, None, (2,))
    own = parse(descriptor(5, 7, marks="SSSS", references=(3, 200), active=(0b0011, 4)), known)
    assert (own.indications, own.references, own.active) == ((2, 2, 2, 2), (3, 200), 0b0011)


def test_what_a_target_needs_and_which_is_best() -> None:
    apart = structure()
    together = parse(descriptor(0, 0, structure=L2T2), None).structure
    assert not apart.needs_all(3)
    assert together.needs_all(3)
    assert apart.choose(7, 7, 0b1111) == 3
    assert apart.choose(7, 0, 0b1111) == 2
    assert apart.choose(0, 7, 0b1111) == 1
    assert apart.choose(7, 7, 0b0011) == 1
    assert apart.choose(0, 0, 0b1000) == 0


def test_sizes_tied_together_in_keyframes_alone_do_not_lead_to_each_other() -> None:
    """The middle size of a keyframe is a switch point too, but there is none without a keyframe."""
    apart = parse(descriptor(0, 0, structure=L3_KEY), None).structure
    assert not any(apart.leads(a, b) for a in range(3) for b in range(3) if a != b)
    together = parse(descriptor(0, 0, structure=L2T2), None).structure
    assert all(together.leads(3, b) for b in range(3))
    assert not together.leads(1, 3)


@pytest.mark.parametrize(
    "data", [b"", b"\x80\x00", descriptor(0, 0), descriptor(0, 0, structure=L2T2_KEY)[:-8]]
)
def test_what_cannot_be_read_is_an_error(data: bytes) -> None:
    with pytest.raises(BrokenDescriptorError):
        parse(data, None)


def test_unknown_template_is_an_error() -> None:
    with pytest.raises(BrokenDescriptorError):
        parse(descriptor(6, 0), structure())


@given(st.binary(max_size=255), st.booleans())
def test_junk_is_read_or_refused(data: bytes, known: bool) -> None:
    try:
        told = parse(data, structure() if known else None)
    except BrokenDescriptorError:
        return
    assert len(told.indications) == len(told.structure.targets) <= 32
    assert len(told.structure.templates) <= 64


@given(st.data())
def test_damaged_structure_is_read_or_refused(data: st.DataObject) -> None:
    whole = bytearray(descriptor(0, 9, structure=L2T2_KEY, sizes=SIZES))
    at = data.draw(st.integers(3, len(whole) - 1))
    whole[at] ^= data.draw(st.integers(1, 255))
    packet = received(bytes(whole), Dependencies())
    if packet.dependency is not None:
        for limit in range(8):
            chosen = packet.dependency.structure.choose(limit, limit, packet.active)
            assert 0 <= chosen < len(packet.dependency.indications)


def received(data: bytes, known: Dependencies) -> Packet:
    packet = parsed(rtp(extensions={4: data}, profile=TWO, payload=b"\x10obu"))
    codec("AV1").inspect(packet)
    known.inspect(packet, 4)
    return packet


def test_packets_learn_from_their_descriptors() -> None:
    known = Dependencies()
    before = received(descriptor(1, 1), known)
    assert (before.dependency, known.broken) == (None, 1)
    first = received(descriptor(0, 2, end=False, structure=L2T2_KEY, sizes=SIZES), known)
    assert (first.keyframe, first.begins, first.ends, first.active) == (True, True, False, 15)
    assert known.size == (640, 360)
    upper = received(descriptor(3, 3), known)
    assert (upper.keyframe, upper.begins, upper.ends, upper.spatial) == (False, True, True, 1)
    fewer = received(descriptor(1, 4, active=(0b0011, 4)), known)
    assert fewer.active == received(descriptor(2, 5), known).active == 0b0011


def test_structure_sent_again_does_not_make_a_keyframe() -> None:
    again = received(descriptor(1, 4, structure=L2T2_KEY), Dependencies())
    assert again.dependency is not None
    assert not again.keyframe


def test_more_layers_than_there_are_ids_are_refused() -> None:
    many = tuple(Kind(0, n, "S", ()) for n in range(9))
    with pytest.raises(BrokenDescriptorError, match="more layers"):
        parse(descriptor(0, 0, structure=many), None)
    parse(descriptor(0, 0, structure=many[:8]), None)


def test_structures_with_every_packet_are_read_now_and_then_and_kept_once() -> None:
    """A hostile sender: reading one costs as much as forwarding to several people."""
    known = Dependencies()
    packets = [
        received(descriptor(0, n, structure=L2T2_KEY), known) for n in range(ATTACHED_AT_ONCE + 5)
    ]
    read = [packet.dependency for packet in packets if packet.dependency is not None]
    assert len(read) == ATTACHED_AT_ONCE
    assert len({id(descriptor.structure) for descriptor in read}) == 1
    assert known.broken == 5
    known.renew()
    assert received(descriptor(0, 99, structure=L2T2_KEY), known).dependency is not None
