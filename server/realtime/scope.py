"""A place for background tasks with one owner: tracked, logged when they fail, cancelled at the end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import structlog

log = structlog.get_logger(__name__)


CANCEL_AGAIN_S = 0.25
RESTART_S = 1.0


class Scope:
    """Owner: whoever makes it, who must await ``close``."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()
        self._closed = False

    def spawn(self, work: Coroutine[Any, Any, object]) -> None:
        """Run ``work`` in the background; its failure is logged and harms nobody else."""
        if self._closed:
            work.close()
            return
        task = asyncio.get_running_loop().create_task(self._guard(work))
        self._tasks.add(task)

        def ended(done: asyncio.Task[None]) -> None:
            self._tasks.discard(done)
            work.close()  # a task cancelled before its first step never began it

        task.add_done_callback(ended)

    def keep(self, make: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Run endless work; should it fail all the same, log that and begin it again."""

        async def again() -> None:
            while True:
                await self._guard(make())
                await asyncio.sleep(RESTART_S)

        self.spawn(again())

    @staticmethod
    async def _guard(work: Coroutine[Any, Any, object]) -> None:
        try:
            await work
        except Exception:
            log.exception("background_task_failed", task=str(work))

    async def drain(self, timeout: float) -> None:
        """Wait for what is running, at most ``timeout`` seconds."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=timeout)

    async def close(self) -> None:
        """Cancel everything and wait for it. Nothing is spawned afterwards."""
        self._closed = True
        while self._tasks:
            # Again and again: redis-py 8.1 now and then loses a cancellation that
            # comes together with a reply (seen at one stop in twenty).
            for task in self._tasks:
                task.cancel()
            await asyncio.wait(self._tasks, timeout=CANCEL_AGAIN_S)
