"""Who is in a recording, worked out from the room alone."""

from __future__ import annotations

from dataclasses import replace

import pytest

from media import rpc
from rooms.ids import Identity, NodeId, SessionId, TrackId
from rooms.live import Live, RecordingScope, Track
from server.realtime.records import TrackRecord
from server.recording.wishes import Seen, reels, tracks
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
        assert tracks(reels(Seen(room, {}), scope, {})) == []
        assert tracks(reels(Seen(agreed(room), {}), scope, {})) == []


def test_a_program_with_somebody_who_refused_has_nothing_in_their_place() -> None:
    room = agreed(live(ANN_MIC, ANN_CAM, BOB_CAM, BOB_MIC, stage="ann"), "bob")
    assert tracks(reels(Seen(room, {}), RecordingScope.PROGRAM, {})) == []
    room = replace(room, stage=Identity("bob"))
    assert tracks(reels(Seen(room, {}), RecordingScope.PROGRAM, {})) == [BOB_MIC.id, BOB_CAM.id]


def test_each_person_has_a_file_and_a_screen_one_of_its_own() -> None:
    numbers: dict[Identity, int] = {}
    room = agreed(live(ANN_MIC, ANN_CAM, ANN_SCREEN, BOB_CAM), "ann", "bob")
    found = {
        reel.name: reel for reel in reels(Seen(room, {}), RecordingScope.PARTICIPANTS, numbers)
    }
    assert set(found) == {"01-camera", "01-screen", "02-camera"}
    assert tracks([found["01-camera"]]) == [ANN_MIC.id, ANN_CAM.id]
    assert not found["01-screen"].sound
    # Whoever comes back keeps their number.
    without_ann = agreed(live(BOB_CAM), "bob")
    [bob] = reels(Seen(without_ann, {}), RecordingScope.PARTICIPANTS, numbers)
    assert bob.name == "02-camera"


def records(*tracks: Track, recordable: bool) -> dict[TrackId, TrackRecord]:
    return {
        track.id: TrackRecord(
            track=track,
            session=SessionId("s"),
            node=NodeId("gz"),
            worker=0,
            info=rpc.TrackInfo(
                track=track.id, kind="video", codec="VP8", clock_rate=90000, channels=1, fmtp="",
                layers=[],
            ),
            recordable=recordable,
        )
        for track in tracks
    }  # fmt: skip


@pytest.mark.parametrize("scope", list(RecordingScope))
def test_an_encoder_is_recorded_when_its_token_says_so_and_nobody_says_no(
    scope: RecordingScope,
) -> None:
    room = live(ANN_CAM, BOB_CAM, stage="ann")
    may = records(ANN_CAM, recordable=True) | records(BOB_CAM, recordable=False)
    assert tracks(reels(Seen(room, may), scope, {})) == [ANN_CAM.id]
    assert tracks(reels(Seen(room, records(ANN_CAM, recordable=False)), scope, {})) == []
    # Its person is in the room, too, and was asked.
    assert tracks(reels(Seen(agreed(room), may), scope, {})) == []


def test_a_recordable_encoder_says_nothing_for_the_page_of_its_person() -> None:
    room = live(ANN_MIC, ANN_CAM)
    may = records(ANN_CAM, recordable=True) | records(ANN_MIC, recordable=False)
    found = reels(Seen(room, may), RecordingScope.PARTICIPANTS, {})
    assert tracks(found) == [ANN_CAM.id]
