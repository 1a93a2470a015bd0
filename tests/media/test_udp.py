from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import AsyncIterator, Callable

import pytest

from media import burst, libc
from media.udp import Address, MediaPort
from tests.wire import until


@pytest.fixture
async def port() -> AsyncIterator[MediaPort]:
    port = MediaPort("127.0.0.1", 0)
    yield port
    port.close()


@pytest.fixture
async def peer() -> AsyncIterator[socket.socket]:
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind(("127.0.0.1", 0))
    sock.setblocking(False)
    yield sock
    sock.close()


def keep(into: list[bytes]) -> Callable[[memoryview, Address, float], None]:
    return lambda datagram, address, now: into.append(bytes(datagram))


async def received(sock: socket.socket, count: int) -> list[bytes]:
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(5):
        return [await loop.sock_recv(sock, 2048) for _ in range(count)]


async def test_only_registered_sources_are_heard(port: MediaPort, peer: socket.socket) -> None:
    heard: list[bytes] = []
    peer.sendto(b"\x80 stranger", ("127.0.0.1", port.port))
    await until(lambda: port.counters["dropped_unknown_source"] == 1)
    handler = keep(heard)
    port.register_address(peer.getsockname(), handler)
    peer.sendto(b"\x80 known", ("127.0.0.1", port.port))
    await until(lambda: heard)
    assert heard == [b"\x80 known"]
    port.unregister_address(peer.getsockname(), keep([]))
    peer.sendto(b"\x80 still known", ("127.0.0.1", port.port))
    await until(lambda: len(heard) == 2)
    port.unregister_address(peer.getsockname(), handler)
    peer.sendto(b"\x80 forgotten", ("127.0.0.1", port.port))
    await until(lambda: port.counters["dropped_unknown_source"] == 2)


async def test_checks_go_to_the_user_they_name(port: MediaPort, peer: socket.socket) -> None:
    heard: list[bytes] = []
    port.register_ufrag("ours", keep(heard))

    def check(name: bytes) -> bytes:
        attribute = (
            b"\0\6" + len(name).to_bytes(2, "big") + name.ljust(-(-len(name) // 4) * 4, b"\0")
        )
        return (
            b"\0\1"
            + len(attribute).to_bytes(2, "big")
            + b"\x21\x12\xa4\x42"
            + bytes(12)
            + attribute
        )

    target = ("127.0.0.1", port.port)
    peer.sendto(check(b"ours:theirs"), target)
    await until(lambda: heard)
    peer.sendto(check(b"other:theirs"), target)
    peer.sendto(check(b"nocolon"), target)
    peer.sendto(b"\0\1\xff\xff\x21\x12\xa4\x42" + bytes(12), target)
    await until(lambda: port.counters["dropped_malformed_check"] == 2)
    assert port.counters["dropped_unknown_user"] == 1
    assert heard == [check(b"ours:theirs")]


async def test_empty_and_oversized_datagrams_are_counted_and_dropped(
    port: MediaPort, peer: socket.socket
) -> None:
    heard: list[bytes] = []
    port.register_address(peer.getsockname(), keep(heard))
    target = ("127.0.0.1", port.port)
    for packet in (b"", b"\x80" * 1501, b"\x80" * 9000, b"\x80" * 1500):
        peer.sendto(packet, target)
    await until(lambda: heard)
    assert heard == [b"\x80" * 1500]
    assert port.counters["dropped_empty"] == 1
    assert port.counters["dropped_oversized"] == 2


async def test_faulty_packet_does_not_end_the_loop(
    port: MediaPort, peer: socket.socket, caplog: pytest.LogCaptureFixture
) -> None:
    heard: list[bytes] = []

    def handler(datagram: memoryview, address: Address, now: float) -> None:
        if datagram[1] == 0:
            raise RuntimeError("faulty")
        heard.append(bytes(datagram))

    port.register_address(peer.getsockname(), handler)
    for _ in range(100):
        peer.sendto(b"\x80\0", ("127.0.0.1", port.port))
    peer.sendto(b"\x80\1", ("127.0.0.1", port.port))
    await until(lambda: heard)
    assert port.counters["handler_error"] == 100
    assert len(caplog.records) == 1


async def test_answers_of_one_drain_leave_together(
    port: MediaPort, peer: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    flushed: list[int] = []
    flush = burst.Burst.flush

    def counted(self: burst.Burst) -> None:
        if self._paths:
            flushed.append(len(self._paths))
        flush(self)

    monkeypatch.setattr(burst.Burst, "flush", counted)
    path = port.path(peer.getsockname())
    port.register_address(peer.getsockname(), lambda data, address, now: path.send(data))
    for i in range(10):
        peer.sendto(bytes([0x80, i]), ("127.0.0.1", port.port))
    assert await received(peer, 10) == [bytes([0x80, i]) for i in range(10)]
    assert flushed == [10]


async def test_more_than_a_burst_leaves_whole_and_in_order(
    port: MediaPort, peer: socket.socket
) -> None:
    packets = [i.to_bytes(2, "big") * 50 for i in range(200)]
    port.send_many((packet, peer.getsockname()) for packet in packets)
    assert await received(peer, 200) == packets
    assert port.counters["sent"] == 200
    assert port.counters["sent_bytes"] == 200 * 100


@pytest.mark.parametrize("together", [True, False])
async def test_undeliverable_packet_costs_no_other(
    peer: socket.socket, monkeypatch: pytest.MonkeyPatch, together: bool
) -> None:
    if not together:
        monkeypatch.setattr(libc, "lib", None)
    port = MediaPort("127.0.0.1", 0)
    port.send(b"first", peer.getsockname())
    port.send(b"to a port that is none", ("127.0.0.1", 0))
    port.send(b"last", peer.getsockname())
    assert await received(peer, 2) == [b"first", b"last"]
    assert port.counters["send_error"] == 1
    port.close()


async def test_what_the_kernel_will_not_take_now_is_dropped_and_counted(
    port: MediaPort, peer: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Full:
        def sendmmsg(self, *_: object) -> int:
            libc.ffi.errno = errno.EAGAIN
            return -1

    monkeypatch.setattr(libc, "lib", Full())
    port.send_many([(b"a", peer.getsockname()), (b"b", peer.getsockname())])
    await until(lambda: port.counters["send_no_room"] == 2)


async def test_port_in_use_is_named(port: MediaPort) -> None:
    with pytest.raises(OSError, match="cannot bind UDP port") as caught:
        MediaPort("127.0.0.1", port.port)
    assert caught.value.errno == errno.EADDRINUSE
    assert caught.value.strerror == (
        f"cannot bind UDP port {port.port} on 127.0.0.1: Address already in use"
    )


async def test_foreign_address_cannot_be_bound() -> None:
    with pytest.raises(OSError, match=r"cannot bind UDP port 0 on 192\.0\.2\.1"):
        MediaPort("192.0.2.1", 0)


async def test_both_families_share_one_port_number() -> None:
    port = MediaPort("::", 0, ["127.0.0.1", "::1"])
    assert [line.split(" ")[4:] for line in port.candidates] == [
        ["127.0.0.1", str(port.port), "typ", "host"],
        ["::1", str(port.port), "typ", "host"],
    ]
    for family, host in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
        with socket.socket(family, socket.SOCK_DGRAM) as peer:
            peer.bind((host, 0))
            peer.setblocking(False)
            heard: list[bytes] = []
            port.register_address(peer.getsockname(), keep(heard))
            peer.sendto(b"\x80 here", (host, port.port))
            await until(lambda heard=heard: heard)  # type: ignore[misc]
            port.send(b"there", peer.getsockname())
            assert await received(peer, 1) == [b"there"]
    port.close()


async def test_wildcard_advertises_an_address_of_this_machine() -> None:
    port = MediaPort("0.0.0.0", 0)
    assert port.addresses
    assert "0.0.0.0" not in port.addresses
    port.close()


async def test_path_to_a_family_not_served_is_refused(port: MediaPort) -> None:
    with pytest.raises(ValueError, match="no socket for"):
        port.path(("::1", 9, 0, 0))
    with pytest.raises(ValueError, match="is not an IP address"):
        port.path(("example.org", 9))


async def test_closed_port_sends_nothing_to_whoever_has_its_descriptor_now(
    peer: socket.socket,
) -> None:
    port = MediaPort("127.0.0.1", 0)
    path = port.path(peer.getsockname())
    port.close()
    port.close()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM):
        for _ in range(200):
            path.send(b"late")
        await asyncio.sleep(0)
    with pytest.raises(BlockingIOError):
        peer.recv(10)
