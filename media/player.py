"""A WHEP player: a receiver that offers, and is answered once.

Its m-lines stay; what is sent on them can be changed to any other track of the
same codec, which shows from that track's next keyframe on.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from media.downlink import Downlink
from media.downtrack import DownTrack, outgoing
from media.dtls import Certificate
from media.framing import RpcError
from media.publisher import credentials
from media.rpc import IceCredentials, Kind, PeerState, PlayerAnswer, TrackInfo, WantedTrack
from media.sdp import NoCodecError, SdpError, answer_player
from media.sdp import parse as parse_sdp
from media.statistics import DownlinkStats
from media.switchboard import Switchboard
from media.udp import MediaPort

CNAME = "yunhai"
_AUDIO = TrackInfo(
    track="", kind="audio", codec="opus", clock_rate=48000, channels=2, fmtp="", layers=[]
)
_VIDEO = TrackInfo(
    track="", kind="video", codec="VP8", clock_rate=90000, channels=1, fmtp="", layers=[]
)
DEFAULTS: dict[Kind, TrackInfo] = {"audio": _AUDIO, "video": _VIDEO}
"""What a line is prepared for while there is nothing to play on it."""


class Player:
    """Owner: the worker. Lifetime: until the peer is closed, by it or by the node."""

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
    ) -> None:
        self.peer = peer
        self.room = room
        self._port = port
        self._board = board
        self._remote_ufrag = ""
        self._wants: dict[Kind, WantedTrack] = {}
        self._waiting: dict[str, WantedTrack] = {}
        self._wanted_ids: set[str] = set()
        self.link = Downlink(
            port, board, certificate, cname=CNAME, on_state=on_state, on_paused=on_paused
        )

    def offer(self, sdp: str, wants: list[WantedTrack], now: float) -> PlayerAnswer:
        """Answer the player's offer.

        Raises:
            RpcError: ``bad_sdp`` or ``no_codec``.
        """
        infos = dict(DEFAULTS)
        groups = dict.fromkeys(DEFAULTS, self.peer)
        ssrcs = dict.fromkeys(DEFAULTS, 0)
        for want in wants:
            track = self._board.tracks.get(want.track)
            if track is not None:
                infos[track.kind] = track.info
                groups[track.kind] = want.group or self.peer
                ssrcs[track.kind] = track.ssrc
        try:
            offer = parse_sdp(sdp)
            asked = {section.kind for section in offer.sections}
            agreement = answer_player(
                offer,
                local=self.link.transport.local_parameters,
                candidates=self._port.candidates,
                tracks={
                    kind: outgoing(kind, groups[kind], info, ssrcs[kind])
                    for kind, info in infos.items()
                    if kind in asked
                },
            )
            self.link.transport.connect(agreement.remote, agreement.role)
        except NoCodecError as error:
            raise RpcError("no_codec", str(error)) from error
        except (SdpError, ValueError) as error:
            raise RpcError("bad_sdp", str(error)) from error
        self._remote_ufrag = agreement.remote.ice.ufrag
        for line in agreement.outgoing:
            self.link.add(line.track.kind, DownTrack(self.link, line))
        self.set(wants, now)
        return PlayerAnswer(sdp=agreement.text)

    def set(self, wants: list[WantedTrack], now: float) -> None:
        """Play these tracks from now on, or from when they appear.

        Raises:
            RpcError: ``no_codec``; nothing was changed.
        """
        by_kind: dict[Kind, WantedTrack] = {}
        waiting: list[WantedTrack] = []
        for want in wants:
            track = self._board.tracks.get(want.track)
            if track is None:
                waiting.append(want)
                continue
            down = self.link.downs.get(track.kind)
            if down is not None and down.codec.lower() != track.info.codec.lower():
                raise RpcError(
                    "no_codec",
                    f"the player was answered with {down.codec}, but the track is"
                    f" {track.info.codec}: make a new connection",
                )
            by_kind[track.kind] = want
        ids = {want.track for want in wants}
        self._board.watch(self, ids, self._wanted_ids)
        self._wanted_ids = ids
        self._waiting = {want.track: want for want in waiting}
        self._wants = by_kind
        self._apply(now)

    def track_changed(self, track_id: str) -> None:
        track = self._board.tracks.get(track_id)
        if track is None:
            for kind, want in list(self._wants.items()):
                if want.track == track_id:
                    self._waiting[track_id] = self._wants.pop(kind)
        else:
            down = self.link.downs.get(track.kind)
            waited = self._waiting.pop(track_id, None)
            if waited is not None and down is not None:
                if down.codec.lower() == track.info.codec.lower():
                    self._wants[track.kind] = waited
                else:
                    self._waiting[track_id] = waited
        self._apply(None)

    def _apply(self, now: float | None) -> None:
        wants = []
        for kind, down in self.link.downs.items():
            want = self._wants.get(down.kind)
            down.feed(self._board.tracks.get(want.track) if want is not None else None)
            if want is not None:
                wants.append(replace(want, track=kind, group=""))
        self.link.want(wants)
        if now is not None:
            self.link.allocate(now)

    def restart_ice(self, ufrag: str) -> IceCredentials:
        """Restart ICE by a trickle fragment; the same credentials again change nothing."""
        if ufrag != self._remote_ufrag:
            self._remote_ufrag = ufrag
            self.link.transport.restart_ice()
        return credentials(self.link.transport, self._port)

    def close(self) -> None:
        self._board.watch(self, set(), self._wanted_ids)
        self._wanted_ids = set()
        self.link.close()

    def stats(self) -> DownlinkStats:
        return self.link.stats(self.room)
