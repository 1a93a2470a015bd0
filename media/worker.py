"""The worker: does what the node asks, keeps peers, links and time, and tells what happens.

Every request is done at once, in order. Two clocks: what is missing is asked for
50 times a second, everything else is looked after 10 times a second. A peer that
breaks is closed; the others never notice.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Literal, TypeVar

from media import census, rpc
from media.beat import Beat
from media.downlink import Downlink
from media.dtls import Certificate
from media.feed import Feed
from media.framing import Notice, Request, RpcError
from media.player import Player
from media.publisher import Publisher
from media.relay import RelayLink
from media.rpc import PeerState
from media.statistics import DownlinkStats, PeersStats, PublisherStats, WorkerStats
from media.subscriber import Subscriber
from media.switchboard import Switchboard
from media.udp import MediaPort
from media.voices import Crowd

OFFERS_SLICE_S = 0.004
"""So long at a time offers are made on our own account; then packets have their turn."""

Peer = census.Peer
_P = TypeVar("_P", Subscriber, Player)

_log = logging.getLogger(__name__)


class Worker:
    """Owner: the process. Lifetime: from start to ``close``.

    Args:
        notify: tells the node.
    """

    def __init__(self, port: MediaPort, notify: Callable[[Notice], None]) -> None:
        self._port = port
        self._notify = notify
        self._loop = asyncio.get_running_loop()
        self._certificate = Certificate.generate()
        self._board = Switchboard(port.after_drain, port.later)
        self._peers: dict[str, Peer] = {}
        self._links: dict[str, RelayLink] = {}
        self._feeds: dict[str, Feed] = {}
        self._changed: dict[str, Subscriber] = {}
        self._renewal: asyncio.Handle | None = None
        self._census = census.Census()
        self._closed = False
        self._started_at = self._loop.time()
        self._beat = Beat(
            self._loop,
            self._board,
            tick=self._tick,
            broken=lambda link: self._give_up(self._name_of(link)),
        )

    def handle(self, request: Request) -> object:
        """Do what the node asks.

        Raises:
            RpcError: it cannot be done.
        """
        now = self._loop.time()
        match request:
            case rpc.Hello():
                self._board.crowd = Crowd(request.loudest, request.above)
                return rpc.WorkerInfo(
                    pid=os.getpid(),
                    port=self._port.port,
                    addresses=list(self._port.addresses),
                    way=self._port.way,
                )
            case rpc.PublisherOffer():
                return self._publish(request)
            case rpc.SubscriberSet():
                return self._subscriber(request).set(request.wants)
            case rpc.SubscriberAnswer():
                subscriber = self._find(request.peer, Subscriber)
                subscriber.answer(request.generation, request.sdp, now)
            case rpc.SubscriberRestart():
                return self._find(request.peer, Subscriber).restart(anew=request.anew)
            case rpc.PlayerOffer():
                return self._play(request, now)
            case rpc.PlayerSet():
                self._find(request.peer, Player).set(request.wants, now)
            case rpc.PeerRestart():
                return self._restart(request)
            case rpc.PeerClose():
                self._drop(request.peer)
            case rpc.TrackHold():
                track = self._board.tracks.get(request.track)
                if track is None:
                    raise RpcError("unknown_track", f"no track {request.track[:64]}")
                track.hold(request.held)
            case rpc.RelayOpen():
                self._open_link(request, now)
            case rpc.RelaySend():
                self._link(request.link).send(request.tracks, request.always, now)
            case rpc.RelayReceive():
                self._link(request.link).receive(request.tracks, request.room_of)
            case rpc.RelayClose():
                link = self._links.pop(request.link, None)
                if link is not None:
                    link.close()
            case rpc.RecordingFeed():
                self._feed(request)
            case rpc.Stats():
                return self._stats(detail=request.detail)
            case rpc.PeerStats():
                return self._stats_of(request.peers)
        return {}

    # Peers.

    def _publish(self, request: rpc.PublisherOffer) -> rpc.PublisherAnswer:
        peer = self._peers.get(request.peer)
        if peer is None:
            peer = Publisher(
                self._port,
                self._board,
                self._certificate,
                peer=request.peer,
                room=request.room,
                on_state=self._state_of(request.peer),
            )
            self._peers[request.peer] = peer
            try:
                return peer.offer(request)
            except BaseException:
                self._drop(request.peer)
                raise
        if not isinstance(peer, Publisher):
            raise RpcError("bad_request", f"peer {request.peer[:64]} is not a publisher")
        return peer.offer(request)

    def _subscriber(self, request: rpc.SubscriberSet) -> Subscriber:
        if request.peer not in self._peers:
            name = request.peer

            def on_change() -> None:
                self._changed[name] = subscriber
                self._renew_soon()

            subscriber = Subscriber(
                self._port,
                self._board,
                self._certificate,
                peer=name,
                room=request.room,
                on_state=self._state_of(name),
                on_paused=self._pause_of(name),
                on_change=on_change,
            )
            self._peers[name] = subscriber
        return self._find(request.peer, Subscriber)

    def _play(self, request: rpc.PlayerOffer, now: float) -> rpc.PlayerAnswer:
        self._drop(request.peer)
        player = Player(
            self._port,
            self._board,
            self._certificate,
            peer=request.peer,
            room=request.room,
            on_state=self._state_of(request.peer),
            on_paused=self._pause_of(request.peer),
        )
        self._peers[request.peer] = player
        try:
            return player.offer(request.sdp, request.wants, now)
        except BaseException:
            self._drop(request.peer)
            raise

    def _restart(self, request: rpc.PeerRestart) -> rpc.IceCredentials:
        peer = self._peers.get(request.peer)
        if not isinstance(peer, Publisher | Player):
            raise RpcError("unknown_peer", f"no publisher or player {request.peer[:64]}")
        return peer.restart_ice(request.ufrag)

    def _find(self, name: str, kind: type[_P]) -> _P:
        peer = self._peers.get(name)
        if not isinstance(peer, kind):
            raise RpcError("unknown_peer", f"no {kind.__name__.lower()} {name[:64]}")
        return peer

    def _drop(self, name: str) -> None:
        """Let go of a peer without a word to the node."""
        self._changed.pop(name, None)
        peer = self._peers.pop(name, None)
        if peer is not None:
            peer.close()

    def _state_of(self, name: str) -> Callable[[PeerState, str], None]:
        def tell(state: PeerState, reason: str) -> None:
            if name not in self._peers:
                return  # the node closed it, or its first offer was refused
            self._notify(rpc.PeerStateNotice(peer=name, state=state, reason=reason))
            if state in ("failed", "closed"):
                _log.info("peer %s %s: %s", name, state, reason)
                self._drop(name)

        return tell

    def _pause_of(self, name: str) -> Callable[[list[str]], None]:
        return lambda tracks: self._notify(rpc.PausedNotice(peer=name, tracks=tracks))

    def _renew_soon(self) -> None:
        if self._renewal is None and not self._closed:
            self._renewal = self._loop.call_soon(self._renew)

    def _renew(self) -> None:
        """Offer anew to those for whom something changed, a slice of time at once."""
        self._renewal = None
        until = self._loop.time() + OFFERS_SLICE_S
        while self._changed and self._loop.time() < until:
            name = next(iter(self._changed))
            subscriber = self._changed.pop(name)
            try:
                offer = subscriber.renew()
                if offer.sdp:
                    self._notify(rpc.SubscriberOfferNotice(offer=offer))
            except Exception:
                self._give_up(name)
        if self._changed:
            self._renewal = self._loop.call_later(OFFERS_SLICE_S, self._renew)

    def _give_up(self, name: str) -> None:
        """Close a peer that our own fault has broken."""
        _log.exception("peer %s is broken and will be closed", name)
        self._notify(rpc.PeerStateNotice(peer=name, state="failed", reason="internal error"))
        self._drop(name)

    # Links.

    def _open_link(self, request: rpc.RelayOpen, now: float) -> None:
        name = request.link
        link = self._links.get(name)
        if link is not None:
            link.open(request, now)
            return

        def on_state(state: Literal["up", "lost"]) -> None:
            self._notify(rpc.RelayStateNotice(link=name, state=state))

        link = RelayLink(self._port, self._board, link=name, on_state=on_state)
        link.open(request, now)
        self._links[name] = link

    def _link(self, name: str) -> RelayLink:
        link = self._links.get(name)
        if link is None:
            raise RpcError("unknown_link", f"no relay link {name[:64]}")
        return link

    # Recordings.

    def _feed(self, request: rpc.RecordingFeed) -> None:
        name = request.recording
        feed = self._feeds.get(name)
        if feed is not None and (not request.tracks or not feed.leads_to(request.socket)):
            del self._feeds[name]
            feed.close()
            feed = None
        if not request.tracks:
            return
        if feed is None:
            try:
                feed = self._feeds[name] = Feed(self._board, request.socket)
            except OSError as error:
                raise RpcError("bad_request", f"no recorder listens: {error}") from error
        feed.set(request.tracks)

    # Time.

    def _name_of(self, link: Downlink) -> str:
        return next(
            name
            for name, peer in self._peers.items()
            if not isinstance(peer, Publisher) and peer.link is link
        )

    def _tick(self, now: float) -> None:
        for name, peer in tuple(self._peers.items()):
            try:
                if isinstance(peer, Publisher):
                    peer.tick(now)
                else:
                    peer.link.tick(now)
            except Exception:
                self._give_up(name)
        for name, link in tuple(self._links.items()):
            try:
                link.tick(now)
            except Exception:
                _log.exception("relay link %s is broken", name)
                link.fail()
        for name, feed in tuple(self._feeds.items()):
            try:
                feed.tick(now)
            except Exception:
                _log.exception("the feed of recording %s is broken", name)
                self._feeds.pop(name).close()
        for room, tracks in self._board.update_speakers(now):
            self._notify(rpc.SpeakersNotice(room=room, tracks=tracks))
        self._census.tick(self._peers, now)

    def _stats(self, *, detail: bool) -> WorkerStats:
        late_s, self._beat.late_s = self._beat.late_s, 0.0
        board = self._board
        published, layers = census.published(board.tracks.values())
        down, drops = census.on_their_way(self._peers.values(), board)
        stats = WorkerStats(
            uptime_s=self._loop.time() - self._started_at,
            late_s=late_s,
            way=self._port.way,
            port=dict(self._port.counters),
            worker=dict(board.counters),
            peers=census.peers_by_state(self._peers.values()),
            published=published,
            layers=layers,
            down=down,
            drops=drops,
            quality=self._census.quality,
            links={name: link.stats() for name, link in self._links.items()},
            recordings={name: feed.stats() for name, feed in self._feeds.items()},
        )
        if not detail:
            return stats
        players = {name for name, peer in self._peers.items() if isinstance(peer, Player)}
        each = self._stats_of(self._peers)
        return replace(
            stats,
            publishers=each.publishers,
            subscribers={n: d for n, d in each.downlinks.items() if n not in players},
            players={n: d for n, d in each.downlinks.items() if n in players},
            tracks={track.id: track.stats() for track in board.tracks.values()},
        )

    def _stats_of(self, names: Iterable[str]) -> PeersStats:
        found = PeersStats()
        for name in names:
            match self._peers[name].stats() if name in self._peers else None:
                case PublisherStats() as publisher:
                    found.publishers[name] = publisher
                case DownlinkStats() as downlink:
                    found.downlinks[name] = downlink
        return found

    def close(self) -> None:
        """Say goodbye to every peer and let go of everything but the port."""
        self._closed = True
        self._beat.close()
        if self._renewal is not None:
            self._renewal.cancel()
        for name in tuple(self._peers):
            self._drop(name)
        for link in self._links.values():
            link.close()
        self._links.clear()
        for feed in self._feeds.values():
            feed.close()
        self._feeds.clear()
