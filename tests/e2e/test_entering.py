"""Getting in: devices that are refused, missing or busy; tickets that do not open; languages."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page

from server.http.languages import load_catalogues
from server.http.pages import WEB
from tests.e2e.conftest import Venue, Visit, ticket
from tests.e2e.visitor import Visitor, running_browser

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.asyncio(loop_scope="module")]

TAGS = {"zh": "zh-CN", "en": "en-US", "ja": "ja-JP"}
CATALOGUES = load_catalogues(WEB / "locales")

TAKEN = """
  const open = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
  window.taken = true;
  navigator.mediaDevices.getUserMedia = async (wish) => {
    if (window.taken) throw new DOMException("Could not start source", "NotReadableError");
    return open(wish);
  };
"""
"""Makes the page's devices as they are while another program has them."""


def said(language: str, sentence: str) -> str:
    """Give the sentence as the page says it; a missing translation fails the test."""
    translated = CATALOGUES[language].gettext(sentence)
    assert language == "en" or translated != sentence, f"{sentence!r} is not in {language}"
    return translated


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def bare_browser() -> AsyncIterator[Browser]:
    """A browser on a machine without camera and microphone."""
    async with running_browser(devices=False) as running:
        yield running


# Devices


async def told(visitor: Visitor, device: str) -> tuple[str, str]:
    """Wait for the trouble with a device; read its kind and what the page says of it."""
    note = visitor.test(f"trouble-{device}")
    await note.wait_for()
    return await note.get_attribute("data-kind"), await note.locator("p").inner_text()


async def listens(visitor: Visitor) -> None:
    """Enter as a listener: inside, with the microphone off and offered."""
    await visitor.press("enter-listener")
    await visitor.test("room").wait_for()
    await visitor.until(visitor.link, lambda link: link == "connected")
    assert await visitor.test("mic").get_attribute("aria-pressed") == "false"


async def test_refused_devices_are_explained_let_one_in_and_can_be_allowed_later(
    small_venue: Venue, visit: Visit
) -> None:
    room = small_venue.open_room("refused")
    anna = await visit(small_venue.gz, "anna", room=room, permissions=())
    await anna.open(room)
    for device, cause in (
        ("microphone", "The browser is not allowed to use the microphone."),
        ("camera", "The browser is not allowed to use the camera."),
    ):
        kind, text = await told(anna, device)
        assert kind == "refused"
        assert cause in text
        assert "allow it with the icon beside the address" in text
    await listens(anna)

    await anna.press("mic")
    toast = anna.test("toast")
    await toast.wait_for()
    assert "not allowed to use the microphone" in await toast.inner_text()
    assert await anna.test("mic").get_attribute("aria-pressed") == "false"

    await anna.context.grant_permissions(["microphone", "camera"])
    await anna.open(room)
    await anna.press("enter")
    await anna.until(
        anna.live,
        lambda live: (
            live and {t["source"] for t in live["tracks"].values()} == {"microphone", "camera"}
        ),
    )
    assert anna.troubles == []


async def test_a_device_can_be_allowed_on_the_spot(small_venue: Venue, visit: Visit) -> None:
    room = small_venue.open_room("allowed")
    anna = await visit(small_venue.gz, "anna", room=room, permissions=("microphone",))
    await anna.open(room)
    kind, _ = await told(anna, "camera")
    assert kind == "refused"
    assert await anna.test("trouble-microphone").count() == 0
    await anna.context.grant_permissions(["microphone", "camera"])
    await anna.test("trouble-camera").locator("button").click()
    await anna.page.locator('[data-test="preview"] video').wait_for()
    assert await anna.test("trouble-camera").count() == 0


@pytest.mark.parametrize("language", TAGS)
async def test_without_devices_one_is_told_so_and_enters_as_listener(
    small_venue: Venue, bare_browser: Browser, language: str
) -> None:
    room = small_venue.open_room(f"bare-{language}")
    token = ticket(identity="ben", room=room)
    ben = await Visitor.arrive(bare_browser, small_venue.gz.url, token, language=TAGS[language])
    await ben.open(room)
    for device, cause, next_step in (
        (
            "microphone",
            "No microphone was found.",
            "Plug one in, or go on as a listener and write in the chat.",
        ),
        ("camera", "No camera was found.", "Plug one in, or go on without a picture."),
    ):
        kind, text = await told(ben, device)
        assert kind == "missing"
        assert said(language, cause) in text
        assert said(language, next_step) in text
    await listens(ben)
    await ben.say("可以听见")
    await ben.until(ben.read, lambda texts: texts == ["可以听见"])
    await ben.leave()


async def test_busy_devices_are_explained_and_work_once_they_are_free(
    small_venue: Venue, visit: Visit
) -> None:
    room = small_venue.open_room("busy")
    anna = await visit(small_venue.gz, "anna", room=room, script=TAKEN)
    await anna.open(room)
    kind, text = await told(anna, "microphone")
    assert kind == "busy"
    assert "Another program is using the microphone." in text
    assert "Close the other program or tab" in text
    kind, text = await told(anna, "camera")
    assert kind == "busy"
    assert "Another program is using the camera." in text
    await listens(anna)
    await anna.page.evaluate("window.taken = false")
    await anna.press("camera")
    await anna.until(
        anna.live, lambda live: [t["source"] for t in live["tracks"].values()] == ["camera"]
    )


async def test_whoever_enters_with_troubled_devices_and_no_choice_is_in_too(
    small_venue: Venue, visit: Visit
) -> None:
    room = small_venue.open_room("plain")
    anna = await visit(small_venue.gz, "anna", room=room, permissions=())
    await anna.enter(room)
    assert await anna.people() == {"anna"}


# Tickets


@dataclass(frozen=True)
class Refusal:
    """A way of not getting in: what the ticket is, where it goes, and what the page must say."""

    reason: str
    title: str
    text: str
    ticket: dict[str, Any] | str | None
    room: str = "closed-doors"
    press: bool = False
    again: bool = False


WHERE = (
    "There is no such room, or your invitation does not open it. Please check the link, or look "
    "at the entrance for rooms you can enter."
)
NEW_LINK = "Please open your invitation link again, or ask the organiser for a new one."
INVALID = "Your invitation is not valid, or has expired."
REFUSALS = {
    "no token": Refusal(
        "no_token",
        "This room needs an invitation",
        "Please open the link from your invitation on this device. If it opened in another tab, "
        "go on there.",
        None,
    ),
    "not a token": Refusal("bad_token", INVALID, NEW_LINK, "aa.bb.cc", again=True),
    "expired token": Refusal(
        "bad_token",
        INVALID,
        NEW_LINK,
        {"room": "closed-doors", "now_ms": int((time.time() - 7200) * 1000), "ttl_s": 60},
        again=True,
    ),
    "token signed by somebody else": Refusal(
        "bad_token",
        INVALID,
        NEW_LINK,
        {"room": "closed-doors", "secret": "another-convention-0123456789abcdefgh"},
        again=True,
    ),
    "token of another room": Refusal(
        "not_found", "This room is not there", WHERE, {"room": "another-room"}, press=True
    ),
    "unknown room": Refusal(
        "not_found",
        "This room is not there",
        WHERE,
        {"any_room": True},
        room="never-opened",
        press=True,
    ),
}


@pytest.fixture(scope="module")
def closed_doors(small_venue: Venue) -> str:
    small_venue.open_room("another-room")
    return small_venue.open_room("closed-doors")


async def switch(page: Page, language: str) -> None:
    await page.locator(f'[data-test="language-{language}"]').first.click()
    await page.locator(f'html[lang^="{language}"]').wait_for(state="attached")


@pytest.mark.parametrize("case", REFUSALS)
async def test_whom_the_room_does_not_open_reads_why_and_what_to_do(
    small_venue: Venue, closed_doors: str, browser: Browser, case: str
) -> None:
    expected = REFUSALS[case]
    token = expected.ticket
    if isinstance(token, dict):
        token = ticket(**token)
    visitor = await Visitor.arrive(
        browser, small_venue.gz.url, token or "", to=f"/rooms/{expected.room}"
    )
    if expected.press:
        await visitor.press("enter")
    ending = visitor.test("ending")
    await ending.wait_for()
    assert await ending.get_attribute("data-reason") == expected.reason
    for language in TAGS:
        await switch(visitor.page, language)
        assert await ending.locator("h1").inner_text() == said(language, expected.title)
        assert await ending.locator("p").inner_text() == said(language, expected.text)
        way = ending.get_by_role("link", name=said(language, "Go to the entrance"))
        assert await way.get_attribute("href") == "/"
    assert await visitor.test("again").count() == expected.again
    await visitor.leave()


async def test_a_removed_person_reads_so_at_once_and_at_the_door(
    small_venue: Venue, visit: Visit
) -> None:
    room = small_venue.open_room("orderly", "table")
    moderator = await visit(small_venue.gz, "moderator", role="moderator", room=room)
    pest = await visit(small_venue.gz, "pest", room=room, language="zh-CN")
    await moderator.enter(room, press="enter-listener")
    await pest.enter(room, press="enter-listener")
    await moderator.act("pest", "remove")
    await moderator.press("confirm-yes")
    ending = pest.test("ending")
    for language in ("zh", "ja"):
        await ending.wait_for()
        await switch(pest.page, language)
        assert await ending.locator("h1").inner_text() == said(
            language, "A moderator removed you from this room"
        )
        assert await ending.locator("p").inner_text() == said(
            language,
            "Your invitation no longer opens it. If you think this is a mistake, please contact "
            "the organiser.",
        )
        await pest.open(room)
        await pest.press("enter-listener")


async def test_a_ticket_that_fails_at_the_entrance_is_answered_with_how_to_get_one(
    small_venue: Venue, closed_doors: str, browser: Browser
) -> None:
    visitor = await Visitor.arrive(browser, small_venue.gz.url, "aa.bb.cc", language="ja-JP")
    invitation = visitor.test("invitation")
    await invitation.wait_for()
    await visitor.until(
        invitation.locator("h2").inner_text,
        lambda title: title == said("ja", "Your invitation is not valid any more"),
    )
    good = ticket(identity="late", room=closed_doors)
    await visitor.test("invitation-input").fill("not a link")
    await visitor.press("invitation-submit")
    await visitor.page.get_by_role("alert").wait_for()
    await visitor.test("invitation-input").fill(
        f"{small_venue.gz.url}/enter#token={good}&next=/rooms/{closed_doors}"
    )
    await visitor.press("invitation-submit")
    await visitor.test("before").wait_for()
    assert good not in visitor.page.url
    await visitor.leave()


async def test_without_a_ticket_the_entrance_says_how_to_come_by_one(
    small_venue: Venue, browser: Browser
) -> None:
    context = await browser.new_context(locale="zh-CN")
    page = await context.new_page()
    await page.goto(small_venue.gz.url)
    title = page.locator('[data-test="invitation"] h2')
    assert await title.inner_text() == said("zh", "You enter with an invitation")
    await context.close()


@pytest.mark.parametrize("language", TAGS)
async def test_an_address_with_nothing_behind_it_says_so_in_the_chosen_language(
    small_venue: Venue, browser: Browser, language: str
) -> None:
    context = await browser.new_context(locale=TAGS[language])
    page = await context.new_page()
    for path in ("/rooms/NOT%20A%20ROOM", "/nowhere"):
        answer = await page.goto(small_venue.gz.url + path)
        assert answer is not None
        assert answer.status == 404
        heading = page.locator('[data-test="error-page"] h1')
        assert await heading.inner_text() == said(language, "There is nothing at this address")
        assert await page.locator('a[href="/"]').count() == 1
    await context.close()


# Languages


async def test_the_chosen_language_stays(small_venue: Venue, visit: Visit) -> None:
    room = small_venue.open_room("words", en="Interview one", zh="面试一号", ja="面接一号")
    anna = await visit(small_venue.gz, "anna", room=room, language="en-US")
    html = anna.page.locator("html")
    assert await html.get_attribute("lang") == "en"
    await switch(anna.page, "ja")
    card = anna.test(f"room-card-{room}")
    assert "面接一号" in await card.inner_text()
    await anna.page.reload()
    assert await html.get_attribute("lang") == "ja"
    await card.click()
    await anna.until(anna.test("before-title").inner_text, lambda title: title == "面接一号")
    await anna.press("enter-listener")
    await anna.until(anna.test("room-title").inner_text, lambda title: title == "面接一号")
    await anna.press("language")
    await switch(anna.page, "zh")
    assert await anna.test("room-title").inner_text() == "面试一号"
    assert await anna.link() == "connected"
    await anna.page.reload()
    await anna.until(anna.test("before-title").inner_text, lambda title: title == "面试一号")
    assert anna.troubles == []
