"""WHIP: encoders (OBS, FFmpeg, browsers) that publish as their token's participant.

An encoder is in the roster like a tab and is subject to the same permissions. It
leaves when its connection fails, and when the same person starts another one.
"""

from __future__ import annotations

import re

from rooms.errors import Code, RoomError
from rooms.ids import RoomId
from rooms.live import Kind, Source
from server.realtime.service import Realtime
from server.signalling.admission import admit
from server.signalling.endpoints import Endpoint, Endpoints
from server.signalling.peers import Peers
from server.tokens import Grant

SOURCES = {Kind.AUDIO: Source.MICROPHONE, Kind.VIDEO: Source.CAMERA}


class Encoders:
    """Owner: Signalling."""

    def __init__(self, realtime: Realtime, peers: Peers) -> None:
        self._realtime = realtime
        self._peers = peers
        self.endpoints = Endpoints(posts_per_s=1.0, post_burst=20.0)

    async def publish(self, room: RoomId, grant: Grant, sdp: str) -> Endpoint:
        """Open a session and publish what the offer sends: at most one sound and one picture.

        The person's earlier encoder in this room ends as soon as the new one is there.

        Raises:
            RoomError: FORBIDDEN, REMOVED, NOT_FOUND, RATE_LIMITED, BAD_SDP or UNAVAILABLE.
        """
        self.endpoints.require_post(grant.identity)
        kinds = [kind for kind in SOURCES if re.search(rf"^m={kind} ", sdp, re.MULTILINE)]
        if not kinds:
            raise RoomError(
                Code.BAD_SDP,
                "The offer has neither sound nor picture. Add a source to the encoder.",
            )
        session = await admit(self._realtime, room, grant, "whip")
        try:
            publisher = self._peers.of(session).publisher
            answer = await publisher.offer_auto(sdp, {kind: SOURCES[kind] for kind in kinds})
            link, peer = publisher.link, publisher.peer
            if not publisher.records or link is None or peer is None:
                raise RoomError(
                    Code.BAD_SDP,
                    "The offer sends nothing that is spoken here. Send Opus, and VP8, H264, VP9 or AV1.",
                )
            return self.endpoints.add(session, link, peer, offer=sdp, answer=answer)
        except BaseException:
            await session.close("left")
            raise
