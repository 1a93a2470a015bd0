"""Calls to one of the node's media workers, whichever process it is now, and its notices by kind.

One object for each worker and the node's lifetime; ``worker.MediaWorker`` attaches a
connection when the process is up and takes it away when it dies. Refusals come as
``media.framing.RpcError``; ``room_error`` puts one into a person's words.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any, TypeVar

from media import rpc
from media.framing import Notice, RpcClient, RpcError
from media.statistics import PeersStats, WorkerStats
from rooms.errors import Code, RoomError

AWAY_RETRY_S = 2.0
"""A worker that died is usually back within this."""
AWAY_WAIT_S = 4.0
"""How long somebody new waits for one before they are told to try again."""

Run = tuple[int, int]
"""A worker's index and which of its starts; (-1, 0) is none."""
NO_RUN: Run = (-1, 0)

_N = TypeVar(
    "_N",
    rpc.PeerStateNotice,
    rpc.SubscriberOfferNotice,
    rpc.PausedNotice,
    rpc.SpeakersNotice,
    rpc.RelayStateNotice,
)


class MediaLink:
    """The node's side of the media RPC.

    Owner: Workers.

    Attributes:
        index: which of the node's workers, from 0.
        starts: processes attached so far.
        lost: the worker could not be started again when it was last tried.
    """

    def __init__(self, index: int = 0) -> None:
        self.index = index
        self.lost = False
        self._client: RpcClient | None = None
        self._attached = asyncio.Event()
        self._handlers: dict[type[Notice], list[Callable[[Any], None]]] = {}
        self.starts = 0
        self.info: rpc.WorkerInfo | None = None

    @property
    def up(self) -> bool:
        """Whether a worker is there now."""
        return self._client is not None

    @property
    def run(self) -> Run:
        """Name the process: what a peer or link was told is gone when this has changed."""
        return self.index, self.starts

    def attach(self, client: RpcClient, info: rpc.WorkerInfo) -> None:
        """Send calls to this worker from now on."""
        self._client, self.info = client, info
        self.starts += 1
        self.lost = False
        self._attached.set()

    def detach(self) -> None:
        """Refuse calls (``gone``) until the next worker is attached."""
        self._client = None
        self._attached.clear()

    async def ready(self) -> None:
        """Wait a little for a worker that is starting again; whether it came, the next call tells."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(AWAY_WAIT_S):
                await self._attached.wait()

    def on(self, notice: type[_N], handler: Callable[[_N], None]) -> None:
        """Hand notices of that kind to ``handler`` too; it must not wait."""
        self._handlers.setdefault(notice, []).append(handler)

    def take(self, notice: Notice) -> None:
        """Deliver a worker's notice."""
        for handler in self._handlers.get(type(notice), ()):
            handler(notice)

    async def publisher_offer(self, request: rpc.PublisherOffer) -> rpc.PublisherAnswer:
        return await self._require().call(request)

    async def subscriber_set(self, request: rpc.SubscriberSet) -> rpc.SubscriberOffer:
        return await self._require().call(request)

    async def subscriber_answer(self, request: rpc.SubscriberAnswer) -> None:
        await self._require().call(request)

    async def subscriber_restart(self, request: rpc.SubscriberRestart) -> rpc.SubscriberOffer:
        return await self._require().call(request)

    async def player_offer(self, request: rpc.PlayerOffer) -> rpc.PlayerAnswer:
        return await self._require().call(request)

    async def player_set(self, request: rpc.PlayerSet) -> None:
        await self._require().call(request)

    async def peer_restart(self, request: rpc.PeerRestart) -> rpc.IceCredentials:
        return await self._require().call(request)

    async def peer_close(self, peer: str) -> None:
        """Close a peer; one that died with its worker is closed already."""
        if self._client is not None:
            await self._client.call(rpc.PeerClose(peer=peer))

    async def track_hold(self, track: str, held: bool) -> None:
        await self._require().call(rpc.TrackHold(track=track, held=held))

    async def relay_open(self, request: rpc.RelayOpen) -> None:
        await self._require().call(request)

    async def relay_send(self, request: rpc.RelaySend) -> None:
        await self._require().call(request)

    async def relay_receive(self, request: rpc.RelayReceive) -> None:
        await self._require().call(request)

    async def relay_close(self, link: str) -> None:
        """Close a link; one that died with its worker is closed already."""
        if self._client is not None:
            await self._client.call(rpc.RelayClose(link=link))

    async def ping(self, timeout_s: float) -> None:
        """Await a sign of life.

        Raises:
            RpcError: ``timeout`` or ``gone``.
        """
        await self._require().call(rpc.Ping(), timeout_s)

    async def recording_feed(self, request: rpc.RecordingFeed) -> None:
        await self._require().call(request)

    async def stats(self, *, detail: bool = False) -> WorkerStats:
        return await self._require().call(rpc.Stats(detail=detail))

    async def peer_stats(self, peers: list[str]) -> PeersStats:
        return await self._require().call(rpc.PeerStats(peers=peers))

    def _require(self) -> RpcClient:
        if self._client is None:
            raise RpcError("gone", "the media worker is starting again")
        return self._client


def room_error(error: RpcError) -> RoomError:
    """Say a worker's refusal in words for the person whose command it was."""
    match error.code:
        case "bad_sdp":
            return RoomError(
                Code.BAD_SDP,
                f"This offer or answer cannot be used: {error.message}. "
                "Reload the page or check the encoder's settings, then try again.",
            )
        case "no_codec":
            return RoomError(
                Code.BAD_SDP,
                f"No codec in common: {error.message}. "
                "Use a browser or player that plays this codec, or publish VP8 and Opus.",
            )
        case "gone" | "timeout":
            return RoomError(
                Code.UNAVAILABLE,
                "The media server is starting again. Try again in a moment.",
                retry_after_s=AWAY_RETRY_S,
            )
        case "unknown_peer":
            return RoomError(
                Code.NOT_FOUND, "This connection has ended. Make a new one and offer again."
            )
        case "unknown_track":
            return RoomError(Code.NOT_FOUND, "This track has ended.")
        case _:
            return RoomError(
                Code.INTERNAL, "The media server failed at this. Try again; if it stays, report it."
            )
