"""ICE, DTLS and SRTP of one peer: authenticated plain packets up, protected packets down.

No await per packet, no task per peer. Knows no track, codec or header extension.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Protocol

from media.burst import Path as DatagramPath
from media.dtls import Certificate, DtlsSession, is_dtls
from media.ice import IceLite
from media.parameters import DtlsRole, Fingerprint, IceCredentials, TransportParameters
from media.rpc import PeerState
from media.srtp import SrtpKeys, SrtpSession
from media.statistics import Route
from media.udp import Address, Buffer, MediaPort, Path

MAX_PACKETS_PER_S = 5_000
"""Of one peer, of which all may come at once; further ones are not even decrypted."""


class IceAgent(Protocol):
    """What a transport needs of ICE, lite or not."""

    local: IceCredentials
    path: Path | None

    def restart(self) -> IceCredentials: ...

    def close(self) -> None: ...


class Transport:
    """The transport of one peer.

    Attributes:
        state: ``connecting`` from the start; each state is reported once.
        srtp_profile: name of the profile in use, "" before the handshake ends.
        counters: packets dropped, by reason.
    """

    def __init__(
        self,
        port: MediaPort,
        *,
        certificate: Certificate,
        on_rtp: Callable[[bytes, float], None],
        on_rtcp: Callable[[bytes, float], None],
        on_state: Callable[[PeerState, str], None],
        on_moved: Callable[[], None] = lambda: None,
    ) -> None:
        """Args:
        on_rtp, on_rtcp: a decrypted packet and when it came (``loop.time()``).
        on_state: the new state and why, "" when all is well. ``connecting`` is
            reported when the peer's first authenticated check arrives; ``failed``
            and ``closed`` are final, and the port is let go by then.
        on_moved: ``outlet`` gives another path from now on.
        """
        self.state: PeerState = "connecting"
        self.srtp_profile = ""
        self.counters: Counter[str] = Counter()
        self._port = port
        self._certificate = certificate
        self._on_rtp = on_rtp
        self._on_rtcp = on_rtcp
        self._on_state = on_state
        self._on_moved = on_moved
        self._peer: tuple[tuple[Fingerprint, ...], DtlsRole] | None = None
        self._dtls: DtlsSession | None = None
        self._srtp: SrtpSession | None = None
        self._early: bytes | None = None
        self._packets_left = MAX_PACKETS_PER_S
        self._packets_until = 0.0
        self._ice: IceAgent = self._open_ice()

    @property
    def local_parameters(self) -> TransportParameters:
        return TransportParameters(self._ice.local, (self._certificate.fingerprint,))

    @property
    def route(self) -> Route | None:
        """How the peer is reached now, None before its first check."""
        path = self._ice.path
        if path is None:
            return None
        return Route(
            protocol="udp" if isinstance(path, DatagramPath) else "tcp",
            family="IPv6" if ":" in path.address[0] else "IPv4",
        )

    def connect(self, remote: TransportParameters, role: DtlsRole) -> None:
        """Takes the peer's description and our DTLS role. Repeating it (renegotiation) changes
        nothing; another fingerprint needs a new transport.

        Raises:
            ValueError: the fingerprints or the role changed.
        """
        peer = (remote.fingerprints, role)
        if self._peer is None:
            self._peer = peer
            self._start_dtls()
        elif self._peer != peer:
            raise ValueError("the peer changed its certificate or DTLS role: open a new connection")

    def restart_ice(self) -> IceCredentials:
        """New local credentials for the next description; the path in use stays until checked anew."""
        return self._ice.restart()

    def outlet(self) -> tuple[DatagramPath, SrtpSession] | None:
        """Where runs of datagrams go now and what protects them, None if not connected by UDP."""
        path, srtp = self._ice.path, self._srtp
        if srtp is None or not isinstance(path, DatagramPath):
            return None
        return path, srtp

    def send_rtp(self, packet: Buffer) -> bool:
        """Protects and sends; False (and counted) if not connected or too long."""
        path, srtp = self._ice.path, self._srtp
        if srtp is None or path is None:
            self.counters["sent_unconnected"] += 1
            return False
        burst = path.burst
        size = srtp.protect_at(burst.reserve(), packet)
        if size:
            burst.commit(path, size)
        return size > 0

    def send_rtcp(self, packet: Buffer) -> bool:
        """As ``send_rtp``, for a compound RTCP packet."""
        path, srtp = self._ice.path, self._srtp
        if srtp is None or path is None:
            self.counters["sent_unconnected"] += 1
            return False
        burst = path.burst
        size = srtp.protect_rtcp_at(burst.reserve(), packet)
        if size:
            burst.commit(path, size)
        return size > 0

    def forget_ssrc(self, ssrc: int) -> None:
        """An SSRC of ours that will not be used again."""
        if self._srtp is not None:
            self._srtp.forget(ssrc)

    def release_ssrc(self, ssrc: int) -> None:
        """An SSRC of theirs that nobody listens to now; it may come back."""
        if self._srtp is not None:
            self._srtp.release(ssrc)

    def close(self, reason: str = "") -> None:
        """Says goodbye to the peer and lets go of the port. Closing twice is fine."""
        if self.state != "closed":
            self._release()
            self._report("closed", reason)

    def _open_ice(self) -> IceAgent:
        return IceLite(
            self._port, handler=self._receive, on_path=self._on_path, on_failed=self._fail
        )

    def _on_path(self, path: Path) -> None:
        self._on_moved()
        if self._dtls is None and self.state == "connecting":
            self._on_state("connecting", "")
            self._start_dtls()

    def _start_dtls(self) -> None:
        if self._dtls is not None or self._peer is None or self._ice.path is None:
            return
        fingerprints, role = self._peer
        self._dtls = DtlsSession(
            self._certificate,
            role,
            fingerprints,
            send=self._send_dtls,
            on_keys=self._on_keys,
            on_failed=self._fail,
            on_closed=lambda: self.close("the peer closed the connection"),
        )
        if self._early is not None:
            self._dtls.receive(self._early)
            self._early = None

    def _receive(self, datagram: memoryview, address: Address, now: float) -> None:
        """Tells packets apart by their first byte (RFC 7983 §7)."""
        first = datagram[0]
        if 127 < first < 192 and len(datagram) > 1:
            srtp = self._srtp
            if srtp is None:
                self.counters["early"] += 1
                return
            if now >= self._packets_until:
                self._packets_until = now + 1
                self._packets_left = MAX_PACKETS_PER_S
            # Only what is the peer's own counts: no forger can use its budget up.
            if self._packets_left <= 0:
                self.counters["flood"] += 1
            elif 191 < datagram[1] < 224:  # RTCP (RFC 5761 §4)
                packet = srtp.unprotect_rtcp(datagram)
                if packet is not None:
                    self._packets_left -= 1
                    self._on_rtcp(packet, now)
            else:
                packet = srtp.unprotect(datagram)
                if packet is not None:
                    self._packets_left -= 1
                    self._on_rtp(packet, now)
        elif not is_dtls(first):
            self.counters["unknown_kind"] += 1
        elif self._dtls is None:
            self._early = bytes(datagram)
        elif not self._dtls.receive(datagram):
            self.counters["dtls_refused"] += 1

    def _send_dtls(self, datagram: bytes) -> None:
        if self._ice.path is not None:
            self._ice.path.send(datagram)

    def _on_keys(self, keys: SrtpKeys) -> None:
        self._srtp = SrtpSession(keys, self.counters, sealer=self._port.sealer)
        self.srtp_profile = self._srtp.profile
        self._report("connected", "")

    def _fail(self, reason: str) -> None:
        if self.state in ("connecting", "connected"):
            self._release()
            self._report("failed", reason)

    def _release(self) -> None:
        if self._dtls is not None:
            self._dtls.close()
        self._ice.close()
        self._srtp = None

    def _report(self, state: PeerState, reason: str) -> None:
        self.state = state
        self._on_state(state, reason)
