"""Who is here: opens, renews, finds and ends this node's sessions, and sweeps away the dead.

Owns three loops: the node's lease, its sessions' leases, and the sweep.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable, Coroutine
from typing import Any

import structlog

from rooms import actions
from rooms.errors import Code, RoomError
from rooms.ids import Identity, NodeId, RoomId, SessionId
from rooms.live import Participant, Room, RoomKind
from rooms.ports import Stores
from server.realtime.codec import to_json
from server.realtime.link import FencedError, RedisLink
from server.realtime.live import LiveRooms
from server.realtime.mirror import RoomMirror
from server.realtime.mirrors import Mirrors, fresh_epoch
from server.realtime.nodes import Nodes
from server.realtime.scope import Scope
from server.realtime.sessions import Session, SessionKind
from server.tokens import Grant

log = structlog.get_logger(__name__)

RENEWED_AT_ONCE = 500
SWEPT_AT_ONCE = 200
SEEN = 0.3
"""Seconds to wait for one's own arrival on the bus before reading the journal."""


class Presence:
    """Owner: Realtime. ``Realtime.sessions``."""

    def __init__(
        self,
        link: RedisLink,
        nodes: Nodes,
        mirrors: Mirrors,
        live: LiveRooms,
        stores: Stores,
        scope: Scope,
    ) -> None:
        self.spawn: Callable[[Coroutine[Any, Any, object]], None] = scope.spawn
        self._link = link
        self._nodes = nodes
        self._mirrors = mirrors
        self._live = live
        self._stores = stores
        self._sessions: dict[SessionId, Session] = {}
        mirrors.restore = self.restore
        nodes.on("session.moved", self._moved)

    def get(self, session: SessionId) -> Session | None:
        """Find an open session of this node."""
        found = self._sessions.get(session)
        return None if found is None or found.closed else found

    def __len__(self) -> int:
        return len(self._sessions)

    def of(self, identity: Identity) -> list[Session]:
        """List this node's sessions of a person."""
        return [s for s in self._sessions.values() if s.identity == identity and not s.closed]

    async def open(self, room: RoomId, grant: Grant, kind: SessionKind) -> Session:
        """Enter a room with a new session; the room is made on first use if the token may.

        Raises:
            RoomError: NOT_FOUND (also for a room the token does not open), REMOVED,
                FORBIDDEN, UNAVAILABLE.
        """
        session = await self._enter(room, grant, kind, None)
        if session is None:
            raise AssertionError("a new session needs nothing to resume")
        return session

    async def resume(self, room: RoomId, grant: Grant, session_id: SessionId) -> Session | None:
        """Continue a session of this person wherever it was; None when it cannot be.

        Raises:
            RoomError: as ``open``.
        """
        return await self._enter(room, grant, "socket", session_id)

    async def _enter(
        self, room: RoomId, grant: Grant, kind: SessionKind, resumed: SessionId | None
    ) -> Session | None:
        if not grant.opens(room):
            raise RoomError(Code.NOT_FOUND, "There is no such room.")
        mirror = await self._acquire(room, grant)
        person = mirror.live.participants.get(grant.identity)
        role = grant.role if person is None else person.role
        session: Session | None = None
        try:
            await actions.admit(self._stores, mirror.live.room, grant.identity, role, kind)
            if resumed is not None and (local := self._sessions.get(resumed)) is not None:
                if not local.closed:
                    mine = local.identity == grant.identity and local.room == room
                    return local if mine and local.kind == "socket" else None
                await local.ended.wait()
            session_id = resumed or SessionId(secrets.token_hex(16))
            fresh = Session(self, mirror, session_id, grant, kind)
            mode = "new" if resumed is None else "resume"
            opened = await self._open(fresh, newcomer(grant), mode)
            if opened is None:
                return None
            twin = self._sessions.get(session_id)
            if twin is not None and not twin.closed:
                return twin  # two sockets resumed it at once
            session = fresh
            self._sessions[session.id] = session
            mirror.sessions[session.id] = session
            # A removal since the look at the door found nobody here to remove.
            await actions.admit(self._stores, mirror.live.room, grant.identity, role, kind)
            epoch, seq, former = opened
            if not await mirror.reached(epoch, seq, SEEN):
                await self._mirrors.catch_up(mirror)
        except BaseException:
            if session is not None:
                session.end("lost")
            raise
        finally:
            if session is None:
                self._mirrors.release(room)
        if former not in ("", self._nodes.me.id):
            moved = {"session": session.id}
            self.spawn(self._nodes.send(NodeId(former), "session.moved", moved))
        return session

    async def _acquire(self, room: RoomId, grant: Grant) -> RoomMirror:
        """Take the room's mirror; a room that does not exist is made if the token may."""
        try:
            return await self._mirrors.acquire(room)
        except RoomError as error:
            if error.code is not Code.NOT_FOUND or not grant.may_create:
                raise
        made = Room(
            id=room,
            kind=RoomKind.LOBBY,
            names={"en": room},
            city="",
            zone="UTC",
            created_ms=time.time_ns() // 1_000_000,
        )
        await self._stores.rooms.ensure(made)
        return await self._mirrors.acquire(room)

    async def _open(
        self, session: Session, person: Participant, mode: str
    ) -> tuple[str, int, str] | None:
        """Open a session in Redis: epoch, number and the node that had it; None if refused."""
        run = self._link.insist if mode == "restore" else self._link.run
        timings, me = self._link.timings, self._nodes.me
        answer = await run(
            "session_open",
            me.id,
            me.fence,
            session.room,
            fresh_epoch(),
            session.id,
            session.identity,
            session.kind,
            to_json(person),
            session.grant.role,
            mode,
            int(timings.session_lease * 1000),
        )
        return (answer[0].decode(), int(answer[1]), answer[2].decode()) if answer else None

    async def forget(self, session: Session, reason: str) -> None:
        """Drop a closed session here and in Redis (called by Session.close alone)."""
        if reason != "moved":
            await self._end(session, reason if reason in ("left", "removed") else "lost")
        self._sessions.pop(session.id, None)
        self._mirrors.release(session.room)

    async def _end(self, session: Session, reason: str) -> None:
        timings, me = self._link.timings, self._nodes.me
        try:
            await self._link.insist(
                "session_close",
                me.id,
                me.fence,
                session.room,
                session.id,
                reason,
                int(timings.seat),
                int(timings.resume),
            )
        except RoomError as error:
            # Nobody renews it any more, so the sweep will end it.
            log.info("session_end_left_to_sweep", session=session.id, error=error.message)

    async def _moved(self, _sender: NodeId, payload: dict[str, Any]) -> None:
        session = self.get(SessionId(str(payload.get("session"))))
        if session is not None:
            await session.close("moved")

    async def restore(self, mirror: RoomMirror) -> None:
        """Open this node's sessions in a room again, with people and tracks as they were.

        Whoever was removed while the node was cut off stays out.

        Raises:
            RoomError: UNAVAILABLE; FencedError until the node has a lease again.
        """
        stage, recording = mirror.live.stage, mirror.live.recording
        people = dict(mirror.live.participants)
        present = [s for s in mirror.sessions.values() if not s.closed]
        removed = {
            identity
            for identity in {s.identity for s in present}
            if await self._stores.bans.is_banned(mirror.room, identity)
        }
        for session in present:
            if session.identity in removed:
                session.end("removed")
                continue
            person = people.get(session.identity) or newcomer(session.grant)
            if await self._open(session, person, "restore") is None:
                session.end("moved")
                continue
            for record in list(session.tracks.values()):
                await self._live.publish_track(record)
        if stage is not None and any(s.identity == stage for s in mirror.sessions.values()):
            await self._live.restore_stage(mirror.room, stage)
        if recording is not None and recording.node == self._nodes.me.id:
            await self._live.restore_recording(mirror.room, recording)

    async def keep_node_forever(self) -> None:
        """Renew the node's lease; after losing it, take a new one and open all sessions again."""
        while True:
            await asyncio.sleep(self._link.timings.node_renewal)
            try:
                await self._nodes.renew()
            except FencedError:
                log.warning("node_lease_lost", node=self._nodes.me.id, sessions=len(self))
                await self._rejoin()
            except RoomError as error:
                log.debug("node_not_renewed", error=error.message)

    async def _rejoin(self) -> None:
        try:
            await self._nodes.lease()
            for mirror in self._mirrors:
                await self.restore(mirror)
                self._mirrors.heal(mirror)
        except RoomError as error:
            log.warning("node_rejoin_failed", error=error.message)

    async def keep_sessions_forever(self) -> None:
        """Renew the sessions' leases, and notice what this node missed."""
        while True:
            await asyncio.sleep(self._link.timings.session_renewal)
            try:
                await self._renew()
                await self._mirrors.compare()
            except RoomError as error:
                log.debug("sessions_not_renewed", error=error.message)

    async def _renew(self) -> None:
        timings, me = self._link.timings, self._nodes.me
        names = [f"{s.room} {s.id}" for s in self._sessions.values() if not s.closed]
        lost: list[bytes] = []
        for start in range(0, len(names), RENEWED_AT_ONCE):
            lost += await self._link.insist(
                "session_renew",
                me.id,
                me.fence,
                int(timings.session_lease * 1000),
                *names[start : start + RENEWED_AT_ONCE],
            )
        rooms = {RoomId(name.decode().split(" ")[0]) for name in lost}
        for mirror in [m for m in self._mirrors if m.room in rooms]:
            await self.restore(mirror)

    async def sweep_forever(self) -> None:
        """End what nobody renews; only the node that holds the sweep's lease does anything."""
        timings = self._link.timings
        while True:
            await asyncio.sleep(timings.sweep)
            me = self._nodes.me
            try:
                ended = await self._link.insist(
                    "sweep",
                    me.id,
                    me.fence,
                    int(timings.sweep * 3000),
                    SWEPT_AT_ONCE,
                    int(timings.seat),
                    int(timings.resume),
                )
            except RoomError as error:
                log.debug("sweep_skipped", error=error.message)
                continue
            if ended > 0:
                log.info("sessions_swept", count=ended)

    async def evict_former(self) -> None:
        """End what an earlier process under this node's id left behind."""
        timings = self._link.timings
        while await self._link.insist(
            "node_evict", self._nodes.me.id, SWEPT_AT_ONCE, int(timings.seat), int(timings.resume)
        ):
            pass

    async def close_all(self, reason: str) -> None:
        """End every session of this node."""
        async with asyncio.TaskGroup() as group:
            for session in list(self._sessions.values()):
                group.create_task(session.close(reason))


def newcomer(grant: Grant) -> Participant:
    """Describe the bearer of a token as they first enter (Redis sets the time)."""
    return Participant(
        identity=grant.identity,
        name=grant.name,
        role=grant.role,
        city=grant.city,
        joined_ms=0,
        hand_ms=None,
        floor=False,
        synthetic=grant.synthetic,
        recording_consent=None,
    )
