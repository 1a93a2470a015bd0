"""The media commands, and the peers of every local session.

A session gets its publisher and subscriber with its first media command and
loses them when it closes. The room's events and the worker's notices find their
way from here to the peers they are about.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import structlog

from media import rpc
from media.framing import RpcError
from rooms.commands import MediaAnswer, MediaPublish, MediaRestart, MediaStats, MediaView
from rooms.errors import Code, RoomError
from rooms.events import (
    Event,
    FloorGiven,
    FloorTaken,
    ParticipantLeft,
    ParticipantUpdated,
    RoleChanged,
    StageChanged,
    TrackPublished,
    TrackUnpublished,
    TrackUpdated,
)
from rooms.ids import Identity, NodeId, RoomId, SessionId, TrackId
from rooms.signals import MediaState, SpeakerChanged
from server.realtime.mirror import RoomMirror
from server.realtime.scope import Scope
from server.realtime.service import Realtime
from server.realtime.sessions import Session
from server.signalling.connections import Connections
from server.signalling.media_link import MediaLink, room_error
from server.signalling.publishing import Publisher
from server.signalling.relays import Relays
from server.signalling.speakers import Speakers
from server.signalling.subscribing import Subscriber
from server.signalling.workers import Workers

log = structlog.get_logger("signalling")


@dataclass
class _Entry:
    """The peers of one session. ``unwatch`` ends its interest in the room's events."""

    session: Session
    publisher: Publisher
    subscriber: Subscriber
    unwatch: Callable[[], None]


class Peers:
    """Fulfils ``rooms.ports.MediaCommands``.

    Owner: Signalling.

    Attributes:
        connections: put there by Signalling.
    """

    connections: Connections

    def __init__(self, realtime: Realtime, workers: Workers, relays: Relays, scope: Scope) -> None:
        self._realtime = realtime
        self._node: NodeId = realtime.nodes.me.id
        self._workers = workers
        self._relays = relays
        self._scope = scope
        self._entries: dict[SessionId, _Entry] = {}
        self._interrupted: dict[MediaLink, list[Session]] = {}
        self._speakers = Speakers()
        for link in workers.links:
            link.on(rpc.PeerStateNotice, self._peer_state)
            link.on(rpc.SubscriberOfferNotice, self._subscriber_offer)
            link.on(rpc.PausedNotice, self._paused)
            link.on(rpc.SpeakersNotice, partial(self._heard, link.index))
        workers.on_up.append(self._worker_up)
        workers.on_down.append(self._worker_down)
        self._talking: dict[RoomId, SpeakerChanged] = {}

    # Commands.

    async def publish(self, session: Session, command: MediaPublish) -> dict[str, object]:
        """Take the client's offer of what it sends.

        Raises:
            RoomError: as ``Publisher.offer``.
        """
        sdp, tracks = await self.of(session).publisher.offer(command.sdp, command.tracks)
        return {"sdp": sdp, "tracks": tracks}

    async def view(self, session: Session, command: MediaView) -> dict[str, object]:
        """Take the client's wish of what it receives; tell who speaks already."""
        self.of(session).subscriber.view(command)
        if (talking := self._talking.get(session.room)) is not None:
            session.signal(talking)
        return {}

    async def answer(self, session: Session, command: MediaAnswer) -> dict[str, object]:
        """Take the client's answer to our offer."""
        await self.of(session).subscriber.answer(command)
        return {}

    async def restart(self, session: Session, command: MediaRestart) -> dict[str, object]:
        """Offer anew what the client receives."""
        await self.of(session).subscriber.restart(command.anew)
        return {}

    async def stats(self, session: Session, command: MediaStats) -> dict[str, object]:
        """Tell how the session is connected."""
        (found,) = await self.connections.of([session])
        return {"connection": found}

    def media_of(self, session: Session) -> list[tuple[MediaLink, str]]:
        """Name a session's peers at the workers."""
        entry = self._entries.get(session.id)
        halves = (entry.publisher, entry.subscriber) if entry is not None else ()
        return [(half.link, half.peer) for half in halves if half.link and half.peer]

    async def hold(self, room: RoomId, track: TrackId, held: bool) -> None:
        """Hold back a track, or let it through, at once if it is this node's.

        The node that has it otherwise does so when it hears of the track's
        ``forced`` (``_follow``), which no lost message can prevent. Nor is a track
        let through that a moderator has muted meanwhile.

        Raises:
            RoomError: NOT_FOUND or UNAVAILABLE.
        """
        mirror = self._realtime.mirrors.get(room)
        record = mirror.records.get(track) if mirror is not None else None
        if record is None:
            raise RoomError(Code.NOT_FOUND, "This track has ended.")
        if record.node == self._node and (held or not record.track.forced):
            try:
                await self._workers.links[record.worker].track_hold(track, held)
            except RpcError as error:
                raise room_error(error) from error

    # Sessions.

    def of(self, session: Session) -> _Entry:
        """Give a session's peers, made at its first media command.

        Raises:
            RoomError: NOT_JOINED, it has ended.
        """
        entry = self._entries.get(session.id)
        if entry is None:
            if session.closed:
                raise RoomError(Code.NOT_JOINED, "This session has ended. Enter the room again.")
            entry = _Entry(
                session,
                Publisher(session, self._workers, self._realtime.live, self._node, self._scope),
                Subscriber(session, self._workers, self._relays, self._scope),
                session.mirror.watch(lambda mirror, event: self._room_event(session, event)),
            )
            self._entries[session.id] = entry
            session.on_close(self._session_closed)
        return entry

    async def _session_closed(self, session: Session, reason: str) -> None:
        entry = self._entries.pop(session.id, None)
        if entry is None:
            return
        entry.unwatch()
        for close in (entry.publisher.close, entry.subscriber.close):
            try:
                await close()
            except (RoomError, RpcError) as error:
                # A peer that nobody answers any more fails by itself.
                log.warning("peer not closed", session=session.id, cause=str(error))

    def _room_event(self, session: Session, event: Event | None) -> None:
        """Bring one session's peers in line with what changed in its room."""
        entry = self._entries.get(session.id)
        if entry is None:
            return
        if event is None or isinstance(
            event,
            TrackPublished | TrackUpdated | TrackUnpublished | ParticipantLeft
            | StageChanged | FloorGiven | FloorTaken,
        ):  # fmt: skip
            entry.subscriber.wake()
        match event:
            case None:
                self._scope.spawn(self._take_back(entry))
                self._follow(entry)
            case FloorTaken(identity=who) | RoleChanged(identity=who) if who == session.identity:
                self._scope.spawn(self._take_back(entry))
            case ParticipantUpdated(participant=person) if person.identity == session.identity:
                self._scope.spawn(self._take_back(entry))
            case TrackPublished(track=track) if track.identity == session.identity:
                self._supersede(entry, session.mirror, track.id)
            case TrackUpdated(track=track) if track.id in entry.publisher.records:
                self._follow(entry)
            case _:
                pass

    async def _take_back(self, entry: _Entry) -> None:
        """Take back what may not be published any more, also by an offer under way."""
        if await entry.publisher.review() and entry.session.kind == "whip":
            await entry.session.close("left")

    def _follow(self, entry: _Entry) -> None:
        """Take over what others did to the session's tracks: a moderator's mute holds them back."""
        present, records = entry.session.mirror.live.tracks, entry.publisher.records
        for track_id, record in list(records.items()):
            track = present.get(track_id, record.track)
            if track.forced != record.track.forced:
                self._scope.spawn(self._hold_own(record.worker, track_id, track.forced))
            records[track_id] = replace(record, track=track)

    async def _hold_own(self, worker: int, track: TrackId, held: bool) -> None:
        try:
            await self._workers.links[worker].track_hold(track, held)
        except RpcError as error:
            log.warning("not held", track=track, cause=str(error))

    def _supersede(self, entry: _Entry, mirror: RoomMirror, newest: TrackId) -> None:
        """One live track per person and source: the newest, whichever tab it comes from.

        An own track that is not in the room yet comes after ``newest`` and stays.
        """
        source = mirror.live.tracks[newest].source if newest in mirror.live.tracks else None
        for track_id, record in entry.publisher.records.items():
            older = track_id != newest and track_id in mirror.live.tracks
            if older and record.track.source == source:
                if entry.session.kind == "whip":
                    entry.session.end("replaced")
                else:
                    self._scope.spawn(entry.publisher.retract(track_id))

    # The workers.

    def _worker_down(self, link: MediaLink) -> None:
        """Everything the worker had is gone: encoders end, tabs lose their tracks."""
        for entry in list(self._entries.values()):
            if entry.publisher.link is not link:
                continue
            if entry.session.kind == "whip":
                entry.session.end("lost")
            elif entry.publisher.peer is not None:
                self._interrupted.setdefault(link, []).append(entry.session)
                self._scope.spawn(entry.publisher.end())
        for room in self._speakers.forget(link.index):
            self._tell_speakers(RoomId(room))
        if link.lost:  # nobody waits for it: its people are placed elsewhere
            self._worker_up(link)

    def _worker_up(self, link: MediaLink) -> None:
        """Offer anew what its people receive, ask for what they send."""
        for entry in self._entries.values():
            if entry.subscriber.link in (link, None):
                entry.subscriber.wake()
        for session in self._interrupted.pop(link, ()):
            session.signal(MediaState(peer="publisher", state="failed"))

    def _find(self, peer: str) -> tuple[str, _Entry] | None:
        half, _, rest = peer.partition("/")
        entry = self._entries.get(SessionId(rest.partition("/")[0]))
        return None if entry is None else (half, entry)

    def _peer_state(self, notice: rpc.PeerStateNotice) -> None:
        found = self._find(notice.peer)
        if found is None or notice.state == "connecting":
            return
        half, entry = found
        current = entry.publisher.peer if half == "publisher" else entry.subscriber.peer
        if notice.peer != current:
            return
        if notice.state != "connected":
            log.info(
                "a peer ended",
                peer=half, session=entry.session.id, state=notice.state, reason=notice.reason,
            )  # fmt: skip
            if half == "subscriber":
                entry.subscriber.failed()
            elif entry.session.kind == "whip":
                entry.session.end("lost")
            else:
                self._scope.spawn(entry.publisher.end())
        entry.session.signal(MediaState(peer=half, state=notice.state))

    def _subscriber_offer(self, notice: rpc.SubscriberOfferNotice) -> None:
        found = self._find(notice.offer.peer)
        if found is not None:
            found[1].subscriber.offered(notice.offer)

    def _paused(self, notice: rpc.PausedNotice) -> None:
        found = self._find(notice.peer)
        if found is not None and notice.peer == found[1].subscriber.peer:
            found[1].subscriber.paused([TrackId(track) for track in notice.tracks])

    def _heard(self, worker: int, notice: rpc.SpeakersNotice) -> None:
        self._speakers.take(worker, notice)
        self._tell_speakers(RoomId(notice.room))

    def _tell_speakers(self, room: RoomId) -> None:
        self._talking.pop(room, None)
        mirror = self._realtime.mirrors.get(room)
        if mirror is None:
            return
        identities: dict[Identity, None] = {}
        for track_id in self._speakers.of(room):
            track = mirror.live.tracks.get(TrackId(track_id))
            if track is not None:
                identities[track.identity] = None
        signal = SpeakerChanged(identities=list(identities))
        if identities:
            self._talking[mirror.room] = signal
        for session in mirror.sessions.values():
            if session.kind == "socket":
                session.signal(signal)
