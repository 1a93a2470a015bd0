"""A moderator records, one person agrees and another does not, and the file is downloaded."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.e2e.conftest import Venue, Visit
from tests.media.recorders import Film

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.asyncio(loop_scope="module")]


async def test_a_moderator_records_who_agrees_and_downloads_a_file_that_plays(
    small_venue: Venue, visit: Visit, tmp_path: Path
) -> None:
    room = small_venue.open_room("interview-7")
    moderator = await visit(small_venue.gz, "mod", role="moderator", room=room)
    anna = await visit(small_venue.gz, "anna", room=room, language="ja-JP")
    ben = await visit(small_venue.gz, "ben", room=room, language="zh-CN")
    for visitor in (anna, ben, moderator):
        await visitor.enter(room)
    for visitor in (anna, ben):
        for device in ("mic", "camera"):
            button = visitor.test(device)
            if await button.get_attribute("aria-pressed") == "false":
                await button.click()
    await moderator.until_seen_moving("anna")
    assert await moderator.test("rec").count() == 0

    await moderator.press("record")
    await moderator.press("recording-participants")
    # Everybody sees it and is asked, in their own language; the default is no.
    for visitor, words in ((anna, "録画"), (ben, "录制"), (moderator, "REC")):
        await visitor.test("rec").wait_for()
        assert words in await visitor.test("rec").inner_text()
        await visitor.test("consent").wait_for()
    focused = await ben.page.evaluate("document.activeElement.dataset.test")
    assert focused == "consent-no"
    await anna.press("consent-yes")
    await ben.page.keyboard.press("Escape")
    await moderator.press("consent-no")
    for identity, answer in (("anna", True), ("ben", False), ("mod", False)):
        await moderator.until(
            lambda who=identity: consent_of(moderator, who),  # type: ignore[misc]
            lambda given, answer=answer: given is answer,  # type: ignore[misc]
        )
    assert await anna.test("rec").get_attribute("data-given") == "true"
    folder = Path(small_venue.gz.settings["YUNHAI_DATA_DIR"]) / "recordings" / room
    await moderator.until(
        lambda: written(folder), lambda bytes_written: bytes_written > 150_000, patience_s=40
    )
    # Whoever comes late, or comes back, sees that it runs; the one is asked, the other was.
    late = await visit(small_venue.gz, "late", room=room)
    await late.enter(room)
    await late.test("rec").wait_for()
    await late.press("consent-no")
    await ben.page.reload()
    await ben.press("enter")
    await ben.test("rec").wait_for()
    assert await consent_of(ben, "ben") is False
    assert await ben.test("consent").count() == 0
    await late.leave()
    await moderator.press("rec")
    await moderator.press("recording-stop")
    await moderator.test("recording-file").first.wait_for()
    # Sound alone begins a file when the picture takes its time.
    names = await moderator.test("recording-file").all_inner_texts()
    assert 1 <= len(names) <= 2
    assert all("Anna" in name for name in names)
    async with moderator.page.expect_download() as downloading:
        await moderator.test("recording-file").last.click()
    file = tmp_path / "downloaded.webm"
    await (await downloading.value).save_as(file)
    film = Film(file)
    assert film.codecs == {"video": "vp8", "audio": "opus"}
    assert len(film.pictures) == len(film.frames) > 10
    assert film.samples > 48_000
    assert abs(film.times_s[-1] - film.sound_s[-1]) < 0.5
    for visitor in (anna, ben):
        await visitor.test("rec").wait_for(state="detached")
    await moderator.press("recording-delete")
    await moderator.press("recording-delete-yes")
    await moderator.test("recording-file").first.wait_for(state="detached")
    await moderator.until(
        lambda: asyncio.to_thread(lambda: list(folder.iterdir())), lambda left: left == []
    )
    for visitor in (anna, ben, moderator):
        assert visitor.troubles == []


async def consent_of(visitor: object, identity: str) -> object:
    live = await visitor.live()  # type: ignore[attr-defined]
    return live["participants"][identity]["recording_consent"]


async def written(folder: Path) -> int:
    return await asyncio.to_thread(
        lambda: sum(path.stat().st_size for path in folder.glob("*/*.webm"))
    )
