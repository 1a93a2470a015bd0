"""The connection panel under the status pill: words, figures of both sides, the report for support."""

from __future__ import annotations

import asyncio
import json
import re
from typing import Any

import pytest

from tests.e2e.conftest import Venue, Visit
from tests.e2e.visitor import Visitor

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.asyncio(loop_scope="module")]

WAY = {"en-US": "direct (UDP)", "zh-CN": "直连（UDP）", "ja-JP": "直接（UDP）"}


async def rows(visitor: Visitor, table: str) -> list[list[str]]:
    """Read a table's cells."""
    found: list[list[str]] = await visitor.page.evaluate(
        """(name) => [...document.querySelectorAll(`[data-test="${name}"] tbody tr`)]
            .map((row) => [...row.cells].map((cell) => cell.innerText))""",
        table,
    )
    return found


def told(table: list[list[str]]) -> bool:
    return bool(table) and all("–" not in cells[1:] for cells in table)


async def test_both_sides_are_told_and_a_report_holds_no_name(
    small_venue: Venue, visit: Visit
) -> None:
    room = small_venue.open_room("panel-1", "table")
    anna = await visit(
        small_venue.gz, "anna", room=room, name="Anna Lee",
        permissions=("camera", "microphone", "clipboard-read", "clipboard-write"),
    )  # fmt: skip
    ben = await visit(small_venue.gz, "ben", room=room, name="Ben Okafor")
    await asyncio.gather(anna.enter(room), ben.enter(room))
    await asyncio.gather(anna.until_seen_moving("ben", 60), ben.until_seen_moving("anna", 60))
    await anna.page.focus('[data-test="status-pill"]')
    await anna.page.keyboard.press("Enter")
    await anna.test("connection-panel").wait_for()
    await anna.until(lambda: anna.test("way").inner_text(), lambda said: said == WAY["en-US"])
    assert "IPv4" in await anna.test("path").inner_text()
    quality = await anna.until(lambda: rows(anna, "quality"), told)
    assert [cells[0] for cells in quality[:3]] == [
        "Round trip", "Lost on the way up", "Lost on the way down",
    ]  # fmt: skip
    sending = await anna.until(lambda: rows(anna, "sending"), told)
    assert {cells[0].split()[0] for cells in sending} == {"Microphone", "Camera"}
    assert all("bit/s" in cell for cells in sending for cell in cells[1:])
    receiving = await anna.until(lambda: rows(anna, "receiving"), told)
    assert {cells[0] for cells in receiving} == {"Ben Okafor · Camera", "Ben Okafor · Microphone"}
    assert await anna.test("history").locator("polyline").count() == 4
    await anna.press("copy-report")
    await anna.until(
        lambda: anna.test("connection-panel").inner_text(), lambda text: "Copied." in text
    )
    text = await anna.page.evaluate("navigator.clipboard.readText()")
    report = json.loads(text)
    me = await anna.page.evaluate("window.yunhai.me.session")
    assert report["session"] == report["server"]["session"] == me
    assert report["server"]["publisher"]["rtt_s"] is not None
    assert {"outbound-rtp", "candidate-pair"} <= {stat["type"] for stat in report["sends"]}
    for secret in ("Anna", "Ben", "anna", "ben", "127.0.0.1"):
        assert secret not in text
    await anna.page.keyboard.press("Escape")
    assert await anna.page.evaluate("document.activeElement.dataset.test") == "status-pill"
    assert anna.troubles == []


@pytest.mark.parametrize("language", ["en-US", "zh-CN", "ja-JP"])
async def test_a_phone_shows_all_of_it_in_its_language(
    small_venue: Venue, visit: Visit, language: str
) -> None:
    room = small_venue.open_room(f"panel-{language.lower()}", "table")
    options: dict[str, Any] = {"width": 360, "height": 740, "phone": True, "language": language}
    anna = await visit(small_venue.gz, "anna", room=room, **options)
    ben = await visit(small_venue.gz, "ben", room=room, name="Maximiliane Großherzog-Finkenwerder")
    await asyncio.gather(anna.enter(room), ben.enter(room))
    await anna.until_seen_moving("ben", 60)
    await anna.press("status-pill")
    await anna.until(lambda: rows(anna, "receiving"), told)
    await anna.until(lambda: anna.test("way").inner_text(), lambda said: said == WAY[language])
    said = await anna.test("findings").inner_text()
    assert said
    assert language == "en-US" or not re.search("[A-Za-z]{5,}", said)
    wide = await anna.page.evaluate(
        """[...document.querySelectorAll('[data-test="status-dialog"], [data-test="status-dialog"] *')]
            .filter((each) => each.getBoundingClientRect().right > innerWidth + 1)
            .map((each) => each.outerHTML.slice(0, 80))"""
    )
    assert wide == []
    await anna.test("copy-report").scroll_into_view_if_needed()
    assert (await anna.test("copy-report").bounding_box())["height"] >= 44


async def test_nobody_is_asked_while_the_panel_is_closed(small_venue: Venue, visit: Visit) -> None:
    room = small_venue.open_room("panel-2", "table")
    anna = await visit(small_venue.gz, "anna", room=room)
    await anna.enter(room)
    await anna.page.evaluate(
        """() => {
            const { connection } = window.yunhai.session;
            const call = connection.call.bind(connection);
            window.asked = 0;
            connection.call = (name, ...rest) => {
                if (name === "media.stats") window.asked += 1;
                return call(name, ...rest);
            };
        }"""
    )

    async def readings() -> Any:
        return await anna.page.evaluate("window.yunhai.session.observer.readings.value.length")

    async def asked() -> Any:
        return await anna.page.evaluate("window.asked")

    before = await readings()
    await anna.until(readings, lambda count: count >= before + 1)
    assert await asked() == 0
    await anna.press("status-pill")
    await anna.until(asked, lambda count: count >= 2)
    await anna.page.keyboard.press("Escape")
    await anna.test("status-dialog").wait_for(state="detached")
    count = await asked()
    before = await readings()
    await anna.until(readings, lambda now: now >= before + 2)
    assert await asked() <= count + 1
