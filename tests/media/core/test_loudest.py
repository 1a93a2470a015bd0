"""Which voices of a large room are passed on."""

from __future__ import annotations

import random

from media.core.loudest import Change, Loudest

SPEECH, SILENT = 25, 127
PACKET_S = 0.02


class Room:
    """Voices that send a packet each 20 ms; counts who came and went."""

    def __init__(self, count: int, people: int) -> None:
        self.loudest = Loudest(count, [])
        self.people = [f"p{number}" for number in range(people)]
        self.now = 1.0
        self.changes: list[Change] = []

    def hear(self, seconds: float, **levels: int) -> list[Change]:
        """Lets time pass with these levels, the others silent; what changed."""
        before = len(self.changes)
        for _ in range(round(seconds / PACKET_S)):
            for name in self.people:
                change = self.loudest.heard(name, levels.get(name, SILENT), self.now)
                if change is not None:
                    self.changes.append(change)
            self.now += PACKET_S
        return self.changes[before:]


def test_the_first_packet_of_speech_is_enough_while_others_are_silent() -> None:
    room = Room(2, 5)
    assert room.hear(PACKET_S, p0=SPEECH, p1=SPEECH) == [Change("p0", None), Change("p1", None)]
    room.hear(4.0)
    assert room.hear(PACKET_S, p2=50) == [Change("p2", "p0")]
    assert "p2" in room.loudest
    assert "p0" not in room.loudest


def test_who_pauses_within_a_sentence_stays_in() -> None:
    room = Room(2, 5)
    room.hear(1.0, p0=SPEECH, p1=SPEECH)
    assert room.hear(1.0, p1=SPEECH) == []
    assert room.hear(1.0, p1=SPEECH, p2=52) == []  # a noise is no reason
    assert "p0" in room.loudest


def test_silence_takes_no_place_and_leaves_none() -> None:
    room = Room(2, 5)
    assert room.hear(1.0) == []
    room.hear(1.0, p0=SPEECH)
    assert room.hear(60.0) == []
    assert "p0" in room.loudest


def test_alike_voices_do_not_change_places_and_a_clearly_louder_one_gets_in_at_once() -> None:
    seed = 20261121
    print("seed", seed)
    chance = random.Random(seed)
    room = Room(3, 8)
    talking = {f"p{number}": SPEECH for number in range(6)}
    room.hear(0.5, **talking)
    before = len(room.changes)
    for _ in range(500):
        room.hear(PACKET_S, **{name: SPEECH + chance.randint(-2, 2) for name in talking})
    assert len(room.changes) == before
    (change,) = room.hear(PACKET_S, p7=SPEECH - 10, **talking)
    assert change.entered == "p7"


def test_who_is_gone_leaves_a_free_place() -> None:
    room = Room(1, 3)
    room.hear(0.5, p0=SPEECH)
    assert room.hear(0.1, p1=SPEECH) == []
    room.loudest.remove("p0")
    room.loudest.remove("never there")
    room.people.remove("p0")
    assert room.hear(PACKET_S, p1=SPEECH) == [Change("p1", None)]


def test_the_first_are_in_until_somebody_is_heard() -> None:
    loudest = Loudest(2, ["a", "b", "c"])
    assert ["a" in loudest, "b" in loudest, "c" in loudest] == [True, True, False]
    assert loudest.heard("c", SPEECH, 5.0) == Change("c", "b")
