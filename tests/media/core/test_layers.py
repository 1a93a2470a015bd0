"""Which layer for which tile, and sharing a narrow path."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from media.core.layers import LayerState, Rank, Wish, allocate, fitting

Q = LayerState("q", 320, 180, 150_000)
H = LayerState("h", 640, 360, 500_000)
F = LayerState("f", 1280, 720, 1_500_000)
SIMULCAST = [Q, H, F]
VOICE = [LayerState("", 0, 0, 40_000)]


@pytest.mark.parametrize(
    ("width", "height", "index"),
    [
        (0, 0, 2),
        (160, 90, 0),
        (320, 180, 0),
        (400, 225, 0),  # stretched by a quarter
        (410, 240, 1),
        (640, 360, 1),
        (1000, 600, 2),
        (3840, 2160, 2),
        (0, 360, 1),
        (640, 0, 1),
    ],
)
def test_smallest_layer_that_fills_the_tile(width: int, height: int, index: int) -> None:
    assert fitting(SIMULCAST, width, height) == index


def test_layers_not_being_sent_are_not_chosen() -> None:
    assert fitting([Q, H, LayerState("f", 1280, 720, 0)], 1920, 1080) == 1
    assert fitting([LayerState("q", 320, 180, 0), H], 10, 10) == 1
    assert fitting([LayerState("q", 0, 0, 0)], 10, 10) is None


def test_unknown_sizes_are_reckoned_from_a_known_one() -> None:
    layers = [LayerState("q", 0, 0, 1), LayerState("h", 0, 0, 1), F]
    assert fitting(layers, 600, 340) == 1
    assert fitting([LayerState("q", 0, 0, 1), LayerState("h", 0, 0, 1)], 10, 10) == 1


def test_all_get_what_fits_when_there_is_room() -> None:
    wishes = [
        Wish(Rank.VIDEO, SIMULCAST, None, 320, 180),
        Wish(Rank.SPEAKER, SIMULCAST, None),
        Wish(Rank.AUDIO, VOICE, None),
    ]
    assert allocate(wishes, 1 << 40) == [0, 2, 0]


def test_order_of_protection() -> None:
    wishes = [
        Wish(Rank.VIDEO, SIMULCAST, 2),
        Wish(Rank.SPEAKER, SIMULCAST, 2),
        Wish(Rank.SCREEN, SIMULCAST, 2),
        Wish(Rank.AUDIO, VOICE, 0),
    ]
    assert allocate(wishes, 10_000) == [None, None, None, 0]
    assert allocate(wishes, 200_000) == [None, None, 0, 0]
    assert allocate(wishes, 500_000) == [0, 0, 0, 0]
    assert allocate(wishes, 900_000) == [0, 0, 1, 0]
    assert allocate(wishes, 2_400_000) == [0, 1, 2, 0]


def test_equals_share_evenly_before_one_gets_more() -> None:
    wishes = [Wish(Rank.VIDEO, SIMULCAST, 2) for _ in range(3)]
    assert allocate(wishes, 1_500_000) == [1, 1, 1]
    assert allocate(wishes, 1_100_000) == [1, 0, 0]


def test_going_up_needs_headroom_staying_does_not() -> None:
    assert allocate([Wish(Rank.VIDEO, SIMULCAST, 1)], 1_600_000) == [1]
    assert allocate([Wish(Rank.VIDEO, SIMULCAST, 2)], 1_600_000) == [2]
    assert allocate([Wish(Rank.VIDEO, SIMULCAST, 1)], 1_800_000) == [2]
    assert allocate([Wish(Rank.VIDEO, SIMULCAST, None)], 160_000) == [None]
    assert allocate([Wish(Rank.VIDEO, SIMULCAST, 0)], 160_000) == [0]


def test_small_ones_still_fit_beside_a_large_one_that_does_not() -> None:
    wishes = [
        Wish(Rank.SCREEN, [LayerState("", 1920, 1080, 3_000_000)], 0),
        Wish(Rank.VIDEO, SIMULCAST, 0),
    ]
    assert allocate(wishes, 300_000) == [None, 0]


@given(
    st.lists(
        st.tuples(st.sampled_from(Rank), st.sampled_from([None, 0, 1, 2]), st.integers(0, 2000)),
        max_size=12,
    ),
    st.integers(0, 20_000_000),
)
def test_limit_is_kept_and_is_stable(
    picks: list[tuple[Rank, int | None, int]], limit_bps: int
) -> None:
    wishes = [
        Wish(
            rank,
            VOICE if rank is Rank.AUDIO else SIMULCAST,
            current and int(rank is not Rank.AUDIO) * current,
            width,
            width,
        )
        for rank, current, width in picks
    ]
    chosen = allocate(wishes, limit_bps)
    spent = dict.fromkeys(Rank, 0)
    for wish, index in zip(wishes, chosen, strict=True):
        if index is not None:
            spent[wish.rank] += wish.layers[index].bps
    audio_bps = spent.pop(Rank.AUDIO)
    assert sum(spent.values()) <= max(0, limit_bps - audio_bps)
    # Deciding again from the result never takes anything away.
    for wish, index in zip(wishes, chosen, strict=True):
        wish.current = index
    again = allocate(wishes, limit_bps)
    assert sum(x is None for x in again) <= sum(x is None for x in chosen)
