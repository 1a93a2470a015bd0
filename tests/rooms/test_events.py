"""The snapshot law: one fixture file, read here and by the client, gives events their meaning."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rooms.events import CHAT_TAIL, EVENTS, ChatPosted, Event, apply
from rooms.ids import Identity, MessageId, RoomId
from rooms.live import Live, Message, Room, RoomKind

CASES: list[dict[str, Any]] = json.loads(
    (Path(__file__).parents[1] / "contracts" / "snapshot_law.json").read_text()
)

EMPTY = Live(
    room=Room(
        id=RoomId("r"), kind=RoomKind.HALL, names={"en": "R"}, city="", zone="UTC", created_ms=1
    ),
    participants={},
    tracks={},
    stage=None,
    recording=None,
    messages=(),
)


def event_in(case: dict[str, Any]) -> Event:
    event: Event = msgspec.convert(case["event"]["data"], EVENTS[case["event"]["name"]])
    return event


def on_the_wire(live: Live) -> Any:
    return json.loads(msgspec.json.encode(live))


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_an_event_turns_the_room_before_into_the_room_after(case: dict[str, Any]) -> None:
    before = msgspec.convert(case["before"], Live)
    assert on_the_wire(apply(before, event_in(case))) == case["after"]
    assert on_the_wire(before) == case["before"], "apply changed its argument"


def test_the_law_speaks_of_every_event() -> None:
    assert {case["event"]["name"] for case in CASES} == EVENTS.keys()


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_an_event_heard_twice_changes_nothing_more(case: dict[str, Any]) -> None:
    once = apply(msgspec.convert(case["before"], Live), event_in(case))
    assert apply(once, event_in(case)) == once


@given(st.permutations(range(1, 30)), st.lists(st.integers(1, 29)))
def test_messages_in_any_order_and_number_give_the_same_tail(
    order: list[int], repeats: list[int]
) -> None:
    live = EMPTY
    for number in [*order, *repeats]:
        live = apply(live, ChatPosted(message=message(number)))
    assert [m.number for m in live.messages] == list(range(1, 30))


def test_the_tail_is_the_newest_messages() -> None:
    live = EMPTY
    for number in range(1, 200):
        live = apply(live, ChatPosted(message=message(number)))
    assert [m.number for m in live.messages] == list(range(200 - CHAT_TAIL, 200))


def message(number: int) -> Message:
    return Message(
        id=MessageId(f"m_{number}"),
        number=number,
        identity=Identity("lin"),
        name="Lin",
        text="hello",
        sent_ms=number,
    )
