"""ICE, DTLS and SRTP of one peer: authenticated plain packets up, protected packets down.

No await per packet, no task per peer. Knows no track, codec or header extension.
"""

from __future__ import annotations

from collections.abc import Callable

from media.dtls import Certificate
from media.parameters import DtlsRole, IceCredentials, TransportParameters
from media.rpc import PeerState
from media.udp import MediaPort


class Transport:
    """The transport of one peer.

    Attributes:
        state: ``connecting`` from the start; each later state is reported once.
        srtp_profile: name of the profile in use, "" before the handshake ends.
    """

    state: PeerState
    srtp_profile: str

    def __init__(
        self,
        port: MediaPort,
        *,
        certificate: Certificate,
        on_rtp: Callable[[bytes, float], None],
        on_rtcp: Callable[[bytes, float], None],
        on_state: Callable[[PeerState, str], None],
    ) -> None:
        """Args:
        on_rtp, on_rtcp: a decrypted packet and when it came (``loop.time()``).
        on_state: the new state and why, "" when all is well. ``connecting`` is
            reported when the peer's first authenticated check arrives.
        """
        raise NotImplementedError

    @property
    def local_parameters(self) -> TransportParameters:
        raise NotImplementedError

    def connect(self, remote: TransportParameters, role: DtlsRole) -> None:
        """Takes the peer's description and our DTLS role. Repeating it (renegotiation) changes
        nothing; another fingerprint needs a new transport.

        Raises:
            ValueError: the fingerprints or the role changed.
        """
        raise NotImplementedError

    def restart_ice(self) -> IceCredentials:
        """New local credentials for the next description; the path in use stays until checked anew."""
        raise NotImplementedError

    def send_rtp(self, packet: bytes | bytearray | memoryview) -> bool:
        """Protects and sends; False (and counted) if not connected or too long."""
        raise NotImplementedError

    def send_rtcp(self, packet: bytes | bytearray | memoryview) -> bool:
        raise NotImplementedError

    def forget_ssrc(self, ssrc: int) -> None:
        """An SSRC, theirs or ours, that will not be used again."""
        raise NotImplementedError

    def close(self, reason: str = "") -> None:
        """Says goodbye to the peer and lets go of the port. Closing twice is fine."""
        raise NotImplementedError
