from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator

import pytest
from aioice.stun import Class, Message, Method

from media import ice, stun
from media.ice import IceLite
from media.parameters import IceCredentials
from media.udp import Address, MediaPort, Path
from tests.wire import until

REMOTE = IceCredentials("remote", "r" * 24)


class Agent:
    """A lite agent on a port of its own, and what it reported."""

    tcp = False

    def __init__(self) -> None:
        self.port = MediaPort("127.0.0.1", 0, tcp=self.tcp)
        self.paths: list[Address] = []
        self.heard: list[bytes] = []
        self.failures: list[str] = []
        self.ice = IceLite(
            self.port,
            handler=lambda data, address, now: self.heard.append(bytes(data)),
            on_path=self._on_path,
            on_failed=self.failures.append,
        )

    def _on_path(self, path: Path) -> None:
        self.paths.append(path.address)


@pytest.fixture
async def agent() -> AsyncIterator[Agent]:
    agent = Agent()
    yield agent
    agent.ice.close()
    agent.port.close()
    assert agent.port.counters["handler_error"] == 0


@pytest.fixture
async def peers() -> AsyncIterator[list[socket.socket]]:
    socks = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(12)]
    for sock in socks:
        sock.bind(("127.0.0.1", 0))
        sock.setblocking(False)
    yield socks
    for sock in socks:
        sock.close()


def check(local: IceCredentials, **attributes: object) -> bytes:
    """A Binding request as a browser sends it; attributes of None are left out."""
    said: dict[str, object] = {
        "USERNAME": f"{local.ufrag}:{REMOTE.ufrag}",
        "PRIORITY": 1,
        "ICE_CONTROLLING": 7,
        **attributes,
    }
    message = Message(
        message_method=Method.BINDING,
        message_class=Class.REQUEST,
        attributes={k.replace("_", "-"): v for k, v in said.items() if v is not None},
    )
    message.add_message_integrity(local.pwd.encode())
    return bytes(message)


def nominating(local: IceCredentials) -> bytes:
    message = Message(
        message_method=Method.BINDING,
        message_class=Class.REQUEST,
        attributes={
            "USERNAME": f"{local.ufrag}:{REMOTE.ufrag}",
            "ICE-CONTROLLING": 7,
            "USE-CANDIDATE": None,
        },
    )
    message.add_message_integrity(local.pwd.encode())
    return bytes(message)


async def exchange(agent: Agent, sock: socket.socket, packet: bytes) -> bytes:
    sock.sendto(packet, ("127.0.0.1", agent.port.port))
    async with asyncio.timeout(5):
        return await asyncio.get_running_loop().sock_recv(sock, 2048)


async def test_check_is_answered_with_where_it_came_from(
    agent: Agent, peers: list[socket.socket]
) -> None:
    request = check(agent.ice.local)
    reply = await exchange(agent, peers[0], request)
    message = stun.read(reply, agent.ice.local.pwd)
    assert message is not None
    assert stun.is_success(message)
    assert message.transaction_id == request[8:20]
    assert message.attributes["XOR-MAPPED-ADDRESS"] == peers[0].getsockname()
    assert agent.paths == [peers[0].getsockname()]
    assert len(reply) <= len(request) + 12


async def test_check_without_priority_is_answered(agent: Agent, peers: list[socket.socket]) -> None:
    await exchange(agent, peers[0], check(agent.ice.local, PRIORITY=None))
    assert agent.paths == [peers[0].getsockname()]


async def test_strangers_get_no_answer(agent: Agent, peers: list[socket.socket]) -> None:
    local = agent.ice.local
    wrong_pwd = check(IceCredentials(local.ufrag, "w" * 24))
    wrong_user = check(IceCredentials("nobody", local.pwd))
    good = check(local)
    wrong_fingerprint = good[:-1] + bytes([good[-1] ^ 1])
    bare = Message(message_method=Method.BINDING, message_class=Class.REQUEST)
    unsigned = Message(
        message_method=Method.BINDING,
        message_class=Class.REQUEST,
        attributes={"USERNAME": f"{local.ufrag}:x"},
    )
    for packet in (
        wrong_pwd,
        wrong_user,
        wrong_fingerprint,
        bytes(bare),
        bytes(unsigned),
        good[:-8],
    ):
        peers[0].sendto(packet, ("127.0.0.1", agent.port.port))
    await until(lambda: agent.port.counters["received"] == 6)
    with pytest.raises(BlockingIOError):
        peers[0].recv(2048)
    assert agent.paths == []
    assert agent.ice.path is None


async def test_every_mutation_of_a_check_is_dropped(
    agent: Agent, peers: list[socket.socket]
) -> None:
    good = check(agent.ice.local)
    body = range(20, len(good) - 32)
    for i in body:
        peers[0].sendto(
            good[:i] + bytes([good[i] ^ 0x55]) + good[i + 1 :], ("127.0.0.1", agent.port.port)
        )
    await until(lambda: agent.port.counters["received"] == len(body))
    assert agent.paths == []


async def test_nomination_moves_the_path_and_other_checks_do_not(
    agent: Agent, peers: list[socket.socket]
) -> None:
    first, second = peers[:2]
    await exchange(agent, first, check(agent.ice.local))
    await exchange(agent, second, check(agent.ice.local))
    assert agent.paths == [first.getsockname()]
    await exchange(agent, second, nominating(agent.ice.local))
    assert agent.paths == [first.getsockname(), second.getsockname()]
    assert agent.ice.path is not None
    assert agent.ice.path.address == second.getsockname()


async def test_check_takes_over_from_a_silent_address(
    agent: Agent, peers: list[socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    await exchange(agent, peers[0], check(agent.ice.local))
    monkeypatch.setattr(ice, "SILENT_S", -1.0)
    await exchange(agent, peers[1], check(agent.ice.local))
    assert agent.paths == [peers[0].getsockname(), peers[1].getsockname()]


async def test_checked_addresses_are_heard_up_to_a_bound(
    agent: Agent, peers: list[socket.socket]
) -> None:
    for sock in peers:
        await exchange(agent, sock, check(agent.ice.local))
    for sock in peers:
        sock.sendto(b"\x80" + str(sock.getsockname()[1]).encode(), ("127.0.0.1", agent.port.port))
    await until(lambda: agent.port.counters["received"] == 2 * len(peers))
    heard = {int(packet[1:]) for packet in agent.heard}
    assert len(heard) == ice.MAX_ADDRESSES
    assert peers[0].getsockname()[1] in heard  # the chosen one stays


async def test_peer_that_thinks_it_is_controlled_is_told(
    agent: Agent, peers: list[socket.socket]
) -> None:
    request = check(agent.ice.local, ICE_CONTROLLING=None, ICE_CONTROLLED=9)
    reply = stun.read(await exchange(agent, peers[0], request), agent.ice.local.pwd)
    assert reply is not None
    assert reply.error_code == 487
    assert agent.paths == []


async def test_restart_keeps_old_credentials_until_new_ones_are_checked(
    agent: Agent, peers: list[socket.socket]
) -> None:
    old = agent.ice.local
    await exchange(agent, peers[0], check(old))
    unused = agent.ice.restart()
    new = agent.ice.restart()
    assert len({old, unused, new}) == 3
    await exchange(agent, peers[0], check(old))
    await exchange(agent, peers[1], nominating(new))
    assert agent.paths[-1] == peers[1].getsockname()
    for stale in (old, unused):
        peers[0].sendto(check(stale), ("127.0.0.1", agent.port.port))
    await until(lambda: agent.port.counters["dropped_unknown_user"] == 2)


async def test_silence_ends_consent(
    peers: list[socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ice, "CONSENT_S", 0.2)
    agent = Agent()
    await exchange(agent, peers[0], check(agent.ice.local))
    await until(lambda: agent.failures)
    assert "silent" in agent.failures[0]
    assert agent.ice.path is None
    agent.port.close()


async def test_peer_that_never_comes_fails_with_what_to_look_at(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(ice, "CONSENT_S", 0.02)
    agent = Agent()
    await until(lambda: agent.failures)
    assert f"is UDP port {agent.port.port} open" in agent.failures[0]
    agent.port.close()
