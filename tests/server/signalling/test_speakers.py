"""Several workers' speakers as one list."""

from __future__ import annotations

from media import rpc
from server.signalling.speakers import Speakers


def said(*tracks: str, room: str = "hall") -> rpc.SpeakersNotice:
    return rpc.SpeakersNotice(room=room, tracks=list(tracks))


def test_the_loudest_of_each_worker_come_first_and_nobody_twice() -> None:
    speakers = Speakers()
    speakers.take(0, said("a", "b", "c"))
    speakers.take(1, said("d", "a"))
    assert speakers.of("hall") == ["a", "d", "b", "c"]


def test_a_worker_s_last_word_replaces_the_one_before() -> None:
    speakers = Speakers()
    speakers.take(0, said("a"))
    speakers.take(1, said("b"))
    speakers.take(0, said())
    assert speakers.of("hall") == ["b"]
    speakers.take(1, said())
    assert speakers.of("hall") == []


def test_a_worker_that_is_gone_says_nothing_any_more() -> None:
    speakers = Speakers()
    speakers.take(0, said("a"))
    speakers.take(1, said("b"))
    speakers.take(1, said("x", room="lobby"))
    assert sorted(speakers.forget(1)) == ["hall", "lobby"]
    assert speakers.of("hall") == ["a"]
    assert speakers.of("lobby") == []
    assert speakers.forget(1) == []
