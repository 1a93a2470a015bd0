"""The venue under attack: asked for by a test, it is looked at before and after it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator

import pytest
import pytest_asyncio

from media import rpc
from tests.attacks.venue import Rogue, Stranger, Venue
from tests.media.workers import RunningWorker, worker

MEMORY_BYTES = 6 << 20
"""So much more the worker may hold after an attack: each brings several times as much."""

MakeRogue = Callable[..., Rogue]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared_venue() -> AsyncIterator[Venue]:
    async with worker() as running:
        venue = Venue(running)
        try:
            await venue.open()
            yield venue
            for person in venue.people:
                assert len(person.picture.decoded_sizes()) == len(person.picture.frames())
        finally:
            venue.close()


@pytest_asyncio.fixture(loop_scope="module")
async def venue(shared_venue: Venue) -> AsyncIterator[Venue]:
    """Two honest people talk; after the test not a packet of theirs is lost, nor memory grown."""
    venue = shared_venue
    await venue.talk_on()
    lost, memory = await venue.lost(), venue.memory_bytes()
    yield venue
    await venue.talk_on()
    grown = venue.memory_bytes() - memory
    print(f"memory grew by {grown >> 10} kB")
    assert await venue.lost() == lost
    assert grown < MEMORY_BYTES
    for person in venue.people:
        assert venue.state(person.name)[0] == "connected"
        assert venue.state(person.viewer.peer)[0] == "connected"
    await _empty(venue.running, {person.name for person in venue.people})


async def _empty(running: RunningWorker, honest: set[str]) -> None:
    """Turn out whoever the test brought."""
    stats = await running.stats()
    for kind in ("publishers", "subscribers", "players"):
        for peer in stats[kind]:
            if peer.removesuffix("-watching") not in honest:
                await running.client.call(rpc.PeerClose(peer=peer))


@pytest.fixture
def stranger(venue: Venue) -> Iterator[Stranger]:
    made = Stranger(venue)
    yield made
    made.close()


@pytest.fixture
def rogues(venue: Venue) -> Iterator[MakeRogue]:
    made: list[Rogue] = []

    def make(peer: str = "rogue") -> Rogue:
        made.append(Rogue(venue, peer))
        return made[-1]

    yield make
    for rogue in made:
        rogue.close()
