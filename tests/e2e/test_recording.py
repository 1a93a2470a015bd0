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
    await moderator.press("rec")
    await moderator.press("recording-stop")
    await moderator.test("recording-file").first.wait_for()
    assert await moderator.test("recording-file").count() == 1
    assert "Anna" in await moderator.test("recording-file").inner_text()
    async with moderator.page.expect_download() as downloading:
        await moderator.press("recording-file")
    file = tmp_path / "downloaded.webm"
    await (await downloading.value).save_as(file)
    film = Film(file)
    assert film.codecs == {"video": "vp8", "audio": "opus"}
    assert len(film.pictures) == len(film.frames) > 10
    assert film.samples > 48_000
    assert abs(film.times_s[-1] - film.sound_s[-1]) < 0.5
    for visitor in (anna, ben):
        await visitor.test("rec").wait_for(state="detached")
    for visitor in (anna, ben, moderator):
        assert visitor.troubles == []


async def consent_of(visitor: object, identity: str) -> object:
    live = await visitor.live()  # type: ignore[attr-defined]
    return live["participants"][identity]["recording_consent"]


async def written(folder: Path) -> int:
    return await asyncio.to_thread(
        lambda: sum(path.stat().st_size for path in folder.glob("*/*.webm"))
    )
