"""Commands, events and coming back, by a real Socket.IO client against a real server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from rooms.live import Role
from server.realtime.dispatch import Connection
from tests.server.guests import grant, until
from tests.server.realtime.venue import HALL, ROOM, Client, Node, client, running_node, serving


@pytest.fixture
async def gz(tmp_path: Path, valkey_url: str) -> AsyncIterator[Node]:
    async with running_node(tmp_path, valkey_url, "gz") as node, serving(node):
        yield node


@pytest.fixture
async def sf(tmp_path: Path, valkey_url: str) -> AsyncIterator[Node]:
    async with running_node(tmp_path, valkey_url, "sf") as node, serving(node):
        yield node


async def test_joining_gives_a_snapshot_and_then_events(gz: Node) -> None:
    async with client(gz, "lin") as lin, client(gz, "ada") as ada:
        first = await lin.join()
        assert first["live"]["participants"].keys() == {"lin"}
        assert first["me"] == {
            "identity": "lin",
            "session": first["me"]["session"],
            "media": first["me"]["media"],
            "name": "Lin",
            "role": "member",
            "rights": first["me"]["rights"],
        }
        assert "chat.send" in first["me"]["rights"]
        assert "stage.set" not in first["me"]["rights"]
        assert not first["resumed"]
        assert first["nodes"] == [{"id": "gz", "url": "http://gz.test:8080"}]
        second = await ada.join()
        assert second["live"]["participants"].keys() == {"lin", "ada"}
        assert (await lin.event("participant.joined"))["participant"]["name"] == "Ada"
        assert [e["seq"] for e in lin.events] == [first["seq"] + 1]
        assert second["seq"] == first["seq"] + 1
        assert ada.events == []
        await ada.do("room.leave")
        assert (await lin.event("participant.left")) == {"identity": "ada", "reason": "left"}


async def test_chat_crosses_nodes_in_order_and_reaches_its_sender(gz: Node, sf: Node) -> None:
    async with client(gz, "lin") as lin, client(sf, "ada") as ada:
        await lin.join()
        await ada.join()
        for number in range(5):
            posted = await lin.do("chat.send", text=f"第{number}条")
            assert posted["message"]["number"] == number + 1
        await ada.do("chat.send", text="received")
        for one in (lin, ada):
            await one.event("chat.posted", 6)
            texts = [d["message"]["text"] for d in one.named("chat.posted")]
            assert texts == [*(f"第{n}条" for n in range(5)), "received"]
        late = await lin.join()
        assert [m["text"] for m in late["live"]["messages"]][-1] == "received"
        page = await lin.do("chat.history", before=4, limit=2)
        assert [m["number"] for m in page["messages"]] == [2, 3]
        assert page["more"]


BAD_COMMANDS: list[tuple[str, Any, str]] = [
    ("dance", {"id": "a", "data": {}}, "bad_command"),
    ("chat.send", None, "bad_command"),
    ("chat.send", [1, 2], "bad_command"),
    ("chat.send", {"data": {"text": "x"}}, "bad_command"),
    ("chat.send", {"id": "", "data": {"text": "x"}}, "bad_command"),
    ("chat.send", {"id": "x" * 65, "data": {"text": "x"}}, "bad_command"),
    ("chat.send", {"id": 7, "data": {"text": "x"}}, "bad_command"),
    ("chat.send", {"id": "a", "data": {}}, "bad_command"),
    ("chat.send", {"id": "a", "data": {"text": 5}}, "bad_command"),
    ("chat.send", {"id": "a", "data": {"text": " \n\t "}}, "bad_command"),
    ("chat.send", {"id": "a", "data": {"text": "x" * 2_001}}, "too_large"),
    ("chat.send", {"id": "a", "data": {"text": "x" * 70_000}}, "too_large"),
    ("room.join", {"id": "a", "data": {"room": "../etc"}}, "bad_command"),
    ("chat.history", {"id": "a", "data": {"before": 2**60}}, "bad_command"),
    ("chat.history", {"id": "a", "data": {"before": 1, "limit": 10_000}}, "bad_command"),
    ("floor.give", {"id": "a", "data": {"identity": "ada"}}, "forbidden"),
]


async def test_bad_commands_are_answered_with_a_code(gz: Node) -> None:
    async with client(gz, "lin") as lin:
        await lin.join()
        for name, payload, code in BAD_COMMANDS:
            ack = await lin.socket.call(name, payload, timeout=5)
            assert ack["error"]["code"] == code, (name, payload, ack)
            assert ack["error"]["message"]
        assert (await lin.do("chat.send", text="still here"))["message"]["number"] == 1


async def test_a_foreign_room_looks_as_absent_as_a_missing_one(gz: Node) -> None:
    one = await Client().connect(gz, gz.token("lin", room=HALL, any_room=False))
    foreign = await one.refusal("room.join", room=ROOM)
    missing = await one.refusal("room.join", room="nowhere")
    assert foreign == missing
    assert foreign["code"] == "not_found"
    assert (await one.join(HALL))["live"]["room"]["id"] == HALL
    await one.leave()


async def test_a_repeated_command_gets_its_first_answer(gz: Node, sf: Node) -> None:
    async with client(gz, "lin") as lin:
        await lin.join()
        first = await lin.ask("chat.send", "once", text="one")
        again = await lin.ask("chat.send", "once", text="one")
        at_once = await asyncio.gather(*(lin.ask("chat.send", "two", text="two") for _ in range(5)))
        assert first == again
        assert all(ack == at_once[0] for ack in at_once)
        async with client(sf, "lin") as elsewhere:
            joined = await elsewhere.join()
            other_node = await elsewhere.ask("chat.send", "once", text="one")
        assert other_node == first
        assert [m["text"] for m in joined["live"]["messages"]] == ["one", "two"]


async def test_too_many_commands_are_answered_with_when_to_come_back(gz: Node) -> None:
    async with client(gz, "lin") as lin:
        await lin.join()
        acks = await asyncio.gather(*(lin.ask("hand.raise") for _ in range(120)))
        refused = [a["error"] for a in acks if "error" in a]
        assert 40 <= len(refused) <= 70, len(refused)
        assert {e["code"] for e in refused} == {"rate_limited"}
        assert all(0 < e["retry_after_s"] <= 1 for e in refused)
        await until(lambda: lin.named("hand.raised"), "the hand")


async def test_a_command_outside_a_room_is_refused(gz: Node) -> None:
    async with client(gz, "lin") as lin:
        assert (await lin.refusal("chat.send", text="hello"))["code"] == "not_joined"
        await lin.join()
        assert (await lin.refusal("room.join", room=HALL))["code"] == "conflict"
        await lin.do("room.leave")
        assert (await lin.refusal("hand.raise"))["code"] == "not_joined"
        await lin.join(HALL)


async def test_an_outdated_page_is_told_to_reload(gz: Node) -> None:
    async with client(gz, "lin") as lin:
        error = await lin.refusal("room.join", room=ROOM, protocol=2)
        assert error["code"] == "bad_command"
        assert "reload" in error["message"]


async def test_coming_back_in_time_continues_the_session(gz: Node) -> None:
    async with client(gz, "ada") as ada:
        await ada.join()
        lin = await Client().connect(gz, gz.token("lin"))
        before = await lin.join()
        await lin.do("hand.raise")
        await lin.event("hand.raised")
        last = lin.events[-1]["seq"]
        await lin.leave()
        await ada.do("chat.send", text="while lin was away")
        back = await Client().connect(gz, gz.token("lin"))
        resume = {"session": before["me"]["session"], "epoch": before["epoch"], "seq": last}
        after = await back.join(resume=resume)
        assert after["resumed"]
        assert after["live"] is None
        assert after["me"]["session"] == before["me"]["session"]
        assert after["me"]["media"] == before["me"]["media"]
        assert [m["name"] for m in after["missed"]] == ["chat.posted"]
        assert after["seq"] == last + 1
        assert ada.named("participant.left") == []
        await back.leave()


async def test_coming_back_after_the_roster_gave_up_continues_the_session(gz: Node) -> None:
    async with client(gz, "ada") as ada:
        await ada.join()
        lin = await Client().connect(gz, gz.token("lin"))
        before = await lin.join()
        await lin.do("hand.raise")
        hand = (await lin.event("hand.raised"))["at_ms"]
        last = lin.events[-1]["seq"]
        await lin.leave()
        assert (await ada.event("participant.left")) == {"identity": "lin", "reason": "lost"}
        async with client(gz, "lin") as back:
            resume = {"session": before["me"]["session"], "epoch": before["epoch"], "seq": last}
            after = await back.join(resume=resume)
            assert after["resumed"]
            assert after["me"]["session"] == before["me"]["session"]
            assert after["me"]["media"] != before["me"]["media"], "its media ended with it"
            assert [m["name"] for m in after["missed"]] == [
                "participant.left",
                "participant.joined",
            ]
            assert after["missed"][1]["data"]["participant"]["hand_ms"] == hand


async def test_coming_back_on_another_node_continues_without_a_ghost(gz: Node, sf: Node) -> None:
    async with client(gz, "ada") as ada, client(gz, "lin") as lin:
        await ada.join()
        before = await lin.join()
        session = gz.realtime.sessions.get(before["me"]["session"])
        assert session is not None
        resume = {"session": session.id, "epoch": before["epoch"], "seq": before["seq"]}
        async with client(sf, "lin") as back:
            after = await back.join(resume=resume)
            assert after["resumed"]
            assert after["me"]["session"] == session.id
            assert after["me"]["media"] != before["me"]["media"]
            await until(lambda: session.closed, "the session here to end")
            await ada.do("chat.send", text="who is here?")
            await back.event("chat.posted")
            assert ada.named("participant.left") == ada.named("participant.joined")[1:] == []
            assert await gz.realtime.live.people([ROOM]) == {ROOM: 2}
            assert (await lin.closed()) == {"reason": "replaced", "reconnect": False}
        await until(lambda: gz.people() == {"ada"}, "lin gone")


async def test_a_second_socket_takes_the_session_over(gz: Node) -> None:
    async with client(gz, "lin") as old, client(gz, "lin") as new:
        before = await old.join()
        resume = {
            "session": before["me"]["session"],
            "epoch": before["epoch"],
            "seq": before["seq"],
        }
        after = await new.join(resume=resume)
        assert after["resumed"]
        assert await old.closed() == {"reason": "replaced", "reconnect": False}
        await old.gone.wait()
        assert (await new.do("chat.send", text="here"))["message"]["identity"] == "lin"
        assert await gz.realtime.live.people([ROOM]) == {ROOM: 1}


async def test_a_socket_that_is_gone_takes_nothing_from_the_one_after_it(gz: Node) -> None:
    """Its join may come to its turn late, when the client is back by another socket."""
    async with client(gz, "lin") as lin:
        joined = await lin.join()
        session = joined["me"]["session"]
        assert gz.gate is not None
        (connection,) = gz.gate._connections.values()
        late = Connection(gz.gate._dispatcher, connection._pipe, connection.grant)
        late.gone = True
        resume = {"session": session, "epoch": joined["epoch"], "seq": joined["seq"]}
        join = {"id": "late", "data": {"room": ROOM, "resume": resume}}
        ack = await gz.gate._dispatcher.serve(late, "room.join", join)
        assert ack["error"]["code"] == "not_joined"
        await lin.do("chat.send", text="still here")
        await lin.event("chat.posted")
        assert not lin.signals


async def test_somebody_elses_session_cannot_be_continued(gz: Node) -> None:
    async with client(gz, "lin") as lin, client(gz, "eve") as eve:
        before = await lin.join()
        resume = {
            "session": before["me"]["session"],
            "epoch": before["epoch"],
            "seq": before["seq"],
        }
        snapshot = await eve.join(resume=resume)
        assert not snapshot["resumed"]
        assert snapshot["me"]["session"] != before["me"]["session"]
        assert (await lin.do("chat.send", text="mine"))["message"]


@pytest.mark.parametrize("epoch_and_seq", [("0123456789abcdef", 1), (None, 10_000), (None, -5)])
async def test_a_forged_position_gets_a_fresh_snapshot(
    gz: Node, epoch_and_seq: tuple[str | None, int]
) -> None:
    async with client(gz, "lin") as lin:
        before = await lin.join()
        epoch, seq = epoch_and_seq[0] or before["epoch"], epoch_and_seq[1]
        assert (await lin.refusal("events.after", epoch=epoch, seq=seq))["code"] == "conflict"
        resume = {"session": before["me"]["session"], "epoch": epoch, "seq": seq}
        again = await lin.join(resume=resume)
        assert not again["resumed"]
        assert again["live"]["participants"].keys() == {"lin"}


async def test_a_gap_is_filled_on_request(gz: Node) -> None:
    async with client(gz, "lin") as lin:
        start = await lin.join()
        for text in ("one", "two", "three"):
            await lin.do("chat.send", text=text)
        await lin.event("chat.posted", 3)
        missed = (await lin.do("events.after", epoch=start["epoch"], seq=start["seq"] + 1))[
            "missed"
        ]
        assert missed == lin.events[1:]


async def test_a_removed_person_is_out_everywhere_and_stays_out(gz: Node, sf: Node) -> None:
    async with (
        client(gz, "mod", Role.MODERATOR) as mod,
        client(sf, "eve") as eve,
        client(gz, "eve") as tab,
    ):
        await mod.join()
        await eve.join()
        await tab.join()
        player = await sf.enter(grant("eve"), kind="whep")
        await mod.do("participant.remove", identity="eve")
        assert await eve.closed() == {"reason": "removed", "reconnect": False}
        assert await tab.closed() == {"reason": "removed", "reconnect": False}
        await until(lambda: player.closed, "the player's end")
        assert (await mod.event("participant.left")) == {"identity": "eve", "reason": "removed"}
        assert gz.people() == {"mod"}
        again = await Client().connect(sf, sf.token("eve"))
        assert (await again.refusal("room.join", room=ROOM))["code"] == "removed"
        await again.leave()
