"""A small WebRTC client for servers that are ICE-lite: publishes and receives RTP.

Made of the same parts as the server's transports. Makes offers and takes answers,
or the other way round; carries encoded packets only. No HTTP, no codecs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from media.rpc import PeerState


class MediaClient:
    """One peer connection.

    Attributes:
        state: as ``media.transport.Transport``.
    """

    state: PeerState

    def __init__(
        self,
        *,
        on_rtp: Callable[[bytes, float], None] | None = None,
        on_rtcp: Callable[[bytes, float], None] | None = None,
        on_keyframe_request: Callable[[int], None] | None = None,
        on_state: Callable[[PeerState, str], None] | None = None,
    ) -> None:
        """Args:
        on_keyframe_request: the media SSRC of a PLI or FIR that arrived.
        """
        raise NotImplementedError

    def offer(self, *, audio: bool = True, video: bool = True, rids: Sequence[str] = ()) -> str:
        """An offer to send Opus and VP8, as simulcast if rids are given (lowest first)."""
        raise NotImplementedError

    def take_answer(self, text: str) -> None:
        """Connects. Raises SdpError."""
        raise NotImplementedError

    def answer(self, text: str) -> str:
        """Takes a server's offer to receive and makes the answer; again on each renegotiation."""
        raise NotImplementedError

    async def connected(self, timeout_s: float = 10.0) -> None:
        """Raises ConnectionError if it fails or closes first, TimeoutError."""
        raise NotImplementedError

    def send_rtp(self, packet: bytes) -> bool:
        raise NotImplementedError

    def send_rtcp(self, packet: bytes) -> bool:
        raise NotImplementedError

    def close(self) -> None:
        raise NotImplementedError
