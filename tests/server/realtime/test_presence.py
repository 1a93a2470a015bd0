"""Who is here: across nodes, tabs and accidents."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from rooms import actions
from rooms.commands import FloorGive, ParticipantRemove, RoleSet
from rooms.errors import Code, RoomError
from rooms.events import ParticipantJoined, ParticipantLeft
from rooms.ids import Identity, NodeId, RoomId, SessionId
from rooms.live import Role
from server.realtime.link import FencedError
from server.realtime.nodes import Nodes
from server.realtime.sessions import Session
from tests.server.guests import grant, until
from tests.server.realtime.venue import HALL, QUICK, ROOM, Node, cut_off, running_node, track_of


@pytest.fixture
async def gz(tmp_path: Path, valkey_url: str) -> AsyncIterator[Node]:
    async with running_node(tmp_path, valkey_url, "gz") as node:
        yield node


@pytest.fixture
async def sf(tmp_path: Path, valkey_url: str) -> AsyncIterator[Node]:
    async with running_node(tmp_path, valkey_url, "sf") as node:
        yield node


async def test_people_on_two_nodes_see_each_other(gz: Node, sf: Node) -> None:
    await gz.enter(grant("lin"))
    there = await sf.enter(grant("ada"))
    await until(lambda: gz.people() == sf.people() == {"lin", "ada"}, "both rosters")
    await there.close("left")
    await until(lambda: gz.people() == {"lin"}, "a roster without ada")


async def test_three_tabs_are_one_person(gz: Node, sf: Node) -> None:
    watcher = await sf.enter(grant("ada"))
    heard = sf.hear()
    tabs = [
        await gz.enter(grant("lin")),
        await gz.enter(grant("lin")),
        await sf.enter(grant("lin")),
    ]
    await until(lambda: sf.people() == {"lin", "ada"}, "lin")
    assert await gz.realtime.live.people([ROOM, HALL]) == {ROOM: 2, HALL: 0}
    for tab in tabs[:2]:
        await tab.close("left")
    assert await gz.realtime.live.people([ROOM]) == {ROOM: 2}
    await tabs[2].close("left")
    await until(lambda: sf.people() == {"ada"}, "lin gone with the last tab")
    joined = [e for e in heard if isinstance(e, ParticipantJoined)]
    left = [e for e in heard if isinstance(e, ParticipantLeft)]
    assert [e.participant.identity for e in joined] == ["lin"]
    assert [(e.identity, e.reason) for e in left] == [("lin", "left")]
    await watcher.close("left")


async def test_a_player_is_not_in_the_roster(gz: Node) -> None:
    await gz.enter(grant("lin"))
    player = await gz.enter(grant("screen"), kind="whep")
    encoder = await gz.enter(grant("obs", Role.SPEAKER), kind="whip")
    assert gz.people() == {"lin", "obs"}
    await player.close("left")
    await encoder.close("left")
    await until(lambda: gz.people() == {"lin"}, "only lin")


async def test_a_person_who_comes_back_keeps_hand_floor_and_role(gz: Node, sf: Node) -> None:
    await gz.enter(grant("mod", Role.MODERATOR))
    first = await gz.enter(grant("lin"))
    await gz.act(actions.raise_hand, "lin")
    await gz.act(actions.give_floor, "mod", FloorGive(identity=Identity("lin")))
    await gz.act(actions.set_role, "mod", RoleSet(identity=Identity("lin"), role=Role.SPEAKER))
    await gz.act(actions.raise_hand, "lin")
    await until(lambda: gz.person("lin").hand_ms and gz.person("lin").role is Role.SPEAKER, "lin")
    before = gz.person("lin")
    await first.close("lost")
    await until(lambda: gz.people() == {"mod"}, "lin gone")
    await sf.enter(grant("lin"))
    after = sf.person("lin")
    assert (after.hand_ms, after.floor, after.role) == (before.hand_ms, True, Role.SPEAKER)
    assert after.joined_ms > before.joined_ms


async def test_a_new_token_with_another_role_counts_again(gz: Node) -> None:
    first = await gz.enter(grant("lin"))
    await gz.enter(grant("lin", Role.MODERATOR, name="Lin Tao"))
    await until(lambda: gz.person("lin").role is Role.MODERATOR, "the new role")
    assert gz.person("lin").name == "Lin Tao"
    assert first.role is Role.MODERATOR


async def test_an_encoder_s_token_changes_nobody_who_is_here_already(gz: Node, sf: Node) -> None:
    tab = await gz.enter(grant("lin", Role.MODERATOR, name="Lin Tao"))
    encoder = await sf.enter(grant("lin", Role.SPEAKER, name="Camera 2"), kind="whip")
    assert (gz.person("lin").role, gz.person("lin").name) == (Role.MODERATOR, "Lin Tao")
    assert encoder.role is Role.MODERATOR
    await encoder.close("left")
    await gz.enter(grant("lin", Role.MODERATOR, name="Lin Tao"))
    assert tab.role is Role.MODERATOR


async def test_a_tab_that_continues_a_player_elsewhere_counts_as_one(gz: Node, sf: Node) -> None:
    await gz.enter(grant("lin"))
    player = await gz.enter(grant("ada"), kind="whep")
    other = await sf.enter(grant("ada"))
    tab = await sf.realtime.sessions.resume(ROOM, grant("ada"), player.id)
    assert tab is not None
    await other.close("left")
    await gz.act(actions.raise_hand, "lin")
    await until(lambda: sf.person("lin").hand_ms, "the hand, after all that other's end did")
    assert sf.people() == {"lin", "ada"}
    await tab.close("left")
    await until(lambda: gz.people() == {"lin"}, "ada gone with the last tab")


async def test_a_killed_node_is_swept_and_its_people_leave_once(gz: Node, sf: Node) -> None:
    await gz.enter(grant("lin"))
    there = await sf.enter(grant("ada"))
    await sf.enter(grant("ada"))
    await sf.realtime.live.publish_track(track_of(there))
    await until(lambda: gz.live().tracks, "the track")
    heard = gz.hear()
    async with cut_off(sf):
        await until(lambda: gz.people() == {"lin"}, "ada gone", QUICK.node_lease + 5)
        assert gz.live().tracks == {}
        await until(lambda: [n.id for n in gz.realtime.nodes.alive()] == ["gz"], "gz alone")
    left = [e for e in heard if isinstance(e, ParticipantLeft)]
    assert [(e.identity, e.reason) for e in left] == [("ada", "lost")]


async def test_a_node_that_was_cut_off_brings_its_people_back(gz: Node, sf: Node) -> None:
    await gz.enter(grant("lin"))
    there = await sf.enter(grant("ada"))
    await sf.realtime.live.publish_track(track_of(there))
    await sf.act(actions.raise_hand, "ada")
    await until(lambda: gz.people() == {"lin", "ada"} and gz.person("ada").hand_ms, "ada")
    hand_ms = gz.person("ada").hand_ms
    async with cut_off(sf):
        await until(lambda: gz.people() == {"lin"}, "ada gone")
        late = await gz.enter(grant("mei"))
    for node in (gz, sf):
        await until(lambda: node.people() == {"lin", "ada", "mei"}, "all three")  # noqa: B023
        await until(lambda: node.live().tracks.keys() == {"t_ada"}, "the track")  # noqa: B023
    assert gz.person("ada").hand_ms == hand_ms
    assert not there.closed
    assert gz.live().participants == sf.live().participants
    await late.close("left")


async def test_who_was_removed_while_their_node_was_cut_off_stays_out(gz: Node, sf: Node) -> None:
    await gz.enter(grant("mod", Role.MODERATOR))
    there = await sf.enter(grant("eve"))
    await sf.enter(grant("ada"))
    await until(lambda: gz.people() == {"mod", "eve", "ada"}, "everybody")
    async with cut_off(sf):
        await gz.act(actions.remove, "mod", ParticipantRemove(identity=Identity("eve")))
        await until(lambda: gz.people() == {"mod"}, "both gone")
    await until(lambda: gz.people() == sf.people() == {"mod", "ada"}, "ada back")
    await until(lambda: there.closed, "eve's session ended")


async def test_who_is_removed_while_coming_in_does_not_get_in(
    gz: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A removal between the look at the door and the seat in Redis found nobody to remove."""
    await gz.enter(grant("mod", Role.MODERATOR))
    look = gz.store.bans.is_banned

    async def is_banned(room: RoomId, identity: Identity) -> bool:
        banned = await look(room, identity)
        if identity == "eve" and not banned:
            await gz.act(actions.remove, "mod", ParticipantRemove(identity=identity))
        return banned

    monkeypatch.setattr(gz.store.bans, "is_banned", is_banned)
    with pytest.raises(RoomError) as caught:
        await gz.enter(grant("eve"))
    assert caught.value.code is Code.REMOVED
    await until(lambda: gz.people() == {"mod"} and len(gz.realtime.sessions) == 1, "eve gone")


async def test_two_sockets_that_resume_at_once_share_one_session(gz: Node, sf: Node) -> None:
    """There were two of the same id, and the end of one was the end of both."""
    await sf.enter(grant("ada"))
    session = await gz.enter(grant("lin"))
    resume = sf.realtime.sessions.resume
    one, two = await asyncio.gather(
        resume(ROOM, grant("lin"), session.id), resume(ROOM, grant("lin"), session.id)
    )
    assert one is not None
    assert one is two
    await one.close("left")
    await until(lambda: sf.people() == {"ada"} and len(sf.realtime.sessions) == 1, "lin gone")


async def test_who_only_watches_is_removed_too(gz: Node, sf: Node) -> None:
    await gz.enter(grant("mod", Role.MODERATOR))
    player = await sf.enter(grant("eve"), kind="whep")
    reasons: list[str] = []

    async def note(_: Session, reason: str) -> None:
        reasons.append(reason)

    player.on_close(note)
    await gz.act(actions.remove, "mod", ParticipantRemove(identity=Identity("eve")))
    await until(lambda: reasons, "the player's end")
    assert reasons == ["removed"]


async def test_a_session_that_nobody_renews_is_swept(
    gz: Node, sf: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    await gz.enter(grant("lin"))
    there = await sf.enter(grant("ada"))
    await until(lambda: gz.people() == {"lin", "ada"}, "both")
    monkeypatch.setattr(there, "closed", True)
    await until(lambda: gz.people() == {"lin"}, "ada gone")


async def test_a_restarted_node_leaves_no_ghosts(tmp_path: Path, valkey_url: str, gz: Node) -> None:
    await gz.enter(grant("lin"))
    async with running_node(tmp_path, valkey_url, "sf") as former:
        await former.enter(grant("ada"))
        await until(lambda: gz.people() == {"lin", "ada"}, "both")
        async with cut_off(former), running_node(tmp_path, valkey_url, "sf"):
            await until(lambda: gz.people() == {"lin"}, "ada gone", 2.0)


async def test_the_old_process_of_a_node_writes_nothing_more(
    tmp_path: Path, valkey_url: str, gz: Node
) -> None:
    old = Nodes(gz.realtime.link, gz.realtime.nodes.me)
    await gz.realtime.nodes.lease()
    with pytest.raises(FencedError):
        await old.renew()
    with pytest.raises(FencedError):
        await gz.realtime.link.run(
            "publish", old.me.id, old.me.fence, ROOM, "e", "stage.changed", "{}", ""
        )


async def test_a_track_of_an_ended_session_is_not_published(gz: Node) -> None:
    await gz.enter(grant("lin"))
    session = await gz.enter(grant("ada"))
    record = track_of(session)
    await gz.realtime.live.publish_track(record)
    await until(lambda: gz.live().tracks.keys() == {"t_ada"}, "the track")
    mirror = gz.realtime.mirrors.get(ROOM)
    assert mirror is not None
    assert mirror.records["t_ada"] == record  # type: ignore[index]
    await session.close("left")
    await until(lambda: not gz.live().tracks and not mirror.records, "no track")
    with pytest.raises(RoomError) as caught:
        await gz.realtime.live.publish_track(record)
    assert caught.value.code is Code.NOT_JOINED


async def test_one_tab_less_takes_its_tracks_and_not_the_person(gz: Node) -> None:
    one, two = await gz.enter(grant("ada")), await gz.enter(grant("ada"))
    await gz.realtime.live.publish_track(track_of(one))
    await until(lambda: gz.live().tracks, "the track")
    await one.close("left")
    await until(lambda: not gz.live().tracks, "no track")
    assert gz.people() == {"ada"}
    await two.close("left")


async def test_a_closed_session_tells_those_who_asked_and_only_once(gz: Node) -> None:
    session = await gz.enter(grant("lin"))
    told: list[str] = []

    async def note(closed: Session, reason: str) -> None:
        told.append(f"{closed.identity} {reason}")

    async def fail(closed: Session, reason: str) -> None:
        raise RuntimeError("a faulty listener")

    session.on_close(fail)
    session.on_close(note)
    await session.close("left")
    await session.close("removed")
    assert told == ["lin left"]
    assert gz.realtime.sessions.get(session.id) is None


async def test_nodes_hear_each_other(gz: Node, sf: Node) -> None:
    heard: list[tuple[str, object]] = []

    async def note(sender: NodeId, payload: dict[str, object]) -> None:
        heard.append((sender, payload))

    sf.realtime.nodes.on("greeting", note)
    assert await gz.realtime.nodes.send(NodeId("sf"), "greeting", {"text": "你好"})
    assert not await gz.realtime.nodes.send(NodeId("tk"), "greeting", {})
    await until(lambda: heard, "the greeting")
    assert heard == [("gz", {"text": "你好"})]
    gz.realtime.nodes.announce(media_address="192.0.2.1", media_port=7000)
    await until(lambda: sf.realtime.nodes.find(NodeId("gz")).media_port == 7000, "the port")  # type: ignore[union-attr]
    assert [n.id for n in sf.realtime.nodes.addresses()] == ["sf", "gz"]


async def test_a_room_that_does_not_exist_cannot_be_entered(gz: Node) -> None:
    with pytest.raises(RoomError) as caught:
        await gz.enter(grant("lin"), RoomId("nowhere"))
    assert caught.value.code is Code.NOT_FOUND
    assert await gz.realtime.sessions.resume(ROOM, grant("lin"), SessionId("0" * 32)) is None
    await until(lambda: not list(gz.realtime.mirrors), "no mirror kept")
    await until(lambda: not gz.realtime.mirrors._locks, "no lock kept")
