"""People at two nodes see, hear and read each other, in real browsers."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.e2e.conftest import Venue, Visit, running_venue

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.asyncio(loop_scope="module")]


async def test_two_people_on_two_nodes_see_hear_read_and_leave_each_other(
    venue: Venue, visit: Visit
) -> None:
    room = venue.open_room("interview-7")
    anna = await visit(venue.gz, "anna", room=room)
    ben = await visit(venue.sf, "ben", room=room)
    await anna.enter(room)
    await ben.enter(room)
    await asyncio.gather(anna.until_seen_moving("ben"), ben.until_seen_moving("anna"))
    await asyncio.gather(anna.until_heard("ben"), ben.until_heard("anna"))

    await anna.say("你好 Ben，听得清楚吗？")
    await ben.until(ben.read, lambda texts: texts == ["你好 Ben，听得清楚吗？"])
    await ben.say("はい、よく聞こえます。")
    await anna.until(anna.read, lambda texts: texts[-1:] == ["はい、よく聞こえます。"])

    assert await anna.people() == {"anna", "ben"}
    await ben.press("leave")
    await ben.press("leave-yes")
    await anna.until(anna.people, lambda people: people == {"anna"}, 10)
    assert anna.troubles == []
    assert ben.troubles == []


async def test_a_window_that_is_closed_is_gone_from_the_other_nodes_roster_within_10_s(
    venue: Venue, visit: Visit
) -> None:
    room = venue.open_room("table-1", "table")
    anna = await visit(venue.gz, "anna", room=room)
    ben = await visit(venue.sf, "ben", room=room)
    await anna.enter(room)
    await ben.enter(room, press="enter-listener")
    await anna.until(anna.people, lambda people: people == {"anna", "ben"})
    await ben.leave()
    await anna.until(anna.people, lambda people: people == {"anna"}, 10)


async def test_one_person_in_three_tabs_is_counted_once(venue: Venue, visit: Visit) -> None:
    room = venue.open_room("lobby", "lobby")
    anna = await visit(venue.gz, "anna", room=room)
    await anna.enter(room, press="enter-listener")
    tabs = [await visit(node, "ben", room=room) for node in (venue.gz, venue.sf, venue.sf)]
    for tab in tabs:
        await tab.enter(room, press="enter-listener")
    await anna.until(anna.people, lambda people: people == {"anna", "ben"})
    await tabs[0].leave()
    await tabs[1].leave()
    await anna.say("still two of us")
    await tabs[2].until(tabs[2].read, lambda texts: texts == ["still two of us"])
    assert await anna.people() == {"anna", "ben"}


async def test_a_member_gets_the_floor_in_a_hall_is_seen_and_is_muted_again(
    venue: Venue, visit: Visit
) -> None:
    room = venue.open_room("hall-1", "hall")
    moderator = await visit(venue.gz, "moderator", role="moderator", room=room)
    member = await visit(venue.sf, "member", room=room)
    await moderator.enter(room)
    await member.enter(room)
    await member.press("hand")
    await moderator.show_panel("people")
    await moderator.test("hand-place").wait_for()
    await moderator.act("member", "give-floor")
    await member.until(member.live, lambda live: live["participants"]["member"]["floor"], 10)
    await member.press("mic")
    await member.press("camera")
    await moderator.until_seen_moving("member")
    await moderator.until_heard("member")

    await moderator.act("member", "mute-microphone")
    await member.until(
        member.live,
        lambda live: any(
            t["forced"] for t in live["tracks"].values() if t["source"] == "microphone"
        ),
        10,
    )
    await moderator.until_silent("member")

    await moderator.act("member", "take-floor")
    await moderator.until(
        moderator.live,
        lambda live: not [t for t in live["tracks"].values() if t["identity"] == "member"],
        10,
    )


async def test_a_removed_person_is_out_and_cannot_come_back(venue: Venue, visit: Visit) -> None:
    room = venue.open_room("booth-1", "booth")
    moderator = await visit(venue.gz, "moderator", role="moderator", room=room)
    pest = await visit(venue.sf, "pest", room=room)
    await moderator.enter(room, press="enter-listener")
    await pest.enter(room, press="enter-listener")
    await moderator.act("pest", "remove")
    await moderator.press("confirm-yes")
    await pest.test("ending").wait_for()
    assert await pest.test("ending").get_attribute("data-reason") == "removed"
    await moderator.until(moderator.people, lambda people: people == {"moderator"}, 10)
    await pest.open(room)
    await pest.press("enter-listener")
    await pest.test("ending").wait_for()


async def test_people_of_a_killed_node_go_on_at_the_other_one(tmp_path: Path, visit: Visit) -> None:
    with running_venue(tmp_path, "gz", "sf") as venue:
        room = venue.open_room("interview-8")
        anna = await visit(venue.gz, "anna", room=room)
        ben = await visit(venue.sf, "ben", room=room)
        await anna.enter(room)
        await ben.enter(room)
        await anna.until_seen_moving("ben")
        venue.sf.kill()
        await anna.say("are you there?")
        await ben.until(ben.read, lambda texts: texts[-1:] == ["are you there?"], 15)
        await ben.until_seen_moving("anna")
        await anna.until_seen_moving("ben")
        assert await anna.people() == {"anna", "ben"}
