"""Starting, stopping and answering, on a real store and a real Redis, with nothing written."""

from __future__ import annotations

import asyncio

import pytest

from rooms import actions
from rooms.commands import RecordingConsent, RecordingStart
from rooms.errors import Code, RoomError
from rooms.live import RecordingScope
from tests.server.guests import until
from tests.server.realtime.venue import Node

PROGRAM = RecordingStart(scope=RecordingScope.PROGRAM)


async def test_everybody_is_asked_anew_when_a_recording_starts(node: Node) -> None:
    await node.act(actions.answer_recording, "lin", RecordingConsent(given=True))
    await until(lambda: node.person("lin").recording_consent, "a yes before it starts")
    await node.act(actions.start_recording, "mod", PROGRAM)
    await until(lambda: node.live().recording is not None, "the recording")
    assert {p.recording_consent for p in node.live().participants.values()} == {None}
    # What Redis keeps says the same.
    fetched = (await node.realtime.live.fetch(node.live().room.id)).live
    assert fetched == node.live()
    for given in (True, False):
        await node.act(actions.answer_recording, "vic", RecordingConsent(given=given))
        await until(lambda given=given: node.person("vic").recording_consent is given, "an answer")  # type: ignore[misc]
    await node.act(actions.stop_recording, "mod")
    await until(lambda: node.live().recording is None, "its end")
    await node.act(actions.stop_recording, "mod")


@pytest.mark.parametrize("who", ["ada", "lin", "vic"])
async def test_only_moderators_start_and_stop(node: Node, who: str) -> None:
    for action, arguments in (
        (actions.start_recording, [PROGRAM]),
        (actions.stop_recording, []),
    ):
        with pytest.raises(RoomError) as caught:
            await node.act(action, who, *arguments)
        assert caught.value.code is Code.FORBIDDEN
    assert node.paper.asked == []


async def test_of_two_that_start_at_once_one_is_refused_and_leaves_nothing(node: Node) -> None:
    outcomes = await asyncio.gather(
        *(node.act(actions.start_recording, "mod", PROGRAM) for _ in range(2)),
        return_exceptions=True,
    )
    refused = [o for o in outcomes if isinstance(o, RoomError)]
    assert [error.code for error in refused] == [Code.CONFLICT]
    asked = [what for what, _ in node.paper.asked]
    assert asked.count("begin") == 1
    assert asked.count("prepare") == 1 + asked.count("discard")
