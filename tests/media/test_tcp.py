from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from aioice.stun import parse_message

from media import sdp, tcp
from media.client import MediaClient
from media.core import rtcp
from media.udp import MediaPort
from tests.media.bridge import Bridge
from tests.media.test_ice import Agent as UdpAgent
from tests.media.test_ice import check, nominating
from tests.media.test_transport import media_flows
from tests.wire import ServerEnd, until

Connect = Callable[[], Awaitable[socket.socket]]


class Agent(UdpAgent):
    tcp = True


@pytest.fixture
async def agent() -> AsyncIterator[Agent]:
    agent = Agent()
    yield agent
    agent.ice.close()
    agent.port.close()
    assert agent.port.counters["handler_error"] == 0


@pytest.fixture
async def connect(agent: Agent) -> AsyncIterator[Connect]:
    made: list[socket.socket] = []

    async def connection() -> socket.socket:
        sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        sock.setblocking(False)
        made.append(sock)
        loop = asyncio.get_running_loop()
        await loop.sock_connect(sock, ("127.0.0.1", agent.port.port))
        return sock

    yield connection
    for sock in made:
        sock.close()


def framed(*packets: bytes) -> bytes:
    return b"".join(len(packet).to_bytes(2, "big") + packet for packet in packets)


async def said(sock: socket.socket) -> bytes:
    """The next packet, b"" when the connection is closed or reset."""
    loop = asyncio.get_running_loop()
    data = b""
    try:
        async with asyncio.timeout(5):
            while len(data) < 2 or len(data) < 2 + int.from_bytes(data[:2], "big"):
                missing = 2 + int.from_bytes(data[:2], "big") - len(data) if len(data) >= 2 else 1
                more = await loop.sock_recv(sock, missing)
                if not more:
                    return b""
                data += more
    except ConnectionResetError:
        return b""
    return data[2:]


async def admitted(agent: Agent, sock: socket.socket) -> None:
    await asyncio.get_running_loop().sock_sendall(sock, framed(nominating(agent.ice.local)))
    assert await said(sock)


async def test_tcp_candidates_come_after_and_below_udp_ones() -> None:
    port = MediaPort("127.0.0.1", 0, ["127.0.0.1", "::1"], tcp=True)
    fields = [line.split() for line in port.candidates]
    port.close()
    assert [f[2] for f in fields] == ["udp", "udp", "tcp", "tcp"]
    assert all(f[6:] == ["typ", "host", "tcptype", "passive"] for f in fields[2:])
    assert len({f[0] for f in fields}) == 4
    priorities = [int(f[3]) for f in fields]
    assert priorities == sorted(priorities, reverse=True)
    # RFC 6544 §4.2: 4 is the direction preference of a passive host candidate.
    assert (priorities[2] >> 8 & 0xFFFF) >> 13 == 4


async def test_tcp_is_on_the_same_number_for_both_families() -> None:
    port = MediaPort("::", 0, ["127.0.0.1", "::1"], tcp=True)
    for host in ("127.0.0.1", "::1"):
        _, writer = await asyncio.open_connection(host, port.port)
        writer.close()
        await writer.wait_closed()
    await until(lambda: port.counters["tcp_accepted"] == 2)
    port.close()


async def test_port_without_tcp_takes_no_connection() -> None:
    port = MediaPort("127.0.0.1", 0)
    assert not port.tcp
    assert all(" udp " in line for line in port.candidates)
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", port.port)
    port.close()


async def test_taken_tcp_port_is_named() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        taken = other.getsockname()[1]
        with pytest.raises(OSError, match=f"cannot bind TCP port {taken} on 127.0.0.1") as caught:
            MediaPort("127.0.0.1", taken, tcp=True)
    assert caught.value.errno == errno.EADDRINUSE
    MediaPort("127.0.0.1", taken, tcp=True).close()  # the first try left nothing bound


async def test_check_is_answered_with_where_it_came_from(agent: Agent, connect: Connect) -> None:
    sock = await connect()
    loop = asyncio.get_running_loop()
    await loop.sock_sendall(sock, framed(check(agent.ice.local)))
    reply = parse_message(await said(sock))
    assert reply.attributes["XOR-MAPPED-ADDRESS"] == sock.getsockname()
    assert agent.ice.path is not None
    agent.ice.path.send(b"\x80 down")
    assert await said(sock) == b"\x80 down"
    await loop.sock_sendall(sock, framed(b"\x80 up"))
    await until(lambda: agent.heard == [b"\x80 up"])


async def test_packets_are_put_together_however_they_are_cut(
    agent: Agent, connect: Connect
) -> None:
    sock = await connect()
    await admitted(agent, sock)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    packets = [b"\x80" + bytes([i]) * (1 + i * 299) for i in range(6)]
    text = framed(b"", *packets[:3], b"", *packets[3:])
    loop = asyncio.get_running_loop()
    for at in range(0, len(text), 7):
        await loop.sock_sendall(sock, text[at : at + 7])
        await asyncio.sleep(0)
    await until(lambda: len(agent.heard) == 6)
    assert agent.heard == packets
    await loop.sock_sendall(sock, framed(*packets) * 50)
    await until(lambda: len(agent.heard) == 306)
    assert agent.heard[6:] == packets * 50


async def test_connection_and_datagrams_of_one_address_are_told_apart(
    agent: Agent, connect: Connect
) -> None:
    sock = await connect()
    await admitted(agent, sock)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as namesake:
        namesake.bind(sock.getsockname())
        namesake.sendto(b"\x80 not the same", ("127.0.0.1", agent.port.port))
        await until(lambda: agent.port.counters["dropped_unknown_source"] == 1)
    assert not agent.heard


async def test_stranger_gets_no_byte_and_is_dropped_after_a_while(
    agent: Agent, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tcp, "STRANGER_S", 0.05)
    idle, talking = await connect(), await connect()
    forged = bytearray(check(agent.ice.local))
    forged[-1] ^= 1
    await asyncio.get_running_loop().sock_sendall(
        talking, framed(bytes(forged), b"\x16\xfe\xff hello", b"\x80 media")
    )
    assert await said(idle) == b""
    assert await said(talking) == b""
    assert agent.port.counters["tcp_strangers_dropped"] == 2
    assert agent.port.counters["tcp_sent_bytes"] == 0
    assert not agent.heard


async def test_stranger_may_say_little(agent: Agent, connect: Connect) -> None:
    sock = await connect()
    loop = asyncio.get_running_loop()
    with contextlib.suppress(ConnectionError):
        for _ in range(5):
            await loop.sock_sendall(sock, framed(b"\x80" * 1000))
    assert await said(sock) == b""
    assert agent.port.counters["tcp_strangers_dropped"] == 1
    assert agent.port.counters["tcp_sent_bytes"] == 0


async def test_one_source_cannot_take_every_place(agent: Agent, connect: Connect) -> None:
    strangers = [await connect() for _ in range(tcp.MAX_STRANGERS_A_SOURCE)]
    await until(lambda: agent.port.counters["tcp_accepted"] == len(strangers))
    assert await said(await connect()) == b""
    assert agent.port.counters["tcp_refused"] == 1
    await admitted(agent, strangers[0])
    await admitted(agent, await connect())


async def test_oldest_stranger_makes_place(
    agent: Agent, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tcp, "MAX_STRANGERS", 3)
    honest = await connect()
    await admitted(agent, honest)
    strangers = [await connect() for _ in range(4)]
    assert await said(strangers[0]) == b""
    await asyncio.get_running_loop().sock_sendall(honest, framed(b"\x80 still here"))
    await until(lambda: agent.heard == [b"\x80 still here"])


async def test_impossible_frame_closes(agent: Agent, connect: Connect) -> None:
    sock = await connect()
    await admitted(agent, sock)
    await asyncio.get_running_loop().sock_sendall(sock, b"\x80\x80\x80\x80")
    assert await said(sock) == b""
    assert agent.port.counters["tcp_misframed"] == 1


async def test_slow_reader_costs_bounded_memory_and_is_given_up(
    agent: Agent, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tcp, "STALL_S", 0.05)
    sock = await connect()
    await admitted(agent, sock)
    path = agent.ice.path
    assert isinstance(path, tcp.Stream)
    most = 0

    def talks_into_the_void() -> bool:
        nonlocal most
        for _ in range(20):
            path.send(bytes(1200))
            most = max(most, len(path._waiting))
        return agent.port.counters["tcp_stalled"] == 1

    await until(talks_into_the_void)
    assert most <= tcp.MAX_WAITING_BYTES
    assert agent.port.counters["tcp_no_room"] > 0
    path.send(b"\x80 late")
    assert not path._waiting
    with pytest.raises(ValueError, match="is over"):
        agent.port.path(path.address)


async def test_whole_packets_are_dropped_never_parts(agent: Agent, connect: Connect) -> None:
    sock = await connect()
    await admitted(agent, sock)
    assert agent.ice.path is not None
    for i in range(3000):
        agent.ice.path.send(i.to_bytes(2, "big") * 500)
        if i % 50 == 0:
            await asyncio.sleep(0)
    dropped = agent.port.counters["tcp_no_room"]
    assert dropped > 0
    numbers = []
    for _ in range(3000 - dropped):
        packet = await said(sock)
        assert packet == packet[:2] * 500
        numbers.append(int.from_bytes(packet[:2], "big"))
    assert numbers == sorted(numbers)


async def test_burst_to_a_connection_long_idle_is_no_stall(
    agent: Agent, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tcp, "STALL_S", -1.0)
    sock = await connect()
    await admitted(agent, sock)
    assert agent.ice.path is not None
    for _ in range(100):  # more than waits, before the loop turns once
        agent.ice.path.send(bytes(1200))
    assert agent.port.counters["tcp_no_room"] > 0
    assert agent.port.counters["tcp_stalled"] == 0
    assert await said(sock) == bytes(1200)


async def test_end_of_the_session_ends_its_connections(agent: Agent, connect: Connect) -> None:
    first, second = await connect(), await connect()
    await admitted(agent, first)
    await admitted(agent, second)
    agent.ice.close()
    assert await said(first) == await said(second) == b""


async def test_connections_of_one_session_are_few(agent: Agent, connect: Connect) -> None:
    socks = [await connect() for _ in range(10)]
    for sock in socks:
        await admitted(agent, sock)
    assert await said(socks[0]) == b""
    await asyncio.get_running_loop().sock_sendall(socks[-1], framed(b"\x80 here"))
    await until(lambda: agent.heard)


async def test_shortage_of_descriptors_passes(
    agent: Agent, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tcp, "SHORTAGE_PAUSE_S", 0.05)

    def none_left(sock: socket.socket) -> tuple[socket.socket, object]:
        raise OSError(errno.EMFILE, "Too many open files")

    with monkeypatch.context() as patch:
        patch.setattr(socket.socket, "accept", none_left)
        sock = await connect()
        await until(lambda: agent.port.counters["tcp_accept_error"] == 1)
    await admitted(agent, sock)


@pytest.fixture
async def port() -> AsyncIterator[MediaPort]:
    port = MediaPort("127.0.0.1", 0, tcp=True)
    yield port
    port.close()
    assert port.counters["handler_error"] == 0


async def test_media_flows_over_tcp_both_ways_and_over_a_second_connection(
    port: MediaPort,
) -> None:
    asked: list[str] = []
    server = ServerEnd(port)
    publisher = MediaClient(
        host="127.0.0.1", on_keyframe_request=lambda stream: asked.append(stream.identity.kind)
    )
    bridge = await Bridge().open(("127.0.0.1", port.port))
    try:
        answer = bridge.through(server.answer(publisher.offer()))
        assert len(sdp.parse(answer).sections[0].candidates) == 1
        publisher.take_answer(answer)
        await publisher.connected()
        await media_flows(server, publisher)
        ssrc = publisher.stream("video").identity.ssrc
        server.transport.send_rtcp(rtcp.build_rr(1) + rtcp.build_pli(1, ssrc))
        await until(lambda: asked == ["video"])
        await bridge.redial()
        publisher.check_now()
        await media_flows(server, publisher)
        server.transport.send_rtcp(rtcp.build_rr(1) + rtcp.build_pli(1, ssrc))
        await until(lambda: asked == ["video", "video"])
        server.transport.close()
        await until(lambda: publisher.state == "closed")
    finally:
        publisher.close()
        await bridge.close()
    assert server.states == [("connecting", ""), ("connected", ""), ("closed", "")]
