from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from media import dtls
from media.dtls import Certificate, DtlsSession, datagrams
from media.parameters import DtlsRole, Fingerprint
from media.srtp import SrtpKeys
from tests.wire import until


class End:
    """One end of an association whose packets the test carries."""

    def __init__(self, role: DtlsRole, certificate: Certificate | None = None) -> None:
        self.role = role
        self.certificate = certificate or Certificate.generate()
        self.sent: list[bytes] = []
        self.keys: list[SrtpKeys] = []
        self.failures: list[str] = []
        self.closed = 0

    def start(self, fingerprints: tuple[Fingerprint, ...]) -> DtlsSession:
        self.session = DtlsSession(
            self.certificate,
            self.role,
            fingerprints,
            send=self.sent.append,
            on_keys=self.keys.append,
            on_failed=self.failures.append,
            on_closed=self._count_close,
        )
        return self.session

    def _count_close(self) -> None:
        self.closed += 1


@pytest.fixture
async def ends() -> AsyncIterator[tuple[End, End]]:
    client, server = End("client"), End("server")
    yield client, server
    for end in (client, server):
        end.session.close()


def start(client: End, server: End) -> None:
    server.start((client.certificate.fingerprint,))
    client.start((server.certificate.fingerprint,))


def carry(client: End, server: End, passes: Callable[[bytes], bool] = lambda _: True) -> int:
    """Delivers what each end has sent; how many packets that was."""
    count = 0
    for source, target in ((client, server), (server, client)):
        packets, source.sent[:] = list(source.sent), []
        for packet in packets:
            count += 1
            if passes(packet):
                target.session.receive(packet)
    return count


def settle(client: End, server: End) -> None:
    while carry(client, server):
        pass


async def test_both_ends_get_the_same_keys_crossed(ends: tuple[End, End]) -> None:
    client, server = ends
    start(client, server)
    settle(client, server)
    (ours,), (theirs,) = client.keys, server.keys
    assert (ours.tx, ours.rx) == (theirs.rx, theirs.tx)
    assert ours.profile.name == "SRTP_AEAD_AES_128_GCM"
    assert len(ours.tx) == 28


async def test_rsa_certificate_is_taken(ends: tuple[End, End]) -> None:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    certificate = Certificate(key)
    for role in ("server", "client"):
        client = End("client", certificate if role == "client" else None)
        server = End("server", certificate if role == "server" else None)
        start(client, server)
        settle(client, server)
        assert client.keys
        assert server.keys
        client.session.close()
        server.session.close()
    start(*ends)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
async def test_lost_flights_are_sent_again(ends: tuple[End, End], seed: int) -> None:
    print(f"loss seed {seed}")
    chance = random.Random(seed)
    client, server = ends
    start(client, server)
    lost = 0

    def passes(_: bytes) -> bool:
        nonlocal lost
        drop = lost < 2 and chance.random() < 0.5
        lost += drop
        return not drop

    def done() -> bool:
        carry(client, server, passes)
        return bool(client.keys and server.keys)

    await until(done)
    assert lost


async def test_wrong_certificate_fails_before_any_keys(ends: tuple[End, End]) -> None:
    client, server = ends
    server.start((Certificate.generate().fingerprint,))
    client.start((server.certificate.fingerprint,))
    settle(client, server)
    assert server.failures == ["the peer's certificate is not the one its description names"]
    assert server.keys == []


async def test_one_wrong_fingerprint_of_two_fails(ends: tuple[End, End]) -> None:
    client, server = ends
    wrong = Fingerprint("sha-512", "00:11")
    server.start((client.certificate.fingerprint, wrong))
    client.start((server.certificate.fingerprint, Fingerprint("md2", "unknown ones do not count")))
    settle(client, server)
    assert server.failures
    assert client.keys


async def test_handshake_has_a_deadline_and_says_what_it_saw(
    ends: tuple[End, End], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dtls, "DEADLINE_S", 0.05)
    client, server = ends
    start(client, server)
    server.session.receive(b"\x15\xfe\xfd" + bytes(9) + b"\x02\x02\x28")
    await until(lambda: client.failures and server.failures)
    assert client.failures == ["no DTLS handshake within 0 s: the peer did not answer"]
    assert "alert" in server.failures[0]


async def test_forged_alert_and_garbage_do_not_end_a_handshake(ends: tuple[End, End]) -> None:
    client, server = ends
    start(client, server)
    for end in ends:
        end.session.receive(b"\x15\xfe\xfd" + bytes(8) + b"\x00\x02\x02\x28")
        end.session.receive(b"\x16\xfe\xfd" + bytes(8) + b"\xff\xff" + bytes(20))
        end.session.receive(b"\x14")
    settle(client, server)
    assert client.keys
    assert server.keys
    for end in ends:
        end.session.receive(b"\x15\xfe\xfd" + bytes(8) + b"\x00\x02\x02\x28")
        end.session.receive(b"\x17\xfe\xfd\0\1" + bytes(6) + b"\x00\x20" + bytes(32))
    assert (client.failures, server.failures, client.closed, server.closed) == ([], [], 0, 0)


async def test_packets_beyond_the_rate_are_refused(ends: tuple[End, End]) -> None:
    client, server = ends
    start(client, server)
    taken = [server.session.receive(b"\x16" + bytes(20)) for _ in range(100)]
    assert sum(taken) <= dtls.PACKETS_PER_SECOND + 1
    assert not taken[-1]


async def test_goodbye_is_heard_once(ends: tuple[End, End]) -> None:
    client, server = ends
    start(client, server)
    settle(client, server)
    client.session.close()
    client.session.close()
    settle(client, server)
    assert server.closed == 1
    assert not server.session.receive(b"\x16")


async def test_flight_leaves_in_datagrams_of_whole_records(ends: tuple[End, End]) -> None:
    client, server = ends
    start(client, server)
    await asyncio.sleep(0)
    record = b"\x16\xfe\xfd" + bytes(8)
    records = [record + size.to_bytes(2, "big") + bytes(size) for size in (700, 400, 300, 1190, 5)]
    assert list(datagrams(b"".join(records))) == [
        records[0] + records[1],
        records[2],
        records[3],
        records[4],
    ]
    assert list(datagrams(b"")) == []
