"""Being inside with a keyboard, a phone, an input method, a bad neighbour or a poor network."""

from __future__ import annotations

import asyncio

import pytest

from tests.e2e.conftest import Venue, Visit
from tests.e2e.middlebox import Block, running_proxy
from tests.e2e.visitor import Visitor

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.asyncio(loop_scope="module")]

NO_ASKING = """
  window.asked = 0;
  navigator.mediaDevices.getUserMedia = async () => { window.asked += 1; throw new Error("asked"); };
"""

FOCUSED = "document.activeElement?.getAttribute('data-test') ?? ''"

SMALL_TARGETS = """() => {
  const small = [];
  for (const element of document.querySelectorAll("a[href], button, input, select, textarea, summary, [role=tab]")) {
    const target = element.closest("label") ?? element;
    const box = target.getBoundingClientRect();
    const style = getComputedStyle(element);
    if (box.width === 0 || style.visibility === "hidden" || element.closest(".skip, .sr-only")) continue;
    if (style.display === "inline") continue;  // a link within a sentence
    if (box.width < 44 || box.height < 44) small.push(
      `${element.dataset.test ?? element.className} ${Math.round(box.width)}x${Math.round(box.height)}`);
  }
  return small;
}"""
"""Lists what can be pressed and is smaller than 44 px (WCAG 2.5.5; links in sentences excepted)."""

OVERFLOW = "document.documentElement.scrollWidth - document.documentElement.clientWidth"


async def tab_to(visitor: Visitor, name: str, limit: int = 60) -> None:
    """Press Tab until the element has the focus, as somebody without a mouse does."""
    passed = []
    for _ in range(limit):
        await visitor.page.keyboard.press("Tab")
        passed.append(await visitor.page.evaluate(FOCUSED))
        if passed[-1] == name:
            return
    raise AssertionError(f"Tab never comes to {name}; it came to {passed}")


async def received(visitor: Visitor) -> int:
    """Count the bytes of sound and picture that ever came to this page."""
    return int(
        await visitor.page.evaluate(
            """async () => {
              let bytes = 0;
              for (const pc of [yunhai.subscriber, yunhai.publisher]) {
                if (!pc) continue;
                for (const stat of (await pc.getStats()).values())
                  if (stat.type === "inbound-rtp") bytes += stat.bytesReceived;
              }
              return bytes;
            }"""
        )
    )


async def test_a_keyboard_is_enough_from_the_entrance_to_the_way_out(
    small_venue: Venue, visit: Visit
) -> None:
    room = small_venue.open_room("keys")
    anna = await visit(small_venue.gz, "anna", room=room)
    keyboard = anna.page.keyboard
    await anna.test(f"room-card-{room}").wait_for()
    await tab_to(anna, f"room-card-{room}")
    await keyboard.press("Enter")
    await anna.test("enter").wait_for()
    await anna.page.locator('[data-test="preview"] video').wait_for()
    await tab_to(anna, "enter")
    await keyboard.press("Enter")
    await anna.test("room").wait_for()
    await anna.until(anna.link, lambda link: link == "connected")
    assert await anna.page.evaluate(FOCUSED) == "room-title"

    mic = anna.test("mic")
    await anna.until(lambda: mic.get_attribute("aria-pressed"), lambda on: on == "true")
    await keyboard.press("m")
    await anna.until(lambda: mic.get_attribute("aria-pressed"), lambda on: on == "false")
    await anna.until(
        anna.live,
        lambda live: (
            [t["muted"] for t in live["tracks"].values() if t["source"] == "microphone"] == [True]
        ),
    )

    if await anna.test("chat").count():
        await keyboard.press("c")
    await anna.test("chat").wait_for(state="detached")
    await keyboard.press("c")
    await anna.test("chat").wait_for()
    await tab_to(anna, "chat-input")
    await keyboard.type("mclv — letters are letters here")
    await keyboard.press("Enter")
    await anna.until(anna.read, lambda texts: texts == ["mclv — letters are letters here"])
    assert await anna.test("chat-input").input_value() == ""
    assert await mic.get_attribute("aria-pressed") == "false"

    await tab_to(anna, "leave")
    await keyboard.press("Enter")
    await anna.test("leave-dialog").wait_for()
    await keyboard.press("Escape")
    await anna.test("leave-dialog").wait_for(state="detached")
    assert await anna.page.evaluate(FOCUSED) == "leave"
    await keyboard.press("l")
    await anna.test("leave-dialog").wait_for()
    await keyboard.press("Enter")
    await anna.test("ending").wait_for()
    assert await anna.test("ending").get_attribute("data-reason") == "left"
    assert await anna.page.evaluate("document.activeElement.innerText") == "You have left the room"
    await tab_to(anna, "again", 1)
    assert anna.troubles == []


@pytest.mark.parametrize("language", ["zh-CN", "en-US", "ja-JP"])
async def test_a_phone_of_360_px_reaches_everything(
    small_venue: Venue, visit: Visit, language: str
) -> None:
    room = small_venue.open_room(f"pocket-{language.lower()}", "table")
    anna = await visit(
        small_venue.gz,
        "anna",
        name="Rechtsanwältin Annegret Müller-Lüdenscheidt 欧阳娜娜",
        role="moderator",
        room=room,
        language=language,
        width=360,
        height=740,
        phone=True,
    )
    await anna.test(f"room-card-{room}").wait_for()
    assert await anna.page.evaluate(OVERFLOW) == 0
    assert await anna.page.evaluate(SMALL_TARGETS) == []
    await anna.open(room)
    await anna.page.locator('[data-test="preview"] video').wait_for()
    assert await anna.page.evaluate(OVERFLOW) == 0
    assert await anna.page.evaluate(SMALL_TARGETS) == []
    await anna.press("enter")
    await anna.test("bar").wait_for()
    if await anna.test("panel-close").count():
        await anna.press("panel-close")
    assert await anna.page.evaluate(OVERFLOW) == 0
    assert await anna.page.evaluate(SMALL_TARGETS) == []
    for name in ("mic", "camera", "hand", "chat-toggle", "people-toggle", "more", "leave"):
        box = await anna.test(name).bounding_box()
        assert box is not None, name
        assert box["x"] >= 0, name
        assert box["x"] + box["width"] <= 360, name
        assert box["y"] + box["height"] <= 740, name
        await anna.test(name).click(trial=True)
    await anna.press("more")
    for name in ("more-layout", "more-settings", "language-zh", "language-en", "language-ja"):
        await anna.test(name).click(trial=True)
    assert await anna.page.evaluate(SMALL_TARGETS) == []
    await anna.press("more-settings")
    await anna.test("mode-text").wait_for()
    assert await anna.page.evaluate(SMALL_TARGETS) == []
    await anna.page.keyboard.press("Escape")

    for panel in ("chat", "people"):
        await anna.press(f"{panel}-toggle")
        await anna.test(f"tab-{panel}").wait_for()
        if panel == "chat":
            await anna.test("chat-input").fill("https://example.org/" + "很长" * 60 + "x" * 200)
            await anna.press("chat-send")
            await anna.test("chat-message").wait_for()
        assert await anna.page.evaluate(OVERFLOW) == 0
        assert await anna.page.evaluate(SMALL_TARGETS) == []
        await anna.press("panel-close")
    assert anna.troubles == []


async def test_the_enter_key_that_chooses_a_word_does_not_send(
    small_venue: Venue, visit: Visit
) -> None:
    room = small_venue.open_room("words")
    anna = await visit(small_venue.gz, "anna", room=room, language="zh-CN")
    await anna.enter(room, press="enter-listener")
    await anna.show_panel("chat")
    field = anna.test("chat-input")
    await field.click()
    hands = await anna.context.new_cdp_session(anna.page)
    enter = {"key": "Enter", "code": "Enter", "windowsVirtualKeyCode": 13}
    processed = {**enter, "windowsVirtualKeyCode": 229}  # what Chromium reports from an IME
    await hands.send(
        "Input.imeSetComposition", {"text": "nihao", "selectionStart": 5, "selectionEnd": 5}
    )
    for key in (enter, processed):
        await hands.send("Input.dispatchKeyEvent", {"type": "rawKeyDown", **key})
        await hands.send("Input.dispatchKeyEvent", {"type": "keyUp", **key})
    await hands.send("Input.insertText", {"text": "你好"})
    # Safari ends the composition first and then reports the same key press.
    await field.evaluate(
        """field => {
          field.dispatchEvent(new CompositionEvent("compositionstart", {bubbles: true}));
          field.dispatchEvent(new CompositionEvent("compositionend", {bubbles: true}));
          field.dispatchEvent(new KeyboardEvent("keydown", {key: "Enter", bubbles: true, cancelable: true}));
        }"""
    )
    assert await field.input_value() == "你好"
    assert await anna.test("chat-pending").count() == 0
    await anna.page.keyboard.press("Shift+Enter")
    await anna.page.keyboard.type("2")
    await anna.page.keyboard.press("Enter")
    await anna.until(anna.read, lambda texts: texts == ["你好\n2"])


ATTACKS = (
    "<img src=x onerror=\"window.pwned='img'\">",
    "<script>window.pwned='script'</script>",
    "\"><svg onload=window.pwned='svg'>",
    "javascript:window.pwned='link'//https:",
    "https://example.org/\"onmouseover=\"window.pwned='attribute'",
    "{{7*7}} ${7*7} <%= 7*7 %> &lt;b&gt;",
)


async def test_hostile_names_and_messages_stay_text(small_venue: Venue, visit: Visit) -> None:
    attack = "<img src=x onerror=\"window.pwned='name'\">"
    room = small_venue.open_room("hostile", "table", en=attack, zh=attack, ja=attack)
    moderator = await visit(small_venue.gz, "moderator", role="moderator", room=room)
    mallory = await visit(small_venue.gz, "mallory", name=attack, room=room)
    assert attack in await moderator.test(f"room-card-{room}").inner_text()
    await moderator.enter(room, press="enter-listener")
    await mallory.enter(room)
    for line in ATTACKS:
        await mallory.say(line)
    await moderator.until(moderator.read, lambda texts: texts == list(ATTACKS))
    messages = moderator.test("chat-message")
    assert [await m.locator(".chat-text").inner_text() for m in await messages.all()] == [*ATTACKS]
    links = await messages.locator("a").evaluate_all("all => all.map(a => [a.href, a.rel])")
    assert [link[0] for link in links] == ["https://example.org/"]
    assert "noopener" in links[0][1]
    await mallory.press("hand")
    await moderator.test("toast").first.wait_for()
    assert attack in await moderator.test("toast").first.inner_text()
    await moderator.show_panel("people")
    row = moderator.page.locator('[data-test="person"][data-identity="mallory"]')
    assert attack in await row.inner_text()
    await moderator.page.locator('[data-test="tile"][data-identity="mallory"] video').wait_for()
    await row.locator('[data-test="person-menu"]').click()
    await row.locator('[data-test="act-remove"]').click()
    await moderator.test("confirm").wait_for()
    assert attack in await moderator.test("confirm").inner_text()
    for visitor in (moderator, mallory):
        assert await visitor.page.evaluate("window.pwned") is None
        strange = await visitor.page.evaluate(
            """[...document.body.querySelectorAll("img, iframe, object, embed, [onerror], [onload], a[href^='javascript:']")].length"""
        )
        assert strange == 0
        assert visitor.troubles == []


async def test_a_viewer_has_no_microphone_and_is_never_asked_for_one(
    small_venue: Venue, visit: Visit
) -> None:
    room = small_venue.open_room("audience", "hall")
    viewer = await visit(
        small_venue.gz, "viewer", role="viewer", room=room, publish=False, script=NO_ASKING
    )
    await viewer.open(room)
    await viewer.page.get_by_role("heading", name="You enter as audience").wait_for()
    for name in ("device-microphone", "device-camera", "preview", "enter-listener"):
        assert await viewer.test(name).count() == 0, name
    await viewer.press("enter")
    await viewer.test("bar").wait_for()
    await viewer.page.keyboard.press("m")
    await viewer.page.keyboard.press("v")
    await viewer.page.keyboard.press("h")
    for name in ("mic", "camera", "share", "hand"):
        assert await viewer.test(name).count() == 0, name
    await viewer.say("watching")
    await viewer.until(viewer.read, lambda texts: texts == ["watching"])
    live = await viewer.live()
    assert live["tracks"] == {}
    assert live["participants"]["viewer"]["hand_ms"] is None
    assert await viewer.page.evaluate("window.asked") == 0
    assert await viewer.test("toast").count() == 0


@pytest.mark.parametrize("block", ["refuse", "cut"])
async def test_where_web_sockets_are_blocked_long_polling_carries_the_room(
    small_venue: Venue, visit: Visit, block: Block
) -> None:
    room = small_venue.open_room(f"polling-{block}", "table")
    async with running_proxy(block) as proxy:
        anna = await visit(small_venue.gz, "anna", room=room)
        ben = await visit(small_venue.gz, "ben", room=room, proxy=proxy)
        polls: list[str] = []
        ben.page.on(
            "request", lambda r: polls.append(r.url) if "transport=polling" in r.url else None
        )
        await anna.enter(room)
        await ben.enter(room)
        await asyncio.gather(anna.until_seen_moving("ben"), ben.until_seen_moving("anna"))
        await ben.say("slow but here")
        await anna.until(anna.read, lambda texts: texts == ["slow but here"])
        await anna.say("seen")
        await ben.until(ben.read, lambda texts: texts[-1:] == ["seen"])
        assert polls
        assert await ben.people() == {"anna", "ben"}
        await ben.leave()


async def test_text_only_receives_no_sound_and_no_picture(small_venue: Venue, visit: Visit) -> None:
    room = small_venue.open_room("letters", "table")
    anna = await visit(small_venue.gz, "anna", room=room)
    ben = await visit(small_venue.gz, "ben", room=room)
    await anna.enter(room)
    await ben.open(room)
    await ben.test("mode-text").check()
    await ben.press("enter")
    await ben.test("room").wait_for()
    await ben.until(ben.live, lambda live: live and len(live["tracks"]) == 2)
    await ben.say("only letters")
    await anna.until(anna.read, lambda texts: texts == ["only letters"])
    assert await ben.page.evaluate("yunhai.view()") == {"audio": False, "tiles": []}
    assert await received(ben) == 0
    assert await ben.test("mic").count() == 0
    assert await ben.page.locator("video").count() == 0
    live = await anna.live()
    assert {t["identity"] for t in live["tracks"].values()} == {"anna"}

    await ben.press("status-pill")
    await ben.press("status-action")
    await ben.until_seen_moving("anna")
    await ben.until_heard("anna")


async def test_how_much_to_receive_is_chosen_by_a_key_and_kept(
    small_venue: Venue, visit: Visit
) -> None:
    room = small_venue.open_room("sound", "table")
    anna = await visit(small_venue.gz, "anna", room=room)
    ben = await visit(small_venue.gz, "ben", room=room)
    await anna.enter(room)
    await ben.enter(room, press="enter-listener")
    await ben.until_seen_moving("anna")

    async def status() -> str | None:
        said: str | None = await ben.test("status-pill").get_attribute("data-status")
        return said

    async def view() -> dict[str, object]:
        wish: dict[str, object] = await ben.page.evaluate("yunhai.view()")
        return wish

    async def until_at_rest() -> None:
        """No picture of anna came between two looks."""
        last = -1

        async def more() -> bool:
            nonlocal last
            before, last = last, await ben.frames_of("anna")
            return last > before

        await ben.until(more, lambda came: not came)

    await ben.page.keyboard.press("a")
    await ben.until(status, lambda said: said == "audio")
    assert await view() == {"audio": True, "tiles": []}
    await until_at_rest()
    await ben.until_heard("anna")

    await ben.open(room)
    assert await ben.test("mode-audio").is_checked()
    await ben.press("enter-listener")
    await ben.until(status, lambda said: said == "audio")
    await ben.until_heard("anna")
    assert await view() == {"audio": True, "tiles": []}

    await ben.page.keyboard.press("t")
    await ben.until(status, lambda said: said == "text")
    assert await view() == {"audio": False, "tiles": []}
    await ben.until_silent("anna")
    await ben.page.keyboard.press("t")
    await ben.until(status, lambda said: said == "connected")
    await ben.until_seen_moving("anna")
    await ben.until_heard("anna")
