"""Clients of other makers, as processes that tell what they see in lines of JSON."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.network import Namespace

FOLDER = Path(__file__).resolve().parent
PATIENCE_S = 30.0


class Client:
    """A running client.

    Attributes:
        told: its latest line.
    """

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.told: dict[str, Any] = {}
        self._news = asyncio.Condition()

    async def until(self, good: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
        """Wait until a line is as it should be; raises AssertionError with the last one."""
        try:
            async with asyncio.timeout(PATIENCE_S), self._news:
                await self._news.wait_for(
                    lambda: self.process.returncode is not None or (self.told and good(self.told))
                )
        except TimeoutError:
            raise AssertionError(f"still {self.told}") from None
        assert self.process.returncode is None, f"the client ended, saying {self.told}"
        return self.told

    async def read(self) -> None:
        assert self.process.stdout is not None
        while line := await self.process.stdout.readline():
            async with self._news:
                self.told = json.loads(line)
                self._news.notify_all()
        await self.process.wait()
        async with self._news:
            self._news.notify_all()


@asynccontextmanager
async def running(
    script: str, *arguments: str, place: Namespace | None = None
) -> AsyncIterator[Client]:
    """Run a client in Node, in a namespace or not, until the block ends."""
    node = shutil.which("node")
    if node is None or not (FOLDER / "node_modules").exists():
        pytest.fail("the clients of the interop suite are not installed: run `make test`", False)
    process = await asyncio.create_subprocess_exec(
        *(place.enter if place else ()), node, str(FOLDER / "clients" / script), *arguments,
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, limit=1 << 20,
    )  # fmt: skip
    assert process.stdin is not None
    client = Client(process)
    reading = asyncio.create_task(client.read())
    try:
        yield client
    finally:
        process.stdin.close()
        try:
            await asyncio.wait_for(process.wait(), 10)
        except TimeoutError:
            process.kill()
            await process.wait()
        await reading
