"""The node's side of a worker that comes and goes."""

from __future__ import annotations

import asyncio
from typing import cast

import pytest

from media import rpc
from media.framing import RpcClient
from server.signalling import media_link
from server.signalling.media_link import MediaLink

INFO = cast(rpc.WorkerInfo, None)


async def test_whoever_comes_while_a_worker_starts_again_waits_for_it() -> None:
    link = MediaLink()
    waiting = asyncio.create_task(link.ready())
    await asyncio.sleep(0)
    assert not waiting.done()
    link.attach(cast(RpcClient, object()), INFO)
    await waiting
    await link.ready()  # at once: it is there
    link.detach()
    again = asyncio.create_task(link.ready())
    await asyncio.sleep(0)
    assert not again.done()
    again.cancel()


async def test_nobody_waits_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(media_link, "AWAY_WAIT_S", 0.0)
    link = MediaLink()
    await link.ready()
    assert not link.up
