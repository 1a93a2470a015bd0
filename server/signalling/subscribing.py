"""What one session receives: its wish, and its subscriber peer brought in line with it.

The wish is the client's (``media.view``); what it means now follows from the
room's present, and is worked out anew whenever that changes. The worker offers,
the client answers.
"""

from __future__ import annotations

from media import rpc
from media.framing import RpcError
from rooms.commands import MediaAnswer, MediaView
from rooms.errors import Code, RoomError
from rooms.ids import TrackId
from rooms.signals import MediaOffer, MediaPaused, ReceivedTrack
from server.realtime.scope import Scope
from server.realtime.sessions import Session
from server.signalling.media_link import NO_RUN, MediaLink, room_error
from server.signalling.reconcile import Steps
from server.signalling.relays import Relays
from server.signalling.wishes import wanted
from server.signalling.workers import Workers


class Subscriber:
    """The receiving half of a session.

    Owner: the session's entry in ``Peers``. Invariant: at most one step at a time
    speaks with the worker; generations told to the client only rise, also when a
    new peer or a new worker counts from one again.

    Attributes:
        link: to the worker that has, or last had, the peer.
    """

    def __init__(
        self,
        session: Session,
        workers: Workers,
        relays: Relays,
        scope: Scope,
    ) -> None:
        self._session = session
        self._mirror = session.mirror
        self._workers = workers
        self.link: MediaLink | None = None
        self._relays = relays
        self._steps = Steps(scope, f"subscriber of {session.id}", self._step)
        self._wish: MediaView | None = None
        self._opened = 0
        self._run = NO_RUN
        self.peer: str | None = None
        self._applied: list[rpc.WantedTrack] = []
        self._base = 0
        self._generation = 0
        self._unanswered: MediaOffer | None = None
        self._paused: MediaPaused | None = None
        self._anew_due = False
        self._waiting = False
        self._closed = False

    def view(self, wish: MediaView) -> None:
        """Take the client's whole wish.

        Raises:
            RoomError: FORBIDDEN.
        """
        if not self._session.grant.may_subscribe:
            raise RoomError(
                Code.FORBIDDEN, "Your token does not let you watch or listen. Ask for another."
            )
        self._wish = wish
        self._waiting = False
        # The client may ask again because its socket was lost, and signals with it.
        if self._unanswered is not None:
            self._session.signal(self._unanswered)
        if self._paused is not None:
            self._session.signal(self._paused)
        self.wake()

    def wake(self) -> None:
        """The room or the worker changed: see whether something is to be done."""
        if self._wish is not None and not self._closed:
            self._steps.wake()

    async def answer(self, command: MediaAnswer) -> None:
        """Hand the client's answer to the worker; one to an older offer is of no use any more.

        Raises:
            RoomError: BAD_SDP, NOT_FOUND or UNAVAILABLE.
        """
        if self.link is None or self.peer is None or command.generation != self._generation:
            return
        self._unanswered = None
        try:
            await self.link.subscriber_answer(
                rpc.SubscriberAnswer(
                    peer=self.peer, generation=command.generation - self._base, sdp=command.sdp
                )
            )
        except RpcError as error:
            raise room_error(error) from error

    async def restart(self, anew: bool) -> None:
        """Offer again: on the same connection with new ICE credentials, or on a new one.

        Raises:
            RoomError: UNAVAILABLE.
        """
        if anew or self.link is None or self.peer is None or self._run != self.link.run:
            await self._abandon()
            self.wake()
            return
        peer = self.peer
        try:
            offer = await self.link.subscriber_restart(rpc.SubscriberRestart(peer=peer, anew=False))
        except RpcError as error:
            if error.code != "unknown_peer":
                raise room_error(error) from error
            await self._abandon()
            self.wake()
            return
        if peer == self.peer:
            self._tell(offer)

    def failed(self) -> None:
        """The worker says the peer is of no use any more; the client will ask for another."""
        self._forget()
        self._waiting = True

    def offered(self, offer: rpc.SubscriberOffer) -> None:
        """The worker made an offer on its own: a wanted track appeared."""
        if offer.peer == self.peer:
            self._tell(offer)

    def paused(self, tracks: list[TrackId]) -> None:
        """The worker holds these back for want of bandwidth, and no others."""
        self._paused = MediaPaused(tracks=tracks, reason="bandwidth")
        self._session.signal(self._paused)

    async def close(self) -> None:
        self._closed = True
        await self._abandon()
        if self.link is not None:
            self._relays.want(self._key, self.link.index, self._session.room, [])
            self._workers.leave(self._key)

    @property
    def _key(self) -> str:
        return f"subscriber/{self._session.id}"

    async def _abandon(self) -> None:
        """Let go of the peer; the next one needs a new connection at the client."""
        peer, link = self.peer, self.link
        self._forget()
        if peer is not None and link is not None and self._run == link.run:
            try:
                await link.peer_close(peer)
            except RpcError as error:
                if error.code != "gone":
                    raise room_error(error) from error

    def _forget(self) -> None:
        self._anew_due = self._anew_due or self._generation > 0
        self._unanswered = None
        self.peer = None
        self._applied = []
        self._waiting = False
        if self._paused is not None and self._paused.tracks:
            self.paused([])

    async def _step(self) -> None:
        wish = self._wish
        if wish is None or self._closed:
            return
        wants = wanted(wish, self._mirror.live, self._session.identity)
        link = self.link = self._workers.place(self._key, self._session.room)
        self._workers.weigh(self._key, len(wants))
        self._relays.want(self._key, link.index, self._session.room, wants)
        if self._run != link.run:
            self._forget()  # whatever the last worker had is gone
        if wants == self._applied or self._waiting:
            return
        if self.peer is None:
            self._opened += 1
            self._base = self._generation
            self._run = link.run
            self.peer = f"{self._key}/{self._opened}"
        peer = self.peer
        offer = await link.subscriber_set(
            rpc.SubscriberSet(peer=peer, room=self._session.room, wants=wants)
        )
        if self.peer != peer:  # closed, restarted or lost meanwhile
            return
        self._applied = wants
        self._tell(offer)

    def _tell(self, offer: rpc.SubscriberOffer) -> None:
        generation = self._base + offer.generation
        if not offer.sdp or generation <= self._generation:
            return  # nothing new, or overtaken by a later offer
        self._generation = generation
        self._unanswered = MediaOffer(
            generation=generation,
            sdp=offer.sdp,
            tracks=[
                ReceivedTrack(mid=mid, track=TrackId(track)) for mid, track in offer.tracks.items()
            ],
            anew=offer.anew or self._anew_due,
        )
        self._anew_due = False
        self._session.signal(self._unanswered)
