"""Connections to the TCP port from anybody: few, short-lived, and small until authenticated."""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
import pytest_asyncio

from media import ice, stun, tcp
from media.parameters import IceCredentials
from tests.attacks.conftest import MakeRogue
from tests.attacks.venue import Venue, credentials_in

pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="module")]

SEED = 20261122

Connect = Callable[..., Awaitable[socket.socket]]


@pytest_asyncio.fixture(loop_scope="module")
async def connect(venue: Venue) -> AsyncIterator[Connect]:
    made: list[socket.socket] = []

    async def connection(source: str = "127.0.0.1") -> socket.socket:
        sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        made.append(sock)
        sock.setblocking(False)
        sock.bind((source, 0))
        await asyncio.get_running_loop().sock_connect(sock, venue.address)
        return sock

    yield connection
    for sock in made:
        sock.close()


async def said(sock: socket.socket, timeout_s: float = 20) -> bytes:
    """What comes next, b"" when the worker has closed it."""
    try:
        return await asyncio.wait_for(asyncio.get_running_loop().sock_recv(sock, 4096), timeout_s)
    except ConnectionError:
        return b""


async def send(sock: socket.socket, data: bytes) -> None:
    await asyncio.get_running_loop().sock_sendall(sock, data)


def framed(packet: bytes) -> bytes:
    return len(packet).to_bytes(2, "big") + packet


def check_of(remote: IceCredentials) -> bytes:
    request, _ = stun.binding_request(
        local=IceCredentials.generate(), remote=remote, tie_breaker=1, priority=1
    )
    return framed(request)


async def test_a_length_no_packet_has_ends_the_connection(venue: Venue, connect: Connect) -> None:
    before = await venue.counted("tcp_misframed")
    for length in (1501, 0x8000, 0xFFFF):
        sock = await connect()
        await send(sock, length.to_bytes(2, "big") + bytes(100))
        assert await said(sock) == b""
    await venue.come_to("tcp_misframed", before + 3)


async def test_who_writes_a_byte_at_a_time_is_given_the_time_of_a_stranger(
    venue: Venue, connect: Connect
) -> None:
    socks = [await connect() for _ in range(8)]
    loop = asyncio.get_running_loop()
    began = loop.time()
    slow = framed(bytes(1500))
    for byte in slow[:40]:
        for sock in socks:
            await send(sock, bytes([byte]))
        await venue.talk_on(1)
    for sock in socks:
        assert await said(sock) == b""
    assert loop.time() - began < tcp.STRANGER_S + 30


async def test_what_a_stranger_may_say_is_bounded_and_not_answered(
    venue: Venue, connect: Connect
) -> None:
    print(f"seed {SEED}")
    chance = random.Random(SEED)
    before = await venue.counted("tcp_strangers_dropped")
    for _ in range(20):
        sock = await connect()
        try:
            for _ in range(200):
                await send(sock, framed(chance.randbytes(chance.randrange(1, 1500))))
        except ConnectionError:
            continue
        assert await said(sock) == b""
    await venue.come_to("tcp_strangers_dropped", before + 15)


async def test_connections_that_say_nothing_are_few_and_make_room(
    venue: Venue, connect: Connect, rogues: MakeRogue
) -> None:
    """Six hundred, from as many addresses as it takes; then somebody comes who may come in."""
    for n in range(600):
        await connect(f"127.0.{1 + n // 20}.1")
        if n % 50 == 0:
            await venue.talk_on(1)
    remote = credentials_in(await rogues("late").describe())
    sock = await connect("127.0.99.1")
    await send(sock, check_of(remote))
    answer = await said(sock)
    assert answer[2:4] == b"\x01\x01"
    await venue.come_to("tcp_strangers_dropped", 300)
    for _ in range(50):
        assert await connect()
    await venue.come_to("tcp_refused", 1)


async def test_checks_without_the_password_are_not_answered(
    venue: Venue, connect: Connect, rogues: MakeRogue
) -> None:
    remote = credentials_in(await rogues("known").describe())
    sock = await connect()
    wrong = IceCredentials(remote.ufrag, "0" * 24)
    for _ in range(20):
        await send(sock, check_of(wrong))
    await venue.come_to("dropped_unauthentic_check", 20)
    await send(sock, bytes(4096))
    assert await said(sock) == b""


async def test_one_peer_has_few_connections_and_none_may_flood(
    venue: Venue, connect: Connect, rogues: MakeRogue
) -> None:
    remote = credentials_in(await rogues("many").describe())
    socks = []
    for _ in range(20):
        sock = await connect()
        await send(sock, check_of(remote))
        assert await said(sock)
        socks.append(sock)
    flood = framed(b"\x80\x60" + bytes(1200)) * 200
    for sock in socks:
        with contextlib.suppress(ConnectionError):
            await asyncio.wait_for(send(sock, flood), 5)
        await venue.talk_on(1)
    await venue.come_to("early", 200)
    for sock in socks[: -ice.MAX_ADDRESSES]:
        assert await said(sock) == b""
