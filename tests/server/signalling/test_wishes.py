"""What a wish means in a room: tiles and voices, and no more than an answer can describe."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import get_args

import pytest

from rooms.commands import MaxLength, MediaView, Sdp, Tile
from rooms.ids import Identity, TrackId
from rooms.live import Live, Source, Track
from server.realtime import sio
from server.signalling.wishes import MAX_VIDEOS, MAX_VOICES, wanted
from tests.server.signalling.test_program import live, track

ANSWER = Path(__file__).parents[2] / "fixtures" / "answers" / "subscriber-chromium.sdp"
"""Chromium 156's to an offer of two H264 lines and one of Opus."""

ME = Identity("me")


def room(people: int, *, stage: str | None = None, muted: bool = False) -> Live:
    """A room of p0, p1 … each with camera and microphone."""
    tracks: list[Track] = []
    for number in range(people):
        tracks.append(track(2 * number, f"p{number}", Source.CAMERA))
        voice = track(2 * number + 1, f"p{number}", Source.MICROPHONE)
        tracks.append(replace(voice, muted=muted))
    return live(*tracks, stage=stage)


def tile(number: int, width: int = 320) -> Tile:
    return Tile(track=TrackId(f"t_{2 * number:044x}"), width=width, height=180)


def heard(wish: MediaView, present: Live) -> set[str]:
    wants = wanted(wish, present, ME)
    return {want.group for want in wants if present.tracks[TrackId(want.track)].kind == "audio"}


def seen(wish: MediaView, present: Live) -> list[str]:
    wants = wanted(wish, present, ME)
    return [w.group for w in wants if present.tracks[TrackId(w.track)].kind == "video"]


def test_tiles_are_seen_and_everybody_else_is_heard() -> None:
    present = live(
        track(0, "ann", Source.CAMERA),
        track(1, "ann", Source.MICROPHONE),
        track(2, "bob", Source.CAMERA),
        track(3, "me", Source.MICROPHONE),
    )
    wish = MediaView(tiles=[tile(0), tile(1, width=-5), tile(9)])
    assert seen(wish, present) == ["ann", "bob"]
    assert heard(wish, present) == {"ann"}
    assert [w.max_width for w in wanted(wish, present, ME)] == [320, 0, 0]
    assert heard(replace(wish, audio=False), present) == set()


def test_the_first_tiles_are_seen_when_there_are_too_many() -> None:
    wish = MediaView(tiles=[tile(number) for number in reversed(range(60))])
    assert seen(wish, room(60)) == [f"p{n}" for n in reversed(range(60))][:MAX_VIDEOS]


def test_who_speaks_is_heard_before_who_is_muted() -> None:
    present = room(100, muted=True)
    last = TrackId(f"t_{2 * 99 + 1:044x}")
    open_one = replace(present.tracks[last], muted=False)
    wish = MediaView()
    assert "p99" not in heard(wish, present)
    present = replace(present, tracks={**present.tracks, last: open_one})
    assert "p99" in heard(wish, present)
    assert len(heard(wish, present)) == MAX_VOICES
    held = replace(present, tracks={**present.tracks, last: replace(open_one, forced=True)})
    assert "p99" not in heard(wish, held)


def test_the_stage_and_who_is_seen_are_heard_first_among_those_who_speak() -> None:
    wish = MediaView(tiles=[tile(77), tile(88)])
    chosen = heard(wish, room(100, stage="p99"))
    assert {"p77", "p88", "p99"} < chosen
    assert len(chosen) == MAX_VOICES


def test_a_mute_changes_no_wish_while_everybody_is_heard() -> None:
    wish = MediaView(tiles=[tile(1)])
    assert wanted(wish, room(MAX_VOICES), ME) == wanted(wish, room(MAX_VOICES, muted=True), ME)


def test_the_answer_to_the_fullest_offer_fits_into_a_command() -> None:
    """Lines stay in a connection for ever, so the most of each kind may be there at once."""
    head, _, rest = ANSWER.read_bytes().decode().partition("m=")
    first, video, audio = (f"m={line}" for line in rest.split("m="))
    assert video.startswith("m=video")
    assert audio.startswith("m=audio")
    # Where voices come as redundant audio: its format, its name, its parameters.
    audio += " 63a=rtpmap:63 red/48000/2\r\na=fmtp:63 111/111\r\n"
    # One digit more in a=mid:, and the mid once more in a=group:.
    most = len(head) + len(first) + MAX_VIDEOS * (len(video) + 4) + MAX_VOICES * (len(audio) + 4)
    (limit,) = (mark.value for mark in get_args(Sdp) if isinstance(mark, MaxLength))
    assert most + 4_096 < min(limit, sio.MESSAGE_BYTES)
    assert most == pytest.approx(57_951, rel=0.05), "what Chromium was seen to answer"


def test_the_stage_the_floor_and_the_sound_of_a_screen_are_wanted_always() -> None:
    present = live(
        *(track(number, f"p{number}", Source.MICROPHONE) for number in range(3)),
        track(3, "p0", Source.SCREEN_AUDIO),
        stage="p1",
    )
    floor = replace(present.participants[Identity("p2")], floor=True)
    present = replace(present, participants={**present.participants, floor.identity: floor})
    always = {
        present.tracks[TrackId(want.track)].source + " of " + want.group
        for want in wanted(MediaView(), present, ME)
        if want.always
    }
    assert always == {"microphone of p1", "microphone of p2", "screen_audio of p0"}


def test_a_screen_the_stage_and_the_floor_go_first_on_a_narrow_path() -> None:
    present = live(
        track(0, "ann", Source.CAMERA),
        track(2, "bob", Source.CAMERA),
        track(4, "bob", Source.SCREEN),
        track(6, "cem", Source.CAMERA),
        track(8, "dan", Source.CAMERA),
        stage="ann",
    )
    given = replace(present.participants[Identity("cem")], floor=True)
    present = replace(present, participants={**present.participants, given.identity: given})
    wants = wanted(MediaView(tiles=[tile(n) for n in range(5)]), present, ME)
    assert [w.priority for w in wants] == ["speaker", "", "screen", "speaker", ""]
