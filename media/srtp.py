"""SRTP and SRTCP (RFC 3711, RFC 7714) on libsrtp through pylibsrtp's binding.

Works in place on the caller's memory. Failures are counted values, never
exceptions. The one place that touches private names: of pylibsrtp, its binding
(``ffi``, ``lib``) and ``Session._srtp``.
"""

from __future__ import annotations

import struct
from collections import Counter
from dataclasses import dataclass
from typing import Any, Protocol, Self

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from pylibsrtp import Policy, Session, ffi, lib

Buffer = bytes | bytearray | memoryview

MAX_PLAIN_BYTES = 1472
"""With tag and index a packet stays within 1500 bytes, which every receiver here takes."""
MAX_SSRCS = 128
MAX_RELAY_SSRCS = 8192
MAX_RESTING = 128
MAX_SPENT = 4096
"""SSRCs that once were: so many keep their numbers, so many more are only refused."""
REPLAY_WINDOW = 1024
GCM_SALT_BYTES = 12

AUTH_FAILED = 7
REPLAYED = (9, 10)
"""libsrtp's ``srtp_err_status_t``."""
_REFUSALS = {AUTH_FAILED: "unauthentic", **dict.fromkeys(REPLAYED, "replayed")}

_PROTECT_ADDRESS = int(ffi.cast("uintptr_t", ffi.addressof(lib, "srtp_protect")))
memmove = ffi.memmove

_CHAR_P = ffi.typeof("char *")
_CHARS = ffi.typeof("char[]")
# Bound once: these run for every packet that comes in.
_from_buffer = ffi.from_buffer
_unprotect = lib.srtp_unprotect
_unprotect_rtcp = lib.srtp_unprotect_rtcp
_PROTECT = ffi.typeof("int (*)(void *, void *, int *)")
_ssrc_of = struct.Struct("!I").unpack_from


@dataclass(frozen=True)
class Profile:
    """A protection profile (RFC 5764 §4.1.2, RFC 7714 §14.2)."""

    name: str
    libsrtp: int
    key_bytes: int
    salt_bytes: int
    tag_bytes: int


PROFILES = {
    profile.name: profile
    for profile in (
        Profile("SRTP_AEAD_AES_128_GCM", Policy.SRTP_PROFILE_AEAD_AES_128_GCM, 16, 12, 16),
        Profile("SRTP_AEAD_AES_256_GCM", Policy.SRTP_PROFILE_AEAD_AES_256_GCM, 32, 12, 16),
        Profile("SRTP_AES128_CM_SHA1_80", Policy.SRTP_PROFILE_AES128_CM_SHA1_80, 16, 14, 10),
    )
}
"""By OpenSSL's names, the best for us first."""

RELAY_PROFILE = PROFILES["SRTP_AEAD_AES_256_GCM"]


@dataclass(frozen=True)
class SrtpKeys:
    """Master key and salt together, for what we send and what we receive."""

    profile: Profile
    tx: bytes
    rx: bytes


class Seal(Protocol):
    """Encrypts the RTP packets of one session, as ``srtp_protect`` would.

    Attributes:
        context: where its state is; good as long as this.
        protect: address of what takes ``context``, a packet's and its size's pointer.
    """

    context: int
    protect: int

    def forget(self, ssrc: int) -> None:
        """Drop the state of an SSRC that will not be used again."""


class Sealer(Protocol):
    """Makes seals where libcrypto is found and a compiler was; see ``media.native``."""

    def seal(self, key: bytes, salt: bytes) -> Seal:
        """From a session's key and salt for AES-GCM (not the master's)."""


class SrtpSession:
    """Both directions of one peer or relay link.

    Attributes:
        profile: name of the protection profile.
        tag_bytes: by how much a protected RTP packet is longer.
        protect_with, context: what takes a packet's pointer and its size's behind ``context``; 0 when
            all went well. Good as long as the session.
        protect_address, address: the same for whoever calls it from C.
        counters: ``replayed``, ``unauthentic``, ``malformed``, ``oversized``, ``too_many_ssrcs``.
    """

    def __init__(
        self,
        keys: SrtpKeys,
        counters: Counter[str] | None = None,
        max_ssrcs: int = MAX_SSRCS,
        sealer: Sealer | None = None,
    ) -> None:
        """Args:
        max_ssrcs: of the peer; further ones are dropped.
        sealer: encrypts RTP in libsrtp's place from the first packet to the last, with AES-GCM.

        Raises:
            ValueError: a key of the wrong length.
        """
        self.profile = keys.profile.name
        self.tag_bytes = keys.profile.tag_bytes
        self.counters: Counter[str] = Counter() if counters is None else counters
        self._max_ssrcs = max_ssrcs
        self._ssrcs: set[int] = set()
        self._resting: dict[int, None] = {}
        self._spent: set[int] = set()
        self._size = ffi.new("int *")
        self._sessions = (
            _session(keys.profile, keys.tx, Policy.SSRC_ANY_OUTBOUND),
            _session(keys.profile, keys.rx, Policy.SSRC_ANY_INBOUND),
        )
        self._tx, self._rx = (session._srtp[0] for session in self._sessions)
        self.protect_with: Any = lib.srtp_protect
        self.protect_address = _PROTECT_ADDRESS
        self.context = self._tx
        self.address = int(ffi.cast("uintptr_t", self._tx))
        self._seal: Seal | None = None
        if sealer is not None and keys.profile.salt_bytes == GCM_SALT_BYTES:
            self._seal = seal = sealer.seal(*session_key(keys.profile, keys.tx))
            self.protect_address, self.address = seal.protect, seal.context
            self.protect_with = ffi.cast(_PROTECT, seal.protect)
            self.context = ffi.cast("void *", seal.context)

    @classmethod
    def for_relay(cls, tx_key: bytes, rx_key: bytes) -> Self:
        """AEAD_AES_256_GCM from master key and salt together, 44 bytes each way.

        Raises:
            ValueError: a key of another length.
        """
        return cls(SrtpKeys(RELAY_PROFILE, tx_key, rx_key), max_ssrcs=MAX_RELAY_SSRCS)

    def protect(self, packet: Buffer) -> bytes | None:
        """The RTP packet encrypted; None if it cannot be sent."""
        return self._protected(self.protect_with, self.context, packet)

    def protect_rtcp(self, packet: Buffer) -> bytes | None:
        """The compound RTCP packet encrypted; None if it cannot be sent."""
        return self._protected(lib.srtp_protect_rtcp, self._tx, packet)

    def protect_at(self, address: int, packet: Buffer) -> int:
        """Writes the encrypted RTP packet to memory (1500 bytes); its size, 0 if it cannot be sent."""
        return self._write(self.protect_with, self.context, ffi.cast(_CHAR_P, address), packet)

    def protect_rtcp_at(self, address: int, packet: Buffer) -> int:
        return self._write(lib.srtp_protect_rtcp, self._tx, ffi.cast(_CHAR_P, address), packet)

    def unprotect(self, packet: bytearray | memoryview) -> bytes | None:
        """The RTP packet decrypted (overwrites its argument); None if it is not to be believed."""
        return self._open(_unprotect, packet, 8)

    def unprotect_rtcp(self, packet: bytearray | memoryview) -> bytes | None:
        """The compound RTCP packet decrypted, as ``unprotect``."""
        return self._open(_unprotect_rtcp, packet, 4)

    def forget(self, ssrc: int) -> None:
        """Drops the state of an SSRC of ours that will not be used again under these keys."""
        if self._seal is not None:
            self._seal.forget(ssrc)
        _remove(self._tx, ssrc)

    def release(self, ssrc: int) -> None:
        """An SSRC of the peer's that nobody listens to now: another may take its place.

        It may come back, under the rollover counter and replay list it had. When too
        many rest, the oldest is refused from then on: without its list, what was once
        recorded of it could be played again.
        """
        if ssrc not in self._ssrcs:
            return
        self._ssrcs.discard(ssrc)
        self._resting[ssrc] = None
        if len(self._resting) > MAX_RESTING:
            oldest = next(iter(self._resting))
            del self._resting[oldest]
            self._spent.add(oldest)
            _remove(self._rx, oldest)

    def _protected(self, function: Any, context: Any, packet: Buffer) -> bytes | None:
        room = ffi.new("char[]", 1500)
        size = self._write(function, context, room, packet)
        return bytes(ffi.buffer(room, size)) if size else None

    def _write(self, function: Any, context: Any, pointer: Any, packet: Buffer) -> int:
        size = len(packet)
        if size > MAX_PLAIN_BYTES:
            self.counters["oversized"] += 1
            return 0
        ffi.memmove(pointer, packet, size)
        self._size[0] = size
        if function(context, pointer, self._size):
            self.counters["malformed"] += 1
            return 0
        return int(self._size[0])

    def _open(self, function: Any, packet: bytearray | memoryview, ssrc_at: int) -> bytes | None:
        size = self._size
        size[0] = length = len(packet)
        if length < 12:
            self.counters["malformed"] += 1
            return None
        ssrc = _ssrc_of(packet, ssrc_at)[0]
        known = ssrc in self._ssrcs
        if not known and not self._admits(ssrc):
            self.counters["too_many_ssrcs"] += 1
            return None
        status = function(self._rx, _from_buffer(_CHARS, packet, True), size)  # writable
        if status:
            self.counters[_REFUSALS.get(status, "malformed")] += 1
            return None
        if not known:
            self._ssrcs.add(ssrc)
            self._resting.pop(ssrc, None)
        return bytes(packet[: size[0]])

    def _admits(self, ssrc: int) -> bool:
        """Whether there is room for one more SSRC, and this one is not spent."""
        return (
            len(self._ssrcs) < self._max_ssrcs
            and len(self._spent) < MAX_SPENT
            and ssrc not in self._spent
        )


class Memory:
    """Bytes that stay where they are: ``pointer`` for ``srtp_protect``, ``view`` for Python."""

    __slots__ = ("address", "pointer", "view")

    def __init__(self, size_bytes: int) -> None:
        self.pointer = ffi.new("char[]", size_bytes)
        self.address = int(ffi.cast("uintptr_t", self.pointer))
        self.view = memoryview(ffi.buffer(self.pointer))


def new_size() -> Any:
    """Make what ``srtp_protect`` takes a size from, and leaves it in, at index 0."""
    return ffi.new("int *")


def is_rtcp(packet: Buffer) -> bool:
    """RFC 5761 §4: payload types 192 to 223 of the second byte are RTCP. At least 2 bytes."""
    return 192 <= packet[1] <= 223


def _remove(context: Any, ssrc: int) -> None:
    lib.srtp_remove_stream(context, int.from_bytes(struct.pack("=I", ssrc), "big"))


def session_key(profile: Profile, master: bytes) -> tuple[bytes, bytes]:
    """Derive encryption key and salt for RTP (RFC 3711 §4.3, RFC 6188, RFC 7714 §11).

    The salt of 12 bytes counts as one of 14 that ends in zeros.
    """
    key, salt = master[: profile.key_bytes], master[profile.key_bytes :]

    def derive(label: int, size: int) -> bytes:
        start = bytearray(salt.ljust(16, b"\0"))
        start[7] ^= label
        return Cipher(algorithms.AES(key), modes.CTR(bytes(start))).encryptor().update(bytes(size))

    return derive(0, profile.key_bytes), derive(2, profile.salt_bytes)


def _session(profile: Profile, key: bytes, ssrcs: int) -> Session:
    if len(key) != profile.key_bytes + profile.salt_bytes:
        raise ValueError(
            f"{profile.name} needs {profile.key_bytes + profile.salt_bytes} bytes of key and salt,"
            f" not {len(key)}"
        )
    policy = Policy(key=key, ssrc_type=ssrcs, srtp_profile=profile.libsrtp)
    policy.allow_repeat_tx = True
    policy.window_size = REPLAY_WINDOW
    return Session(policy)
