"""Coming back without reloading: a lost network, a killed media worker, a restarted node."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.e2e.conftest import Venue, Visit
from tests.e2e.visitor import Visitor
from tests.nodes import Node, running_node
from tests.services import running_valkey

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.asyncio(loop_scope="module")]

if not Path("/proc/self/cmdline").exists():
    pytest.skip("finds processes in /proc", allow_module_level=True)


def media_worker(node: Node) -> int:
    """Find the process that the node's server has for media: the nursery's child."""
    nurseries, family = set[int](), {node.process.pid}
    for pid in sorted(int(p.name) for p in Path("/proc").iterdir() if p.name.isdigit()):
        try:
            parent = int(Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[1])
            command = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        except (OSError, IndexError):
            continue
        if parent in nurseries:
            return pid
        if parent in family:
            (nurseries if b"media.nursery" in command else family).add(pid)
    raise AssertionError(f"node {node.name} has no media worker")


@contextmanager
def mortal_node(folder: Path) -> Iterator[tuple[Venue, ExitStack]]:
    """Run a venue of one node that may be killed; the stack is for its successor."""
    with ExitStack() as stack:
        valkey = stack.enter_context(running_valkey())
        database = f"sqlite:///{folder / 'venue.db'}"
        node = stack.enter_context(
            running_node("gz", folder, redis_url=valkey.url, database_url=database)
        )
        yield Venue((node,)), stack


def start_again(node: Node, folder: Path, stack: ExitStack) -> Node:
    """Start a killed node anew, with all it had: ports, data, secret."""
    return stack.enter_context(
        running_node(
            node.name,
            folder,
            redis_url=node.settings["YUNHAI_REDIS_URL"],
            database_url=node.settings["YUNHAI_DATABASE_URL"],
            port=int(node.settings["YUNHAI_PORT"]),
            YUNHAI_MEDIA_PORT=node.settings["YUNHAI_MEDIA_PORT"],
        )
    )


async def mark(*visitors: Visitor) -> None:
    """Leave a mark on the page that a reload would wipe."""
    for visitor in visitors:
        await visitor.page.evaluate("window.stayed = true")


async def stayed(*visitors: Visitor) -> None:
    for visitor in visitors:
        assert await visitor.page.evaluate("window.stayed") is True
        assert visitor.troubles == []


async def test_what_is_typed_offline_waits_visibly_and_is_sent_once(
    small_venue: Venue, visit: Visit
) -> None:
    room = small_venue.open_room("tunnel", "table")
    anna = await visit(small_venue.gz, "anna", room=room)
    ben = await visit(small_venue.gz, "ben", room=room)
    await anna.enter(room)
    await ben.enter(room, press="enter-listener")
    await mark(ben)
    await ben.context.set_offline(True)
    await ben.test("reconnecting").wait_for()
    assert await ben.test("status-pill").get_attribute("data-status") == "reconnecting"
    await ben.say("from the tunnel")
    await ben.say("still in it")
    await ben.test("chat-pending").nth(1).wait_for()
    assert "it will be sent once" in await ben.test("chat-pending").first.inner_text()
    await anna.say("ben?")
    assert await anna.people() == {"anna", "ben"}, "the seat is kept"

    await ben.context.set_offline(False)
    said = ["ben?", "from the tunnel", "still in it"]
    await ben.until(ben.read, lambda texts: texts == said)
    await anna.until(anna.read, lambda texts: texts == said)
    await ben.test("chat-pending").first.wait_for(state="detached")
    await ben.test("reconnecting").wait_for(state="detached")
    await ben.until_seen_moving("anna")
    late = await visit(small_venue.gz, "late", room=room)
    await late.enter(room, press="enter-listener")
    assert await late.read() == said, "the server has each line once"
    await stayed(ben)


async def test_pictures_come_back_after_the_media_worker_was_killed(
    small_venue: Venue, visit: Visit
) -> None:
    room = small_venue.open_room("phoenix", "table")
    anna = await visit(small_venue.gz, "anna", room=room)
    ben = await visit(small_venue.gz, "ben", room=room)
    await anna.enter(room)
    await ben.enter(room)
    await anna.until_seen_moving("ben")
    await ben.until_seen_moving("anna")
    await mark(anna, ben)
    killed = media_worker(small_venue.gz)
    os.kill(killed, signal.SIGKILL)
    await anna.say("do you still see me?")
    await ben.until(ben.read, lambda texts: texts == ["do you still see me?"], 5)
    await anna.until_seen_moving("ben")
    await ben.until_seen_moving("anna")
    await anna.until_heard("ben")
    assert media_worker(small_venue.gz) != killed
    assert await anna.link() == "connected"
    assert await anna.people() == {"anna", "ben"}
    await stayed(anna, ben)


async def test_a_room_comes_back_when_its_only_node_is_started_again(
    tmp_path: Path, visit: Visit
) -> None:
    with mortal_node(tmp_path) as (venue, stack):
        room = venue.open_room("reboot", "table")
        anna = await visit(venue.gz, "anna", room=room)
        ben = await visit(venue.gz, "ben", room=room)
        await anna.enter(room)
        await ben.enter(room)
        await ben.press("hand")
        await anna.until_seen_moving("ben")
        await anna.say("before")
        await ben.until(ben.read, lambda texts: texts == ["before"])
        await mark(anna, ben)

        venue.gz.kill()
        await anna.test("reconnecting").wait_for()
        await anna.say("meanwhile")
        await anna.test("chat-pending").wait_for()
        start_again(venue.gz, tmp_path, stack)

        await ben.until(ben.read, lambda texts: texts == ["before", "meanwhile"], 30)
        await anna.until(anna.link, lambda link: link == "connected")
        await anna.until_seen_moving("ben")
        await ben.until_seen_moving("anna")
        await ben.until_heard("anna")
        live = await anna.live()
        assert set(live["participants"]) == {"anna", "ben"}
        assert live["participants"]["ben"]["hand_ms"] is not None
        await stayed(anna, ben)
        await anna.leave()
        await ben.leave()
