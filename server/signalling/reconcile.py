"""How wishes are made so: one step at a time, wakes coalesced, tasks owned.

Nothing here knows media; ``Steps`` runs whatever step it is given.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import structlog

from media.framing import RpcError

log = structlog.get_logger("signalling")


class Tasks:
    """Tasks of one owner: a failing one is logged and ends alone, all are cancelled on close."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()
        self._closed = False

    def spawn(self, work: Coroutine[Any, Any, None], name: str) -> None:
        """Run ``work`` until it ends or the owner closes."""
        if self._closed:
            work.close()
            return
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("a task failed", task=task.get_name(), exc_info=error)

    async def close(self) -> None:
        """Cancel what runs and wait for it."""
        self._closed = True
        tasks = tuple(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


class Steps:
    """Brings what is in line with what is wanted, whenever woken.

    Args:
        step: compares and acts; reads the wish anew each time. Wakes that come
            in one turn of the loop make one step; one that comes during a step
            makes another after it. Steps never overlap.
    """

    def __init__(self, tasks: Tasks, name: str, step: Callable[[], Awaitable[None]]) -> None:
        self._tasks = tasks
        self._name = name
        self._step = step
        self._due = False
        self._running = False

    def wake(self) -> None:
        """Ask for a step."""
        self._due = True
        if not self._running:
            self._running = True
            self._tasks.spawn(self._run(), self._name)

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
                        log.warning("refused by the media worker", task=self._name, cause=str(error))
        finally:
            self._running = False
