"""A peer that receives what it wishes from us: we offer, it answers, one offer at a time.

Keeps the whole wish, offers the wanted tracks that exist, folds what changes
while an offer is out into the next one. Sending is ``media.downlink``'s.
"""

from __future__ import annotations

from collections.abc import Callable

from media.downlink import Downlink
from media.downtrack import DownTrack, outgoing
from media.dtls import Certificate
from media.framing import RpcError
from media.rpc import PeerState, SubscriberOffer, WantedTrack
from media.sdp import OutgoingTrack, SdpError, SubscriberOffers
from media.statistics import DownlinkStats
from media.switchboard import Switchboard
from media.udp import MediaPort

MAX_WANTS = 256
CNAME = "yunhai"


class Subscriber:
    """Owner: the worker. Lifetime: until the peer is closed, by it or by the node.

    Invariant: at most one offer is out. ``generation`` is that of the last offer.
    """

    def __init__(
        self,
        port: MediaPort,
        board: Switchboard,
        certificate: Certificate,
        *,
        peer: str,
        room: str,
        on_state: Callable[[PeerState, str], None],
        on_paused: Callable[[list[str]], None],
        on_change: Callable[[], None],
    ) -> None:
        """Args:
        on_change: a wanted track came or went; ``renew`` should be called soon.
        """
        self.peer = peer
        self.room = room
        self.generation = 0
        self._port = port
        self._board = board
        self._certificate = certificate
        self._on_state = on_state
        self._on_paused = on_paused
        self._on_change = on_change
        self._wants: dict[str, WantedTrack] = {}
        self._tracks: dict[str, OutgoingTrack] = {}
        self._used: set[int] = set()
        self._offers = SubscriberOffers()
        self._waiting = False
        self._stale = False
        self._refused = False
        self.link = self._open()

    def _open(self) -> Downlink:
        link: Downlink

        def on_state(state: PeerState, reason: str) -> None:
            if self.link is link:
                self._on_state(state, reason)

        link = Downlink(
            self._port,
            self._board,
            self._certificate,
            cname=CNAME,
            on_state=on_state,
            on_paused=self._on_paused,
        )
        return link

    def set(self, wants: list[WantedTrack]) -> SubscriberOffer:
        """Take the whole wish; the offer's ``sdp`` is "" when none is needed now."""
        if len(wants) > MAX_WANTS:
            raise RpcError("bad_request", f"{len(wants)} tracks are more than {MAX_WANTS}")
        before = self._wants
        self._wants = {want.track: want for want in wants}
        self._board.watch(self, set(self._wants), set(before))
        self.link.want(wants)
        return self.renew()

    def track_changed(self, track_id: str) -> None:
        down = self.link.downs.get(track_id)
        if down is not None:
            down.feed(self._board.tracks.get(track_id))
        self._on_change()

    def renew(self) -> SubscriberOffer:
        """Offer anew if what is wanted and what is there call for it."""
        if self._waiting:
            self._stale = True
            return self._reply("")
        changed = self._offers.set(self._wanted_tracks())
        if not changed and not self._refused:
            return self._reply("")
        return self._offer()

    def _wanted_tracks(self) -> list[OutgoingTrack]:
        """Describe the wanted tracks that exist, each as long as it is wanted by one SSRC."""
        tracks: dict[str, OutgoingTrack] = {}
        for track_id, want in self._wants.items():
            track = self._board.tracks.get(track_id)
            if track is None:
                continue
            known = self._tracks.get(track_id)
            # A connection never gets an SSRC back that it had (RFC 3711 §8.1: no index twice).
            ssrc = 0 if track.ssrc in self._used else track.ssrc
            fresh = outgoing(track_id, want.group or track_id, track.info, ssrc)
            same = known is not None and (
                (known.stream, known.codec, known.fmtp, known.red)
                == (fresh.stream, fresh.codec, fresh.fmtp, fresh.red)
            )
            tracks[track_id] = known if known is not None and same else fresh
        for track_id, old in self._tracks.items():
            if tracks.get(track_id) != old:
                self.link.remove(track_id)
        self._tracks = tracks
        self._used.update(track.ssrc for track in tracks.values())
        return list(tracks.values())

    def _offer(self, *, anew: bool = False) -> SubscriberOffer:
        self.generation += 1
        self._waiting = True
        self._stale = self._refused = False
        sdp = self._offers.offer(self.link.transport.local_parameters, self._port.candidates)
        return self._reply(sdp, anew=anew)

    def _reply(self, sdp: str, *, anew: bool = False) -> SubscriberOffer:
        return SubscriberOffer(
            peer=self.peer,
            generation=self.generation,
            sdp=sdp,
            tracks=self._offers.tracks,
            anew=anew,
        )

    def answer(self, generation: int, sdp: str, now: float) -> None:
        """Take the peer's answer; one to an older offer is ignored.

        Raises:
            RpcError: ``bad_sdp``; the next wish or restart offers again.
        """
        if not self._waiting or generation != self.generation:
            return
        self._waiting = False
        try:
            agreement = self._offers.accept(sdp)
            self.link.transport.connect(agreement.remote, agreement.role)
        except (SdpError, ValueError) as error:
            self._refused = True
            raise RpcError("bad_sdp", str(error)) from error
        link = self.link
        agreed = {line.track.track: line for line in agreement.outgoing}
        for track_id in set(link.downs) - set(agreed):
            link.remove(track_id)
            self._tracks.pop(track_id, None)
        for track_id, line in agreed.items():
            if self._tracks.get(track_id) != line.track:
                continue  # no more wanted, or another now: the next offer says so
            down = link.downs.get(track_id)
            if down is not None:
                down.renegotiated(line)
                continue
            down = DownTrack(link, line)
            link.add(track_id, down)
            down.feed(self._board.tracks.get(track_id))
        link.allocate(now)
        if self._stale:
            self._stale = False
            self._on_change()

    def restart(self, *, anew: bool) -> SubscriberOffer:
        """Offer again: with new ICE credentials, or (``anew``) for a whole new connection."""
        if anew:
            old, self.link = self.link, self._open()
            old.close()
            self._tracks = {}
            self._used = set()
            self._offers = SubscriberOffers()
            self.link.want(list(self._wants.values()))
        else:
            self.link.transport.restart_ice()
        if not self._offers.set(self._wanted_tracks()) and not self._offers.tracks:
            self._waiting = False
            return self._reply("", anew=anew)
        return self._offer(anew=anew)

    def close(self) -> None:
        self._board.watch(self, set(), set(self._wants))
        self._wants = {}
        self.link.close()

    def stats(self) -> DownlinkStats:
        return self.link.stats(self.room, self.generation)
