"""One peer connection of the load, lean: a connected socket, ICE checks, the DTLS handshake, SRTP.

Made of the client's own parts. Until its owner takes over the socket it is read as
datagrams come; consent and reports are kept by whoever calls ``tick``.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import secrets
import socket
from collections.abc import Callable
from dataclasses import replace
from typing import Literal

from media import stun
from media.client import descriptions
from media.client.descriptions import ReceivedLine
from media.client.ice import HOST_PRIORITY
from media.client.stream import StreamIdentity
from media.dtls import Certificate, DtlsSession, is_dtls
from media.parameters import IceCredentials, TransportParameters
from media.sdp.model import Section
from media.sdp.parse import ANSWER_BOUNDS, parse
from media.srtp import SrtpKeys, SrtpSession
from tests.bench.machine import own_address

RETRY_S, LAST_RETRY_S = 0.05, 1.0
"""As browsers do, for checks and for the first flight of DTLS, which may come too early; each wait is twice the last."""
CONSENT_S = 4.0
SOCKET_BUFFER_BYTES = 1 << 20
SRTP_PROFILE = b"SRTP_AEAD_AES_128_GCM:SRTP_AES128_CM_SHA1_80"
"""What the load offers: every server then ciphers alike."""

Direction = Literal["sendonly", "recvonly"]


def certificate() -> Certificate:
    """One for all links of a load: making a key for each would cost more than a handshake."""
    made = Certificate.generate()
    made.context.set_tlsext_use_srtp(SRTP_PROFILE)
    return made


class Link:
    """Offers, or answers an offer, and connects.

    Attributes:
        identities: the streams the server takes of a link that offered to send.
        lines: what the server sends, by mid.
        srtp: None before the handshake has ended.
    """

    def __init__(
        self, own: Certificate, direction: Direction, on_media: Callable[[memoryview], None]
    ) -> None:
        """Args:
        on_media: takes protected RTP and RTCP while the link reads its socket itself.
        """
        self.identities: list[StreamIdentity] = []
        self.lines: dict[str, ReceivedLine] = {}
        self.srtp: SrtpSession | None = None
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.sock.setblocking(False)
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SOCKET_BUFFER_BYTES)
        self.sock.bind((own_address(), 0))
        self._certificate = own
        self._on_media = on_media
        self._loop = asyncio.get_running_loop()
        self._ice = IceCredentials.generate()
        self._peer: descriptions.Peer | None = None
        self._dtls: DtlsSession | None = None
        self._first_flight: list[bytes] = []
        self._answered = False
        self._tie_breaker = secrets.randbits(64)
        self._transactions: set[bytes] = set()
        self._next_check = math.inf
        self._session = secrets.randbits(62)
        self._buffer = memoryview(bytearray(2048))
        self._connected: asyncio.Future[None] = self._loop.create_future()
        name = secrets.token_hex(8)
        self._sections = descriptions.offered_sections(("audio", "video"), (), direction, name)

    @property
    def profile(self) -> str:
        return self.srtp.profile if self.srtp is not None else ""

    def offer(self) -> str:
        return self._described(self._sections, "actpass")

    def take_answer(self, text: str) -> None:
        """Begins to connect. Raises SdpError."""
        answer = parse(text, ANSWER_BOUNDS)
        self.identities = descriptions.identities(self._sections, answer)
        self.lines = descriptions.received_lines(answer)
        self._begin(descriptions.peer_of(answer))

    def answer(self, text: str) -> str:
        """Accepts all the server offers to send, and begins to connect. Raises SdpError."""
        offer = parse(text, ANSWER_BOUNDS)
        self.lines = descriptions.received_lines(offer)
        self._begin(descriptions.peer_of(offer))
        return self._described(descriptions.answering_sections(offer), "active")

    async def connected(self, timeout_s: float = 20.0) -> None:
        """Raises ConnectionError or TimeoutError."""
        retry_s = RETRY_S
        async with asyncio.timeout(timeout_s):
            while not self._connected.done():
                await asyncio.wait([self._connected], timeout=retry_s)
                retry_s = min(2 * retry_s, LAST_RETRY_S)
                if self.srtp is None:
                    self._check()
                if not self._answered:
                    for datagram in self._first_flight:
                        self._send(datagram)
        self._connected.result()

    def tick(self, now: float) -> None:
        """Renews consent when it is time; call it at least once a second."""
        if now >= self._next_check:
            self._check()

    def stop_reading(self) -> None:
        """From now on the owner reads the socket and passes on what is no media."""
        self._loop.remove_reader(self.sock)

    def take_other(self, datagram: memoryview) -> None:
        """STUN and DTLS."""
        if is_dtls(datagram[0]):
            if self._dtls is not None:
                self._answered = True
                self._dtls.receive(datagram)
        elif stun.is_request(datagram):
            self._answer_check(datagram)
        elif bytes(datagram[8:20]) in self._transactions:
            self._checked(datagram)

    def send_rtp(self, packet: bytes) -> bool:
        protected = self.srtp.protect(packet) if self.srtp is not None else None
        return protected is not None and self._send(protected)

    def send_rtcp(self, packet: bytes) -> bool:
        protected = self.srtp.protect_rtcp(packet) if self.srtp is not None else None
        return protected is not None and self._send(protected)

    def close(self) -> None:
        if self._dtls is not None:
            self._dtls.close()
        if not self._connected.done():
            self._connected.cancel()
        self._loop.remove_reader(self.sock)
        self.sock.close()

    def _described(self, sections: tuple[Section, ...], setup: Literal["actpass", "active"]) -> str:
        local = TransportParameters(self._ice, (self._certificate.fingerprint,))
        host, port = self.sock.getsockname()
        candidate = f"candidate:1 1 udp {HOST_PRIORITY} {host} {port} typ host"
        reached = [replace(s, candidates=(candidate,), end_of_candidates=True) for s in sections]
        return descriptions.described(reached, local, setup, session_id=self._session, version=1)

    def _begin(self, peer: descriptions.Peer) -> None:
        self._peer = peer
        self.sock.connect(peer.addresses[0])
        self._loop.add_reader(self.sock, self._read)
        self._check()

    def _check(self) -> None:
        assert self._peer is not None
        request, transaction = stun.binding_request(
            local=self._ice,
            remote=self._peer.remote.ice,
            tie_breaker=self._tie_breaker,
            priority=HOST_PRIORITY,
        )
        self._transactions.add(transaction)
        self._next_check = self._loop.time() + CONSENT_S
        self._send(request)

    def _read(self) -> None:
        while True:
            try:
                size = self.sock.recv_into(self._buffer)
            except OSError:
                return
            datagram = self._buffer[:size]
            if size and 128 <= datagram[0] < 192:
                self._on_media(datagram)
            elif size:
                self.take_other(datagram)

    def _answer_check(self, datagram: memoryview) -> None:
        """Some who call themselves lite check us all the same, and wait for the answer."""
        request = stun.read(datagram, self._ice.pwd)
        if request is not None:
            self._send(stun.success(request, self.sock.getpeername(), self._ice.pwd))

    def _checked(self, datagram: memoryview) -> None:
        assert self._peer is not None
        response = stun.read(datagram, self._peer.remote.ice.pwd)
        if response is None or not stun.is_success(response):
            return
        self._transactions.clear()
        if self._dtls is not None:
            return
        self._dtls = DtlsSession(
            self._certificate,
            self._peer.role,
            self._peer.remote.fingerprints,
            send=self._send_dtls,
            on_keys=self._on_keys,
            on_failed=self._on_failed,
            on_closed=lambda: self._on_failed("the server said goodbye"),
        )

    def _on_keys(self, keys: SrtpKeys) -> None:
        self.srtp = SrtpSession(keys)
        if not self._connected.done():
            self._connected.set_result(None)

    def _on_failed(self, reason: str) -> None:
        if not self._connected.done():
            self._connected.set_exception(ConnectionError(reason))

    def _send_dtls(self, datagram: bytes) -> None:
        if not self._answered:
            self._first_flight.append(datagram)
        self._send(datagram)

    def _send(self, datagram: bytes) -> bool:
        with contextlib.suppress(BlockingIOError, ConnectionRefusedError):
            self.sock.send(datagram)
            return True
        return False
