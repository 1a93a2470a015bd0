"""Counters that wrap and numbers that close up."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from media.core.seqmap import MAX_RUNS, SeqMap, extend_seq, extend_ts


@pytest.mark.parametrize(
    ("seq16", "highest", "extended"),
    [
        (0, None, 0x10000),
        (65535, None, 0x1FFFF),
        (1, 0x10000, 0x10001),
        (65535, 0x10000, 0xFFFF),  # a straggler from before the first stays positive
        (0, 0x1FFFF, 0x20000),
        (65535, 0x20000, 0x1FFFF),
        (32767, 0x10000, 0x17FFF),
        (32768, 0x10000, 0x08000),  # exactly half way reads as late
    ],
)
def test_late_packet_keeps_its_number(seq16: int, highest: int | None, extended: int) -> None:
    assert extend_seq(seq16, highest) == extended


@given(st.integers(0x10000, 1 << 40), st.integers(-32768, 32767))
def test_nearest_sequence_number_wins(highest: int, step: int) -> None:
    assert extend_seq((highest + step) & 0xFFFF, highest) == highest + step


@given(st.integers(1 << 32, 1 << 60), st.integers(-(1 << 31), (1 << 31) - 1))
def test_nearest_timestamp_wins(latest: int, step: int) -> None:
    assert extend_ts((latest + step) & 0xFFFFFFFF, latest) == latest + step


def test_left_out_numbers_close_up_and_lost_ones_stay_free() -> None:
    numbers = SeqMap(100, 5000)
    assert numbers.map(100) == 5000
    assert numbers.skip(101)
    assert numbers.map(102) == 5001
    assert numbers.map(105) == 5004  # 103 and 104 may still come
    assert numbers.skip(106, 1)
    assert numbers.skip(107)
    assert numbers.map(108) == 5005
    assert numbers.map(103) == 5002
    assert numbers.map(104) == 5003
    assert [numbers.map(seq) for seq in (101, 106, 107)] == [None, None, None]
    assert numbers.map(99) is None
    assert not numbers.skip(108)
    assert numbers.picture_delta_at(105) == 0
    assert numbers.picture_delta_at(108) == -1
    assert [numbers.reverse(out) for out in range(4999, 5007)] == [
        None,
        100,
        102,
        103,
        104,
        105,
        108,
        None,
    ]


@given(st.lists(st.tuples(st.booleans(), st.integers(1, 3)), max_size=MAX_RUNS // 2), st.randoms())
def test_mapping_is_gapless_monotonic_and_reversible(
    steps: list[tuple[bool, int]], order: random.Random
) -> None:
    """Against a plain model: every number kept or lost gets the next outgoing one."""
    numbers = SeqMap(1000, 70_000)
    seq, out = 999, 69_999
    model: dict[int, int] = {}
    for keep, ahead in steps:
        for _ in range(ahead):  # ahead - 1 lost ones in between
            seq += 1
            out += 1
            model[seq] = out
        if keep:
            assert numbers.map(seq) == out
        else:
            assert numbers.skip(seq)
            del model[seq]
            out -= 1
    asked = list(range(1000, seq + 1))
    order.shuffle(asked)
    for one in asked:
        assert numbers.map(one) == model.get(one)
        if one in model:
            assert numbers.reverse(model[one]) == one


def test_memory_is_bounded_and_the_recent_past_is_kept() -> None:
    numbers = SeqMap(0x10000, 0x10000)
    for seq in range(0x10000, 0x10000 + 20_000, 2):
        assert numbers.map(seq) is not None
        assert numbers.skip(seq + 1)
    assert len(numbers._firsts) <= MAX_RUNS
    newest = 0x10000 + 19_998
    out = numbers.map(newest)
    assert out == 0x10000 + 9_999
    assert numbers.map(newest - 200) == out - 100
    assert numbers.map(0x10000) is None
    assert numbers.reverse(0x10000) is None
