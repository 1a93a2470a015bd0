"""What one session sends: its publisher peer, and its tracks in the room's present.

Permission is asked per source when a track is offered and again whenever the
person's role or floor changes. Track ids are made here; the worker only learns
which m-line is which track.
"""

from __future__ import annotations

import asyncio
import re
import secrets
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

from media import rpc
from media.framing import RpcError
from rooms.commands import OfferedTrack
from rooms.errors import Code, RoomError
from rooms.ids import NodeId, TrackId
from rooms.live import Kind, Live, Role, Source, Track
from rooms.permissions import allows
from rooms.signals import MediaState
from server.realtime.live import LiveRooms
from server.realtime.records import TrackRecord
from server.realtime.scope import Scope
from server.realtime.sessions import Session
from server.signalling.media_link import NO_RUN, MediaLink, room_error
from server.signalling.workers import Workers
from server.tokens import Grant

KINDS = {
    Source.MICROPHONE: Kind.AUDIO,
    Source.SCREEN_AUDIO: Kind.AUDIO,
    Source.CAMERA: Kind.VIDEO,
    Source.SCREEN: Kind.VIDEO,
}
RETRY_S = 1.0
NO_LINES = {"": ""}
"""Names no m-line, since every mid has a letter; nothing at all would name every line."""


def refusal(grant: Grant, live: Live, source: Source) -> RoomError | None:
    """Tell why this person may not publish ``source`` in the room now, or None."""
    person = live.participants.get(grant.identity)
    if person is None:
        return RoomError(Code.NOT_JOINED, "You are not in this room any more. Enter it again.")
    if not grant.may_publish:
        return RoomError(Code.FORBIDDEN, "Your token does not let you publish. Ask for another.")
    if grant.sources is not None and source not in grant.sources:
        return RoomError(
            Code.FORBIDDEN, f"Your token does not let you publish {source}. Ask for another."
        )
    if not allows(f"publish.{source}", person.role, live.room.kind, floor=person.floor):
        return RoomError(
            Code.FORBIDDEN,
            f"A {person.role} may not publish {source} here. "
            + (
                "Ask a moderator for another role."
                if person.role is Role.VIEWER
                else "Raise your hand to ask for the floor."
            ),
        )
    return None


class Publisher:
    """The publishing half of a session.

    Owner: the session's entry in ``Peers``. Invariant: ``records`` are the tracks of
    the peer that is open now and that the room was told of. Offers, retractions
    and closing take turns.

    Attributes:
        link: to the worker that has, or last had, the peer.
    """

    def __init__(
        self,
        session: Session,
        workers: Workers,
        live: LiveRooms,
        node: NodeId,
        scope: Scope,
    ) -> None:
        self._session = session
        self._mirror = session.mirror
        self._workers = workers
        self.link: MediaLink | None = None
        self._live = live
        self._node = node
        self._scope = scope
        self._turn = asyncio.Lock()
        self._opened = 0
        self._run = NO_RUN
        self._origin = ""
        self._mids: dict[str, TrackId] = {}
        self._closed = False
        self.peer: str | None = None
        self.records: dict[TrackId, TrackRecord] = {}

    async def offer(self, sdp: str, offered: list[OfferedTrack]) -> tuple[str, list[Track]]:
        """Publish (or renegotiate, or restart ICE of) the named m-lines; others end.

        An offer of another RTCPeerConnection than before (its ``o=`` line tells)
        replaces the old one and all its tracks.

        Returns:
            The answer, and the tracks that the room now has.

        Raises:
            RoomError: FORBIDDEN, BAD_COMMAND, BAD_SDP, NOT_JOINED or UNAVAILABLE.
        """
        _require_distinct(offered)
        async with self._turn:
            self._require_allowed(track.source for track in offered)
            link = await self._prepare(sdp)
            by_mid = {
                track.mid: self._same(track.mid, track.source) or new_track_id()
                for track in offered
            }
            wishes = {by_mid[track.mid]: track for track in offered}
            answer = await self._ask(link, sdp, tracks=by_mid or NO_LINES)
            self._mids = by_mid
            return answer.sdp, await self._announce(link, answer, wishes.__getitem__)

    async def offer_auto(self, sdp: str, sources: Mapping[Kind, Source]) -> str:
        """Publish the first sending m-line of each kind, and return the answer (WHIP).

        Raises:
            RoomError: as ``offer``.
        """
        async with self._turn:
            self._require_allowed(sources.values())
            link = await self._prepare(sdp)
            ids = {kind: new_track_id() for kind in sources}
            answer = await self._ask(link, sdp, auto={str(kind): i for kind, i in ids.items()})
            wishes = {i: OfferedTrack(mid="", source=sources[kind]) for kind, i in ids.items()}
            await self._announce(link, answer, wishes.__getitem__)
            return answer.sdp

    async def review(self) -> list[TrackId]:
        """Take back the tracks that this person may not publish any more.

        Returns:
            What was taken back.
        """
        async with self._turn:
            live = self._mirror.live
            denied = [
                record.track.id
                for record in self.records.values()
                if refusal(self._session.grant, live, record.track.source) is not None
            ]
            await self._retract(denied)
            return denied

    async def retract(self, track: TrackId) -> None:
        """Take back one track, for instance because another tab publishes that source now."""
        async with self._turn:
            await self._retract([track])

    async def end(self) -> None:
        """Close the peer and take back its tracks; the session may publish again."""
        async with self._turn:
            await self._drop()

    async def close(self) -> None:
        """End for good. The tracks leave the room with the session."""
        self._closed = True
        async with self._turn:
            await self._close_peer()
            self._workers.leave(self._key)

    @property
    def _key(self) -> str:
        return f"publisher/{self._session.id}"

    async def _prepare(self, sdp: str) -> MediaLink:
        """Let go of a peer that this offer does not continue, and find the worker for it."""
        origin = _origin(sdp)
        link = self._workers.place(self._key, self._session.room)
        await link.ready()
        if self.peer is not None and (origin != self._origin or self._run != link.run):
            await self._drop()
        self._origin = origin
        self.link = link
        return link

    async def _ask(
        self,
        link: MediaLink,
        sdp: str,
        *,
        tracks: Mapping[str, str] | None = None,
        auto: Mapping[str, str] | None = None,
    ) -> rpc.PublisherAnswer:
        peer = self.peer or f"{self._key}/{self._opened + 1}"
        request = rpc.PublisherOffer(
            peer=peer,
            room=self._session.room,
            sdp=sdp,
            tracks=dict(tracks or {}),
            auto=dict(auto or {}),
        )
        run = link.run
        try:
            answer = await link.publisher_offer(request)
        except RpcError as error:
            raise room_error(error) from error
        if self.peer is None:
            self.peer, self._run = peer, run
            self._opened += 1
        if self._closed:
            await self._close_peer()
            raise RoomError(Code.NOT_JOINED, "This session has ended. Enter the room again.")
        return answer

    async def _announce(
        self,
        link: MediaLink,
        answer: rpc.PublisherAnswer,
        wish: Callable[[TrackId], OfferedTrack],
    ) -> list[Track]:
        """Bring the room's present in line with what the worker accepted."""
        accepted = {TrackId(info.track): info for info in answer.tracks}
        for track_id, info in accepted.items():
            if KINDS[wish(track_id).source] != info.kind:
                await self._drop()
                raise RoomError(
                    Code.BAD_COMMAND,
                    f"{wish(track_id).source} was offered on a line of {info.kind}. "
                    "Name the right mid for each source.",
                )
        await self._unpublish(self.records.keys() - accepted.keys())
        for track_id, info in accepted.items():
            known = self.records.get(track_id)
            if known is not None:
                if known.info == info:
                    continue
                await self._unpublish([track_id])
            record = TrackRecord(
                track=self._public(track_id, info, wish(track_id)),
                session=self._session.id,
                node=self._node,
                worker=link.index,
                info=info,
                recordable=self._session.kind == "whip" and self._session.grant.recordable,
            )
            try:
                await self._live.publish_track(record)
            except RoomError as error:
                if error.code is Code.UNAVAILABLE:  # it may have been stored all the same
                    self._scope.spawn(self._unpublish_later(track_id))
                raise
            self.records[track_id] = record
        return [
            self._mirror.live.tracks.get(track_id, self.records[track_id].track)
            for track_id in accepted
        ]

    def _public(self, track_id: TrackId, info: rpc.TrackInfo, wish: OfferedTrack) -> Track:
        present = self._mirror.live.tracks.get(track_id)
        if present is not None:
            return replace(present, codec=info.codec)
        return Track(
            id=track_id,
            identity=self._session.identity,
            source=wish.source,
            kind=Kind(info.kind),
            codec=info.codec,
            muted=wish.muted,
            forced=False,
        )

    async def _retract(self, tracks: list[TrackId]) -> None:
        ours = [track for track in tracks if track in self.records]
        if not ours:
            return
        if len(ours) == len(self.records):
            await self._drop()
            self._session.signal(MediaState(peer="publisher", state="closed"))
            return
        for track in ours:
            # The peer goes on with its other tracks; nothing of this one is forwarded.
            await self._tell_hold(track)
        await self._unpublish(ours)

    async def _tell_hold(self, track: TrackId) -> None:
        assert self.link is not None
        try:
            await self.link.track_hold(track, True)
        except RpcError as error:
            if error.code != "gone":
                raise

    async def _drop(self) -> None:
        await self._close_peer()
        await self._unpublish(self.records)

    async def _close_peer(self) -> None:
        peer, self.peer = self.peer, None
        self._mids = {}
        link = self.link
        if peer is None or link is None or self._run != link.run:
            return
        try:
            await link.peer_close(peer)
        except RpcError as error:
            if error.code != "gone":
                raise

    async def _unpublish(self, tracks: Iterable[TrackId]) -> None:
        for track in list(tracks):
            del self.records[track]
            self._session.tracks.pop(track, None)
            try:
                await self._live.unpublish_track(self._session.room, track)
            except RoomError as error:
                if error.code is not Code.UNAVAILABLE:
                    raise
                self._scope.spawn(self._unpublish_later(track))

    async def _unpublish_later(self, track: TrackId) -> None:
        """Keep trying while Redis is away; the session's end takes the track too."""
        while not self._session.closed:
            await asyncio.sleep(RETRY_S)
            try:
                await self._live.unpublish_track(self._session.room, track)
                return
            except RoomError as error:
                if error.code is not Code.UNAVAILABLE:
                    raise

    def _same(self, mid: str, source: Source) -> TrackId | None:
        track = self._mids.get(mid)
        record = self.records.get(track) if track is not None else None
        return record.track.id if record is not None and record.track.source == source else None

    def _require_allowed(self, sources: Iterable[Source]) -> None:
        if self._closed:
            raise RoomError(Code.NOT_JOINED, "This session has ended. Enter the room again.")
        for source in sources:
            error = refusal(self._session.grant, self._mirror.live, source)
            if error is not None:
                raise error


def new_track_id() -> TrackId:
    """Make an id nobody can guess, and that sorts after those made earlier on any node.

    48 bits of milliseconds, then 128 random bits.
    """
    return TrackId(f"t_{time.time_ns() // 1_000_000:012x}{secrets.token_hex(16)}")


def _origin(sdp: str) -> str:
    """Take the session id of the ``o=`` line: one per RTCPeerConnection (RFC 9429 §5.2.1)."""
    found = re.search(r"^o=\S+ (\S+)", sdp[:4096], re.MULTILINE)
    return found[1] if found else ""


def _require_distinct(offered: list[OfferedTrack]) -> None:
    if len({t.mid for t in offered}) < len(offered) or len({t.source for t in offered}) < len(
        offered
    ):
        raise RoomError(
            Code.BAD_COMMAND, "Each mid and each source can be named once. Offer them again."
        )
