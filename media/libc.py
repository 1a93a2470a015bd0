"""What libc and the kernel offer for sending and receiving many datagrams at once.

Detected once at import and per socket; everything here has a plain fallback where
it is missing. Knows nothing of packets.
"""

from __future__ import annotations

import socket
import struct
import sys
from typing import Any

import cffi

UDP_SEGMENT = 103
"""linux/udp.h: one message is cut by the kernel into datagrams of this size (GSO)."""

ffi = cffi.FFI()
ffi.cdef("""
struct iovec { void *iov_base; size_t iov_len; };
struct msghdr {
    void *msg_name; unsigned int msg_namelen;
    struct iovec *msg_iov; size_t msg_iovlen;
    void *msg_control; size_t msg_controllen;
    int msg_flags;
};
struct mmsghdr { struct msghdr msg_hdr; unsigned int msg_len; };
int sendmmsg(int sockfd, struct mmsghdr *msgvec, unsigned int vlen, int flags);
int recvmmsg(int sockfd, struct mmsghdr *msgvec, unsigned int vlen, int flags, void *timeout);
""")

# The arrays of headers are written as words of 8 bytes, least significant first.
_FITS = (
    sys.platform == "linux"
    and sys.byteorder == "little"
    and ffi.sizeof("void *") == ffi.sizeof("size_t") == 8
    and ffi.sizeof("struct mmsghdr") == 64
)
lib: Any = ffi.dlopen(None) if _FITS else None
"""sendmmsg and recvmmsg; None where datagrams go one by one."""


def coalesces(sock: socket.socket) -> bool:
    """Whether the kernel takes several datagrams to one destination as one message."""
    if lib is None:
        return False
    try:
        sock.getsockopt(socket.IPPROTO_UDP, UDP_SEGMENT)
    except OSError:
        return False
    return True


def address_of(memory: Any) -> int:
    """Where cffi memory is."""
    return int(ffi.cast("uintptr_t", memory))


def sockaddr(address: tuple[Any, ...]) -> bytes:
    """``struct sockaddr_in`` or ``sockaddr_in6`` as Linux lays them out."""
    host, port = address[0], address[1]
    if ":" not in host:
        return struct.pack("=H", socket.AF_INET) + struct.pack(
            "!H4s8x", port, socket.inet_aton(host)
        )
    flow, scope = address[2:4] if len(address) == 4 else (0, 0)
    packed = socket.inet_pton(socket.AF_INET6, host.partition("%")[0])
    head = struct.pack("!HI16s", port, flow, packed)
    return struct.pack("=H", socket.AF_INET6) + head + struct.pack("=I", scope)


def address(sockaddr: bytes) -> tuple[Any, ...]:
    """Read ``struct sockaddr_in`` or ``sockaddr_in6``: as the socket module gives addresses."""
    port = int.from_bytes(sockaddr[2:4], "big")
    if len(sockaddr) == 16:
        return socket.inet_ntop(socket.AF_INET, sockaddr[4:8]), port
    flow, scope = int.from_bytes(sockaddr[4:8], "big"), struct.unpack_from("=I", sockaddr, 24)[0]
    return socket.inet_ntop(socket.AF_INET6, sockaddr[8:24]), port, flow, scope
