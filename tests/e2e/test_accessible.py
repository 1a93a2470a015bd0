"""The pages under axe-core: no serious or critical finding, in light and in dark."""

from __future__ import annotations

from functools import cache
from typing import Any, Literal

import pytest
from playwright.async_api import Browser, Page

from tests.e2e.conftest import Venue, Visit
from tests.nodes import ROOT

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.asyncio(loop_scope="module")]

AXE = ROOT / "web/client/node_modules/axe-core/axe.min.js"
GRAVE = {"serious", "critical"}


@cache
def axe() -> str:
    """Read axe-core, one of the client's development packages."""
    if not AXE.exists():
        pytest.fail("axe-core is not installed; `make test` does that", pytrace=False)
    return AXE.read_text(encoding="utf-8")


async def sound(page: Page, where: str) -> None:
    """Let axe judge what is on the page now.

    Raises:
        AssertionError: naming each grave finding and the elements it is about.
    """
    await page.evaluate(axe())
    found: list[dict[str, Any]] = await page.evaluate(
        """async () => (await axe.run(document, {resultTypes: ["violations"]})).violations.map(
          ({id, impact, help, nodes}) => ({id, impact, help, nodes: nodes.map(
            ({html, failureSummary}) => html.slice(0, 160) + " — " + failureSummary)}))"""
    )
    grave = [finding for finding in found if finding["impact"] in GRAVE]
    assert not grave, f"{where}: " + "\n".join(
        f"{f['impact']} {f['id']}: {f['help']}\n  " + "\n  ".join(f["nodes"]) for f in grave
    )


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_axe_finds_nothing_grave_on_any_page(
    small_venue: Venue, browser: Browser, visit: Visit, scheme: Literal["light", "dark"]
) -> None:
    room = small_venue.open_room(f"open-{scheme}", "stage")
    stranger = await (await browser.new_context(color_scheme=scheme)).new_page()
    await stranger.goto(small_venue.gz.url)
    await stranger.locator('[data-test="invitation"]').wait_for()
    await sound(stranger, "entrance without a ticket")
    await stranger.goto(f"{small_venue.gz.url}/nowhere")
    await sound(stranger, "error page")
    await stranger.context.close()

    ben = await visit(small_venue.gz, "ben", name="Ben 本", role="speaker", room=room)
    await ben.enter(room)
    await ben.say("早上好 https://example.org/")
    await ben.press("hand")
    anna = await visit(
        small_venue.gz, "anna", role="moderator", room=room, scheme=scheme, language="zh-CN"
    )
    page = anna.page
    await anna.test(f"room-card-{room}").wait_for()
    await sound(page, "entrance")
    await anna.press("create-room")
    await anna.test("create-name").wait_for()
    await sound(page, "making a room")

    await anna.open(room)
    await page.locator('[data-test="preview"] video').wait_for()
    await sound(page, "before one enters")
    await anna.press("enter")
    await page.locator('[data-test="tile"][data-identity="ben"] video').wait_for()
    await anna.test("chat-message").wait_for()
    await sound(page, "room with chat")
    await anna.show_panel("people")
    await anna.test("hand-place").wait_for()
    await anna.page.locator('[data-identity="ben"] [data-test="person-menu"]').click()
    await anna.page.locator('[data-identity="ben"] [data-test="act-stage"]').wait_for()
    await sound(page, "people")
    await anna.page.locator('[data-identity="ben"] [data-test="act-stage"]').click()
    await anna.test("tally-live").first.wait_for()
    await anna.press("layout")
    await anna.test("grid").wait_for()
    await sound(page, "grid, somebody on stage")
    for key, dialog in (("l", "leave-dialog"), ("?", "help-dialog")):
        await page.keyboard.press(key)
        await anna.test(dialog).wait_for()
        await sound(page, dialog)
        await page.keyboard.press("Escape")
    for button, dialog in (("settings", "settings-dialog"), ("status-pill", "status-dialog")):
        await anna.press(button)
        await anna.test(dialog).wait_for()
        await sound(page, dialog)
        await page.keyboard.press("Escape")
    await anna.context.set_offline(True)
    await anna.test("reconnecting").wait_for()
    await anna.say("later")
    await anna.test("chat-pending").wait_for()
    await sound(page, "reconnecting")
    await anna.context.set_offline(False)
    await anna.until(anna.link, lambda link: link == "connected")
    await anna.press("leave")
    await anna.press("leave-yes")
    await anna.test("ending").wait_for()
    await sound(page, "left")
