"""Who is in a recording, worked out from the room alone."""

from __future__ import annotations

from dataclasses import replace

from rooms.ids import Identity
from rooms.live import Live, RecordingScope
from server.recording.wishes import reels, tracks
from tests.server.signalling.test_program import (
    ANN_CAM,
    ANN_MIC,
    ANN_SCREEN,
    BOB_CAM,
    BOB_MIC,
    live,
)


def agreed(room: Live, *identities: str) -> Live:
    people = {
        k: replace(p, recording_consent=k in identities) for k, p in room.participants.items()
    }
    return replace(room, participants=people)


def test_without_a_yes_nothing_is_wished_for() -> None:
    room = live(ANN_MIC, ANN_CAM, BOB_CAM, stage="ann")
    for scope in RecordingScope:
        assert tracks(reels(room, scope, {})) == []
        assert tracks(reels(agreed(room), scope, {})) == []


def test_a_program_with_somebody_who_refused_has_nothing_in_their_place() -> None:
    room = agreed(live(ANN_MIC, ANN_CAM, BOB_CAM, BOB_MIC, stage="ann"), "bob")
    assert tracks(reels(room, RecordingScope.PROGRAM, {})) == []
    room = replace(room, stage=Identity("bob"))
    assert tracks(reels(room, RecordingScope.PROGRAM, {})) == [BOB_MIC.id, BOB_CAM.id]


def test_each_person_has_a_file_and_a_screen_one_of_its_own() -> None:
    numbers: dict[Identity, int] = {}
    room = agreed(live(ANN_MIC, ANN_CAM, ANN_SCREEN, BOB_CAM), "ann", "bob")
    found = {reel.name: reel for reel in reels(room, RecordingScope.PARTICIPANTS, numbers)}
    assert set(found) == {"01-camera", "01-screen", "02-camera"}
    assert tracks([found["01-camera"]]) == [ANN_MIC.id, ANN_CAM.id]
    assert not found["01-screen"].sound
    # Whoever comes back keeps their number.
    without_ann = agreed(live(BOB_CAM), "bob")
    [bob] = reels(without_ann, RecordingScope.PARTICIPANTS, numbers)
    assert bob.name == "02-camera"
