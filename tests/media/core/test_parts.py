"""What parts a stream can be received in, and what each costs."""

from __future__ import annotations

import pytest

from media.core.codecs import codec
from media.core.layers import LayerState, Rank, Wish, allocate, fitting
from media.core.packet import Packet
from media.core.parts import GONE_AFTER, Parts
from media.core.selection import EVERY
from tests.media.core.descriptors import L2T2, L2T2_KEY, Kind
from tests.media.core.rtp import parsed, rtp, vp8
from tests.media.core.test_selection import Encoder


def packet(temporal: int, size: int) -> Packet:
    made = parsed(rtp(payload=vp8(tid=temporal, body=bytes(size))))
    codec("VP8").inspect(made)
    return made


def note(parts: Parts, sizes: dict[int, int]) -> None:
    for temporal, size in sizes.items():
        parts.note(packet(temporal, size), layered=False)


def test_rates_of_temporal_layers_add_up_to_the_whole() -> None:
    whole = LayerState("q", 320, 180, 100_000)
    parts = Parts(whole)
    assert parts.states == [whole]
    note(parts, {0: 470, 1: 220, 2: 220})
    assert parts.measure()
    points = [(part.spatial, part.temporal) for part in parts.states]
    assert points == [(EVERY, 0), (EVERY, 1), (EVERY, EVERY)]
    assert [part.bps for part in parts.states] == pytest.approx([50_000, 75_000, 100_000], rel=0.02)
    assert {(part.width, part.height) for part in parts.states} == {(320, 180)}
    known = list(parts.states)
    note(parts, {0: 470, 1: 220, 2: 220})
    assert not parts.measure()
    assert [a is b for a, b in zip(known, parts.states, strict=True)] == [True] * 3
    whole.bps = 0
    parts.measure()
    assert [part.bps for part in parts.states] == [0, 0, 0]


def test_layers_that_end_are_offered_no_more() -> None:
    parts = Parts(LayerState("", 320, 180, 100_000))
    note(parts, {0: 100, 1: 100})
    parts.measure()
    assert len(parts.states) == 2
    changes = 0
    for _ in range(GONE_AFTER + 1):
        note(parts, {0: 100})
        changes += parts.measure()
    assert changes == 1
    assert parts.states == [parts.whole]


@pytest.mark.parametrize("structure", [L2T2, L2T2_KEY])
def test_parts_of_one_stream_by_size_and_rate(structure: tuple[Kind, ...]) -> None:
    parts = Parts(LayerState("", 640, 360, 100_000))
    encoder = Encoder(structure)
    for keyframe in (True, False, False, False):
        for made in encoder.picture(keyframe=keyframe):
            parts.note(made, layered=True)
    parts.measure()
    assert [(part.width, part.spatial, part.temporal) for part in parts.states] == [
        (320, 0, 0),
        (320, 0, EVERY),
        (640, EVERY, 0),
        (640, EVERY, EVERY),
    ]
    assert parts.states[1].bps / 100_000 == pytest.approx(0.5, abs=0.15)
    # Where sizes stand apart the larger does not pay for the smaller.
    assert (parts.states[2].bps > 1.5 * parts.states[0].bps) is (structure is L2T2)


def test_a_tile_gets_all_pictures_of_its_size_and_a_narrow_path_half_of_them() -> None:
    ladder = []
    for rid, width, bps in (("q", 320, 150_000), ("h", 640, 500_000)):
        ladder += [
            LayerState(rid, width, width * 9 // 16, bps // 2, EVERY, 0),
            LayerState(rid, width, width * 9 // 16, bps),
        ]
    assert fitting(ladder, 320, 180) == 1
    assert fitting(ladder, 640, 360) == 3
    assert fitting(ladder, 0, 0) == 3
    wish = Wish(Rank.VIDEO, ladder, None)
    assert allocate([wish], 100_000) == [0]
    assert allocate([wish], 310_000) == [2]
    assert allocate([wish], 700_000) == [3]
