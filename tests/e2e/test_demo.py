"""The demo convention: whoever comes alone finds it alive, whichever node they come to."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.async_api import Browser

from server.demo.cast import HALL_GZ, HALL_TK, PEOPLE
from tests.e2e.demo import running_demo
from tests.e2e.visitor import Visitor

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.slow,
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.timeout(240),
]


async def test_a_visitor_in_tokyo_sees_the_people_of_guangzhou(
    tmp_path: Path, browser: Browser
) -> None:
    guangzhou = [person for person in PEOPLE if person.room == HALL_GZ]
    voice = next(person for person in guangzhou if person.pitch_hz is not None)
    async with running_demo(tmp_path, nodes=3) as demo:
        assert set(demo.urls) == {"gz", "sf", "tk"}
        talent = await Visitor.arrive(browser, demo.urls["tk"], demo.ticket("member", "tk"))
        await talent.test(f"room-card-{HALL_GZ}").wait_for()
        await talent.test(f"room-card-{HALL_TK}").wait_for()
        await talent.enter(HALL_GZ, press="enter")
        expected = {person.identity for person in guangzhou}
        await talent.until(talent.people, lambda people: expected <= people, 90)
        for person in guangzhou:
            await talent.until_seen_moving(person.identity, 40)
        await talent.until_heard(voice.identity)
        await talent.until(
            talent.read, lambda texts: {p.greeting for p in guangzhou} <= set(texts), 40
        )
        assert (await talent.stats())["node"] == "tk"
        assert await talent.page.locator('[data-test="tile"] .tag.demo').count() >= len(guangzhou)
        assert talent.troubles == []
        await talent.leave()
