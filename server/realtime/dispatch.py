"""Commands of clients: one after the other per socket, each answered, repeats with the first answer.

``Dispatcher`` serves commands for all sockets of a node; ``Connection`` is one
socket's queue, budget and session.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import Any, Protocol

import structlog

from rooms import actions, commands
from rooms.commands import Command
from rooms.errors import Code, RoomError
from rooms.live import Envelope, Me, Participant, Snapshot
from rooms.permissions import TABLE, allows
from rooms.ports import MediaCommands, Ports
from server.realtime.codec import decode_bus, plain
from server.realtime.decode import decode_command
from server.realtime.limits import Ack, Answers, TokenBucket
from server.realtime.mirrors import Mirrors
from server.realtime.nodes import Nodes
from server.realtime.presence import Presence
from server.realtime.sessions import Session
from server.realtime.wire import Frame, ack_frame
from server.tokens import Grant

log = structlog.get_logger(__name__)

PROTOCOL = 1
COMMANDS_PER_S = 20.0
BURST = 60.0
QUEUE_LENGTH = 64
"""Commands of one socket that wait for their turn."""

UNREPEATABLE = frozenset(
    {"room.join", "room.leave", "events.after", "chat.history"}
    | {"media.publish", "media.view", "media.answer", "media.restart", "media.stats"}
)
"""Commands about this very connection or moment: a repeat is served anew."""

PASSING = frozenset({Code.UNAVAILABLE, Code.RATE_LIMITED, Code.INTERNAL})
"""Errors that a repeat may not meet again, so they are not remembered."""


class Pipe(Protocol):
    """The socket under a connection."""

    def put(self, frame: Frame) -> None: ...
    def drop(self, *, come_back: bool) -> None: ...


@dataclass(frozen=True, slots=True)
class _Waiting:
    name: str
    payload: object
    ack: int | None


class Connection:
    """One authenticated socket. Owner: the socket gate; a Carrier for its session."""

    def __init__(self, dispatcher: Dispatcher, pipe: Pipe, grant: Grant) -> None:
        self.grant = grant
        self.session: Session | None = None
        self.gone = False
        self._dispatcher = dispatcher
        self._pipe = pipe
        self._bucket = TokenBucket(COMMANDS_PER_S, BURST, time.monotonic())
        self._queue: asyncio.Queue[_Waiting | None] = asyncio.Queue()

    def put(self, frame: Frame) -> None:
        if not self.gone:
            self._pipe.put(frame)

    def drop(self, *, come_back: bool) -> None:
        if not self.gone:
            self._pipe.drop(come_back=come_back)

    def receive(self, name: str, payload: object, ack: int | None) -> None:
        """Take a command off the wire; never waits. Too many are answered, not queued."""
        wait = self._bucket.take(time.monotonic())
        if self._queue.qsize() >= QUEUE_LENGTH:
            wait = max(wait, 1.0)
        if wait > 0:
            self._answer(
                ack,
                refused(
                    RoomError(
                        Code.RATE_LIMITED,
                        "Too many commands at once; slow down.",
                        retry_after_s=round(max(wait, 0.05), 2),
                    )
                ),
            )
            return
        self._queue.put_nowait(_Waiting(name, payload, ack))

    async def serve_forever(self) -> None:
        """Serve commands in order until the socket is gone and the last one is done.

        A command that was taken is finished even if its sender is gone: it may
        have been stored already, and then others must hear of it.
        """
        while (waiting := await self._queue.get()) is not None:
            answer = await self._dispatcher.serve(self, waiting.name, waiting.payload)
            self._answer(waiting.ack, answer)
            if self.session is not None:
                self.session.release()

    def lost(self, blink: float) -> None:
        """Learn that the socket is gone; the session waits ``blink`` seconds for another one."""
        if self.gone:
            return
        self.gone = True
        self._queue.put_nowait(None)
        if self.session is not None:
            self.session.detach(self, blink)

    def require_session(self) -> Session:
        """Return the session of this socket.

        Raises:
            RoomError: NOT_JOINED.
        """
        session = self.session
        if session is None or session.closed or session.carrier is not self:
            raise RoomError(Code.NOT_JOINED, "Enter a room first.")
        return session

    def _answer(self, ack: int | None, answer: Ack) -> None:
        if ack is not None:
            self.put(ack_frame(ack, answer))


class Dispatcher:
    """Owner: the socket gate."""

    def __init__(
        self,
        ports: Ports,
        media: MediaCommands[Session],
        presence: Presence,
        mirrors: Mirrors,
        nodes: Nodes,
        blink: float,
    ) -> None:
        self._ports = ports
        self._media = media
        self._presence = presence
        self._mirrors = mirrors
        self._nodes = nodes
        self._blink = blink
        self._answers = Answers()

    async def serve(self, connection: Connection, name: str, payload: object) -> Ack:
        """Serve one command and make its ack; never raises."""
        try:
            command_id, data = envelope(payload)
            command = decode_command(name, data)
        except RoomError as error:
            return refused(error)
        if name in UNREPEATABLE:
            return await self._attempt(connection, command, command_id)
        key = (connection.grant.identity, name, command_id)
        earlier = self._answers.find(key, time.monotonic())
        if earlier is not None:
            return await asyncio.shield(earlier)
        answer = self._answers.expect(key, time.monotonic())
        ack: Ack = refused(_INTERNAL)
        try:
            ack = await self._attempt(connection, command, command_id)
        finally:
            answer.set_result(ack)
            if ack.get("error", {}).get("code") in PASSING:
                self._answers.drop(key)
        return ack

    async def _attempt(self, connection: Connection, command: Command, command_id: str) -> Ack:
        try:
            return {"ok": plain(await self._do(connection, command, command_id))}
        except RoomError as error:
            return refused(error)
        except Exception:
            log.exception("command_failed", command=command.name)
            return refused(_INTERNAL)

    async def _do(self, connection: Connection, command: Command, command_id: str) -> object:
        if isinstance(command, commands.RoomJoin):
            return await self._join(connection, command)
        session = connection.require_session()
        actor, ports = session.actor, self._ports
        match command:
            case commands.RoomLeave():
                connection.session = None
                await session.close("left")
            case commands.EventsAfter(epoch=epoch, seq=seq):
                missed = await self._missed(session, epoch, seq)
                if missed is None:
                    raise RoomError(Code.CONFLICT, "Too much was missed; enter the room again.")
                return {"missed": missed}
            case commands.ChatSend():
                return {"message": await actions.send_chat(ports, actor, command, command_id)}
            case commands.ChatHistory():
                found, more = await actions.chat_history(ports, actor, command)
                return {"messages": found, "more": more}
            case commands.HandRaise():
                await actions.raise_hand(ports, actor)
            case commands.HandLower():
                await actions.lower_hand(ports, actor, command)
            case commands.FloorGive():
                await actions.give_floor(ports, actor, command)
            case commands.FloorTake():
                await actions.take_floor(ports, actor, command)
            case commands.StageSet():
                await actions.set_stage(ports, actor, command)
            case commands.RoleSet():
                await actions.set_role(ports, actor, command)
            case commands.ParticipantRemove():
                await actions.remove(ports, actor, command)
            case commands.TrackMute():
                await actions.mute(ports, actor, command)
            case commands.TrackForceMute():
                await actions.force_mute(ports, actor, command)
            case commands.RecordingStart():
                await actions.start_recording(ports, actor, command)
            case commands.RecordingStop():
                await actions.stop_recording(ports, actor)
            case commands.RecordingConsent():
                await actions.answer_recording(ports, actor, command)
            case _:
                actions.require(session.mirror.live, actor.identity, command.name)
                return await self._do_media(session, command)
        return {}

    async def _do_media(self, session: Session, command: Command) -> object:
        match command:
            case commands.MediaPublish():
                return await self._media.publish(session, command)
            case commands.MediaView():
                return await self._media.view(session, command)
            case commands.MediaAnswer():
                return await self._media.answer(session, command)
            case commands.MediaRestart():
                return await self._media.restart(session, command)
            case commands.MediaStats():
                return await self._media.stats(session, command)
        raise AssertionError(f"{command.name} is served nowhere")

    async def _join(self, connection: Connection, command: commands.RoomJoin) -> Snapshot:
        if command.protocol != PROTOCOL:
            raise RoomError(Code.BAD_COMMAND, "This page is out of date; reload it.")
        session, resume = connection.session, command.resume
        if session is not None and (session.closed or session.carrier is not connection):
            session = None
        if session is not None and session.room != command.room:
            raise RoomError(Code.CONFLICT, "Leave the room you are in first.")
        if session is None and resume is not None:
            session = await self._presence.resume(command.room, connection.grant, resume.session)
        continued = session is not None
        if session is None:
            session = await self._presence.open(command.room, connection.grant, "socket")
        if connection.gone and session.carrier is not None:
            raise RoomError(Code.NOT_JOINED, "Another connection of yours has this session.")
        connection.session = session
        # From here on events are kept back until the answer is on its way.
        session.hold()
        session.attach(connection)
        if connection.gone:
            session.detach(connection, self._blink)
        missed = None
        if continued and resume is not None:
            missed = await self._missed(session, resume.epoch, resume.seq)
        return self._snapshot(session, resume, missed)

    def _snapshot(
        self, session: Session, resume: commands.Resume | None, missed: list[Envelope] | None
    ) -> Snapshot:
        mirror = session.mirror
        person = mirror.live.participants.get(session.identity)
        if person is None:
            raise RoomError(Code.UNAVAILABLE, "You are not in the room yet.", retry_after_s=1.0)
        me = Me(
            identity=session.identity,
            session=session.id,
            media=session.media,
            name=person.name,
            role=person.role,
            rights=rights_of(session, person),
        )
        epoch, seq, live = mirror.epoch, mirror.seq, mirror.live
        if resume is not None and missed is not None:
            epoch, seq = resume.epoch, missed[-1].seq if missed else resume.seq
        return Snapshot(
            me=me,
            epoch=epoch,
            seq=seq,
            now_ms=self._ports.clock(),
            resumed=missed is not None,
            live=live if missed is None else None,
            missed=missed or [],
            nodes=self._nodes.addresses(),
        )

    async def _missed(self, session: Session, epoch: str, seq: int) -> list[Envelope] | None:
        """Read the events after ``seq``, or None when they are not all there any more."""
        found = await self._mirrors.journal(session.room, epoch, seq)
        if found is None:
            return None
        messages = [decode_bus(raw) for raw in found]
        return [Envelope(epoch=m.epoch, seq=m.seq, name=m.name, data=m.data) for m in messages]


_INTERNAL = RoomError(
    Code.INTERNAL, "Something went wrong on our side; it has been recorded. Try again."
)


def rights_of(session: Session, person: Participant) -> list[str]:
    """List what a person may do now, within what their token allows."""
    kind = session.mirror.live.room.kind
    rights = [act for act in TABLE if allows(act, person.role, kind, floor=person.floor)]
    if not session.grant.may_publish:
        rights = [
            act for act in rights if not act.startswith(("publish.", "media.publish", "whip."))
        ]
    return sorted(rights)


def envelope(payload: object) -> tuple[str, object]:
    """Take a command's id and data out of what came with its name.

    Raises:
        RoomError: BAD_COMMAND.
    """
    if not isinstance(payload, dict):
        raise RoomError(Code.BAD_COMMAND, "A command is a map with id and data.")
    command_id = payload.get("id")
    if not isinstance(command_id, str) or not 0 < len(command_id) <= 64:
        raise RoomError(Code.BAD_COMMAND, "A command needs an id of 1 to 64 characters.")
    return command_id, payload.get("data", {})


def refused(error: RoomError) -> Ack:
    """Make the ack of a refusal."""
    body: dict[str, Any] = {"code": str(error.code), "message": error.message}
    if error.retry_after_s is not None:
        body["retry_after_s"] = error.retry_after_s
    return {"error": body}
