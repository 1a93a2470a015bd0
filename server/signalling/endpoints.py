"""WHIP and WHEP sessions as their URLs name them: who made them, how they restart, when they end.

An endpoint is the HTTP face of one peer of one room session. It ends with that
session, whoever ends it.
"""

from __future__ import annotations

import asyncio
import secrets
from dataclasses import dataclass, field

from media import rpc
from media.framing import RpcError
from rooms.errors import Code, RoomError
from rooms.ids import Identity
from server.realtime.limits import TokenBucket
from server.realtime.sessions import Session
from server.signalling.fragment import Fragment, build, credentials_of
from server.signalling.media_link import MediaLink, room_error
from server.tokens import Grant

PEOPLE_COUNTED = 10_000
PATCHES_PER_S, PATCH_BURST = 2.0, 20.0
"""A client trickles a handful of candidates and restarts now and then; more is a flood."""


def _new_etag() -> str:
    return secrets.token_hex(8)


def _patches() -> TokenBucket:
    return TokenBucket(PATCHES_PER_S, PATCH_BURST, asyncio.get_running_loop().time())


@dataclass
class Endpoint:
    """One WHIP or WHEP session.

    Attributes:
        link: to the worker that has the peer.
        id: last part of its URL, 128 random bits.
        etag: names the ICE session; changes with each restart (RFC 9725 §4.3.1).
        remote: the client's credentials in the present ICE session.
    """

    session: Session
    link: MediaLink
    peer: str
    answer: str
    remote: Fragment
    id: str = field(default_factory=lambda: secrets.token_hex(16))
    etag: str = field(default_factory=_new_etag)
    patches: TokenBucket = field(default_factory=_patches)


class Endpoints:
    """The sessions of one protocol on this node. Owner: Encoders or Players.

    Args:
        posts_per_s, post_burst: how often one person may start a session.
    """

    def __init__(self, *, posts_per_s: float, post_burst: float) -> None:
        self._pace = (posts_per_s, post_burst)
        self._posts: dict[Identity, TokenBucket] = {}
        self._by_id: dict[str, Endpoint] = {}

    def __len__(self) -> int:
        return len(self._by_id)

    def add(
        self, session: Session, link: MediaLink, peer: str, *, offer: str, answer: str
    ) -> Endpoint:
        """Give a session its URL until it closes.

        Raises:
            RoomError: UNAVAILABLE, it has closed already.
        """
        if session.closed:
            raise RoomError(
                Code.UNAVAILABLE, "The session ended while it began. Try again.", retry_after_s=1.0
            )
        endpoint = Endpoint(session, link, peer, answer, credentials_of(offer))
        self._by_id[endpoint.id] = endpoint

        async def forget(_: Session, __: str) -> None:
            self._by_id.pop(endpoint.id, None)

        session.on_close(forget)
        return endpoint

    def find(self, endpoint_id: str, grant: Grant) -> Endpoint:
        """Look up a session for the person who made it.

        Raises:
            RoomError: NOT_FOUND or FORBIDDEN.
        """
        endpoint = self._by_id.get(endpoint_id)
        if endpoint is None:
            raise RoomError(Code.NOT_FOUND, "This session has ended. Start a new one.")
        session = endpoint.session
        if grant.identity != session.identity or not grant.opens(session.room):
            raise RoomError(
                Code.FORBIDDEN, "This session was made with another token. Use that one."
            )
        return endpoint

    def require_post(self, identity: Identity) -> None:
        """Count a person's POST.

        Raises:
            RoomError: RATE_LIMITED.
        """
        now = asyncio.get_running_loop().time()
        bucket = self._posts.pop(identity, None) or TokenBucket(*self._pace, now)
        self._posts[identity] = bucket  # the most recent last
        if len(self._posts) > PEOPLE_COUNTED:
            del self._posts[next(iter(self._posts))]
        _require(bucket.take(now))

    def require_patch(self, endpoint: Endpoint) -> None:
        """Count a session's PATCH.

        Raises:
            RoomError: RATE_LIMITED.
        """
        _require(endpoint.patches.take(asyncio.get_running_loop().time()))

    async def restart(self, endpoint: Endpoint, remote: Fragment) -> str:
        """Restart ICE with the client's new credentials.

        Returns:
            Our fragment; the endpoint has a new ETag.

        Raises:
            RoomError: NOT_FOUND or UNAVAILABLE; the session is as before.
        """
        try:
            ours = await endpoint.link.peer_restart(
                rpc.PeerRestart(peer=endpoint.peer, ufrag=remote.ufrag, pwd=remote.pwd)
            )
        except RpcError as error:
            raise room_error(error) from error
        endpoint.remote, endpoint.etag = remote, _new_etag()
        return build(ours, endpoint.answer)


def _require(wait_s: float) -> None:
    if wait_s > 0:
        raise RoomError(
            Code.RATE_LIMITED, "Too many requests. Wait a moment.", retry_after_s=wait_s
        )
