"""Both ends of the worker socket, over a real socket pair."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import msgspec
import pytest

from media import framing, rpc
from media.framing import FramingError, RpcClient, RpcError, RpcServer


def _answer(request: framing.Request) -> object:
    match request:
        case rpc.Hello():
            return rpc.WorkerInfo(pid=1, port=2, addresses=[request.node])
        case rpc.PeerClose():
            raise RpcError("unknown_peer", f"no peer {request.peer}")
        case rpc.RelayOpen():
            assert request.tx_key == bytes(range(44))
            return {}
        case rpc.PlayerSet():
            raise ZeroDivisionError("our own fault")
        case rpc.Stats():
            return {"big": "x" * (rpc.MAX_FRAME_BYTES + 1)}
        case _:
            return {}


@asynccontextmanager
async def _pair(
    on_notice: Callable[[framing.Notice], None] = lambda _: None,
) -> AsyncIterator[tuple[RpcClient, RpcServer, asyncio.StreamWriter]]:
    near, far = socket.socketpair()
    client = RpcClient(*await asyncio.open_connection(sock=near), on_notice)
    reader, writer = await asyncio.open_connection(sock=far)
    server = RpcServer(reader, writer, _answer)
    async with asyncio.TaskGroup() as group:
        group.create_task(client.run())
        serving = group.create_task(server.run())
        yield client, server, client._writer
        client.close()
        await serving
        writer.close()
        await writer.wait_closed()


async def test_a_call_gets_the_reply_of_its_type() -> None:
    async with _pair() as (client, _, _):
        info = await client.call(rpc.Hello(node="gz"))
        assert info == rpc.WorkerInfo(pid=1, port=2, addresses=["gz"])


async def test_calls_made_at_once_are_answered_each_by_its_own_reply() -> None:
    async with _pair() as (client, _, _):
        replies = await asyncio.gather(*(client.call(rpc.Hello(node=str(n))) for n in range(50)))
        assert [reply.addresses for reply in replies] == [[str(n)] for n in range(50)]


async def test_keys_cross_as_bytes() -> None:
    request = rpc.RelayOpen(
        link="l", address="127.0.0.1", port=1, tx_key=bytes(range(44)), rx_key=bytes(44)
    )
    async with _pair() as (client, _, _):
        assert await client.call(request) == {}


async def test_a_refusal_carries_code_and_sentence() -> None:
    async with _pair() as (client, _, _):
        with pytest.raises(RpcError, match="no peer p1") as caught:
            await client.call(rpc.PeerClose(peer="p1"))
        assert caught.value.code == "unknown_peer"


async def test_a_handler_that_breaks_is_answered_and_the_worker_goes_on() -> None:
    async with _pair() as (client, _, _):
        with pytest.raises(RpcError, match="our own fault") as caught:
            await client.call(rpc.PlayerSet(peer="p", wants=[]))
        assert caught.value.code == "internal"
        with pytest.raises(RpcError, match="exceeds") as caught:
            await client.call(rpc.Stats())
        assert caught.value.code == "internal"
        assert await client.call(rpc.RelayClose(link="l")) == {}


async def test_notices_reach_the_node_typed_and_one_bad_handler_call_does_not_end_it() -> None:
    heard: list[framing.Notice] = []
    arrived = asyncio.Event()

    def hear(notice: framing.Notice) -> None:
        heard.append(notice)
        if len(heard) == 1:
            raise ValueError("the handler's own fault")
        arrived.set()

    first = rpc.SpeakersNotice(room="r", tracks=["a", "b"])
    offer = rpc.SubscriberOffer(peer="p", generation=3, sdp="v=0", tracks={"0": "t"}, anew=True)
    second = rpc.SubscriberOfferNotice(offer=offer)
    async with _pair(hear) as (_, server, _):
        server.notify(first)
        server.notify(second)
        await asyncio.wait_for(arrived.wait(), 2)
    assert heard == [first, second]


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"id": 900, "method": "nonsense", "params": {}}, "unknown_method"),
        ({"id": 900, "method": "hello", "params": {"node": 7}}, "bad_request"),
        ({"id": 900, "method": "hello"}, "bad_request"),
    ],
)
async def test_a_bad_request_is_refused_by_its_id(body: dict[str, object], code: str) -> None:
    async with _pair() as (client, _, writer):
        waiting: asyncio.Future[msgspec.Raw] = asyncio.get_running_loop().create_future()
        client._waiting[900] = waiting
        writer.write(framing.encode_frame(body))
        with pytest.raises(RpcError) as caught:
            await asyncio.wait_for(waiting, 2)
        assert caught.value.code == code


@pytest.mark.parametrize(
    "junk",
    [
        b"\x00\x00\x00\x00",
        b"\x00\x00\x00\x03\xc1\xc1\xc1",
        b"\x00\x00\x00\x01\x2a",
        b"\x00\x20\x00\x00" + bytes(0x200000),
    ],
    ids=["empty", "not msgpack", "not a map", "too large"],
)
async def test_junk_frames_are_skipped_and_the_next_request_is_answered(junk: bytes) -> None:
    async with _pair() as (client, server, writer):
        writer.write(junk)
        assert (await client.call(rpc.Hello(node="n"))).port == 2
        assert server.malformed == 1


async def test_the_node_gives_up_on_a_worker_that_does_not_speak_our_framing() -> None:
    near, far = socket.socketpair()
    client = RpcClient(*await asyncio.open_connection(sock=near), lambda _: None)
    far.sendall(b"\x00\x00\x00\x01\x2a")
    with pytest.raises(FramingError, match="cannot read"):
        await client.run()
    with pytest.raises(RpcError, match="not connected"):
        await client.call(rpc.Stats())
    far.close()


async def test_a_call_fails_when_the_worker_goes_away_and_when_it_is_silent() -> None:
    near, far = socket.socketpair()
    client = RpcClient(*await asyncio.open_connection(sock=near), lambda _: None)
    running = asyncio.create_task(client.run())
    with pytest.raises(RpcError) as caught:
        await client.call(rpc.Stats(), timeout=0.01)
    assert caught.value.code == "timeout"
    call = asyncio.create_task(client.call(rpc.Stats()))
    await asyncio.sleep(0)
    far.close()
    with pytest.raises(RpcError) as caught:
        await call
    assert caught.value.code == "gone"
    await running


async def test_a_half_frame_at_the_end_of_the_stream_ends_it_quietly() -> None:
    reader = asyncio.StreamReader()
    reader.feed_data(b"\x00\x00\x00\x05ab")
    reader.feed_eof()
    assert [body async for body in framing.read_frames(reader)] == []


def test_a_frame_over_the_limit_is_not_sent() -> None:
    with pytest.raises(FramingError, match="exceeds"):
        framing.encode_frame("x" * rpc.MAX_FRAME_BYTES)
