"""Datagrams from anybody: nothing they say is answered, kept, or paid for by others."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest

from media import stun
from media.parameters import IceCredentials
from tests.attacks.conftest import MakeRogue
from tests.attacks.venue import Stranger, Venue, credentials_in, fragment, record

pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="module")]

SEED = 20261122
FLOOD = 20_000

# A ClientHello of DTLS 1.2 that offers nothing but TLS_NULL_WITH_NULL_NULL (RFC 6347 §4.2.1).
_HELLO = b"\xfe\xfd" + bytes(32) + b"\0\0" + b"\0\2\0\0" + b"\1\0"
NULL_HELLO = record(22, fragment(1, len(_HELLO), 0, 0, _HELLO))


async def test_empty_datagrams_are_counted_and_nothing_more(
    venue: Venue, stranger: Stranger
) -> None:
    sent = await stranger.flood(b"" for _ in range(500))
    await venue.come_to("dropped_empty", sent)
    assert stranger.heard() == []


async def test_oversized_datagrams_are_counted_and_nothing_more(
    venue: Venue, stranger: Stranger
) -> None:
    sent = await stranger.flood(
        bytes([first]) + bytes(size)
        for size in (1500, 1501, 2047, 2048, 9000, 60_000)
        for first in (0x00, 0x16, 0x80)
        for _ in range(20)
    )
    await venue.come_to("dropped_oversized", sent)
    assert stranger.heard() == []


async def test_a_hello_spoofed_ahead_of_the_peers_does_not_cost_it_the_handshake(
    venue: Venue, stranger: Stranger, rogues: MakeRogue
) -> None:
    newcomer = rogues("newcomer")
    await newcomer.publish(wired=True, before=NULL_HELLO)
    await stranger.flood(NULL_HELLO for _ in range(100))
    await venue.talk_on()
    assert newcomer.client.state == "connected"
    assert venue.state("newcomer") == ("connected", "")
    assert stranger.heard() == []


async def test_garbage_that_looks_like_dtls_ends_nothing(
    venue: Venue, stranger: Stranger, rogues: MakeRogue
) -> None:
    print(f"seed {SEED}")
    chance = random.Random(SEED)
    newcomer = rogues("newcomer")
    await newcomer.publish(wired=True)

    def garbage() -> Iterator[bytes]:
        for _ in range(300):
            kind = chance.choice((20, 21, 22, 23, 24, chance.randrange(20, 64)))
            epoch = chance.choice((b"\0\0", b"\0\1"))
            body = chance.randbytes(chance.randrange(0, 200))
            size = chance.choice((len(body), chance.randrange(65536))).to_bytes(2, "big")
            yield bytes([kind, 0xFE, 0xFD]) + epoch + chance.randbytes(6) + size + body

    sent = await stranger.flood(garbage())
    await venue.come_to("dropped_unknown_source", sent)
    for datagram in garbage():
        newcomer.forge()(datagram)
    await venue.come_to("dtls_refused", 1)
    assert venue.state("newcomer") == ("connected", "")
    assert newcomer.client.state == "connected"
    assert stranger.heard() == []


def forged_checks(ufrag: str, chance: random.Random) -> Iterator[bytes]:
    """Checks for a peer that is there, and for nobody, by somebody who knows no password."""
    while True:
        wrong = IceCredentials(chance.choice((ufrag, "nobody")), chance.randbytes(12).hex())
        request, _ = stun.binding_request(
            local=IceCredentials.generate(),
            remote=wrong,
            tie_breaker=chance.getrandbits(64),
            priority=1,
        )
        yield request
        yield request[:-8]  # no fingerprint
        yield request[:-32]  # nor integrity
        at = chance.randrange(len(request))
        yield request[:at] + bytes([request[at] ^ 0xFF]) + request[at + 1 :]
        yield b"\x00\x01" + (1000).to_bytes(2, "big") + stun.COOKIE + bytes(1012)  # 250 attributes
        yield (
            b"\x00\x01\x00\x00" + stun.COOKIE + chance.randbytes(12)
        )  # no credentials: RFC 8489 says 400


async def test_a_flood_of_checks_without_the_password_is_not_answered_with_a_single_byte(
    venue: Venue, stranger: Stranger, rogues: MakeRogue
) -> None:
    print(f"seed {SEED}")
    known = credentials_in(await rogues("known").describe())
    checks = forged_checks(known.ufrag, random.Random(SEED))
    await stranger.flood(next(checks) for _ in range(6000))
    await venue.come_to("dropped_unauthentic_check", 800)
    assert stranger.heard() == []


async def test_a_check_that_was_overheard_says_nothing_to_who_repeats_it(
    venue: Venue, stranger: Stranger, rogues: MakeRogue
) -> None:
    newcomer = rogues("newcomer")
    await newcomer.publish(wired=True)
    assert newcomer.wire is not None
    overheard = next(each for each in newcomer.wire.upward if stun.is_request(each))
    before = await venue.counted("dropped_replayed_check")
    sent = await stranger.flood([overheard] * 200)
    await venue.come_to("dropped_replayed_check", before + 1)
    assert sent == 200
    assert stranger.heard() == []
    newcomer.client.check_now()  # the path is where it was
    await venue.talk_on()
    assert venue.state("newcomer") == ("connected", "")


async def test_the_checks_of_one_peer_are_answered_up_to_a_rate_and_with_fewer_bytes(
    venue: Venue, stranger: Stranger, rogues: MakeRogue
) -> None:
    remote = credentials_in(await rogues("eager").describe())
    local = IceCredentials.generate()
    checks = [
        stun.binding_request(local=local, remote=remote, tie_breaker=1, priority=1)[0]
        for _ in range(2000)
    ]
    await stranger.flood(checks)
    await venue.come_to("dropped_check_flood", 1000)
    answers = stranger.heard()
    assert answers
    assert sum(map(len, answers)) <= sum(map(len, checks[: len(answers)]))


async def test_twenty_thousand_packets_before_any_connection_are_not_kept(
    venue: Venue, stranger: Stranger
) -> None:
    print(f"seed {SEED}")
    chance = random.Random(SEED)
    body = chance.randbytes(1200)
    heads = (b"\x80\x60", b"\x80\xc8", b"\x16\xfe\xfd", b"\x40\x00", b"\x01\x01", b"\xff")
    before = await venue.counted("dropped_unknown_source")
    sent = await stranger.flood(heads[i % len(heads)] + body for i in range(FLOOD))
    await venue.come_to("dropped_unknown_source", before + sent * 9 // 10)
    assert stranger.heard() == []


async def test_twenty_thousand_packets_of_a_peer_that_is_not_connected_yet_are_not_kept(
    venue: Venue, stranger: Stranger, rogues: MakeRogue
) -> None:
    hasty = credentials_in(await rogues("hasty").describe())
    await stranger.checked(hasty)
    body = bytes(1200)
    sent = await stranger.flood(
        (b"\x80\x60" if i % 2 else b"\x80\xc8") + body for i in range(FLOOD)
    )
    await venue.come_to("early", sent * 9 // 10)
