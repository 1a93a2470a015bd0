"""TURN by coturn, set up as in docker/: people come through it, and nobody gets anywhere else."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aioice.stun import Method

from rooms.ids import Identity
from server import turn
from tests.e2e.conftest import Venue, ticket
from tests.e2e.visitor import Visitor
from tests.interop.conftest import browser_in, promised_s
from tests.interop.test_networks import pill_of, way_of
from tests.interop.turn import (
    IPV4,
    IPV6,
    SECRET,
    TCP,
    UDP,
    Coturn,
    TurnClient,
    credentials,
    running_coturn,
)
from tests.network import Namespace
from tests.nodes import running_node
from tests.server.settings import make_settings
from tests.services import running_valkey

NODE = "198.18.0.1"
FORBIDDEN_IPV4 = (
    "0.0.0.0",
    "10.0.0.1",
    "100.64.0.1",
    "127.0.0.1",
    "169.254.169.254",
    "172.16.0.1",
    "192.168.0.1",
    "198.18.0.2",
    "203.0.113.9",
    "8.8.8.8",
    "224.0.0.1",
    "255.255.255.255",
)
FORBIDDEN_IPV6 = (
    "::",
    "::1",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    f"::ffff:{NODE}",
    "64:ff9b::7f00:1",
    "2002:7f00:1::",
    "2001:db8::1",
    "fd00::2",
    "fe80::1",
    "ff02::1",
    "2606:4700::1",
)

pytestmark = [pytest.mark.slow]


@pytest.fixture(scope="module")
def coturn(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Coturn]:
    """A server that may relay to one address, which nobody has."""
    with running_coturn(tmp_path_factory.mktemp("turn"), "127.0.0.1", NODE, ipv6=True) as server:
        yield server


@asynccontextmanager
async def client(server: Coturn, identity: str, *, for_s: int = 60) -> AsyncIterator[TurnClient]:
    asking = await TurnClient(*credentials(identity, int(time.time()) + for_s)).open(server)
    try:
        yield asking
    finally:
        await asking.close()


async def test_credentials_of_a_node_open_it_and_forged_or_old_ones_do_not(
    coturn: Coturn, tmp_path: Path
) -> None:
    settings = make_settings(
        tmp_path, turn_urls="turn:t.example:3478?transport=udp", turn_secret=SECRET
    )
    now_s = int(time.time())
    (listed,) = turn.ice_servers(settings, Identity("ann"), now_s=now_s)
    assert listed.username is not None
    assert listed.credential is not None
    genuine = await TurnClient(listed.username, listed.credential).open(coturn)
    assert (await genuine.ask(Method.ALLOCATE, REQUESTED_TRANSPORT=UDP))[0] == "ok"
    await genuine.close()
    later = f"{now_s + 9999}:ann"
    for name, password in ((later, listed.credential), credentials("ann", now_s - 1)):
        stranger = await TurnClient(name, password).open(coturn)
        assert (await stranger.ask(Method.ALLOCATE, REQUESTED_TRANSPORT=UDP))[0] == 401
        await stranger.close()


async def test_allocation_outlives_the_credentials_it_was_made_with(coturn: Coturn) -> None:
    async with client(coturn, "bea", for_s=1) as asking:
        assert (await asking.ask(Method.ALLOCATE, REQUESTED_TRANSPORT=UDP))[0] == "ok"
        expiry = int(asking.name.partition(":")[0])
        while time.time() < expiry + 1.5:
            await asking.ask(Method.BINDING)
        assert (await asking.ask(Method.REFRESH, LIFETIME=600))[0] == "ok"


@pytest.mark.parametrize("family", ["IPv4", "IPv6"])
async def test_it_relays_to_the_nodes_and_to_nobody_else(coturn: Coturn, family: str) -> None:
    async with client(coturn, f"cat-{family}") as asking:
        wanted = IPV4 if family == "IPv4" else IPV6
        code, _ = await asking.ask(
            Method.ALLOCATE, REQUESTED_TRANSPORT=UDP, REQUESTED_ADDRESS_FAMILY=wanted
        )
        assert code == "ok"
        if family == "IPv4":
            code, _ = await asking.ask(Method.CREATE_PERMISSION, XOR_PEER_ADDRESS=(NODE, 7882))
            assert code == "ok"
        answers = {}
        for peer in FORBIDDEN_IPV4 if family == "IPv4" else FORBIDDEN_IPV6:
            answers[peer] = (
                (await asking.ask(Method.CREATE_PERMISSION, XOR_PEER_ADDRESS=(peer, 7882)))[0],
                (
                    await asking.ask(
                        Method.CHANNEL_BIND, CHANNEL_NUMBER=0x4000, XOR_PEER_ADDRESS=(peer, 7882)
                    )
                )[0],
            )
        assert set(answers.values()) == {(403, 403)}, answers


async def test_it_makes_no_connections_for_anybody(coturn: Coturn) -> None:
    async with client(coturn, "dan") as asking:
        assert (await asking.ask(Method.ALLOCATE, REQUESTED_TRANSPORT=TCP))[0] not in ("ok", 401)


async def test_one_person_cannot_take_every_relay(coturn: Coturn) -> None:
    clients = []
    codes: list[int | str] = []
    for i in range(26):
        # A new name each time, as each answer of a node has.
        asking = TurnClient(*credentials("eve", int(time.time()) + 60 + i))
        clients.append(await asking.open(coturn))
        codes.append((await asking.ask(Method.ALLOCATE, REQUESTED_TRANSPORT=UDP))[0])
    for asking in clients:
        await asking.close()
    assert codes == ["ok"] * 24 + [486] * 2


RELAY_ONLY = """
const Direct = window.RTCPeerConnection;
window.RTCPeerConnection = class extends Direct {
  constructor(options) { super({ ...options, iceTransportPolicy: "relay" }); }
};
"""


@pytest.mark.e2e
@pytest.mark.parametrize(
    ("way", "language", "said"),
    [
        ("udp", "zh-CN", ("已连接（经中继）", "经中继（UDP）")),
        ("tcp", "ja-JP", ("接続中（中継経由）", "中継経由（TCP）")),
        ("tls", "zh-CN", ("已连接（经中继）", "经中继（TLS）")),
    ],
)
async def test_who_can_reach_only_the_relay_is_in_the_room(
    way: str, language: str, said: tuple[str, str], inside: Namespace, tmp_path: Path
) -> None:
    if way != "udp":
        inside.block("meta l4proto udp")
    with (
        running_valkey() as valkey,
        running_coturn(tmp_path, inside.near, inside.near) as coturn,
        running_node(
            "gz",
            tmp_path,
            redis_url=valkey.url,
            database_url=f"sqlite:///{tmp_path / 'venue.db'}",
            host=inside.near,
            YUNHAI_TURN_URLS=coturn.urls()[way],
            YUNHAI_TURN_SECRET=SECRET,
        ) as node,
    ):
        venue = Venue((node,))
        room = venue.open_room("table-1", "table")
        trust = f"--ignore-certificate-errors-spki-list={coturn.pin}"
        async with browser_in(inside, tmp_path, node.url, trust) as browser:
            people = [
                await Visitor.arrive(
                    browser,
                    node.url,
                    ticket(room=room, identity=identity, publish=True),
                    script=RELAY_ONLY,
                    language=language,
                )
                for identity, language in (("anna", "en-US"), ("ben", language))
            ]
            anna, ben = people
            await anna.enter(room)
            await ben.open(room)
            began, patience_s = time.monotonic(), promised_s(8)
            await ben.press("enter")
            await ben.until_seen_moving("anna", patience_s)
            await anna.until_seen_moving("ben", began + patience_s - time.monotonic())
            print(f"{time.monotonic() - began:.1f} s until both see each other")
            await asyncio.gather(anna.until_heard("ben"), ben.until_heard("anna"))
            path = (await anna.stats())["path"]
            assert (path["protocol"], path["relayed"]) == (way, True)
            assert await way_of(anna) == f"through a relay ({way.upper()})"
            assert (await pill_of(ben, "relay"), await way_of(ben)) == said
            for visitor in people:
                await visitor.leave()
