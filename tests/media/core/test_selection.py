"""Which frames get through: limits come true where the stream allows it."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from media.core.codecs import codec
from media.core.dependency import Dependencies
from media.core.packet import Packet
from media.core.selection import EVERY, Selection
from tests.media.core.descriptors import L2T2, L2T2_KEY, Kind, descriptor
from tests.media.core.rtp import TWO, parsed, rtp


class Encoder:
    """Two sizes at two rates, with descriptors; a packet a frame."""

    def __init__(self, structure: tuple[Kind, ...]) -> None:
        self.structure = structure
        self.number = 0
        self.pictures = 0
        self.known = Dependencies()
        self.references: dict[int, list[int]] = {}

    def picture(self, *, keyframe: bool = False) -> list[Packet]:
        upper = self.pictures % 2
        if keyframe:
            templates, self.pictures = (0, 3), 0
        else:
            templates = (2, 5) if upper else (1, 4)
        self.pictures += 1
        made = []
        for template in templates:
            kind = self.structure[template]
            self.references[self.number] = [self.number - back for back in kind.references]
            data = descriptor(
                template, self.number, structure=self.structure if template == 0 else ()
            )
            packet = parsed(
                rtp(extensions={4: data}, profile=TWO, marker=kind.spatial == 1, payload=b"\x10obu")
            )
            codec("AV1").inspect(packet)
            self.known.renew()
            self.known.inspect(packet, 4)
            made.append(packet)
            self.number += 1
        return made


def numbers(packets: list[Packet]) -> list[tuple[int, int]]:
    return [(packet.spatial, packet.temporal) for packet in packets]


def state(selection: Selection) -> tuple[bool, int]:
    return selection.stuck, selection.top


def admitted(selection: Selection, packets: list[Packet]) -> list[Packet]:
    return [packet for packet in packets if selection.whole or selection.admits(packet)]


def begun(encoder: Encoder, spatial: int, temporal: int) -> Selection:
    selection = Selection(layered=True)
    selection.aim(spatial, temporal)
    first, second = encoder.picture(keyframe=True)
    selection.begin(first)
    admitted(selection, [second])
    return selection


@pytest.mark.parametrize(
    ("structure", "spatial", "temporal", "kept"),
    [
        (L2T2_KEY, EVERY, EVERY, [(1, 1), (1, 0)]),
        (L2T2_KEY, 0, EVERY, [(0, 1), (0, 0)]),
        (L2T2_KEY, EVERY, 0, [(1, 0)]),
        (L2T2, EVERY, EVERY, [(0, 1), (1, 1), (0, 0), (1, 0)]),
        (L2T2, EVERY, 0, [(0, 0), (1, 0)]),
        (L2T2, 0, 0, [(0, 0)]),
    ],
)
def test_only_what_a_target_needs_gets_through(
    structure: tuple[Kind, ...], spatial: int, temporal: int, kept: list[tuple[int, int]]
) -> None:
    encoder = Encoder(structure)
    selection = begun(encoder, spatial, temporal)
    assert numbers(admitted(selection, encoder.picture() + encoder.picture())) == kept
    assert selection.whole is (structure is L2T2 and spatial == temporal == EVERY)
    assert not selection.stuck


def test_another_size_waits_for_a_keyframe_where_sizes_stand_apart() -> None:
    encoder = Encoder(L2T2_KEY)
    selection = begun(encoder, 0, EVERY)
    for spatial, other in ((EVERY, 1), (0, 0)):
        selection.aim(spatial, EVERY)
        assert state(selection) == (True, 1 - other)
        (kept,) = admitted(selection, encoder.picture())
        assert kept.spatial == 1 - other
        admitted(selection, encoder.picture(keyframe=True))
        assert state(selection) == (False, other)
        assert numbers(admitted(selection, encoder.picture())) == [(other, 1)]


def test_smaller_size_is_joined_at_once_where_the_larger_builds_on_it() -> None:
    encoder = Encoder(L2T2)
    selection = begun(encoder, EVERY, EVERY)
    encoder.picture()
    selection.aim(0, EVERY)
    assert state(selection) == (False, 1)
    # A picture of the lowest rate is a place to go down at.
    assert numbers(admitted(selection, encoder.picture()))[0] == (0, 0)
    assert numbers(admitted(selection, encoder.picture())) == [(0, 1)]


def test_layers_that_are_not_sent_any_more_are_not_waited_for() -> None:
    encoder = Encoder(L2T2_KEY)
    selection = begun(encoder, EVERY, EVERY)
    selection.aim(EVERY, 0)
    (lower, _) = encoder.picture()
    lower.active = 0b0011
    selection.admits(lower)
    assert selection.stuck


@settings(deadline=None, max_examples=50)
@given(st.sampled_from([L2T2, L2T2_KEY]), st.randoms(use_true_random=False))
def test_whatever_is_wished_each_frame_let_through_can_be_decoded(
    structure: tuple[Kind, ...], chance: random.Random
) -> None:
    encoder = Encoder(structure)
    selection = begun(encoder, chance.choice([0, EVERY]), chance.choice([0, EVERY]))
    passed = {0, *([1] if selection.top else [])}
    for _ in range(60):
        if chance.random() < 0.3:
            selection.aim(chance.choice([0, 1, EVERY]), chance.choice([0, 1, EVERY]))
        for packet in admitted(selection, encoder.picture(keyframe=chance.random() < 0.1)):
            assert packet.dependency is not None
            number = packet.dependency.number
            assert all(reference in passed for reference in encoder.references[number])
            passed.add(number)


def vp9(spatial: int, temporal: int, *, keyframe: bool = False, switch: bool = False) -> Packet:
    """RFC 9628 §4.2: I P L F B E; TID U SID D."""
    first = 0x80 | (0 if keyframe else 0x40) | 0x20 | 0x10 | 0x08 | 0x04
    layers = temporal << 5 | (0x10 if switch else 0) | spatial << 1
    packet = parsed(rtp(payload=bytes([first, 1, layers, 2]) + b"picture"))
    codec("VP9").inspect(packet)
    return packet


def test_without_descriptors_vp9_goes_by_its_own() -> None:
    selection = Selection(layered=True)
    selection.aim(0, 0)
    selection.begin(vp9(0, 0, keyframe=True))
    assert not selection.admits(vp9(1, 0))
    assert not selection.admits(vp9(0, 1))
    selection.aim(EVERY, 1)
    assert state(selection) == (True, 0)
    assert not selection.admits(vp9(0, 1))
    assert selection.admits(vp9(0, 1, switch=True))
    assert not selection.admits(vp9(1, 1))
    assert selection.admits(vp9(0, 0, keyframe=True))
    assert state(selection) == (False, EVERY)
    assert selection.admits(vp9(1, 1))
    assert not selection.admits(vp9(0, 2))
