"""How a wish is made so: one step at a time, wakes coalesced.

Nothing here knows media; ``Steps`` runs whatever step it is given.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from media.framing import RpcError
from rooms.errors import RoomError
from server.realtime.scope import Scope

log = structlog.get_logger("signalling")


class Steps:
    """Brings what is in line with what is wanted, whenever woken.

    Args:
        what: names it in logs.
        step: compares and acts; reads the wish anew each time. Wakes that come
            in one turn of the loop make one step; one that comes during a step
            makes another after it. Steps never overlap.
    """

    def __init__(self, scope: Scope, what: str, step: Callable[[], Awaitable[None]]) -> None:
        self._scope = scope
        self._what = what
        self._step = step
        self._due = False
        self._running = False

    def wake(self) -> None:
        """Ask for a step."""
        self._due = True
        if not self._running:
            self._running = True
            self._scope.spawn(self._run())

    async def _run(self) -> None:
        try:
            while self._due:
                await asyncio.sleep(0)
                self._due = False
                try:
                    await self._step()
                except RpcError as error:
                    # Gone: whoever owns us wakes everybody when the next worker is up.
                    if error.code != "gone":
                        log.warning(
                            "refused by the media worker", what=self._what, cause=str(error)
                        )
                except RoomError as error:
                    # Redis is away; whoever owns us says it again.
                    log.info("not said", what=self._what, cause=error.message)
        finally:
            self._running = False
