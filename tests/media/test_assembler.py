"""Order, waiting and giving up; timestamps as times."""

from __future__ import annotations

import random

from media.recorder.assembler import WAIT_S, Assembler
from media.recorder.clock import PersonClock, StreamClock
from media.recorder.wire import Clock, Taken


def picture(number: int, at: float = 0.0, *, key: bool = False) -> list[Taken]:
    """Two packets of one VP8 frame."""
    first = b"\x10" + (b"\0" if key else b"\1") + bytes([number])
    seq, ts = 100 + 2 * number, 3600 * number
    return [
        Taken(1, seq, ts, at, False, key, first),
        Taken(1, seq + 1, ts, at, True, False, b"\0-"),
    ]


def test_any_order_gives_the_same_frames() -> None:
    packets = [p for n in range(30) for p in picture(n, key=n == 0)]
    chance = random.Random(7)
    for _ in range(20):
        shuffled = packets[:]
        chance.shuffle(shuffled)
        assembler = Assembler("VP8", picture=True)
        frames = []
        for packet in [*shuffled, *shuffled[:5]]:
            assembler.take(packet)
            frames += assembler.frames(0.0)
        assert [frame.ts // 3600 for frame in frames] == list(range(30))
        assert [frame.keyframe for frame in frames] == [True] + [False] * 29
        assert assembler.lost == 0


def test_a_hole_is_waited_for_and_then_a_keyframe_begins_again() -> None:
    assembler = Assembler("VP8", picture=True)
    for packet in [*picture(0, key=True), *picture(1, 0.1)[1:], *picture(2, 0.1)]:
        assembler.take(packet)
    assert len(assembler.frames(0.1)) == 1
    assert assembler.frames(0.1 + WAIT_S / 2) == []
    assert assembler.lost == 0
    assert assembler.frames(0.2 + WAIT_S) == []
    assert assembler.wants_keyframe
    assert assembler.lost == 1
    for packet in [*picture(3, 1.5), *picture(4, 1.6, key=True), *picture(5, 1.7)]:
        assembler.take(packet)
    assert [frame.ts // 3600 for frame in assembler.frames(1.7)] == [4, 5]


def test_sound_goes_on_behind_a_hole() -> None:
    assembler = Assembler("opus", picture=False)
    for seq in (10, 11, 13, 14):
        assembler.take(Taken(1, seq, seq * 960, 0.0, False, True, b"sound"))
    assert len(assembler.frames(0.0)) == 2
    assert len(assembler.frames(WAIT_S + 0.1)) == 2
    assert assembler.lost == 1


def test_sound_and_picture_of_one_person_meet_by_their_reports() -> None:
    person = PersonClock()
    sound, sight = StreamClock(48_000), StreamClock(90_000)
    # The sender's clock is 1000 s ahead; the report of the picture took 60 ms longer.
    sound.arrived(0, 10.0)
    sight.arrived(0, 10.3)
    sound.reported(Clock(stream=1, ntp=1011.0, ts=48_000, arrival=11.0), person)
    sight.reported(Clock(stream=2, ntp=1011.0, ts=90_000, arrival=11.06), person)
    assert sound.time(96_000) == sight.time(180_000) == 12.0
