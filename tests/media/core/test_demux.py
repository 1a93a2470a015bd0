"""Binding SSRCs to m-lines."""

from __future__ import annotations

import random

import pytest

from media.core.demux import MAX_SSRCS, Demux, Route, Unbound
from media.core.extensions import MID, REPAIRED_RID, RID, ExtensionIds
from tests.media.core.rtp import parsed, rtp

MIDDLE = {"mid": "2", "rid": "h"}
IDS = ExtensionIds({1: MID, 2: RID, 3: REPAIRED_RID})


def browser() -> Demux:
    """Audio, plain video with declared SSRCs, simulcast video."""
    demux = Demux(IDS)
    demux.expect("0", payload_types=[111])
    demux.expect("1", payload_types=[96], rtx_payload_types=[97], ssrcs=[100], rtx_of={101: 100})
    demux.expect("2", payload_types=[96], rtx_payload_types=[97], rids=["q", "h", "f"], ssrcs=[7])
    return demux


def learn(
    demux: Demux, ssrc: int, pt: int, now: float = 0.0, said: dict[str, str] | None = None
) -> Route | Unbound:
    numbers = {"mid": 1, "rid": 2, "repaired": 3}
    extensions = {numbers[name]: value.encode() for name, value in (said or {}).items()}
    return demux.learn(parsed(rtp(ssrc=ssrc, pt=pt, extensions=extensions)), now)


@pytest.mark.parametrize(
    ("ssrc", "pt", "said", "route"),
    [
        (5, 111, {}, Route(5, "0", "", False)),  # the only m-line with this payload type
        (5, 111, {"mid": "0"}, Route(5, "0", "", False)),
        (100, 96, {}, Route(100, "1", "", False)),
        (101, 97, {}, Route(101, "1", "", True)),
        (6, 96, {"mid": "1"}, Route(6, "1", "", False)),
        (6, 97, {"mid": "1"}, Route(6, "1", "", True)),
        (6, 96, {"mid": "2", "rid": "h"}, Route(6, "2", "h", False)),
        (6, 96, {"rid": "h"}, Route(6, "2", "h", False)),
        (6, 97, {"mid": "2", "repaired": "h"}, Route(6, "2", "h", True)),
        (6, 97, {"repaired": "h"}, Route(6, "2", "h", True)),
        (6, 96, {}, Unbound.UNKNOWN),  # two m-lines have 96
        (6, 96, {"mid": "2"}, Unbound.UNKNOWN),  # which layer?
        (7, 96, {"mid": "2"}, Unbound.UNKNOWN),  # SSRC lines beside rids name no layer
        (6, 96, {"mid": "2", "rid": "x"}, Unbound.UNKNOWN),
        (6, 96, {"mid": "9", "rid": "h"}, Unbound.UNKNOWN),
        (6, 35, {"mid": "1"}, Unbound.UNKNOWN),  # a payload type nobody offered
        (6, 97, {"mid": "2", "rid": "h"}, Route(6, "2", "h", True)),
    ],
)
def test_ssrc_finds_its_place(
    ssrc: int, pt: int, said: dict[str, str], route: Route | Unbound
) -> None:
    assert learn(browser(), ssrc, pt, said=said) == route


def test_new_ssrc_for_a_place_takes_it_over() -> None:
    demux = browser()
    learn(demux, 6, 96, said=MIDDLE)
    assert learn(demux, 8, 96, said=MIDDLE) == Route(8, "2", "h", False, replaces=6)
    assert learn(demux, 8, 96, said=MIDDLE) == Route(8, "2", "h", False)


def test_forgotten_line_gives_its_ssrcs_back() -> None:
    demux = browser()
    learn(demux, 6, 96, said=MIDDLE)
    learn(demux, 100, 96)
    assert demux.forget("2") == [6]
    assert learn(demux, 6, 96, said=MIDDLE) is Unbound.UNKNOWN
    assert demux.forget("1") == [100]
    assert learn(demux, 100, 96) is Unbound.UNKNOWN
    assert demux.forget("none") == []


def test_two_thousand_random_ssrcs_grow_nothing() -> None:
    seed = 3
    print("seed", seed)
    chance = random.Random(seed)
    demux = browser()
    for _ in range(2_000):
        assert learn(demux, chance.getrandbits(32), 96) is Unbound.UNKNOWN
    results = [learn(demux, chance.getrandbits(32), 96, said=MIDDLE) for _ in range(2_000)]
    assert sum(isinstance(result, Route) for result in results) == MAX_SSRCS
    assert results[-1] is Unbound.LIMIT
    assert len(demux._places) == 1
    # Patience is rewarded: one newcomer a second.
    assert isinstance(learn(demux, 12, 96, now=1.5, said=MIDDLE), Route)


def test_declared_ssrcs_are_bounded_too() -> None:
    demux = Demux(IDS)
    demux.expect("0", payload_types=[96], ssrcs=range(10_000))
    assert len(demux._declared) == MAX_SSRCS
