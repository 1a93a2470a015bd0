"""Recording: begun and ended by moderators, allowed by each person for themselves."""

from __future__ import annotations

from rooms.actions.permission import require
from rooms.commands import RecordingConsent, RecordingStart
from rooms.errors import Code, RoomError
from rooms.events import Event, RecordingAnswered, RecordingStarted, RecordingStopped
from rooms.live import Live
from rooms.ports import Actor, Ports


async def start_recording(ports: Ports, actor: Actor, command: RecordingStart) -> None:
    """Record the room from now on. Everybody is told, and asked, before anything is written.

    Raises:
        RoomError: FORBIDDEN; CONFLICT while one runs; UNAVAILABLE, it cannot be written.
    """
    _require_none(await ports.live.view(actor.room), actor)
    recording = await ports.recorder.prepare(
        actor.room, command.scope, actor.identity, ports.clock()
    )

    def rule(live: Live) -> Event | None:
        _require_none(live, actor)
        return RecordingStarted(recording=recording)

    try:
        await ports.live.update(actor.room, rule)
    except BaseException:
        await ports.recorder.discard(actor.room, recording)
        raise
    await ports.recorder.begin(actor.room, recording)


async def stop_recording(ports: Ports, actor: Actor) -> None:
    """End the recording that runs, at whichever node.

    Raises:
        RoomError: FORBIDDEN.
    """

    def rule(live: Live) -> Event | None:
        require(live, actor.identity, "recording.stop")
        if live.recording is None:
            return None
        return RecordingStopped(id=live.recording.id, by=actor.identity)

    await ports.live.update(actor.room, rule)


async def answer_recording(ports: Ports, actor: Actor, command: RecordingConsent) -> None:
    """Allow that one is recorded, or not (any more).

    Raises:
        RoomError: FORBIDDEN.
    """

    def rule(live: Live) -> Event | None:
        person = require(live, actor.identity, "recording.consent")
        if person.recording_consent is command.given:
            return None
        return RecordingAnswered(identity=actor.identity, given=command.given)

    await ports.live.update(actor.room, rule)


def _require_none(live: Live, actor: Actor) -> None:
    require(live, actor.identity, "recording.start")
    if live.recording is not None:
        raise RoomError(Code.CONFLICT, "This room is being recorded already.")
