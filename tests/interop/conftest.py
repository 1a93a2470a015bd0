"""Venues and browsers as in the end-to-end tests, and such that meet over a network of their own."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from playwright.async_api import Browser, async_playwright

from tests.e2e.conftest import Venue, browser, small_venue, ticket, venue, visit
from tests.e2e.visitor import CHROMIUM_ARGUMENTS, Visitor, fake_devices
from tests.network import Namespace, namespace
from tests.nodes import running_node
from tests.services import running_valkey

__all__ = ["browser", "browser_in", "small_venue", "venue", "visit", "visitor_at"]


def promised_s(seconds: float) -> float:
    """What was promised of a machine of one's own, on this one as busy as it is."""
    return seconds * max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))


@pytest.fixture
def inside() -> Iterator[Namespace]:
    with namespace() as made:
        yield made


@asynccontextmanager
async def browser_in(
    place: Namespace | None, folder: Path, url: str, *arguments: str
) -> AsyncIterator[Browser]:
    """Run a Chromium that may use devices at ``url``: with only the namespace's network, or ours."""
    program = Path("/usr/bin/chromium")
    if place is not None:
        program = place.script(folder / "chromium", str(program))
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=program,
            args=[
                *CHROMIUM_ARGUMENTS,
                fake_devices(),
                f"--unsafely-treat-insecure-origin-as-secure={url}",
                *arguments,
            ],
        )
        try:
            yield browser
        finally:
            await browser.close()


@asynccontextmanager
async def visitor_at(
    browser: Browser, venue: Venue, identity: str, room: str
) -> AsyncIterator[Visitor]:
    token = ticket(room=room, identity=identity, publish=True)
    visitor = await Visitor.arrive(browser, venue.gz.url, token)
    yield visitor
    await visitor.leave()


@pytest.fixture
def reachable(tmp_path: Path, inside: Namespace) -> Iterator[Venue]:
    """A node that listens on this end of the cable."""
    with (
        running_valkey() as valkey,
        running_node(
            "gz",
            tmp_path,
            redis_url=valkey.url,
            database_url=f"sqlite:///{tmp_path / 'venue.db'}",
            host=inside.near,
        ) as node,
    ):
        yield Venue((node,))
