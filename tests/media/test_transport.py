"""Transports end to end: real sockets, real DTLS, a wire that misbehaves on purpose."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator

import pytest

from media.client import MediaClient
from media.udp import MediaPort
from tests.wire import ServerEnd, until


@pytest.fixture
async def port() -> AsyncIterator[MediaPort]:
    port = MediaPort("127.0.0.1", 0)
    yield port
    port.close()
    assert port.counters["handler_error"] == 0


@pytest.fixture
def client() -> Iterator[Callable[..., MediaClient]]:
    made: list[MediaClient] = []

    def make(**callbacks: object) -> MediaClient:
        made.append(MediaClient(host="127.0.0.1", **callbacks))  # type: ignore[arg-type]
        return made[-1]

    yield make
    for each in made:
        each.close()


async def test_client_publishes_to_server(port: MediaPort, client: Callable[..., MediaClient]) -> None:
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
