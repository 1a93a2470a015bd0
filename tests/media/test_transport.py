"""Transports end to end: real sockets, real DTLS, a wire that misbehaves on purpose."""

from __future__ import annotations

import asyncio
import random
import re
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

import pytest

from media import sdp
from media.client import MediaClient
from media.core import rtcp
from media.sdp.model import Setup
from media.srtp import is_rtcp
from media.udp import MediaPort
from tests.wire import ServerEnd, Wire, until

MakeClient = Callable[..., MediaClient]
MakeWire = Callable[..., Awaitable[Wire]]


@pytest.fixture
async def port() -> AsyncIterator[MediaPort]:
    port = MediaPort("127.0.0.1", 0)
    yield port
    port.close()
    assert port.counters["handler_error"] == 0


@pytest.fixture
def client() -> Iterator[MakeClient]:
    made: list[MediaClient] = []

    def make(**callbacks: object) -> MediaClient:
        made.append(MediaClient(host="127.0.0.1", **callbacks))  # type: ignore[arg-type]
        return made[-1]

    yield make
    for each in made:
        each.close()


@pytest.fixture
async def wire(port: MediaPort) -> AsyncIterator[MakeWire]:
    made: list[Wire] = []

    async def make(seed: int, **faults: object) -> Wire:
        made.append(Wire(seed=seed, **faults))  # type: ignore[arg-type]
        return await made[-1].open(("127.0.0.1", port.port))

    yield make
    for each in made:
        each.close()
    await asyncio.sleep(0)


async def connect(port: MediaPort, publisher: MediaClient, wire: Wire | None = None) -> ServerEnd:
    server = ServerEnd(port)
    answer = server.answer(publisher.offer())
    publisher.take_answer(wire.through(answer) if wire else answer)
    await publisher.connected(20)
    await until(lambda: server.transport.state == "connected")
    return server


async def media_flows(server: ServerEnd, publisher: MediaClient) -> None:
    """One packet arrives, of as many as it takes."""
    before, timestamp = len(server.rtp), 0
    stream = publisher.stream("video")

    def arrived() -> bool:
        nonlocal timestamp
        timestamp += 3000
        stream.send(b"picture", timestamp, marker=True)
        return len(server.rtp) > before

    await until(arrived)
    assert server.rtp[-1].endswith(b"picture")


async def test_client_publishes_to_server(port: MediaPort, client: MakeClient) -> None:
    server, publisher = ServerEnd(port), client()
    publisher.take_answer(server.answer(publisher.offer()))
    await publisher.connected()
    publisher.stream("audio").send(b"sound", 960, level_dbov=30)
    publisher.stream("video").send(b"picture", 3000, marker=True)
    await until(lambda: len(server.rtp) == 2)
    assert server.rtp[0].endswith(b"sound")
    assert server.rtp[1].endswith(b"picture")
    assert server.states == [("connecting", ""), ("connected", "")]
    assert server.transport.srtp_profile == publisher.srtp_profile == "SRTP_AEAD_AES_128_GCM"


async def test_offer_that_is_passive_makes_the_server_dtls_client(
    port: MediaPort, client: MakeClient
) -> None:
    server, publisher = ServerEnd(port), client()
    answer = server.answer(publisher.offer(setup="passive"))
    assert "a=setup:active" in answer
    publisher.take_answer(answer)
    await publisher.connected()
    await media_flows(server, publisher)


async def test_feedback_reaches_the_client(port: MediaPort, client: MakeClient) -> None:
    asked: list[str] = []
    publisher = client(on_keyframe_request=lambda stream: asked.append(stream.identity.kind))
    server = await connect(port, publisher)
    ssrc = publisher.stream("video").identity.ssrc
    server.transport.send_rtcp(rtcp.build_rr(1) + rtcp.build_pli(1, ssrc))
    await until(lambda: asked == ["video"])


async def test_lost_packet_is_sent_again_as_rtx(port: MediaPort, client: MakeClient) -> None:
    publisher = client()
    server = await connect(port, publisher)
    stream = publisher.stream("video")
    stream.send(b"first", 1)
    await until(lambda: server.rtp)
    server.transport.send_rtcp(rtcp.build_rr(1) + rtcp.build_nack(1, stream.identity.ssrc, [0]))
    await until(lambda: len(server.rtp) == 2)
    assert server.rtp[1][1] & 0x7F == stream.identity.rtx
    assert server.rtp[1].endswith(b"\0\0first")


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_handshake_survives_a_fifth_of_packets_lost(
    port: MediaPort, client: MakeClient, wire: MakeWire, seed: int
) -> None:
    through = await wire(seed, loss=0.2)
    publisher = client()
    server = await connect(port, publisher, through)
    await media_flows(server, publisher)
    assert through.counters["up_lost"] + through.counters["down_lost"] > 0


async def test_handshake_survives_reordering_and_duplicates(
    port: MediaPort, client: MakeClient, wire: MakeWire
) -> None:
    through = await wire(4, duplication=0.3, delay_s=(0.001, 0.03))
    publisher = client()
    server = await connect(port, publisher, through)
    await media_flows(server, publisher)


NULL_CIPHER_HELLO = bytes.fromhex(
    "16feff0000000000000000002f010000230000000000000023fefd" + "00" * 32 + "00000002000201000000"
)


def garbage(seed: int) -> Iterator[bytes]:
    """Everything nobody should send, in seeded order."""
    print(f"garbage seed {seed}")
    chance = random.Random(seed)
    kinds: list[Callable[[], bytes]] = [
        lambda: b"",
        lambda: b"\x80" * 1600,
        lambda: bytes([chance.randrange(256)]),
        lambda: chance.randbytes(chance.randrange(1, 200)),
        lambda: b"\x80" + chance.randbytes(40),
        lambda: b"\x80\xc8" + chance.randbytes(40),
        lambda: b"\x16\xfe\xfd" + chance.randbytes(60),
        lambda: b"\x15\xfe\xfd" + bytes(8) + b"\0\2\2\x28",
        lambda: b"\x17\xfe\xfd\0\1" + chance.randbytes(60),
        lambda: b"\0\1\0\0\x21\x12\xa4\x42" + bytes(12),
        lambda: b"\1\1\0\0\x21\x12\xa4\x42" + bytes(12),
    ]
    for _ in range(40):
        yield chance.choice(kinds)()


@pytest.mark.parametrize("source", ["stranger", "peer's own address"])
@pytest.mark.parametrize("setup", ["actpass", "passive"])
async def test_garbage_disturbs_neither_handshake_nor_media(
    port: MediaPort, client: MakeClient, wire: MakeWire, source: str, setup: Setup
) -> None:
    through = await wire(5)
    stranger = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)

    def throw(seed: int) -> None:
        for packet in garbage(seed):
            if source == "stranger":
                stranger.sendto(packet, ("127.0.0.1", port.port))
            else:
                through.inject(packet)

    publisher, server = client(), ServerEnd(port)
    throw(6)
    publisher.take_answer(through.through(server.answer(publisher.offer(setup=setup))))
    if source == "stranger":
        await until(lambda: server.states)
        throw(7)
    await publisher.connected(20)
    await until(lambda: server.transport.state == "connected")
    throw(8)
    await media_flows(server, publisher)
    assert [state for state, _ in server.states] == ["connecting", "connected"]
    stranger.setblocking(False)
    with pytest.raises(BlockingIOError):
        stranger.recv(2048)
    stranger.close()


async def test_hello_forged_ahead_of_the_peers_does_not_end_its_handshake(
    port: MediaPort, client: MakeClient, wire: MakeWire
) -> None:
    through = await wire(9)
    publisher, server = client(), ServerEnd(port)
    publisher.take_answer(through.through(server.answer(publisher.offer())))
    for _ in range(5):
        through.inject(NULL_CIPHER_HELLO)
    await until(lambda: server.states)
    for _ in range(5):
        through.inject(NULL_CIPHER_HELLO)
    await publisher.connected(20)
    await media_flows(server, publisher)


async def test_flood_of_handshake_packets_is_refused(
    port: MediaPort, client: MakeClient, wire: MakeWire
) -> None:
    through = await wire(10)
    publisher = client()
    server = await connect(port, publisher, through)
    for _ in range(200):
        through.inject(NULL_CIPHER_HELLO)
    await until(lambda: server.transport.counters["dtls_refused"] > 150)
    await media_flows(server, publisher)


async def test_replayed_media_is_dropped_and_counted(
    port: MediaPort, client: MakeClient, wire: MakeWire
) -> None:
    through = await wire(11)
    publisher = client()
    server = await connect(port, publisher, through)
    await media_flows(server, publisher)
    replayed = next(p for p in reversed(through.upward) if p[0] & 0xC0 == 0x80 and not is_rtcp(p))
    await until(lambda: len(server.rtp) == publisher.stream("video").seq)
    before = len(server.rtp)
    through.inject(replayed)
    await until(lambda: server.transport.counters["replayed"])
    assert len(server.rtp) == before


async def test_wrong_fingerprint_fails_the_connection(port: MediaPort, client: MakeClient) -> None:
    publisher, server = client(), ServerEnd(port)
    offer = publisher.offer()
    forged = re.sub("sha-256 ..", "sha-256 00", offer)
    if forged == offer:
        forged = re.sub("sha-256 ..", "sha-256 01", offer)
    publisher.take_answer(server.answer(forged))
    await until(lambda: server.transport.state == "failed")
    assert server.states[-1] == (
        "failed",
        "the peer's certificate is not the one its description names",
    )
    assert not server.transport.send_rtp(bytes(20))


async def test_address_moves_with_the_next_check(
    port: MediaPort, client: MakeClient, wire: MakeWire
) -> None:
    through = await wire(12)
    asked: list[object] = []
    publisher = client(on_keyframe_request=asked.append)
    server = await connect(port, publisher, through)
    await media_flows(server, publisher)
    await through.rebind()
    publisher.stream("video").send(b"from a new address, not yet checked", 1)
    await until(lambda: port.counters["dropped_unknown_source"])
    publisher.check_now()
    await media_flows(server, publisher)
    ssrc = publisher.stream("video").identity.ssrc
    server.transport.send_rtcp(rtcp.build_rr(1) + rtcp.build_pli(1, ssrc))
    await until(lambda: asked)
    assert [state for state, _ in server.states] == ["connecting", "connected"]


async def test_check_replayed_from_elsewhere_does_not_move_the_address(
    port: MediaPort, client: MakeClient, wire: MakeWire
) -> None:
    through = await wire(13)
    asked: list[object] = []
    publisher = client(on_keyframe_request=asked.append)
    server = await connect(port, publisher, through)
    check = next(packet for packet in through.upward if packet[:2] == b"\0\1")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as thief:
        thief.sendto(check, ("127.0.0.1", port.port))
        await until(lambda: port.counters["dropped_replayed_check"])
        ssrc = publisher.stream("video").identity.ssrc
        server.transport.send_rtcp(rtcp.build_rr(1) + rtcp.build_pli(1, ssrc))
        await until(lambda: asked)
        thief.setblocking(False)
        with pytest.raises(BlockingIOError):
            thief.recv(2048)


async def test_ice_restart_by_fragment_keeps_media_flowing(
    port: MediaPort, client: MakeClient, wire: MakeWire
) -> None:
    through = await wire(14)
    publisher = client()
    server = await connect(port, publisher, through)
    old = server.transport.local_parameters.ice
    publisher.restart_ice()
    new = server.transport.restart_ice()
    assert new != old
    await media_flows(server, publisher)
    publisher.take_restart(sdp.build_fragment(new, port.candidates))
    await until(lambda: any(new.ufrag.encode() in packet for packet in through.upward))
    await through.rebind()
    publisher.check_now()
    await media_flows(server, publisher)
    assert server.transport.local_parameters.ice == new


async def test_server_offers_and_sends_to_a_subscriber(port: MediaPort, client: MakeClient) -> None:
    received: list[bytes] = []
    subscriber = client(on_rtp=lambda packet, now: received.append(packet))
    server, offers = ServerEnd(port), sdp.SubscriberOffers()
    track = sdp.OutgoingTrack(
        track="T1", stream="ana", kind="video", codec="VP8", clock_rate=90000, channels=1,
        fmtp="", ssrc=111, rtx_ssrc=112,
    )  # fmt: skip
    assert offers.set([track])
    offer = offers.offer(server.transport.local_parameters, port.candidates)
    agreement = offers.accept(subscriber.answer(offer))
    assert agreement.role == "server"
    server.transport.connect(agreement.remote, agreement.role)
    await subscriber.connected()
    await until(lambda: server.transport.state == "connected")
    (line,) = agreement.outgoing
    assert (line.mid, line.codec.name, line.track) == ("0", "VP8", track)
    head = bytes([0x80, line.codec.payload_type]) + bytes(6) + (111).to_bytes(4, "big")
    assert server.transport.send_rtp(head + b"picture")
    await until(lambda: received)
    assert received == [head + b"picture"]
    assert subscriber.lines["0"].ssrc == 111
    assert subscriber.lines["0"].msid == ("ana", "T1")


async def test_hello_before_the_answer_is_kept(port: MediaPort, client: MakeClient) -> None:
    """The subscriber's answer may travel slower than its first packets."""
    subscriber, server, offers = client(), ServerEnd(port), sdp.SubscriberOffers()
    offers.set(
        [
            sdp.OutgoingTrack(
                track="T",
                stream="s",
                kind="audio",
                codec="opus",
                clock_rate=48000,
                channels=2,
                fmtp="",
                ssrc=1,
                rtx_ssrc=2,
            )
        ]
    )
    offer = offers.offer(server.transport.local_parameters, port.candidates)
    agreement = offers.accept(subscriber.answer(offer))
    received = port.counters["received"]
    await until(lambda: port.counters["received"] >= received + 2)
    server.transport.connect(agreement.remote, agreement.role)
    await subscriber.connected(0.9)  # a second later OpenSSL would have repeated its hello


async def test_goodbye_closes_the_other_end(port: MediaPort, client: MakeClient) -> None:
    publisher = client()
    server = await connect(port, publisher)
    publisher.close()
    await until(lambda: server.transport.state == "closed")
    assert server.states[-1] == ("closed", "the peer closed the connection")
    server.transport.close()
    assert len(server.states) == 3


async def test_closed_transport_leaves_nothing_on_the_port(
    port: MediaPort, client: MakeClient
) -> None:
    publisher = client()
    server = await connect(port, publisher)
    server.transport.close("enough")
    server.transport.close("again")
    assert server.states[-1] == ("closed", "enough")
    assert port._ufrags == {}
    assert port._sources == {}
    await until(lambda: publisher.state == "closed")


async def test_packet_too_large_to_protect_is_counted(port: MediaPort, client: MakeClient) -> None:
    publisher = client()
    server = await connect(port, publisher)
    assert not server.transport.send_rtp(b"\x80" + bytes(1480))
    assert server.transport.counters["oversized"] == 1
    await media_flows(server, publisher)


async def test_changed_certificate_needs_a_new_connection(
    port: MediaPort, client: MakeClient
) -> None:
    server = ServerEnd(port)
    server.answer(client().offer())
    with pytest.raises(ValueError, match="open a new connection"):
        server.answer(client().offer())
