"""A worker with a crowd of open microphones: real Opus, real DTLS, real packets."""

from __future__ import annotations

import pytest

from media import rpc
from media.voices import UNMARKED_LEVEL
from tests.media.conftest import MakePerformer, MakeViewer
from tests.media.people import Performer, Reception, Viewer
from tests.media.test_track import packet, published
from tests.media.workers import RunningWorker, connected
from tests.wire import until

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.slow]

CROWD, LOUDEST = 20, 6
SPEECH, SILENT = 25, 127


async def crowd(perform: MakePerformer, count: int = CROWD) -> list[Performer]:
    """People whose microphones are open; nobody speaks yet."""
    people = [perform(f"p{number:02}") for number in range(count)]
    for person in people:
        person.level_dbov = SILENT
        await person.publish(video=False)
    return people


async def listening(
    running: RunningWorker, viewer: Viewer, people: list[Performer], *, always: str = ""
) -> dict[str, Reception]:
    """What a viewer hears of each."""
    wants = [
        rpc.WantedTrack(track=f"{p.peer}-audio", group=p.peer, always=p.peer == always)
        for p in people
    ]
    await viewer.watch(*wants)
    await connected(running, viewer.peer)
    return {p.peer: viewer.on(f"{p.peer}-audio") for p in people}


def counts(heard: dict[str, Reception]) -> dict[str, int]:
    return {name: len(reception.packets) for name, reception in heard.items()}


async def spoken(person: Performer, packets: int) -> None:
    """Waits until somebody has sent so many more packets."""
    sent = person._ticks
    await until(lambda: person._ticks >= sent + packets)


async def heard_of(heard: dict[str, Reception], names: list[str], packets: int = 10) -> None:
    before = counts(heard)
    await until(lambda: all(len(heard[n].packets) >= before[n] + packets for n in names))


async def test_of_twenty_microphones_only_the_loudest_are_heard(
    running: RunningWorker, perform: MakePerformer, viewers: MakeViewer
) -> None:
    people = await crowd(perform)
    for person in people[:LOUDEST]:
        person.level_dbov = SPEECH
    heard = await listening(running, viewers("a"), people)
    speaking = [person.peer for person in people[:LOUDEST]]
    await heard_of(heard, speaking)
    before, at_first = counts(heard), await running.stats()
    await spoken(people[0], 50)
    stats, after = await running.stats(), counts(heard)
    assert {name for name in after if after[name] > before[name]} == set(speaking)

    def came(figures: dict[str, dict[str, dict[str, dict[str, dict[str, int]]]]]) -> int:
        return sum(t["layers"][""]["packets"] for t in figures["tracks"].values())

    def went(figures: dict[str, dict[str, dict[str, list[dict[str, int]]]]]) -> int:
        return sum(track["packets"] for track in figures["subscribers"]["a"]["tracks"])

    received, sent = came(stats) - came(at_first), went(stats) - went(at_first)
    print(f"{received} packets came, {sent} went on")
    assert received >= CROWD * 40
    assert sent <= received * LOUDEST / CROWD * 1.2
    assert [stats["tracks"][f"{p.peer}-audio"]["background"] for p in people] == (
        [False] * LOUDEST + [True] * (CROWD - LOUDEST)
    )


async def test_who_begins_to_speak_is_heard_from_the_first_packet_and_without_gaps(
    running: RunningWorker, perform: MakePerformer, viewers: MakeViewer
) -> None:
    people = await crowd(perform)
    heard = await listening(running, viewers("a"), people)
    turns = (people[:LOUDEST], people[8 : 8 + LOUDEST], people[:LOUDEST])
    for turn in turns:
        began = {}
        earlier = counts(heard)
        for person in people:
            speaks = person in turn
            person.level_dbov = SPEECH if speaks else SILENT
            began[person.peer] = person._ticks
        await heard_of(heard, [person.peer for person in turn], 25)
        for person in turn if turn is not turns[0] else ():  # who was let in unheard at first
            seqs = sorted(heard[person.peer].packets)
            first = heard[person.peer].packets[seqs[earlier[person.peer]]]
            late = first.ts32 // 960 - began[person.peer]
            assert 0 <= late <= 1, f"{person.peer} was cut by {late} packets of 20 ms"
        # Three seconds of silence, then the others speak.
        for person in people:
            person.level_dbov = SILENT
        await spoken(people[0], 150)
    for reception in heard.values():
        assert reception.missing == 0
        stamps = [reception.packets[seq].ts32 for seq in sorted(reception.packets)]
        assert stamps == sorted(stamps)
    for person in people[:LOUDEST]:
        assert heard[person.peer].heard_samples() >= 960 * 50
    assert (await running.stats())["worker"].get("nack_ignored", 0) == 0


async def test_who_is_wanted_always_is_heard_however_loud_others_are(
    running: RunningWorker, perform: MakePerformer, viewers: MakeViewer
) -> None:
    people = await crowd(perform, 10)
    for person in people[:LOUDEST]:
        person.level_dbov = SPEECH
    heard = await listening(running, viewers("a"), people, always="p09")
    await heard_of(heard, [*(person.peer for person in people[:LOUDEST]), "p09"])
    before = counts(heard)
    await spoken(people[0], 25)
    assert counts(heard)["p08"] == before["p08"]


async def test_in_a_room_that_is_no_crowd_everybody_is_heard(
    running: RunningWorker, perform: MakePerformer, viewers: MakeViewer
) -> None:
    people = await crowd(perform, 8)
    for person in people[:LOUDEST]:
        person.level_dbov = SPEECH
    heard = await listening(running, viewers("a"), people)
    await heard_of(heard, [person.peer for person in people])
    # One more, and who does not speak is heard no more; one less, and all are again.
    people += [perform("p08")]
    people[8].level_dbov = SILENT
    await people[8].publish(video=False)
    silent = counts(heard)["p07"]
    await heard_of(heard, [person.peer for person in people[:LOUDEST]], 25)
    assert counts(heard)["p07"] <= silent + 5
    await running.client.call(rpc.PeerClose(peer="p08"))
    await heard_of(heard, [person.peer for person in people[:8]])
    assert [reception.missing for reception in heard.values()] == [0] * 8


@pytest.mark.parametrize(("size_bytes", "speaks"), [(80, True), (3, False)])
async def test_sound_without_levels_is_speech_unless_its_packets_are_those_of_silence(
    size_bytes: int, speaks: bool
) -> None:
    track, _ = published(kind="audio")
    voices = track.voices
    assert voices is not None
    told = []
    for step in range(100):
        now = 1.0 + step / 50
        voices.heard(track, packet(step, bytes(size_bytes)), now)
        told.append(voices.update(now))
    assert ([track.id] in told) is speaks
    # A clear voice comes before it.
    other, _ = published(kind="audio")
    other.id = "clear"
    voices.add(other)
    for step in range(100):
        now = 3.0 + step / 50
        voices.heard(track, packet(100 + step, bytes(size_bytes)), now)
        voices.note(other, UNMARKED_LEVEL - 10, now)
        told.append(voices.update(now))
    assert [speakers for speakers in told if speakers is not None][-1][0] == "clear"
