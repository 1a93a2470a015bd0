"""DTLS under attack: it ends for the peer whose fault it is, in time, and for nobody else."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Iterator

import pytest
from OpenSSL import SSL

from media.dtls import DEADLINE_S
from tests.attacks.conftest import MakeRogue
from tests.attacks.venue import Stranger, Venue, credentials_in, fragment, record
from tests.wire import until

pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="module")]

SEED = 20261122
CLOSE_NOTIFY, HANDSHAKE_FAILURE = b"\x01\x00", b"\x02\x28"


async def test_a_certificate_that_was_not_announced_gets_no_keys(
    venue: Venue, rogues: MakeRogue
) -> None:
    rogue = rogues()

    def other_fingerprint(offer: str) -> str:
        head, _, tail = offer.partition("a=fingerprint:sha-256 ")
        return head + "a=fingerprint:sha-256 " + ("00" if tail[:2] != "00" else "11") + tail[2:]

    answer = await rogue.describe(
        lambda offer: "a=fingerprint:sha-256 ".join(
            [part if n == 0 else other_fingerprint("a=fingerprint:sha-256 " + part)[22:]
             for n, part in enumerate(offer.split("a=fingerprint:sha-256 "))]
        )
    )  # fmt: skip
    rogue.client.take_answer(answer)
    await until(lambda: venue.state("rogue")[0] == "failed")
    assert "certificate" in venue.state("rogue")[1]
    stats = await venue.running.stats()
    assert "rogue" not in stats["publishers"]
    assert not any(name.startswith("rogue") for name in stats["tracks"])


async def test_fragments_of_messages_that_never_end_are_refused_beyond_a_rate(
    venue: Venue, stranger: Stranger, rogues: MakeRogue
) -> None:
    print(f"seed {SEED}")
    chance = random.Random(SEED)
    await stranger.checked(credentials_in(await rogues("hasty").describe()))

    def fragments() -> Iterator[bytes]:
        for n in range(4000):
            size = chance.choice((0xFFFFFF, 130_000, 16_000, 1))
            body = chance.randbytes(chance.choice((0, 1, 1100)))
            kind = chance.choice((1, 11, 16))
            message = fragment(kind, size, chance.randrange(4), chance.randrange(size), body)
            yield record(22, message, number=n)

    sent = await stranger.flood(fragments())
    await venue.come_to("dtls_refused", sent * 9 // 10)


async def test_who_checks_but_never_shakes_hands_is_given_up_in_time(
    venue: Venue, stranger: Stranger, rogues: MakeRogue
) -> None:
    loop = asyncio.get_running_loop()
    began = loop.time()
    await stranger.checked(credentials_in(await rogues("silent").describe()))
    await until(lambda: venue.state("silent")[0] == "failed", DEADLINE_S + 20)
    assert loop.time() - began >= DEADLINE_S
    assert "within 10 s" in venue.state("silent")[1]
    assert "silent" not in (await venue.running.stats())["publishers"]


@pytest.mark.parametrize("alert", [CLOSE_NOTIFY, HANDSHAKE_FAILURE])
async def test_an_alert_in_clear_ends_neither_handshake_nor_connection(
    venue: Venue, rogues: MakeRogue, alert: bytes
) -> None:
    """Anybody can write one."""
    newcomer = rogues("newcomer")
    await newcomer.publish(wired=True, before=record(21, alert))
    for number in range(10):
        newcomer.forge()(record(21, alert, number=number))
        newcomer.forge()(record(21, alert, epoch=1, number=number))
        await venue.talk_on(1)
    assert venue.state("newcomer") == ("connected", "")
    assert newcomer.client.state == "connected"


async def test_a_connection_is_not_negotiated_anew(
    venue: Venue, rogues: MakeRogue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(SSL, "OP_NO_RENEGOTIATION", SSL.OP_NO_TICKET)  # for the client
    rogue = rogues()
    await rogue.publish()
    session = rogue.client._transport._dtls
    assert session is not None
    before = (await venue.running.stats())["publishers"]["rogue"]["srtp"]
    for _ in range(5):
        with contextlib.suppress(SSL.Error):
            session._ssl.renegotiate()
            session._ssl.do_handshake()
        session._flush()
        await venue.talk_on(1)
    stats = (await venue.running.stats())["publishers"]["rogue"]
    assert (stats["state"], stats["srtp"]) == ("connected", before)


async def test_application_data_is_read_and_forgotten(venue: Venue, rogues: MakeRogue) -> None:
    """No data channel was agreed, so nobody waits for it."""
    rogue = rogues()
    await rogue.publish()
    session = rogue.client._transport._dtls
    assert session is not None
    for _ in range(400):
        session._ssl.send(bytes(1000))
        session._flush()
    await venue.come_to("dtls_refused", 300)
    assert venue.state("rogue") == ("connected", "")
