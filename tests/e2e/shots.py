"""``make shots``: pictures of every page at 360 and 1440 px in three languages, from the demo.

Writes build/shots/*.png and build/shots/index.html to look through them.
``--docs`` also renews docs/images/room.png, the picture in the README.
"""

from __future__ import annotations

import argparse
import asyncio
import shutil
import sys
import tempfile
import time
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

from playwright.async_api import Browser

from server.demo.cast import HALL_GZ, PEOPLE, ROADSHOW
from tests.e2e.demo import Demo, DemoFailedError, running_demo
from tests.e2e.visitor import NoBrowserError, Visitor, running_browser
from tests.nodes import ROOT

SHOTS = ROOT / "build" / "shots"
README_PICTURE = ROOT / "docs" / "images" / "room.png"
README_PICTURE_BYTES = 300_000
SIZES = {360: 740, 1440: 900}
LANGUAGES = {
    # how the browser says it, where the visitor is, what they say
    "zh": ("zh-CN", "Asia/Shanghai", "广州这边画面和声音都很清楚，谢谢！"),
    "en": ("en-US", "America/Los_Angeles", "Sound and picture are clear here in San Francisco."),
    "ja": ("ja-JP", "Asia/Tokyo", "東京からも、よく見えています。"),
}
PATIENCE_S = 90.0


@dataclass
class Album:
    """Takes pictures and keeps their names, in order, for the contact sheet."""

    language: str
    width: int
    taken: list[str]

    async def take(self, visitor: Visitor, name: str) -> None:
        """Take what the window shows."""
        await visitor.page.mouse.move(0, 0)
        await asyncio.sleep(0.4)  # transitions, the first frames of new tiles
        file = f"{name}-{self.language}-{self.width}.png"
        await visitor.page.screenshot(path=SHOTS / file)
        self.taken.append(file)


async def pictures(visitor: Visitor, *identities: str) -> None:
    """Wait until these people's pictures are on the page and move."""
    for identity in identities:
        tile = f'[data-test="tile"][data-identity="{identity}"][data-video="true"] video'
        await visitor.page.locator(tile).first.wait_for(timeout=PATIENCE_S * 1000)
        await visitor.until_seen_moving(identity, PATIENCE_S)


def people_of(room: str) -> list[str]:
    return [person.identity for person in PEOPLE if person.room == room]


async def come(browser: Browser, demo: Demo, album: Album, role: str, **options: Any) -> Visitor:
    """Arrive at the entrance as the album's viewer: their language, zone and screen."""
    tag, zone, _ = LANGUAGES[album.language]
    return await Visitor.arrive(
        browser,
        demo.urls["gz"],
        demo.ticket(role),
        language=tag,
        zone=zone,
        width=album.width,
        height=SIZES[album.width],
        phone=album.width < 600,
        **options,
    )


async def tour(browser: Browser, demo: Demo, album: Album) -> None:
    """Walk through the venue and take a picture of each page."""
    phone = album.width < 600
    stranger = await come(browser, demo, album, "viewer")
    await stranger.page.evaluate("sessionStorage.clear()")
    await stranger.page.goto(demo.urls["gz"])
    await stranger.test("invitation").wait_for()
    await album.take(stranger, "01-invitation")
    await stranger.open(ROADSHOW)
    await stranger.test("ending").wait_for()
    await album.take(stranger, "11-no-invitation")
    await stranger.page.goto(f"{demo.urls['gz']}/nowhere")
    await album.take(stranger, "12-nothing-here")
    await stranger.leave()

    host = await come(browser, demo, album, "moderator")
    await host.test(f"room-card-{ROADSHOW}").wait_for()
    await album.take(host, "02-entrance")
    await host.open(ROADSHOW)
    await host.page.locator('[data-test="preview"] video').wait_for()
    await album.take(host, "03-before-you-enter")
    await host.press("enter-listener")
    await host.test("bar").wait_for()
    await pictures(host, people_of(ROADSHOW)[0])
    await host.until(host.read, lambda texts: len(texts) >= 3, PATIENCE_S)
    if not phone:
        await pictures(host, *people_of(ROADSHOW))
    await host.show_panel("chat")
    if await host.page.evaluate("yunhai.messages.length < 6"):
        await host.say(LANGUAGES[album.language][2])
        await host.until(host.read, lambda texts: len(texts) >= 4)
    await album.take(host, "04-room-with-chat")
    if phone:
        await host.press("panel-close")
        await pictures(host, people_of(ROADSHOW)[0])
        await album.take(host, "05-room")
    await host.show_panel("people")
    row = f'[data-test="person"][data-identity="{people_of(ROADSHOW)[0]}"]'
    await host.page.locator(f'{row} [data-test="person-menu"]').click()
    await host.page.locator(f'{row} [data-test="act-stage"]').wait_for()
    await album.take(host, "06-people-as-moderator")
    if phone:
        await host.press("panel-close")
        await host.press("more")
        await host.test("more-layout").wait_for()
        await album.take(host, "07-more")
        await host.press("more-layout")
    else:
        await host.press("layout")
        await host.show_panel("chat")
    await host.test("grid").wait_for()
    await pictures(host, *people_of(ROADSHOW))
    await album.take(host, "08-grid")
    await host.page.keyboard.press("l")
    await host.test("leave-dialog").wait_for()
    await album.take(host, "09-leaving")
    await host.press("leave-yes")
    await host.test("ending").wait_for()
    await album.take(host, "10-left")
    await host.leave()

    deaf = await come(browser, demo, album, "member", permissions=())
    await deaf.open("interview-1")
    await deaf.test("trouble-camera").wait_for()
    await album.take(deaf, "13-devices-refused")
    await deaf.press("enter-listener")
    await deaf.test("bar").wait_for()
    await pictures(deaf, *people_of("interview-1"))
    await deaf.context.set_offline(True)
    await deaf.test("reconnecting").wait_for()
    await album.take(deaf, "14-reconnecting")
    await deaf.leave()

    viewer = await come(browser, demo, album, "viewer", scheme="dark")
    await viewer.test(f"room-card-{HALL_GZ}").wait_for()
    await album.take(viewer, "15-entrance-dark")
    await viewer.leave()


async def readme_picture(browser: Browser, demo: Demo) -> None:
    """Take the README's picture: the roadshow, its slides and faces, chat in three languages."""
    for role, language in (("member", "ja"), ("speaker", "zh")):
        guest = await Visitor.arrive(browser, demo.urls["gz"], demo.ticket(role), permissions=())
        await guest.enter(ROADSHOW, press="enter")
        line = LANGUAGES[language][2]
        await guest.say(line)
        await guest.until(guest.read, lambda texts, line=line: line in texts)  # type: ignore[misc]
        await guest.press("leave")
        await guest.press("leave-yes")
        await guest.test("ending").wait_for()
        await guest.leave()
    viewer = await Visitor.arrive(browser, demo.urls["gz"], demo.ticket("viewer"), height=810)
    await viewer.enter(ROADSHOW)
    await pictures(viewer, *people_of(ROADSHOW))
    await viewer.show_panel("chat")
    await viewer.until(viewer.read, lambda texts: len(texts) >= 5, PATIENCE_S)
    await viewer.page.locator('[data-test="tile"].speaking').first.wait_for()
    README_PICTURE.parent.mkdir(parents=True, exist_ok=True)
    await viewer.page.screenshot(path=README_PICTURE)
    await viewer.leave()
    size = README_PICTURE.stat().st_size
    if size > README_PICTURE_BYTES:
        raise ValueError(f"{README_PICTURE} has {size} bytes, more than {README_PICTURE_BYTES}")


def contact_sheet(taken: list[str]) -> str:
    """Lay out all pictures: a row per page and width, a column per language."""
    rows: dict[tuple[int, str], dict[str, str]] = {}
    for file in taken:
        name, language, width = file.removesuffix(".png").rsplit("-", 2)
        rows.setdefault((int(width), name), {})[language] = file
    body = []
    for (pixels, name), files in sorted(rows.items()):
        cells = "".join(
            f'<td><a href="{escape(files[language])}"><img src="{escape(files[language])}" '
            f'alt="{escape(name)} in {language}, {pixels} px" width="{min(pixels, 480)}"></a></td>'
            if language in files
            else "<td></td>"
            for language in LANGUAGES
        )
        body.append(f"<tr><th>{escape(name)}<br>{pixels} px</th>{cells}</tr>")
    heads = "".join(f"<th>{language}</th>" for language in LANGUAGES)
    return (
        '<!doctype html><meta charset="utf-8"><title>Yunhai: pages</title>'
        "<style>body{font:14px system-ui;margin:16px}td,th{vertical-align:top;padding:6px;"
        "text-align:left}img{border:1px solid #ccc}</style>"
        f"<table><tr><th></th>{heads}</tr>{''.join(body)}</table>\n"
    )


async def shoot(languages: list[str], widths: list[int], *, docs: bool) -> None:
    """Run the demo, take everything, write the contact sheet."""
    shutil.rmtree(SHOTS, ignore_errors=True)
    SHOTS.mkdir(parents=True)
    taken: list[str] = []
    with tempfile.TemporaryDirectory(prefix="yunhai-shots-") as folder:
        async with running_demo(Path(folder)) as demo, running_browser() as browser:
            if docs:
                await readme_picture(browser, demo)
                print(README_PICTURE)
            for width in widths:
                for language in languages:
                    started = time.monotonic()
                    await tour(browser, demo, Album(language, width, taken))
                    print(f"{language} at {width} px: {time.monotonic() - started:.0f} s")
    sheet = SHOTS / "index.html"
    sheet.write_text(contact_sheet(taken), encoding="utf-8")
    print(f"{len(taken)} pictures: {sheet}")


def main(arguments: list[str] | None = None) -> int:
    """Run the command; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.e2e.shots", description=__doc__)
    parser.add_argument("--docs", action="store_true", help="renew the README's picture too")
    parser.add_argument("--languages", nargs="*", choices=list(LANGUAGES), default=list(LANGUAGES))
    parser.add_argument("--widths", nargs="*", type=int, choices=list(SIZES), default=list(SIZES))
    options = parser.parse_args(arguments)
    try:
        asyncio.run(shoot(options.languages, options.widths, docs=options.docs))
    except (NoBrowserError, DemoFailedError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
