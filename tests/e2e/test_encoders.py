"""Encoders come in by WHIP and are seen in browsers, also from another node."""

from __future__ import annotations

import asyncio

import imageio_ffmpeg
import pytest

from tests.e2e.conftest import Venue, Visit, ticket

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.asyncio(loop_scope="module")]


async def test_ffmpeg_publishes_by_whip_and_a_browser_at_the_other_node_sees_and_hears_it(
    venue: Venue, visit: Visit
) -> None:
    room = venue.open_room("hall-2", "hall")
    viewer = await visit(venue.sf, "viewer", role="viewer", room=room, publish=False)
    await viewer.enter(room, press="enter")
    token = ticket(room=room, identity="encoder", name="Hall camera", role="speaker")
    encoder = await asyncio.create_subprocess_exec(
        imageio_ffmpeg.get_ffmpeg_exe(),
        *["-hide_banner", "-loglevel", "warning", "-nostdin", "-re"],
        *["-f", "lavfi", "-i", "testsrc2=size=640x360:rate=15"],
        *["-f", "lavfi", "-i", "sine=frequency=440:sample_rate=48000"],
        *["-c:v", "libx264", "-profile:v", "baseline", "-pix_fmt", "yuv420p"],
        *["-tune", "zerolatency", "-preset", "ultrafast", "-bf", "0", "-g", "30"],
        *["-b:v", "600k", "-c:a", "libopus", "-ac", "2", "-t", "40"],
        *["-f", "whip", "-authorization", token, f"{venue.gz.url}/whip/{room}"],
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        await viewer.until(viewer.people, lambda people: "encoder" in people)
        await viewer.until_seen_moving("encoder")
        await viewer.until_heard("encoder")
    finally:
        if encoder.returncode is None:
            encoder.terminate()
        await encoder.communicate()
    await viewer.until(viewer.people, lambda people: "encoder" not in people, 45)
