"""A person at a browser: opens links, presses what is on the page, reads what it shows."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, Literal

from playwright.async_api import Browser, BrowserContext, Page, async_playwright

CHROMIUM_ARGUMENTS = [
    "--no-sandbox",  # tests may run as root
    "--auto-select-desktop-capture-source=Entire screen",
    "--autoplay-policy=no-user-gesture-required",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-gpu",
    "--no-first-run",
]
PATIENCE_S = 20.0


def fake_devices(fps: int = 10) -> str:
    """The argument that gives Chromium a camera and a microphone."""
    return f"--use-fake-device-for-media-stream=fps={fps}"


class NoBrowserError(Exception):
    """Chromium is not installed; the message says what to do."""


@asynccontextmanager
async def running_browser(*, devices: bool = True, fps: int = 10) -> AsyncIterator[Browser]:
    """Run a headless Chromium. A page may use what its context was permitted, nobody is asked.

    Args:
        devices: with a fake camera and microphone; else with none at all.
        fps: of the camera.

    Raises:
        NoBrowserError: there is no Chromium.
    """
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    if program is None:
        raise NoBrowserError(
            "Chromium is not installed, and these tests need it: run `make test` as root on "
            "Debian, or `apt-get install chromium`"
        )
    arguments = [*CHROMIUM_ARGUMENTS, *([fake_devices(fps)] if devices else [])]
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=program, args=arguments)
        try:
            yield browser
        finally:
            await browser.close()


class Visitor:
    """One person in one tab.

    Attributes:
        troubles: uncaught errors of the page, breaches of its content security policy, and
            requests that left the deployment.
    """

    def __init__(self, context: BrowserContext, page: Page, url: str) -> None:
        self.context = context
        self.page = page
        self.url = url
        self.troubles: list[str] = []
        page.on("pageerror", lambda error: self.troubles.append(str(error)))
        page.on("console", lambda message: self._note_console(message.text))
        page.on("request", lambda request: self._note_request(request.url))

    @classmethod
    async def arrive(
        cls,
        browser: Browser,
        url: str,
        token: str,
        *,
        language: str = "en-US",
        width: int = 1440,
        height: int = 900,
        zone: str = "America/Los_Angeles",
        permissions: tuple[str, ...] = ("camera", "microphone"),
        scheme: Literal["light", "dark"] = "light",
        phone: bool = False,
        script: str = "",
        to: str = "/",
        proxy: str | None = None,
    ) -> Visitor:
        """Open the sign-in link of ``token`` on the node at ``url``.

        Args:
            to: the path the link leads to.
            phone: a touch screen; give width and height too.
            script: what each page runs before its own scripts.
        """
        context = await browser.new_context(
            locale=language,
            timezone_id=zone,
            viewport={"width": width, "height": height},
            permissions=list(permissions),
            color_scheme=scheme,
            has_touch=phone,
            is_mobile=phone,
            proxy={"server": proxy} if proxy else None,
        )
        if script:
            await context.add_init_script(script)
        page = await context.new_page()
        visitor = cls(context, page, url)
        await page.goto(f"{url}/enter#token={token}&next={to}")
        await page.wait_for_url(url + to)
        return visitor

    async def enter(self, room: str, *, press: str = "enter") -> None:
        """Open the room's page, press ``enter`` (or ``enter-listener``), wait until inside."""
        await self.open(room)
        await self.press(press)
        await self.test("room").wait_for()
        await self.until(self.link, lambda link: link == "connected")

    async def open(self, room: str) -> None:
        """Open the room's page: what stands before entering."""
        await self.page.goto(f"{self.url}/rooms/{room}")

    def test(self, name: str) -> Any:
        """Find an element by its ``data-test``."""
        return self.page.locator(f'[data-test="{name}"]')

    async def press(self, name: str) -> None:
        await self.test(name).first.click()

    async def say(self, text: str) -> None:
        """Type into the chat and send."""
        await self.show_panel("chat")
        await self.test("chat-input").fill(text)
        await self.press("chat-send")

    async def show_panel(self, name: str) -> None:
        """Open the side panel ``chat`` or ``people``."""
        if await self.test(f"tab-{name}").count() == 0:
            await self.press(f"{name}-toggle")
        await self.press(f"tab-{name}")

    async def act(self, identity: str, act: str) -> None:
        """Do something about a person, from the list of people."""
        await self.show_panel("people")
        row = self.page.locator(f'[data-test="person"][data-identity="{identity}"]')
        await row.locator('[data-test="person-menu"]').click()
        await row.locator(f'[data-test="act-{act}"]').click()

    async def read(self) -> list[str]:
        """Read the texts of the chat, oldest first."""
        messages = await self.page.evaluate("window.yunhai.messages.map(m => m.text)")
        return list(messages)

    async def people(self) -> set[str]:
        """Read the identities on the roster."""
        live = await self.live()
        return set(live["participants"]) if live else set()

    async def live(self) -> Any:
        return await self.page.evaluate("window.yunhai?.live ?? null")

    async def link(self) -> Any:
        return await self.page.evaluate("window.yunhai?.link ?? null")

    async def stats(self) -> Any:
        return await self.page.evaluate("window.yunhai.stats()")

    async def frames_of(self, identity: str) -> int:
        """Count the frames of that person's pictures decoded here so far."""
        stats = await self.stats()
        return sum(
            v["framesDecoded"] for v in stats["subscriber"]["video"] if v["identity"] == identity
        )

    async def energy_of(self, identity: str) -> float:
        """Sum up the energy heard from that person so far."""
        stats = await self.stats()
        return float(
            sum(a["energy"] for a in stats["subscriber"]["audio"] if a["identity"] == identity)
        )

    async def until_seen_moving(self, identity: str, patience_s: float = PATIENCE_S) -> None:
        """Wait until ten more frames of that person are decoded than now."""
        now = await self.frames_of(identity)
        await self.until(
            lambda: self.frames_of(identity), lambda frames: frames >= now + 10, patience_s
        )

    async def until_heard(self, identity: str, patience_s: float = PATIENCE_S) -> None:
        """Wait until more sound of that person is heard than now."""
        now = await self.energy_of(identity)
        await self.until(
            lambda: self.energy_of(identity), lambda energy: energy > now + 1e-5, patience_s
        )

    async def until_silent(self, identity: str) -> None:
        """Wait for 1.5 seconds in which nothing of that person is heard (the fake one beeps each second)."""

        async def heard_meanwhile() -> float:
            before = await self.energy_of(identity)
            await asyncio.sleep(1.5)
            return await self.energy_of(identity) - before

        await self.until(heard_meanwhile, lambda energy: energy < 1e-6)

    async def until(
        self,
        ask: Callable[[], Awaitable[Any]],
        good: Callable[[Any], bool],
        patience_s: float = PATIENCE_S,
    ) -> Any:
        """Ask until the answer is good.

        Raises:
            AssertionError: it never was; with the last answer.
        """
        deadline = asyncio.get_running_loop().time() + patience_s
        while True:
            answer = await ask()
            if good(answer):
                return answer
            assert asyncio.get_running_loop().time() < deadline, f"still {answer!r}"
            await asyncio.sleep(0.1)

    async def leave(self) -> None:
        """Close the browser window."""
        await self.context.close()

    def _note_console(self, text: str) -> None:
        if "Content Security Policy" in text:
            self.troubles.append(text)

    def _note_request(self, url: str) -> None:
        if not url.startswith((self.url, "data:", "blob:")) and "localhost" not in url:
            host = url.split("/")[2]
            if not host.startswith("127.0.0.1"):
                self.troubles.append(f"a request left the deployment: {url}")
