"""Budgets and remembered answers, in virtual time."""

from __future__ import annotations

import asyncio

from hypothesis import given
from hypothesis import strategies as st

from rooms.ids import Identity
from server.realtime import limits
from server.realtime.limits import ANSWERS_KEPT_S, ANSWERS_PER_PERSON, Answers, Key, TokenBucket


def key(number: int, who: str = "lin") -> Key:
    return (Identity(who), "chat.send", f"c{number}")


def test_a_bucket_gives_its_burst_and_then_its_rate() -> None:
    bucket = TokenBucket(rate=20, burst=60, now=0)
    assert [bucket.take(0) for _ in range(60)] == [0.0] * 60
    assert bucket.take(0) == 0.05
    assert bucket.take(0.05) == 0.0
    assert [bucket.take(100) for _ in range(61)].count(0.0) == 60


def test_a_clock_that_steps_back_gives_nothing() -> None:
    bucket = TokenBucket(rate=1, burst=1, now=100)
    assert bucket.take(100) == 0
    assert bucket.take(0) > 0
    assert bucket.take(0.5) > 0


@given(st.lists(st.floats(0, 10), max_size=200))
def test_no_rhythm_beats_the_bucket(pauses: list[float]) -> None:
    bucket, now, taken = TokenBucket(rate=20, burst=60, now=0), 0.0, 0
    for pause in pauses:
        now += pause
        taken += bucket.take(now) == 0
    assert taken <= 60 + now * 20 + 1e-6


async def test_an_answer_is_remembered_for_its_time() -> None:
    answers = Answers()
    answer = answers.expect(key(1), now=0)
    assert answers.find(key(1), now=ANSWERS_KEPT_S) is answer
    assert answers.find(key(1, "ada"), now=1) is None
    assert answers.find(key(1), now=ANSWERS_KEPT_S + 1) is None
    assert len(answers) == 0


async def test_a_person_is_remembered_so_far_and_no_further() -> None:
    answers = Answers()
    for number in range(ANSWERS_PER_PERSON * 3):
        answers.expect(key(number), now=0)
    assert len(answers) == ANSWERS_PER_PERSON
    assert answers.find(key(0), now=0) is None
    assert answers.find(key(ANSWERS_PER_PERSON * 3 - 1), now=0) is not None


async def test_memory_is_bounded_whoever_sends() -> None:
    answers = Answers()
    for number in range(limits.ANSWERS_IN_ALL + 500):
        answers.expect(key(number, f"p{number}"), now=number / 1000)
    assert len(answers) == limits.ANSWERS_IN_ALL
    answers.expect(key(0, "late"), now=1e6)
    assert len(answers) == 1, "what is too old is forgotten by whoever comes next"
    assert len(answers._per_person) == 1


async def test_a_dropped_answer_is_asked_anew() -> None:
    answers = Answers()
    first: asyncio.Future[limits.Ack] = answers.expect(key(1), now=0)
    answers.drop(key(1))
    answers.drop(key(1))
    assert answers.expect(key(1), now=0) is not first
