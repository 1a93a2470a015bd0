"""What a player shows."""

from __future__ import annotations

from rooms.ids import Identity, RoomId, TrackId
from rooms.live import Kind, Live, Participant, Role, Room, RoomKind, Source, Track
from server.signalling.program import program

ROOM = Room(
    id=RoomId("hall"), kind=RoomKind.HALL, names={"en": "Hall"}, city="", zone="UTC", created_ms=0
)


def track(number: int, who: str, source: Source) -> Track:
    audio = source in (Source.MICROPHONE, Source.SCREEN_AUDIO)
    return Track(
        id=TrackId(f"t_{number:044x}"),
        identity=Identity(who),
        source=source,
        kind=Kind.AUDIO if audio else Kind.VIDEO,
        codec="opus" if audio else "VP8",
        muted=False,
        forced=False,
    )


def live(*tracks: Track, stage: str | None = None) -> Live:
    people = {
        t.identity: Participant(
            identity=t.identity, name=t.identity, role=Role.SPEAKER, city="", joined_ms=0,
            hand_ms=None, floor=False, synthetic=False, recording_consent=None,
        )
        for t in tracks
    }  # fmt: skip
    return Live(
        room=ROOM,
        participants=people,
        tracks={t.id: t for t in tracks},
        stage=None if stage is None else Identity(stage),
        recording=None,
        messages=(),
    )


ANN_MIC = track(1, "ann", Source.MICROPHONE)
ANN_CAM = track(2, "ann", Source.CAMERA)
BOB_CAM = track(3, "bob", Source.CAMERA)
BOB_MIC = track(4, "bob", Source.MICROPHONE)
ANN_SCREEN = track(5, "ann", Source.SCREEN)
CEM_MIC = track(6, "cem", Source.MICROPHONE)


def test_an_empty_room_shows_nothing() -> None:
    assert program(live()).tracks == []


def test_the_person_on_stage_is_the_program() -> None:
    chosen = program(live(ANN_MIC, ANN_CAM, BOB_CAM, BOB_MIC, stage="ann"))
    assert (chosen.audio, chosen.video) == (ANN_MIC, ANN_CAM)


def test_without_a_stage_the_latest_publisher_is_the_program_whatever_the_order_of_reading() -> (
    None
):
    assert program(live(BOB_CAM, ANN_CAM, BOB_MIC, ANN_MIC)).video == BOB_CAM


def test_a_stage_where_nobody_publishes_does_not_darken_the_screen() -> None:
    assert program(live(BOB_CAM, stage="dan")).video == BOB_CAM


def test_a_picture_comes_before_a_later_voice() -> None:
    chosen = program(live(BOB_CAM, BOB_MIC, CEM_MIC))
    assert (chosen.audio, chosen.video) == (BOB_MIC, BOB_CAM)


def test_a_voice_alone_is_better_than_nothing() -> None:
    chosen = program(live(CEM_MIC))
    assert (chosen.audio, chosen.video) == (CEM_MIC, None)


def test_a_shared_screen_comes_before_the_camera() -> None:
    assert program(live(ANN_CAM, ANN_SCREEN, ANN_MIC), Identity("ann")).video == ANN_SCREEN


def test_one_person_is_shown_whoever_is_on_stage() -> None:
    assert program(live(ANN_CAM, BOB_CAM, stage="ann"), Identity("bob")).video == BOB_CAM


def test_an_absent_person_shows_nothing() -> None:
    assert program(live(ANN_CAM), Identity("dan")).tracks == []
