"""Who is speaking, without flicker."""

from __future__ import annotations

import random

from media.core.speaker import Speakers


def talk(
    speakers: Speakers, levels: dict[str, int], start: float, seconds: float
) -> tuple[list[list[str]], float]:
    """Send 20 ms packets; returns the lists told and the time after."""
    told = []
    now = start
    for step in range(int(seconds * 50)):
        now = start + step / 50
        for track, level in levels.items():
            speakers.heard(track, level, now)
        if step % 5 == 0:
            changed = speakers.update(now)
            if changed is not None:
                told.append(changed)
    return told, now + 0.02


def test_voice_is_told_within_half_a_second_and_its_end_after_a_pause() -> None:
    speakers = Speakers()
    told, now = talk(speakers, {"a": 20, "b": 127}, 1.0, 0.5)
    assert told == [["a"]]
    told, now = talk(speakers, {"a": 127, "b": 127}, now, 0.5)
    assert told == []  # a breath
    told, now = talk(speakers, {"a": 127, "b": 127}, now, 1.5)
    assert told == [[]]


def test_cough_is_no_speaker() -> None:
    speakers = Speakers()
    _, now = talk(speakers, {"a": 127}, 1.0, 1.0)
    told, now = talk(speakers, {"a": 20}, now, 0.1)
    assert told == []
    told, _ = talk(speakers, {"a": 127}, now, 1.0)
    assert told == []


def test_two_equal_voices_do_not_change_places() -> None:
    seed = 5
    print("seed", seed)
    chance = random.Random(seed)
    speakers = Speakers()
    told, now = talk(speakers, {"a": 20, "b": 20}, 1.0, 1.0)
    assert len(told) == 1
    for _ in range(30):
        levels = {"a": 20 + chance.randint(-2, 2), "b": 20 + chance.randint(-2, 2)}
        told, now = talk(speakers, levels, now, 0.5)
        assert told == []
    told, _ = talk(speakers, {"a": 30, "b": 15}, now, 1.0)
    assert told == [["b", "a"]]


def test_silence_by_not_sending_is_silence() -> None:
    speakers = Speakers()
    talk(speakers, {"a": 20}, 1.0, 1.0)
    assert speakers.update(2.2) is None
    assert speakers.update(4.0) == []


def test_track_that_leaves_stops_speaking() -> None:
    speakers = Speakers()
    _, now = talk(speakers, {"a": 20, "b": 25}, 1.0, 1.0)
    speakers.remove("a")
    assert speakers.loudest(2) == ["b"]
    assert speakers.update(now) == ["b"]
    speakers.remove("never there")


def test_loudest_are_speakers_then_those_who_begin() -> None:
    speakers = Speakers()
    _, now = talk(speakers, {"a": 20, "b": 30, "silent": 127}, 1.0, 1.0)
    talk(speakers, {"a": 20, "b": 30, "silent": 127, "c": 25}, now, 0.06)
    assert speakers.loudest(9) == ["a", "b", "c"]
    assert speakers.loudest(1) == ["a"]
