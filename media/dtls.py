"""DTLS 1.2 for SRTP keys (RFC 5764): a handshake as a state machine without tasks.

Packets go in by ``receive`` and come out by ``send``. Forged or broken packets
before the peer is known never end it; only success, the wrong certificate, the
deadline or a close do. One of two places that touch private names of aiortc.
"""

from __future__ import annotations

from typing import Self

from media.parameters import Fingerprint


class Certificate:
    """A key and its self-signed certificate, made at start, never stored."""

    fingerprint: Fingerprint

    @classmethod
    def generate(cls) -> Self:
        raise NotImplementedError
