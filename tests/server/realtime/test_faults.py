"""Redis dies, freezes, forgets and loses messages; people lose nothing."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis

from rooms import actions
from rooms.commands import ChatSend, StageSet
from rooms.errors import Code, RoomError
from rooms.events import ChatPosted, HandRaised
from rooms.ids import Identity
from rooms.live import Role
from server.realtime.link import RedisUnreachable
from tests.server.guests import grant, until
from tests.server.realtime.venue import (
    QUICK,
    ROOM,
    MortalValkey,
    Node,
    client,
    mortal_valkey,
    running_node,
    serving,
    track_of,
)


@pytest.fixture
def valkey() -> Iterator[MortalValkey]:
    with mortal_valkey() as running:
        yield running


@pytest.fixture
async def nodes(tmp_path: Path, valkey: MortalValkey) -> AsyncIterator[tuple[Node, Node]]:
    await until(valkey.path.exists, "Valkey")
    async with AsyncExitStack() as stack:
        gz, sf = [
            await stack.enter_async_context(running_node(tmp_path, valkey.url, name))
            for name in ("gz", "sf")
        ]
        for node in (gz, sf):
            await stack.enter_async_context(serving(node))
        yield gz, sf


async def test_an_emptied_redis_is_filled_again_from_the_nodes(
    nodes: tuple[Node, Node], valkey: MortalValkey
) -> None:
    gz, sf = nodes
    async with client(gz, "mod", Role.MODERATOR) as mod, client(sf, "lin") as lin:
        before = await mod.join()
        await lin.join()
        camera = await gz.enter(grant("cam"), kind="whip")
        await gz.realtime.live.publish_track(track_of(camera))
        await lin.do("hand.raise")
        await mod.do("floor.give", identity="lin")
        await lin.do("hand.raise")
        await mod.do("role.set", identity="lin", role="speaker")
        await mod.do("stage.set", identity="lin")
        await mod.do("chat.send", text="before")
        await until(lambda: sf.live().messages and gz.live() == sf.live(), "both nodes alike")
        was = gz.live()
        valkey.kill()
        valkey.start()
        await until(
            lambda: all(n.realtime.mirrors.get(ROOM).epoch != before["epoch"] for n in nodes),  # type: ignore[union-attr]
            "a new epoch",
        )
        await until(lambda: gz.live() == sf.live() and len(gz.people()) == 3, "alike again")
        assert gz.live() == was
        # Clients hear that their numbers no longer count, and ask for a snapshot.
        await until(lambda: lin.events[-1]["epoch"] != before["epoch"], "the new epoch's events")
        error = await lin.refusal("events.after", epoch=before["epoch"], seq=before["seq"])
        assert error["code"] == "conflict"
        fresh = await lin.join()
        assert fresh["me"]["role"] == "speaker"
        assert fresh["live"]["participants"]["lin"]["hand_ms"] is not None
        assert fresh["live"]["tracks"].keys() == {"t_cam"}
        assert fresh["live"]["stage"] == "lin"
        await mod.do("chat.send", text="after")
        await until(
            lambda: (
                lin.named("chat.posted")[-1:]
                and lin.named("chat.posted")[-1]["message"]["text"] == "after"
            ),
            "the message",
        )


async def test_chat_is_kept_while_redis_is_away_and_delivered_once(
    nodes: tuple[Node, Node], valkey: MortalValkey
) -> None:
    gz, sf = nodes
    for node, who in ((gz, "lin"), (sf, "ada")):
        await node.enter(grant(who))
    valkey.freeze()
    heard = sf.hear()
    started = time.monotonic()
    for number in range(5):
        await gz.act(actions.send_chat, "lin", ChatSend(text=f"{number}"), f"c{number}")
    took = time.monotonic() - started
    assert took < QUICK.redis * 3, f"five messages took {took:.1f} s while Redis was frozen"
    started = time.monotonic()
    with pytest.raises(RoomError) as caught:
        await gz.act(actions.raise_hand, "lin")
    assert caught.value.code is Code.UNAVAILABLE
    assert caught.value.retry_after_s
    assert time.monotonic() - started < QUICK.redis * 2
    valkey.thaw()
    await until(lambda: len(sf.live().messages) == 5, "all five messages")
    await until(lambda: len(gz.live().messages) == 5, "here too")
    texts = [e.message.text for e in heard if isinstance(e, ChatPosted)]
    assert list(dict.fromkeys(texts)) == ["0", "1", "2", "3", "4"]
    await gz.act(actions.raise_hand, "lin")
    await until(lambda: sf.people() == {"lin", "ada"}, "everybody")


async def test_an_event_that_redis_refuses_does_not_hold_up_those_behind_it(
    nodes: tuple[Node, Node], valkey: MortalValkey, monkeypatch: pytest.MonkeyPatch
) -> None:
    gz, sf = nodes
    for node, who in ((gz, "lin"), (sf, "ada")):
        await node.enter(grant(who))
    run = gz.realtime.link.run

    async def spoil(name: str, *arguments: str | int | bytes) -> Any:
        nonsense = ("nonsense", "", "", "") if "lost" in str(arguments) else ()
        return await run(name, *arguments, *nonsense)

    monkeypatch.setattr(gz.realtime.link, "run", spoil)
    valkey.freeze()
    for number, text in enumerate(("lost", "kept")):
        await gz.act(actions.send_chat, "lin", ChatSend(text=text), f"c{number}")
    valkey.thaw()
    await until(lambda: "kept" in [m.text for m in sf.live().messages], "the message behind")
    await until(lambda: gz.realtime.live.dropped == 1, "the other to be counted")


async def test_readiness_sees_redis_go_and_come(
    nodes: tuple[Node, Node], valkey: MortalValkey
) -> None:
    link = nodes[0].realtime.link
    valkey.kill()
    await until(lambda: not link.up, "redis away")
    started = time.monotonic()
    with pytest.raises(RoomError):
        await link.run("people", ROOM)
    assert time.monotonic() - started < 0.1, "the breaker answers at once"
    valkey.start()
    await until(lambda: link.up, "redis back")


async def test_events_lost_on_the_way_are_read_from_the_journal(
    nodes: tuple[Node, Node], valkey: MortalValkey
) -> None:
    gz, sf = nodes
    for node, who in ((gz, "lin"), (sf, "ada")):
        await node.enter(grant(who))
    await until(lambda: sf.people() == gz.people() == {"lin", "ada"}, "both")
    heard = sf.hear()
    channel = f"{sf.realtime.link.prefix}events:{ROOM}"
    receiver = sf.realtime.bus._receivers[channel]
    sf.realtime.bus._receivers[channel] = lambda raw: None
    for number in range(3):
        await gz.act(actions.send_chat, "lin", ChatSend(text=f"lost {number}"), f"c{number}")
    await until(lambda: len(gz.live().messages) == 3, "three messages here")
    await asyncio.sleep(0)
    sf.realtime.bus._receivers[channel] = receiver
    await gz.act(actions.raise_hand, "lin")
    await until(lambda: sf.person("lin").hand_ms, "the hand")
    assert [type(e) for e in heard] == [ChatPosted] * 3 + [HandRaised]
    assert sf.live() == gz.live()


async def test_a_lost_last_event_is_noticed_without_another(
    nodes: tuple[Node, Node], valkey: MortalValkey
) -> None:
    gz, sf = nodes
    for node, who in ((gz, "lin"), (sf, "ada")):
        await node.enter(grant(who))
    await until(lambda: sf.people() == gz.people() == {"lin", "ada"}, "both")
    channel = f"{sf.realtime.link.prefix}events:{ROOM}"
    receiver = sf.realtime.bus._receivers[channel]
    sf.realtime.bus._receivers[channel] = lambda raw: None
    await gz.act(actions.raise_hand, "lin")
    await until(lambda: gz.person("lin").hand_ms, "the hand here")
    sf.realtime.bus._receivers[channel] = receiver
    await until(lambda: sf.person("lin").hand_ms, "the hand there")


async def test_numbers_are_not_used_twice_after_a_failover_lost_some(
    nodes: tuple[Node, Node], valkey: MortalValkey
) -> None:
    gz, _ = nodes
    await gz.enter(grant("mod", Role.MODERATOR))
    await gz.enter(grant("lin"))
    mirror = gz.realtime.mirrors.get(ROOM)
    assert mirror is not None
    epoch, seq = mirror.epoch, mirror.seq
    async with Redis.from_url(valkey.url) as redis:
        await redis.hset(f"{gz.realtime.link.prefix}room:{ROOM}", "seq", seq - 2)
    await until(lambda: mirror.epoch != epoch, "a new epoch")
    await gz.act(actions.set_stage, "mod", StageSet(identity=Identity("lin")))
    await until(lambda: gz.live().stage == "lin", "the stage")
    assert gz.people() == {"mod", "lin"}


async def test_a_journal_that_no_longer_reaches_back_gives_a_whole_room(
    nodes: tuple[Node, Node], valkey: MortalValkey
) -> None:
    gz, sf = nodes
    await gz.enter(grant("lin"))
    async with client(sf, "ada") as ada:
        await ada.join()
        channel = f"{sf.realtime.link.prefix}events:{ROOM}"
        receiver = sf.realtime.bus._receivers[channel]
        sf.realtime.bus._receivers[channel] = lambda raw: None
        await gz.act(actions.raise_hand, "lin")
        async with Redis.from_url(valkey.url) as redis:
            await redis.delete(f"{sf.realtime.link.prefix}journal:{ROOM}")
        sf.realtime.bus._receivers[channel] = receiver
        await until(lambda: sf.person("lin").hand_ms, "the hand")
        # The client is told a number it cannot connect to what it has, and joins anew.
        hint = await ada.event("room.updated")
        assert hint["room"]["id"] == ROOM
        last = ada.events[-1]
        error = await ada.refusal("events.after", epoch=last["epoch"], seq=last["seq"] - 1)
        assert error["code"] == "conflict"
        fresh = await ada.join()
        assert fresh["live"]["participants"]["lin"]["hand_ms"] is not None
        assert fresh["seq"] == last["seq"]


async def test_an_absent_redis_is_named_at_the_start(tmp_path: Path) -> None:
    with pytest.raises(
        RedisUnreachable, match=r"cannot reach Redis at redis://:\*\*\*@127\.0\.0\.1:1/0"
    ):
        async with running_node(tmp_path, "redis://:hunter2@127.0.0.1:1/0"):
            pass
