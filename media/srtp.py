"""SRTP and SRTCP (RFC 3711, RFC 7714) on libsrtp through pylibsrtp's binding.

Works in place on the caller's memory. Failures are counted values, never
exceptions. One of two places that touch private names of pylibsrtp.
"""

from __future__ import annotations

from collections import Counter
from typing import Self


class SrtpSession:
    """Both directions of one peer or relay link.

    Attributes:
        counters: ``replayed``, ``unauthentic``, ``malformed``, ``oversized``, ``too_many_ssrcs``.
    """

    counters: Counter[str]

    @classmethod
    def for_relay(cls, tx_key: bytes, rx_key: bytes) -> Self:
        """AEAD_AES_256_GCM from master key and salt together, 44 bytes each way.

        Raises:
            ValueError: a key of another length.
        """
        raise NotImplementedError

    def protect(self, packet: bytes | bytearray | memoryview) -> bytes | None:
        """The RTP packet encrypted; None if it cannot be sent."""
        raise NotImplementedError

    def protect_rtcp(self, packet: bytes | bytearray | memoryview) -> bytes | None:
        raise NotImplementedError

    def unprotect(self, packet: bytearray | memoryview) -> bytes | None:
        """The RTP packet decrypted (overwrites its argument); None if it is not to be believed."""
        raise NotImplementedError

    def unprotect_rtcp(self, packet: bytearray | memoryview) -> bytes | None:
        raise NotImplementedError

    def forget(self, ssrc: int) -> None:
        """Drops the state of an SSRC that will not be used again, in both directions."""
        raise NotImplementedError


def is_rtcp(packet: bytes | bytearray | memoryview) -> bool:
    """RFC 5761 §4: payload types 192 to 223 of the second byte are RTCP."""
    return 192 <= packet[1] <= 223
