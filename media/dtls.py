"""DTLS 1.2 for SRTP keys (RFC 5764): the handshake as a state machine without tasks.

Packets go in by ``receive`` and come out by ``send``. Forged or broken packets
before the peer is known do not end it; success, a wrong certificate, the deadline
and a close do.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import struct
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Self

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from OpenSSL import SSL

from media.parameters import DtlsRole, Fingerprint
from media.srtp import PROFILES, SrtpKeys

DEADLINE_S = 10.0
PACKETS_PER_SECOND = 20
MTU_BYTES = 1200
DTLS_1_2 = 0xFEFD
RECORD_HEADER_BYTES = 13
ALERT = 21
CIPHERS = b":".join(
    b"ECDHE-%s-%s" % (key, cipher)
    for cipher in (
        b"AES128-GCM-SHA256",
        b"AES256-GCM-SHA384",
        b"CHACHA20-POLY1305",
        b"AES128-SHA",
        b"AES256-SHA",
    )
    for key in (b"ECDSA", b"RSA")
)
DIGESTS = {"sha-256": hashes.SHA256(), "sha-384": hashes.SHA384(), "sha-512": hashes.SHA512()}
"""By their names in descriptions (RFC 8122 §5)."""
LIFETIME = timedelta(days=30)
SLOW_CLOCKS = timedelta(days=1)


class Certificate:
    """A key and its self-signed certificate, made at start, never stored."""

    def __init__(self, key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> None:
        self._key = key
        self._x509 = _self_signed(key)
        self.fingerprint = _fingerprint(self._x509, "sha-256")

    @classmethod
    def generate(cls) -> Self:
        return cls(ec.generate_private_key(ec.SECP256R1()))

    @cached_property
    def context(self) -> SSL.Context:
        """Shared by all handshakes of this certificate."""
        context = SSL.Context(SSL.DTLS_METHOD)
        context.set_options(SSL.OP_NO_TICKET | SSL.OP_NO_RENEGOTIATION | SSL.OP_NO_QUERY_MTU)
        # There must be a certificate; whose it is, the fingerprint tells and no authority.
        context.set_verify(SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT, lambda *_: True)
        context.use_certificate(self._x509)
        context.use_privatekey(self._key)
        context.set_min_proto_version(DTLS_1_2)
        context.set_max_proto_version(DTLS_1_2)
        context.set_cipher_list(CIPHERS)
        context.set_tlsext_use_srtp(b":".join(name.encode() for name in PROFILES))
        return context


class DtlsSession:
    """One association, from the first flight to the close."""

    def __init__(
        self,
        certificate: Certificate,
        role: DtlsRole,
        fingerprints: Sequence[Fingerprint],
        *,
        send: Callable[[bytes], None],
        on_keys: Callable[[SrtpKeys], None],
        on_failed: Callable[[str], None],
        on_closed: Callable[[], None],
    ) -> None:
        """Begins the handshake; the client's first flight leaves at once.

        Args:
            fingerprints: of the peer; all with a hash we know must match, and there must be one.
            on_keys: the peer is who it should be, and these are the keys.
            on_failed: why the handshake ended without keys.
            on_closed: the peer said goodbye.
        """
        self._certificate = certificate
        self._role = role
        self._fingerprints = fingerprints
        self._send = send
        self._on_keys = on_keys
        self._on_failed = on_failed
        self._on_closed = on_closed
        self._loop = asyncio.get_running_loop()
        self._established = False
        self._over = False
        self._complaint = "the peer did not answer"
        self._allowance = float(PACKETS_PER_SECOND)
        self._allowance_at = self._loop.time()
        self._deadline = self._loop.call_later(DEADLINE_S, self._expire)
        self._timer: asyncio.TimerHandle | None = None
        self._begin()

    def receive(self, datagram: memoryview | bytes) -> bool:
        """One datagram whose first byte says DTLS; False if it was dropped for haste or form."""
        if self._over or not self._allow():
            return False
        if not self._established and datagram[0] == ALERT:
            self._complaint = "the peer sent an alert (not authenticated)"
            return False
        self._ssl.bio_write(bytes(datagram))
        self._advance()
        return True

    def close(self) -> None:
        """Says goodbye if there is somebody to say it to."""
        if self._over:
            return
        if self._established:
            with contextlib.suppress(SSL.Error):
                self._ssl.shutdown()
            self._flush()
        self._stop()

    def _begin(self) -> None:
        self._ssl = SSL.Connection(self._certificate.context)
        self._ssl.set_ciphertext_mtu(MTU_BYTES)
        if self._role == "server":
            self._ssl.set_accept_state()
        else:
            self._ssl.set_connect_state()
        with contextlib.suppress(SSL.WantReadError):
            self._ssl.do_handshake()
        self._flush()
        self._arm_timer()

    def _advance(self) -> None:
        if not self._established:
            try:
                self._ssl.do_handshake()
            except SSL.WantReadError:
                self._flush()
                self._arm_timer()
                return
            except SSL.Error as error:
                self._start_over(error)
                return
            if not self._identify():
                return
        try:
            while not self._over:
                self._ssl.recv(2048)
        except SSL.ZeroReturnError:
            self._flush()
            self._stop()
            self._on_closed()
            return
        except SSL.Error:
            pass  # WantRead, or bytes that are none of the peer's: neither ends the association
        self._flush()
        self._arm_timer()

    def _start_over(self, error: SSL.Error) -> None:
        """Anybody who can forge the source address can cause this, so it must cost the peer nothing.

        The alert OpenSSL has written is not sent: it would end the peer's attempt.
        """
        reasons = error.args[0] if error.args and isinstance(error.args[0], list) else []
        said = "; ".join(str(reason[-1]) for reason in reasons)
        self._complaint = f"the handshake broke off ({said or 'no reason given'})"
        self._begin()

    def _identify(self) -> bool:
        self._established = True
        self._deadline.cancel()
        self._flush()
        certificate = self._ssl.get_peer_certificate(as_cryptography=True)
        known = [f for f in self._fingerprints if f.algorithm in DIGESTS]
        if not known or any(_fingerprint(certificate, f.algorithm) != f for f in known):
            return self._fail("the peer's certificate is not the one its description names")
        profile = PROFILES.get(self._ssl.get_selected_srtp_profile().decode())
        if profile is None:
            return self._fail("the peer agreed to none of our SRTP profiles")
        key, salt = profile.key_bytes, profile.salt_bytes
        material = self._ssl.export_keying_material(b"EXTRACTOR-dtls_srtp", 2 * (key + salt))
        keys = [
            material[i * key : (i + 1) * key]
            + material[2 * key + i * salt : 2 * key + (i + 1) * salt]
            for i in range(2)
        ]
        ours = 0 if self._role == "client" else 1
        self._on_keys(SrtpKeys(profile, tx=keys[ours], rx=keys[1 - ours]))
        return not self._over

    def _fail(self, reason: str) -> bool:
        self.close()
        self._on_failed(reason)
        return False

    def _expire(self) -> None:
        self._stop()
        self._on_failed(f"no DTLS handshake within {DEADLINE_S:.0f} s: {self._complaint}")

    def _stop(self) -> None:
        self._over = True
        self._deadline.cancel()
        self._cancel_timer()

    def _allow(self) -> bool:
        now = self._loop.time()
        earned = (now - self._allowance_at) * PACKETS_PER_SECOND
        self._allowance = min(self._allowance + earned, PACKETS_PER_SECOND)
        self._allowance_at = now
        if self._allowance < 1:
            return False
        self._allowance -= 1
        return True

    def _arm_timer(self) -> None:
        self._cancel_timer()
        after_s = self._ssl.DTLSv1_get_timeout()
        if after_s is not None and not self._over:
            self._timer = self._loop.call_later(after_s, self._retransmit)

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _retransmit(self) -> None:
        try:
            self._ssl.DTLSv1_handle_timeout()
        except SSL.Error as error:
            if not self._established:
                self._start_over(error)
            return
        self._flush()
        self._arm_timer()

    def _flush(self) -> None:
        try:
            data = self._ssl.bio_read(65536)
        except SSL.Error:
            return
        for datagram in datagrams(data):
            self._send(datagram)


def _self_signed(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> x509.Certificate:
    """A certificate that says nothing of us: a random name, valid from yesterday for a month."""
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, secrets.token_hex(16))])
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - SLOW_CLOCKS)
        .not_valid_after(now + LIFETIME)
        .sign(key, hashes.SHA256())
    )


def _fingerprint(certificate: x509.Certificate, algorithm: str) -> Fingerprint:
    digest = certificate.fingerprint(DIGESTS[algorithm])
    return Fingerprint(algorithm, digest.hex(":").upper())


def datagrams(records: bytes) -> Iterator[bytes]:
    """Whole DTLS records put together again into datagrams of at most ``MTU_BYTES``."""
    start = position = 0
    while position < len(records):
        (length,) = struct.unpack_from("!H", records, position + 11)
        end = position + RECORD_HEADER_BYTES + length
        if end - start > MTU_BYTES and position > start:
            yield records[start:position]
            start = position
        position = end
    if position > start:
        yield records[start:position]


def is_dtls(first_byte: int) -> bool:
    """RFC 7983 §7."""
    return 20 <= first_byte <= 63


__all__ = ["Certificate", "DtlsSession", "is_dtls"]
