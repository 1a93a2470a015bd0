"""Which of a receiver's tracks goes first."""

from __future__ import annotations

from dataclasses import dataclass

from media.core.layers import Rank
from media.ranking import SPOKE_S, Ranking
from media.rpc import Kind, Priority, WantedTrack
from media.track import PublishedTrack
from tests.media.test_track import published


@dataclass
class Sent:
    kind: Kind
    track: PublishedTrack | None


def tile(who: str, width: int = 320, priority: Priority = "") -> WantedTrack:
    return WantedTrack(
        track=f"{who}-video", group=who, max_width=width, max_height=180, priority=priority
    )


def ranks(ranking: Ranking, wants: list[WantedTrack]) -> list[Rank]:
    return [ranking.rank(want, "video") for want in wants]


def test_a_screen_goes_before_the_stage_and_the_stage_before_others() -> None:
    ranking = Ranking()
    wants = [tile("ann", priority="speaker"), tile("bob", priority="screen"), tile("cem")]
    ranking.take(wants)
    assert ranks(ranking, wants) == [Rank.SPEAKER, Rank.SCREEN, Rank.VIDEO]
    assert ranking.rank(WantedTrack(track="voice", group="cem"), "audio") is Rank.AUDIO


def test_the_one_large_tile_is_what_somebody_looks_at() -> None:
    ranking = Ranking()
    alike = [tile("ann"), tile("bob")]
    ranking.take(alike)
    assert ranks(ranking, alike) == [Rank.VIDEO, Rank.VIDEO]
    one_large = [tile("ann", 1280), tile("bob"), WantedTrack(track="voice", group="cem")]
    ranking.take(one_large)
    assert ranks(ranking, one_large) == [Rank.SPEAKER, Rank.VIDEO, Rank.VIDEO]
    ranking.take([])
    assert ranking.rank(tile("ann"), "video") is Rank.VIDEO


def test_who_speaks_is_a_speaker_and_stays_it_through_a_pause() -> None:
    track, _ = published(kind="audio")
    ranking = Ranking()
    wants = [tile("ann"), tile("bob")]
    ranking.take(wants)
    voice = WantedTrack(track=track.id, group="ann")

    def at(now: float) -> list[Rank]:
        ranking.hear([(voice, Sent("audio", track)), (wants[1], Sent("video", None))], now)
        return ranks(ranking, wants)

    assert at(1.0) == [Rank.VIDEO, Rank.VIDEO]
    for step in range(50):
        assert track.voices is not None
        track.voices.note(track, 20, 1.0 + step / 50)
    assert at(2.0) == [Rank.SPEAKER, Rank.VIDEO]
    assert at(1.9 + SPOKE_S) == [Rank.SPEAKER, Rank.VIDEO]
    assert at(2.1 + SPOKE_S) == [Rank.VIDEO, Rank.VIDEO]
