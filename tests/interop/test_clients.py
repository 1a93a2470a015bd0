"""Clients of other makers publish and are seen in Chromium, and watch what Chromium publishes."""

from __future__ import annotations

import asyncio
from pathlib import Path

import imageio_ffmpeg
import pytest

from tests.e2e.conftest import Venue, Visit, ticket
from tests.interop.clients import Client, running
from tests.interop.conftest import browser_in, visitor_at
from tests.network import Namespace

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.asyncio(loop_scope="module")]


def publisher(room: str, identity: str) -> str:
    return ticket(room=room, identity=identity, role="speaker", publish=True)


def listener(room: str, identity: str) -> str:
    return ticket(room=room, identity=identity, role="viewer")


@pytest.mark.parametrize("script", ["wrtc.mjs", "datachannel.mjs"])
async def test_a_client_publishes_by_whip_and_a_browser_sees_and_hears_it(
    small_venue: Venue, visit: Visit, script: str
) -> None:
    name = script.partition(".")[0]
    room = small_venue.open_room(f"hall-{name}", "hall")
    viewer = await visit(small_venue.gz, "viewer", role="viewer", room=room, publish=False)
    await viewer.enter(room)
    async with running(
        script,
        "publish",
        f"{small_venue.gz.url}/whip/{room}",
        publisher(room, name),
        imageio_ffmpeg.get_ffmpeg_exe(),
    ) as client:
        await client.until(lambda told: told["state"] == "connected")
        await viewer.until_seen_moving(name, 30)
        await viewer.until_heard(name, 30)
    await viewer.until(viewer.people, lambda people: name not in people)


async def test_clients_watch_a_browser_by_whep(small_venue: Venue, visit: Visit) -> None:
    room = small_venue.open_room("interview-whep")
    anna = await visit(small_venue.gz, "anna", room=room)
    await anna.enter(room)
    await anna.until(
        anna.live,
        lambda live: {t["source"] for t in live["tracks"].values()} >= {"camera", "microphone"},
    )
    url = f"{small_venue.gz.url}/whep/{room}/anna"
    async with (
        running("wrtc.mjs", "watch", url, listener(room, "screen-1")) as decoding,
        running("datachannel.mjs", "watch", url, listener(room, "screen-2")) as counting,
    ):
        await decoding.until(
            lambda told: told["frames"] > 20 and told["width"] > 0 and told["samples"] > 4800
        )
        await counting.until(lambda told: told["frames"] > 20 and told["sounds"] > 50)


def frames_of(client: Client, identity: str) -> int:
    stats = client.told.get("stats")
    seen = stats["subscriber"]["video"] if stats else []
    return sum(v["framesDecoded"] for v in seen if v["identity"] == identity)


def energy_of(client: Client, identity: str) -> float:
    stats = client.told.get("stats")
    return float(
        sum(a["energy"] for a in stats["subscriber"]["audio"] if a["identity"] == identity)
        if stats
        else 0
    )


async def test_firefox_and_chromium_see_and_hear_each_other(
    reachable: Venue, inside: Namespace, tmp_path: Path
) -> None:
    # Firefox makes no pairs with loopback while it has another address.
    room = reachable.open_room("table-firefox", "table")
    token = ticket(room=room, identity="fox", name="Fox", role="member", publish=True)
    async with (
        browser_in(inside, tmp_path, reachable.gz.url) as browser,
        visitor_at(browser, reachable, "anna", room) as anna,
        running(
            "firefox.mjs", "/usr/bin/firefox-esr", reachable.gz.url, room, token, place=inside
        ) as fox,
    ):
        await anna.enter(room)
        await asyncio.gather(
            anna.until_seen_moving("fox", 60),
            anna.until_heard("fox", 60),
            fox.until(lambda _: frames_of(fox, "anna") > 20),
            fox.until(lambda _: energy_of(fox, "anna") > 1e-5),
        )


async def test_a_picture_firefox_cannot_decode_is_named_in_its_language(
    reachable: Venue, inside: Namespace
) -> None:
    room = reachable.open_room("hall-h264", "hall")
    token = ticket(room=room, identity="fox", name="Fox", role="viewer")
    url = reachable.gz.url
    async with (
        running(
            "datachannel.mjs",
            *("publish", f"{url}/whip/{room}", publisher(room, "obs")),
            imageio_ffmpeg.get_ffmpeg_exe(),
        ) as obs,
        running(
            "firefox.mjs", "/usr/bin/firefox-esr", url, room, token, "zh-CN", place=inside
        ) as fox,
    ):
        await obs.until(lambda told: told["state"] == "connected")
        await fox.until(lambda told: "此浏览器无法播放 H264 视频" in told["tiles"].get("obs", ""))
        await fox.until(lambda _: energy_of(fox, "obs") > 1e-5)
