"""Steps: coalesced, never overlapping, never lost."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from structlog.testing import capture_logs

from media.framing import RpcError
from rooms.errors import Code, RoomError
from server.realtime.scope import Scope
from server.signalling.reconcile import Steps


@pytest.fixture
async def scope() -> AsyncIterator[Scope]:
    scope = Scope()
    yield scope
    await scope.close()


async def test_many_wakes_in_one_turn_make_one_step(scope: Scope) -> None:
    taken = 0

    async def step() -> None:
        nonlocal taken
        taken += 1

    steps = Steps(scope, "test", step)
    for _ in range(5):
        steps.wake()
    await scope.drain(1.0)
    assert taken == 1


async def test_a_wake_during_a_step_makes_another_after_it(scope: Scope) -> None:
    wish, seen, running = 1, [], 0

    async def step() -> None:
        nonlocal wish, running
        running += 1
        assert running == 1
        seen.append(wish)
        if wish == 1:
            wish = 2
            steps.wake()
            steps.wake()
        await asyncio.sleep(0)
        running -= 1

    steps = Steps(scope, "test", step)
    steps.wake()
    await scope.drain(1.0)
    assert seen == [1, 2]


@pytest.mark.parametrize(
    "error",
    [
        RpcError("gone", "not now"),
        RpcError("timeout", "not now"),
        RoomError(Code.UNAVAILABLE, "Redis is away"),
    ],
    ids=str,
)
async def test_a_refused_step_is_taken_again_at_the_next_wake(
    scope: Scope, error: Exception
) -> None:
    taken = 0

    async def step() -> None:
        nonlocal taken
        taken += 1
        if taken == 1:
            raise error

    steps = Steps(scope, "test", step)
    with capture_logs() as logs:
        steps.wake()
        await scope.drain(1.0)
        steps.wake()
        await scope.drain(1.0)
    assert taken == 2
    assert not [entry for entry in logs if entry["log_level"] == "error"]
