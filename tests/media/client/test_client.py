from __future__ import annotations

import re
from collections.abc import AsyncIterator

import pytest

from media import sdp
from media.client import MediaClient
from media.udp import MediaPort
from tests.wire import ServerEnd, until


@pytest.fixture
async def port() -> AsyncIterator[MediaPort]:
    port = MediaPort("127.0.0.1", 0)
    yield port
    port.close()


@pytest.fixture
async def client() -> AsyncIterator[MediaClient]:
    client = MediaClient(host="127.0.0.1")
    yield client
    client.close()


async def test_simulcast_offer_is_answered_and_each_layer_names_itself(
    port: MediaPort, client: MediaClient
) -> None:
    server = ServerEnd(port)
    client.take_answer(server.answer(client.offer(audio=False, rids=["q", "h", "f"])))
    await client.connected()
    assert [s.identity.rid for s in client.streams] == ["q", "h", "f"]
    assert (
        len(
            {s.identity.ssrc for s in client.streams}
            | {s.identity.rtx_ssrc for s in client.streams}
        )
        == 6
    )
    for rid in "qhf":
        client.stream("video", rid).send(rid.encode(), 0)
    await until(lambda: len(server.rtp) == 3)
    for packet, rid in zip(server.rtp, "qhf", strict=True):
        assert b"\xa0" + rid.encode() in packet  # extension 10, one byte
    with pytest.raises(KeyError):
        client.stream("audio")


async def test_player_offer_is_answered_with_what_to_expect(
    port: MediaPort, client: MediaClient
) -> None:
    server = ServerEnd(port)
    track = sdp.OutgoingTrack(
        track="T", stream="S", kind="video", codec="VP8", clock_rate=90000, channels=1, fmtp="",
        ssrc=21, rtx_ssrc=22,
    )  # fmt: skip
    agreement = sdp.answer_player(
        sdp.parse(client.offer(direction="recvonly")),
        local=server.transport.local_parameters,
        candidates=port.candidates,
        tracks={"video": track},
    )
    server.transport.connect(agreement.remote, agreement.role)
    client.take_answer(agreement.text)
    await client.connected()
    assert client.streams == []
    (line,) = client.lines.values()
    assert (line.ssrc, line.rtx_ssrc, line.msid, line.rtx) == (21, 22, ("S", "T"), 97)
    assert client.request_keyframe(21)
    await until(lambda: server.rtcp)


async def test_sender_reports_are_sent(port: MediaPort, client: MediaClient) -> None:
    server = ServerEnd(port)
    client.take_answer(server.answer(client.offer()))
    await client.connected()
    client.stream("video").send(b"x", 0)
    await until(lambda: any(packet[1] == 200 for packet in server.rtcp))


async def test_connecting_to_a_closed_server_end_says_why(
    port: MediaPort, client: MediaClient
) -> None:
    server = ServerEnd(port)
    client.take_answer(server.answer(client.offer()))
    await until(lambda: server.transport.state == "connected")
    await client.connected()
    server.transport.close()
    await until(lambda: client.state == "closed")
    with pytest.raises(ConnectionError, match="the peer closed the connection"):
        await client.connected()


async def test_waiting_for_a_server_that_is_not_there_ends(
    port: MediaPort, client: MediaClient
) -> None:
    answer = ServerEnd(port).answer(client.offer())
    port.close()
    client.take_answer(answer)
    with pytest.raises(TimeoutError):
        await client.connected(0.05)


@pytest.mark.parametrize(
    ("pattern", "put", "said"),
    [
        ("a=candidate.*\r\n", "", "no UDP candidate"),
        ("a=ice-pwd.*\r\n", "", "no ICE credentials"),
        (r"m=(\w+) 9", r"m=\1 0", "takes none of the m-lines"),
        ("(?s)m=video.*", "", "another number of m-lines"),
    ],
)
async def test_answers_that_lead_nowhere_are_refused(
    port: MediaPort, client: MediaClient, pattern: str, put: str, said: str
) -> None:
    answer = ServerEnd(port).answer(client.offer())
    with pytest.raises(sdp.SdpError, match=said):
        client.take_answer(re.sub(pattern, put, answer))


async def test_many_clients_share_one_loop_and_port(port: MediaPort) -> None:
    clients = [MediaClient(host="127.0.0.1") for _ in range(20)]
    servers = [ServerEnd(port) for _ in clients]
    for client, server in zip(clients, servers, strict=True):
        client.take_answer(server.answer(client.offer()))
    for client in clients:
        await client.connected()
    for i, client in enumerate(clients):
        client.stream("audio").send(b"from %d" % i, 0)
    await until(lambda: all(server.rtp for server in servers))
    assert [server.rtp[0][-7:].strip(b"\0") for server in servers] == [
        (b"from %d" % i)[-7:] for i in range(20)
    ]
    for client in clients:
        client.close()
    await until(lambda: all(server.transport.state == "closed" for server in servers))
    assert port._ufrags == {}
