"""Where peers go: rooms together, full rooms apart, nobody onto a worker that is away."""

from __future__ import annotations

import random

import pytest

from rooms.ids import RoomId
from server.signalling.placement import Placement

A, B, C = RoomId("a"), RoomId("b"), RoomId("c")
TWO = (0, 1)


def test_a_room_s_peers_stay_together() -> None:
    placement = Placement(100)
    assert {placement.place(f"p{i}", A, TWO, ()) for i in range(50)} == {0}


def test_each_room_goes_where_least_is_to_do() -> None:
    placement = Placement(100)
    assert placement.place("a", A, TWO, ()) == 0
    placement.weigh("a", 10)
    assert placement.place("b", B, TWO, ()) == 1
    placement.weigh("b", 20)
    assert placement.place("c", C, TWO, ()) == 0
    assert placement.loads == {0: 11, 1: 20}


def test_a_room_that_outgrows_its_worker_goes_on_on_the_next() -> None:
    placement = Placement(10)
    places = [placement.place(f"p{i}", A, TWO, ()) for i in range(40)]
    assert places[:20] == [0] * 10 + [1] * 10
    assert sorted(places[20:]) == [0] * 10 + [1] * 10
    assert placement.workers_of(A) == [0, 1]


def test_a_full_room_stays_where_it_is_when_others_have_more_to_do() -> None:
    placement = Placement(10)
    placement.place("b", B, (1,), ())
    placement.weigh("b", 50)
    assert {placement.place(f"p{i}", A, TWO, ()) for i in range(15)} == {0}


def test_tracks_count_as_peers_do() -> None:
    placement = Placement(10)
    placement.place("p0", A, TWO, ())
    placement.weigh("p0", 10)
    assert placement.place("p1", A, TWO, ()) == 1


def test_a_peer_stays_while_its_worker_starts_again() -> None:
    placement = Placement(10)
    assert placement.place("p", A, TWO, ()) == 0
    assert placement.place("p", A, (1,), ()) == 0
    assert placement.place("q", A, (1,), ()) == 0
    assert placement.place("r", B, (1,), ()) == 1


def test_a_worker_that_does_not_come_back_loses_its_peers() -> None:
    placement = Placement(10)
    for peer in "pq":
        assert placement.place(peer, A, TWO, ()) == 0
    for peer in "pqr":
        assert placement.place(peer, A, (1,), (0,)) == 1
    assert placement.loads[0] == 0
    assert placement.workers_of(A) == [1]


def test_who_left_weighs_nothing() -> None:
    placement = Placement(10)
    placement.place("p", A, TWO, ())
    placement.leave("p")
    placement.leave("p")
    placement.weigh("p", 5)
    assert placement.loads[0] == 0
    assert placement.workers_of(A) == []


@pytest.mark.parametrize("seed", range(5))
def test_loads_are_the_sums_of_the_peers(seed: int) -> None:
    print(f"seed {seed}")
    chance = random.Random(seed)
    placement = Placement(12)
    present: dict[str, tuple[int, int]] = {}
    for _ in range(3000):
        peer = f"p{chance.randrange(60)}"
        match chance.randrange(3):
            case 0:
                worker = placement.place(peer, chance.choice((A, B, C)), range(4), ())
                assert worker == present.setdefault(peer, (worker, 1))[0]
            case 1:
                load = chance.randrange(1, 9)
                placement.weigh(peer, load)
                if peer in present:
                    present[peer] = (present[peer][0], load)
            case _:
                placement.leave(peer)
                present.pop(peer, None)
        for worker in range(4):
            mine = [load for at, load in present.values() if at == worker]
            assert placement.loads[worker] == sum(mine)
    for peer in present:
        placement.leave(peer)
    assert not any(placement.loads.values())
    assert not any(map(placement.workers_of, (A, B, C)))
