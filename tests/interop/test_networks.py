"""Rooms entered from networks that are in the way: UDP blocked, addresses that change, IPv6."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest
from playwright.async_api import Browser

from tests.e2e.conftest import Venue
from tests.e2e.visitor import Visitor
from tests.interop.conftest import browser_in, promised_s, visitor_at
from tests.network import Namespace
from tests.nodes import running_node
from tests.services import running_valkey

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.asyncio(loop_scope="module")]


async def way_of(visitor: Visitor) -> str:
    """What the status pill's details say of the route."""
    await visitor.press("status-pill")
    await visitor.test("way").wait_for()
    said = await visitor.test("way").inner_text()
    await visitor.page.keyboard.press("Escape")
    return str(said)


async def pill_of(visitor: Visitor, way: str) -> str:
    """What the status pill says once all is well and it knows the way."""
    pill = visitor.test("status-pill")
    await visitor.until(
        lambda: pill.evaluate("(pill) => [pill.dataset.way, pill.dataset.status]"),
        lambda told: way in told[0] and told[1] == "connected",
    )
    return str(await pill.inner_text())


async def pair_of(visitor: Visitor) -> str:
    """Name the pair of candidates that carries what is received now, "" while nothing does."""
    return str(
        await visitor.page.evaluate(
            """async () => {
                const pc = window.yunhai.subscriber;
                if (pc?.connectionState !== "connected") return "";
                for (const stat of (await pc.getStats()).values())
                    if (stat.type === "transport") return stat.selectedCandidatePairId ?? "";
                return "";
            }"""
        )
    )


async def until_moved(visitor: Visitor, before: str) -> None:
    """Wait for another pair to carry what is received.

    Not for the states in between: a browser may pass through them unseen, or not at all.
    """
    await visitor.until(lambda: pair_of(visitor), lambda now: now not in ("", before), 60)


async def test_where_udp_is_blocked_one_is_in_the_room_by_tcp_within_8_s(
    reachable: Venue, inside: Namespace, tmp_path: Path
) -> None:
    inside.block("meta l4proto udp")
    room = reachable.open_room("table-1", "table")
    async with (
        browser_in(inside, tmp_path, reachable.gz.url) as browser,
        visitor_at(browser, reachable, "anna", room) as anna,
        visitor_at(browser, reachable, "ben", room) as ben,
    ):
        await anna.enter(room)
        await ben.open(room)
        began, patience_s = time.monotonic(), promised_s(8)
        await ben.press("enter")
        await ben.until_seen_moving("anna", patience_s)
        await anna.until_seen_moving("ben", began + patience_s - time.monotonic())
        print(f"{time.monotonic() - began:.1f} s until both see each other")
        await asyncio.gather(anna.until_heard("ben"), ben.until_heard("anna"))
        for visitor in (anna, ben):
            path = (await visitor.stats())["path"]
            assert (path["protocol"], path["relayed"]) == ("tcp", False)
            assert "TCP" in await way_of(visitor)
            assert await pill_of(visitor, "tcp") == "Connected by TCP"


async def test_sound_goes_on_after_a_move_to_another_address(
    reachable: Venue, inside: Namespace, tmp_path: Path
) -> None:
    room = reachable.open_room("table-1", "table")
    async with (
        browser_in(inside, tmp_path, reachable.gz.url) as browser,
        visitor_at(browser, reachable, "anna", room) as anna,
        visitor_at(browser, reachable, "ben", room) as ben,
    ):
        await asyncio.gather(anna.enter(room), ben.enter(room))
        await asyncio.gather(anna.until_seen_moving("ben"), ben.until_seen_moving("anna"))
        before = {visitor: await pair_of(visitor) for visitor in (anna, ben)}
        assert "" not in before.values()
        inside.move()
        moved = time.monotonic()
        # Pictures may be paused for a while: the new network has yet to show what it carries.
        await asyncio.gather(*(until_moved(visitor, pair) for visitor, pair in before.items()))
        await asyncio.gather(anna.until_heard("ben", 60), ben.until_heard("anna", 60))
        print(f"{time.monotonic() - moved:.1f} s until both are heard after the move")


SOUND = """async () => {
  const reports = [...(await window.yunhai.subscriber.getStats()).values()];
  const sound = reports.find(({ type, kind }) => type === "inbound-rtp" && kind === "audio");
  return { samples: sound.totalSamplesReceived, concealed: sound.concealedSamples,
           lost: sound.packetsLost, received: sound.packetsReceived };
}"""
WINDOW = 10 * 48_000


async def test_a_network_that_loses_a_fifth_conceals_little_of_a_voice(
    reachable: Venue, inside: Namespace, tmp_path: Path
) -> None:
    room = reachable.open_room("table-1", "table")
    async with (
        browser_in(inside, tmp_path, reachable.gz.url) as browser,
        visitor_at(browser, reachable, "anna", room) as anna,
        visitor_at(browser, reachable, "ben", room) as ben,
    ):
        await asyncio.gather(anna.enter(room), ben.enter(room))
        await asyncio.gather(anna.until_heard("ben"), ben.until_heard("anna"))
        inside.block("udp dport >= 1024 numgen random mod 100 < 20")

        async def sound() -> dict[str, int]:
            return dict(await ben.page.evaluate(SOUND))

        async def later(then: dict[str, int]) -> dict[str, int]:
            return dict(
                await ben.until(sound, lambda now: now["samples"] - then["samples"] >= WINDOW, 40)
            )

        # The server hears of the loss within the first window, so the second one has redundancy.
        before = await later(await sound())
        after = await later(before)
        gone = {key: after[key] - before[key] for key in after}
        loss = gone["lost"] / (gone["lost"] + gone["received"])
        concealed = gone["concealed"] / gone["samples"]
        print(f"{loss:.1%} of the packets lost, {concealed:.1%} of the sound concealed")
        assert loss > 0.1
        assert concealed < loss / 2


async def test_a_node_on_ipv6_alone_is_entered(tmp_path: Path, browser: Browser) -> None:
    with (
        running_valkey() as valkey,
        running_node(
            "gz",
            tmp_path,
            redis_url=valkey.url,
            database_url=f"sqlite:///{tmp_path / 'venue.db'}",
            host="::1",
        ) as node,
    ):
        venue = Venue((node,))
        room = venue.open_room("table-1", "table")
        async with (
            visitor_at(browser, venue, "anna", room) as anna,
            visitor_at(browser, venue, "ben", room) as ben,
        ):
            await asyncio.gather(anna.enter(room), ben.enter(room))
            await asyncio.gather(anna.until_seen_moving("ben"), ben.until_seen_moving("anna"))
            await asyncio.gather(anna.until_heard("ben"), ben.until_heard("anna"))
            path = (await anna.stats())["path"]
            assert (path["protocol"], path["relayed"]) == ("udp", False)
