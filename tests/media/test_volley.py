"""Runs on their way out: every way of sending brings the same packets, what is lost is counted."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
import struct
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from media import libc
from media.burst import Path
from media.core.extensions import TRANSPORT_CC, ExtensionIds, Translation
from media.core.packet import Packet, parse
from media.core.run import Numbers, Run
from media.native import NativeWriter
from media.srtp import PROFILES, SrtpKeys, SrtpSession
from media.udp import MediaPort
from media.writer import PlainWriter, Row, Seat, Writer

SSRC = 0x1234
SIZES = (1100, 1100, 1100, 400, 700, 700)


class Receiver:
    """A socket and the other end of a seat's keys."""

    def __init__(self, port: MediaPort, host: str, profile: str, **numbers: int) -> None:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self.sock = socket.socket(family, socket.SOCK_DGRAM)
        self.sock.bind((host, 0))
        self.sock.setblocking(False)
        kind = PROFILES[profile]
        length = kind.key_bytes + kind.salt_bytes
        keys = SrtpKeys(kind, os.urandom(length), os.urandom(length))
        self.srtp = SrtpSession(SrtpKeys(kind, keys.rx, keys.tx))
        given = {"ssrc": SSRC, "pt": 96, "seq": 0, "ts": 0, "picture": 0, "tl0": 0} | numbers
        path = port.path(self.sock.getsockname())
        assert isinstance(path, Path)
        self.seat = Seat(path, SrtpSession(keys, sealer=port.sealer), Numbers(**given))

    def received(self) -> list[Packet]:
        """All that is there, decrypted."""
        found: list[Packet] = []
        while True:
            try:
                data = self.sock.recv(2048)
            except BlockingIOError:
                return found
            plain = self.srtp.unprotect(bytearray(data))
            assert plain is not None
            packet = parse(plain)
            assert isinstance(packet, Packet)
            found.append(packet)


def run_of(sizes: tuple[int, ...] = SIZES, twcc: bool = False, first: int = 0) -> Run:
    translation = Translation(ExtensionIds({}), ExtensionIds({5: TRANSPORT_CC} if twcc else {}))
    packets = []
    for n, size in enumerate(sizes):
        packet = parse(struct.pack("!BBHII", 0x80, 100, first + n, 9000, 7) + bytes([n + 1]) * size)
        assert isinstance(packet, Packet)
        packet.seq, packet.ts = 0x10000 + first + n, 0x100000000 + 9000
        packet.picture = packet.tl0 = -1
        packets.append(packet)
    return Run(packets, [translation.apply(packet, 0.0) for packet in packets])


def row_of(receivers: list[Receiver]) -> Row:
    seats = [receiver.seat for receiver in receivers]
    volley = seats[0].path.burst.volley
    row = Row(volley, seats[0].srtp.tag_bytes, coalesce=volley.cuts)
    row.seats = list(seats)
    row.changed()
    return row


@pytest.fixture(params=["gso", "sendmmsg", "sendto"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param == "gso" and libc.lib is None:
        pytest.skip("only Linux cuts messages")
    if request.param != "gso":
        monkeypatch.setattr(libc, "coalesces", lambda sock: False)
    if request.param == "sendto":
        monkeypatch.setattr(libc, "lib", None)
    return str(request.param)


@pytest.fixture(params=["python", "native"])
def writer(request: pytest.FixtureRequest) -> Writer:
    if request.param == "python":
        return PlainWriter()
    native: NativeWriter = request.getfixturevalue("native")
    return native


@pytest.fixture
async def port(way: str, writer: Writer) -> Any:
    port = MediaPort("::", 0, ["127.0.0.1"])
    port.write_with(writer)
    assert port.way == f"{way}/{writer.name}"
    yield port
    port.close()


MakeReceiver = Callable[..., Receiver]


@pytest.fixture
def receiver(port: MediaPort) -> Iterator[MakeReceiver]:
    made: list[Receiver] = []

    def make(
        host: str = "127.0.0.1", profile: str = "SRTP_AEAD_AES_128_GCM", **numbers: int
    ) -> Receiver:
        made.append(Receiver(port, host, profile, **numbers))
        return made[-1]

    yield make
    for each in made:
        each.sock.close()


def check(packets: list[Packet], sizes: tuple[int, ...] = SIZES) -> None:
    assert [packet.end - packet.payload for packet in packets] == list(sizes)
    assert [packet.data[packet.payload] for packet in packets] == list(range(1, len(sizes) + 1))


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
@pytest.mark.parametrize(
    "profile", ["SRTP_AEAD_AES_128_GCM", "SRTP_AEAD_AES_256_GCM", "SRTP_AES128_CM_SHA1_80"]
)
async def test_each_receiver_gets_every_packet_under_its_own_numbers(
    port: MediaPort, receiver: MakeReceiver, host: str, profile: str
) -> None:
    alike = [receiver(host, profile) for _ in range(3)]
    shifted = receiver(host, profile, ssrc=99, pt=101, seq=5, ts=-9000)
    row = row_of([*alike, shifted])
    assert row.volley.send(run_of(), row)
    for each in alike:
        packets = each.received()
        check(packets)
        assert {(p.ssrc, p.pt, p.ts32) for p in packets} == {(SSRC, 96, 9000)}
        assert [p.seq16 for p in packets] == list(range(len(SIZES)))
    packets = shifted.received()
    check(packets)
    assert {(p.ssrc, p.pt, p.ts32) for p in packets} == {(99, 101, 0)}
    assert [p.seq16 for p in packets] == [n + 5 for n in range(len(SIZES))]
    assert port.counters["sent"] == 4 * len(SIZES)
    overhead = 12 + row.tag_bytes
    assert port.counters["sent_bytes"] == 4 * sum(size + overhead for size in SIZES)


async def test_what_was_written_earlier_leaves_before_the_run(receiver: MakeReceiver) -> None:
    """A newcomer's first packets wait in the burst when the next run follows in the same drain."""
    one = receiver()
    (early,) = run_of(SIZES[:1]).wires
    path, srtp = one.seat.path, one.seat.srtp
    path.burst.commit(path, srtp.protect_at(path.burst.reserve(), early.data))
    row = row_of([one])
    row.volley.send(run_of(SIZES[1:], first=1), row)
    assert [packet.seq16 for packet in one.received()] == list(range(len(SIZES)))


async def test_transport_wide_numbers_are_each_receivers_own(receiver: MakeReceiver) -> None:
    receivers = [receiver(), receiver()]
    receivers[0].seat.transport_seq, receivers[1].seat.transport_seq = 0xFFFE, 7
    row = row_of(receivers)
    row.volley.send(run_of((50, 50, 50), twcc=True), row)
    told = [
        [int.from_bytes(p.data[p.extensions + 1 : p.extensions + 3], "big") for p in r.received()]
        for r in receivers
    ]
    assert told == [[0xFFFE, 0xFFFF, 0], [7, 8, 9]]


async def test_more_receivers_than_the_arena_holds_are_served_in_turns(
    receiver: MakeReceiver,
) -> None:
    sizes = (1400,) * 60
    receivers = [receiver() for _ in range(10)]
    for each in receivers:
        each.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
    row = row_of(receivers)
    row.volley.send(run_of(sizes), row)
    for each in receivers:
        check(each.received(), sizes)


async def test_a_receiver_without_an_address_costs_no_other(
    port: MediaPort, receiver: MakeReceiver
) -> None:
    first, gone, last = receiver(), receiver(), receiver()
    nowhere = port.path(("127.0.0.1", 0))
    assert isinstance(nowhere, Path)
    gone.seat.path = nowhere
    row = row_of([first, gone, last])
    row.volley.send(run_of(), row)
    check(first.received())
    check(last.received())
    assert port.counters["send_error"] == len(SIZES)
    assert port.counters["sent"] == 2 * len(SIZES)


async def test_who_cannot_be_encrypted_for_is_left_out_and_counted(
    port: MediaPort, receiver: MakeReceiver
) -> None:
    receivers = [receiver() for _ in range(4)]
    for each in (receivers[0], receivers[2]):
        # libsrtp refuses a number far behind those it has seen.
        each.seat.srtp.protect(struct.pack("!BBHII", 0x80, 96, 30_000, 0, SSRC) + bytes(20))
    row = row_of(receivers)
    row.volley.send(run_of(), row)
    for each, served in zip(receivers, (False, True, False, True), strict=True):
        assert len(each.received()) == (len(SIZES) if served else 0)
    assert port.counters["unprotected"] == 2 * len(SIZES)
    assert port.counters["sent"] == 2 * len(SIZES)


async def test_closed_port_sends_nothing(port: MediaPort, receiver: MakeReceiver) -> None:
    one = receiver()
    row = row_of([one])
    port.close()
    assert row.volley.send(run_of(), row)
    assert one.received() == []


class Kernel:
    """libc whose sendmmsg takes some messages, then answers with an error, then goes on or not."""

    def __init__(self, real: Any, after: int, number: int) -> None:
        self._real = real
        self._left = after
        self._number = number
        self.calls = 0

    def sendmmsg(self, fd: int, messages: Any, count: int, flags: int) -> int:
        self.calls += 1
        if self._left == 0:
            self._left = -1
            libc.ffi.errno = self._number
            return -1
        some = min(count, self._left) if self._left > 0 else count
        self._left = max(self._left - some, 0) if self._left > 0 else self._left
        return int(self._real.sendmmsg(fd, messages, some, flags))


@pytest.fixture
def linux() -> None:
    if libc.lib is None:
        pytest.skip("only Linux sends many at once")


@pytest.mark.usefixtures("linux")
@pytest.mark.parametrize("way", ["gso"], indirect=True)
async def test_what_the_kernel_has_no_room_for_is_counted_packet_by_packet(
    port: MediaPort, receiver: MakeReceiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    receivers = [receiver() for _ in range(3)]
    row = row_of(receivers)
    # Two messages each: four packets of 1100 and less, then two of 700.
    monkeypatch.setattr(libc, "lib", Kernel(libc.lib, 3, errno.EAGAIN))
    row.volley.send(run_of(), row)
    assert [len(each.received()) for each in receivers] == [6, 4, 0]
    assert port.counters["sent"] == 10
    assert port.counters["send_no_room"] == 2 + 6
    monkeypatch.undo()
    row.volley.send(run_of(first=6), row)
    assert [len(each.received()) for each in receivers] == [6, 6, 6]


@pytest.mark.usefixtures("linux")
@pytest.mark.parametrize("way", ["gso"], indirect=True)
@pytest.mark.parametrize("number", [errno.EINVAL, errno.EIO, errno.EMSGSIZE])
async def test_a_path_that_forbids_cutting_gets_its_packets_apart(
    port: MediaPort, receiver: MakeReceiver, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    receivers = [receiver() for _ in range(3)]
    row = row_of(receivers)
    monkeypatch.setattr(libc, "lib", Kernel(libc.lib, 2, number))
    assert not row.volley.send(run_of(), row)
    for each in receivers:
        check(each.received())
    assert [seat.path.cuts for seat in row.seats] == [True, False, True]
    assert port.counters["sent"] == 3 * len(SIZES)


@pytest.mark.usefixtures("linux")
@pytest.mark.parametrize("way", ["gso"], indirect=True)
async def test_an_interrupted_call_is_made_again(
    port: MediaPort, receiver: MakeReceiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = receiver()
    row = row_of([one])
    kernel = Kernel(libc.lib, 1, errno.EINTR)
    monkeypatch.setattr(libc, "lib", kernel)
    row.volley.send(run_of(), row)
    check(one.received())
    assert kernel.calls == 3
    await asyncio.sleep(0)
