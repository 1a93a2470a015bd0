"""One peer connection of a client: descriptions, transport, streams, feedback."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Sequence
from typing import Literal

from media.client import descriptions
from media.client.descriptions import ReceivedLine
from media.client.ice import IceControlling
from media.client.stream import OutgoingStream
from media.core import rtcp
from media.dtls import Certificate
from media.parameters import IceCredentials
from media.rpc import Kind, PeerState
from media.sdp.fragment import parse_fragment
from media.sdp.model import SdpError, Section, SessionDescription, Setup
from media.sdp.parse import ANSWER_BOUNDS, parse
from media.transport import IceAgent, Transport
from media.udp import Buffer, MediaPort

BURST = 16
REPORT_INTERVAL_S = 1.0


class _ClientTransport(Transport):
    """A transport whose ICE checks instead of being checked."""

    checks: IceControlling

    def _open_ice(self) -> IceAgent:
        self.checks = IceControlling(
            self._port, handler=self._receive, on_path=self._on_path, on_failed=self._fail
        )
        return self.checks


class MediaClient:
    """One peer connection.

    Attributes:
        streams: what it sends, since ``take_answer``.
        lines: what the server sends, by mid, since ``answer`` or ``take_answer``.
    """

    def __init__(
        self,
        *,
        host: str = "0.0.0.0",  # noqa: S104
        on_rtp: Callable[[bytes, float], None] | None = None,
        on_rtcp: Callable[[bytes, float], None] | None = None,
        on_keyframe_request: Callable[[OutgoingStream], None] | None = None,
        on_state: Callable[[PeerState, str], None] | None = None,
    ) -> None:
        """Opens a socket of its own on the running loop.

        Args:
            host: the local address; its family is the one used.
            on_rtp, on_rtcp: a decrypted packet and when it came.
            on_keyframe_request: the stream a PLI or FIR asks about. NACKs are answered here.
        """
        self.streams: list[OutgoingStream] = []
        self.lines: dict[str, ReceivedLine] = {}
        self._on_rtcp_packet = on_rtcp
        self._on_keyframe_request = on_keyframe_request
        self._on_state = on_state
        self._settled = asyncio.Event()
        self._reason = ""
        self._name = secrets.token_hex(8)
        self._session_id = secrets.randbits(62)
        self._version = 0
        self._offered: tuple[Section, ...] = ()
        self._reports: asyncio.TimerHandle | None = None
        self._loop = asyncio.get_running_loop()
        self._port = MediaPort(host, 0, [host], burst=BURST)
        self._transport = _ClientTransport(
            self._port,
            certificate=Certificate.generate(),
            on_rtp=on_rtp or _ignore,
            on_rtcp=self._on_rtcp,
            on_state=self._settle,
        )

    @property
    def state(self) -> PeerState:
        return self._transport.state

    @property
    def srtp_profile(self) -> str:
        return self._transport.srtp_profile

    def offer(
        self,
        *,
        audio: bool = True,
        video: bool = True,
        rids: Sequence[str] = (),
        direction: Literal["sendonly", "recvonly"] = "sendonly",
        setup: Setup = "actpass",
        red: bool = False,
    ) -> str:
        """An offer of Opus and VP8.

        Args:
            rids: simulcast layers, lowest first.
            red: redundant audio (RFC 2198) before Opus; payloads are packed by the caller.
            setup: ``passive`` as FFmpeg does, to be the DTLS server.
        """
        kinds: list[Kind] = [k for k, on in (("audio", audio), ("video", video)) if on]  # type: ignore[misc]
        if not self._offered:
            self._offered = descriptions.offered_sections(
                kinds, rids, direction, self._name, red=red
            )
        return self._describe(self._offered, setup)

    def take_answer(self, text: str) -> None:
        """Connects, or takes new ICE credentials. Raises SdpError."""
        answer = parse(text, ANSWER_BOUNDS)
        if not self.streams:
            self.streams = [
                OutgoingStream(identity, self._name, self.send_rtp)
                for identity in descriptions.identities(self._offered, answer)
            ]
        self.lines = descriptions.received_lines(answer)
        self._connect(answer)

    def answer(self, text: str) -> str:
        """Takes a server's offer to send and says yes; again on each renegotiation. Raises SdpError."""
        offer = parse(text, ANSWER_BOUNDS)
        self.lines = descriptions.received_lines(offer)
        self._connect(offer)
        return self._describe(descriptions.answering_sections(offer), "active")

    def restart_ice(self) -> IceCredentials:
        """New credentials for the next description or fragment."""
        return self._transport.restart_ice()

    def take_restart(self, fragment: str) -> None:
        """The server's credentials and candidates after a restart by PATCH. Raises SdpError."""
        restarted = parse_fragment(fragment)
        if restarted.ice is None:
            raise SdpError("the server's fragment has no ICE credentials")
        self._transport.checks.connect(restarted.ice, ())

    def check_now(self) -> None:
        """Checks the path at once, as after a change of network."""
        self._transport.checks.check_now()

    async def connected(self, timeout_s: float = 10.0) -> None:
        """Raises ConnectionError if it fails or closes first, TimeoutError."""
        async with asyncio.timeout(timeout_s):
            await self._settled.wait()
        if self.state != "connected":
            raise ConnectionError(self._reason or self.state)

    def stream(self, kind: Kind, rid: str = "") -> OutgoingStream:
        """Raises KeyError if the server does not take it."""
        for stream in self.streams:
            if (stream.identity.kind, stream.identity.rid) == (kind, rid):
                return stream
        raise KeyError((kind, rid))

    def send_rtp(self, packet: Buffer) -> bool:
        return self._transport.send_rtp(packet)

    def send_rtcp(self, packet: Buffer) -> bool:
        return self._transport.send_rtcp(packet)

    def request_keyframe(self, ssrc: int) -> bool:
        """Asks by PLI for a keyframe of a stream received."""
        return self.send_rtcp(rtcp.build_rr(1) + rtcp.build_pli(1, ssrc))

    def close(self) -> None:
        """Says goodbye and lets go of the socket. Closing twice is fine."""
        self._transport.close()
        self._port.close()

    def _describe(self, sections: Sequence[Section], setup: Setup) -> str:
        self._version += 1
        return descriptions.described(
            sections,
            self._transport.local_parameters,
            setup,
            session_id=self._session_id,
            version=self._version,
        )

    def _connect(self, description: SessionDescription) -> None:
        peer = descriptions.peer_of(description)
        self._transport.connect(peer.remote, peer.role)
        self._transport.checks.connect(peer.remote.ice, peer.addresses)

    def _settle(self, state: PeerState, reason: str) -> None:
        if state != "connecting":
            self._reason = reason
            self._settled.set()
        if state == "connected":
            self._report()
        elif self._reports is not None:
            self._reports.cancel()
        if self._on_state is not None:
            self._on_state(state, reason)

    def _report(self) -> None:
        for stream in self.streams:
            report = stream.report()
            if report is not None:
                self.send_rtcp(report)
        self._reports = self._loop.call_later(REPORT_INTERVAL_S, self._report)

    def _on_rtcp(self, packet: bytes, now: float) -> None:
        for part in rtcp.parse_rtcp(packet)[0]:
            match part:
                case rtcp.Pli(media=ssrc):
                    self._ask_keyframe([ssrc])
                case rtcp.Fir(entries=entries):
                    self._ask_keyframe([ssrc for ssrc, _ in entries])
                case rtcp.Nack(media=ssrc, seqs16=seqs):
                    for stream in self.streams:
                        if stream.identity.ssrc == ssrc:
                            for seq in seqs:
                                stream.resend(seq)
        if self._on_rtcp_packet is not None:
            self._on_rtcp_packet(packet, now)

    def _ask_keyframe(self, ssrcs: Sequence[int]) -> None:
        if self._on_keyframe_request is not None:
            for stream in self.streams:
                if stream.identity.ssrc in ssrcs:
                    self._on_keyframe_request(stream)


def _ignore(packet: bytes, now: float) -> None:
    """For those who only send."""
