"""What one session receives, and what it is told of it: real worker, real Redis, real DTLS."""

from __future__ import annotations

from contextlib import closing

import pytest

from media.core.rtcp import build_remb, build_rr
from rooms.commands import MediaRestart
from tests.server.guests import grant, until
from tests.server.signalling.media import Follower, Sender
from tests.server.signalling.nodes import Node
from tests.server.signalling.test_peers import publish

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_what_is_paused_is_told_again_to_who_may_have_missed_it(node: Node) -> None:
    ann, bob = await node.tab(grant("ann")), await node.tab(grant("bob"))
    with closing(Sender()) as sender, closing(Follower(bob)) as follower:
        tracks = await publish(ann, sender)
        camera = tracks[1].id
        await follower.view(camera)
        await follower.receiver.flows("audio", "video")

        def told(*tracks: str) -> bool:
            """Say how little the path carries, until somebody draws the conclusion."""
            client = follower.receiver.client
            ssrcs = [line.ssrc for line in client.lines.values() if line.ssrc is not None]
            client.send_rtcp(build_rr(1) + build_remb(1, 30_000, ssrcs))
            paused = bob.named("media.paused")
            return bool(paused) and paused[-1]["tracks"] == list(tracks)

        await until(lambda: told(camera), "the pause")
        assert bob.named("media.paused")[-1]["reason"] == "bandwidth"
        before = len(bob.named("media.paused"))
        await follower.view(camera)
        assert [each["tracks"] for each in bob.named("media.paused")[before:]] == [[camera]]
        await node.signalling.peers.restart(bob.session, MediaRestart(anew=True))
        assert bob.named("media.paused")[-1]["tracks"] == [], "nothing is known of a new connection"
