"""WHEP: players (hall screens, media players) that show a room's program or one person.

A player is not in the roster. What it shows follows the room's present without
renegotiation; while nobody publishes it stays connected and shows nothing.
"""

from __future__ import annotations

import structlog

from media import rpc
from media.framing import RpcError
from rooms.errors import Code, RoomError
from rooms.events import Event
from rooms.ids import Identity, RoomId, SessionId
from server.realtime.mirror import RoomMirror
from server.realtime.scope import Scope
from server.realtime.service import Realtime
from server.realtime.sessions import Session
from server.signalling.admission import admit
from server.signalling.endpoints import Endpoint, Endpoints
from server.signalling.media_link import MediaLink, room_error
from server.signalling.program import program
from server.signalling.reconcile import Steps
from server.signalling.relays import Relays
from server.signalling.workers import Workers
from server.tokens import Grant

log = structlog.get_logger("signalling")

MAX_PER_IDENTITY = 1_000
"""Players one token's bearer may have at once on a node: a wall of screens, not a flood."""
NO_STREAM_RETRY_S = 2.0
RELAY_TIMEOUT_S = 4.0


class Player:
    """One player. Owner: Players; lifetime: its session's.

    Attributes:
        person: the one it shows, or None for the program.
        link: to the worker that has it.
    """

    def __init__(
        self,
        session: Session,
        person: Identity | None,
        workers: Workers,
        relays: Relays,
        scope: Scope,
    ) -> None:
        self.session = session
        self.person = person
        self.peer = f"player/{session.id}"
        self.link = workers.place(self.peer, session.room)
        self._workers = workers
        self._relays = relays
        self._applied: list[rpc.WantedTrack] = []
        self._steps = Steps(scope, f"player {session.id}", self._step)

    def wants(self) -> list[rpc.WantedTrack]:
        """Work out what it shows in the room as it is."""
        chosen = program(self.session.mirror.live, self.person)
        return [rpc.WantedTrack(track=t.id, group=t.identity, always=True) for t in chosen.tracks]

    async def open(self, sdp: str) -> str:
        """Answer the player's offer with what is on now.

        Raises:
            RoomError: CONFLICT (nothing is on), BAD_SDP or UNAVAILABLE.
        """
        wants = self.wants()
        if not wants:
            raise RoomError(
                Code.CONFLICT,
                "Nobody is publishing here yet. Try again shortly.",
                retry_after_s=NO_STREAM_RETRY_S,
            )
        room = self.session.room
        self._want(wants)
        await self.link.ready()
        index = self.link.index
        if not await self._relays.ready(index, room, [w.track for w in wants], RELAY_TIMEOUT_S):
            raise RoomError(
                Code.UNAVAILABLE,
                "The node that has this stream does not answer. Try again shortly.",
                retry_after_s=NO_STREAM_RETRY_S,
            )
        try:
            answer = await self.link.player_offer(
                rpc.PlayerOffer(peer=self.peer, room=room, sdp=sdp, wants=wants)
            )
        except RpcError as error:
            raise room_error(error) from error
        self._applied = wants
        return answer.sdp

    def room_event(self, mirror: RoomMirror, event: Event | None) -> None:
        """Something happened in the room: see whether something else is on."""
        self._steps.wake()

    async def close(self) -> None:
        self._want([])
        self._workers.leave(self.peer)
        await self.link.peer_close(self.peer)

    def _want(self, wants: list[rpc.WantedTrack]) -> None:
        self._workers.weigh(self.peer, len(wants))
        self._relays.want(self.peer, self.link.index, self.session.room, wants)

    async def _step(self) -> None:
        wants = self.wants()
        if self.session.closed or wants == self._applied:
            return
        self._want(wants)
        try:
            await self.link.player_set(rpc.PlayerSet(peer=self.peer, wants=wants))
        except RpcError as error:
            if error.code != "no_codec":
                raise
            # Its connection was made for another codec: it has to post again.
            log.info("player ended", session=self.session.id, cause=error.message)
            self.session.end("lost")
        self._applied = wants


class Players:
    """Owner: Signalling."""

    def __init__(self, realtime: Realtime, workers: Workers, relays: Relays, scope: Scope) -> None:
        self._realtime = realtime
        self._workers = workers
        self._relays = relays
        self._scope = scope
        self._players: dict[SessionId, Player] = {}
        # A wall of screens, or a load test, comes back all at once.
        self.endpoints = Endpoints(posts_per_s=50.0, post_burst=400.0)
        for link in workers.links:
            link.on(rpc.PeerStateNotice, self._peer_state)
        workers.on_down.append(self._worker_down)

    async def play(
        self, room: RoomId, grant: Grant, sdp: str, person: Identity | None = None
    ) -> Endpoint:
        """Open a player of the room's program, or of one person.

        Raises:
            RoomError: FORBIDDEN, REMOVED, NOT_FOUND, CONFLICT, RATE_LIMITED, BAD_SDP or UNAVAILABLE.
        """
        self.endpoints.require_post(grant.identity)
        if not grant.may_subscribe:
            raise RoomError(
                Code.FORBIDDEN, "Your token does not let you watch. Ask for another one."
            )
        if sum(p.session.identity == grant.identity for p in self._players.values()) >= (
            MAX_PER_IDENTITY
        ):
            raise RoomError(
                Code.RATE_LIMITED,
                f"This token has {MAX_PER_IDENTITY} players running. End some first.",
                retry_after_s=30.0,
            )
        session = await admit(self._realtime, room, grant, "whep")
        try:
            player = Player(session, person, self._workers, self._relays, self._scope)
            self._players[session.id] = player
            session.on_close(self._session_closed)
            answer = await player.open(sdp)
            unwatch = session.mirror.watch(player.room_event)

            async def stop_watching(_: Session, __: str) -> None:
                unwatch()

            session.on_close(stop_watching)
            player.room_event(session.mirror, None)  # whatever changed while it opened
            return self.endpoints.add(session, player.link, player.peer, offer=sdp, answer=answer)
        except BaseException:
            await session.close("left")
            raise

    def media_of(self, session: Session) -> list[tuple[MediaLink, str]]:
        """Name a session's player at its worker."""
        player = self._players.get(session.id)
        return [(player.link, player.peer)] if player is not None else []

    def _worker_down(self, link: MediaLink) -> None:
        """Its players' connections are gone: they have to post again."""
        for player in list(self._players.values()):
            if player.link is link:
                player.session.end("lost")

    async def _session_closed(self, session: Session, reason: str) -> None:
        player = self._players.pop(session.id, None)
        if player is not None:
            await player.close()

    def _peer_state(self, notice: rpc.PeerStateNotice) -> None:
        kind, _, session_id = notice.peer.partition("/")
        player = self._players.get(SessionId(session_id))
        if kind == "player" and player is not None and notice.state in ("failed", "closed"):
            player.session.end("lost")
