"""What two ends tell each other before they speak: ICE credentials, fingerprints, DTLS roles."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import Literal, Self

DtlsRole = Literal["client", "server"]


@dataclass(frozen=True)
class IceCredentials:
    """RFC 8445 §5.3: ufrag at least 24 bits of randomness, pwd at least 128."""

    ufrag: str
    pwd: str

    @classmethod
    def generate(cls) -> Self:
        return cls(ufrag=secrets.token_hex(8), pwd=secrets.token_hex(16))


@dataclass(frozen=True)
class Fingerprint:
    """RFC 8122: ``algorithm`` in lower case (``sha-256``), ``value`` colon-separated upper-case hex."""

    algorithm: str
    value: str


@dataclass(frozen=True)
class TransportParameters:
    """One side of a transport as SDP carries it."""

    ice: IceCredentials
    fingerprints: tuple[Fingerprint, ...]
