"""The worker's loop: prompt readers beside everything that asyncio's own loop does."""

import asyncio
import selectors
import socket
import sys
import threading
from collections.abc import Iterator

import pytest

from media.loop import add_reader, new_loop, remove_reader

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="an ordinary loop elsewhere")


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    here, there = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    here.setblocking(False)
    with here, there:
        yield here, there


@pytest.fixture
def runner() -> Iterator[asyncio.Runner]:
    with asyncio.Runner(loop_factory=new_loop) as runner:
        yield runner


Pair = tuple[socket.socket, socket.socket]


def test_what_arrives_is_read_until_the_reader_is_taken_away(
    runner: asyncio.Runner, pair: Pair
) -> None:
    here, there = pair
    got: list[bytes] = []

    async def run() -> None:
        loop = asyncio.get_running_loop()
        both = asyncio.Event()

        def read() -> None:
            got.append(here.recv(100))
            if len(got) == 2:
                both.set()

        add_reader(loop, here, read)
        there.send(b"one")
        there.send(b"two")
        await asyncio.wait_for(both.wait(), 10)
        remove_reader(loop, here)
        remove_reader(loop, here)
        there.send(b"three")
        await asyncio.sleep(0.01)

    runner.run(run())
    assert got == [b"one", b"two"]


@pytest.mark.parametrize("how", ["soon", "later", "task", "future", "thread"])
def test_what_a_reader_leaves_to_the_loop_is_done_at_once(
    runner: asyncio.Runner, pair: Pair, how: str
) -> None:
    """Nothing else wakes the loop here: a call it misses would come when all is over."""
    here, there = pair

    async def run() -> None:
        loop = asyncio.get_running_loop()
        done = asyncio.Event()
        future = loop.create_future()
        future.add_done_callback(lambda _: done.set())
        kept = []

        async def task() -> None:
            done.set()

        def read() -> None:
            here.recv(100)
            if how == "soon":
                loop.call_soon(done.set)
            elif how == "later":
                loop.call_later(0.001, done.set)
            elif how == "task":
                kept.append(loop.create_task(task()))
            elif how == "future":
                future.set_result(None)
            else:
                loop.call_soon_threadsafe(done.set)

        add_reader(loop, here, read)
        threading.Timer(0.01, there.send, [b"go"]).start()
        await asyncio.wait_for(done.wait(), 5)
        remove_reader(loop, here)

    runner.run(run())


def test_timers_and_other_sockets_have_their_turn_while_packets_never_end(
    runner: asyncio.Runner, pair: Pair
) -> None:
    here, there = pair

    async def run() -> bytes:
        loop = asyncio.get_running_loop()

        # Something is always waiting at one of the two.
        add_reader(loop, there, lambda: here.send(there.recv(100)))
        add_reader(loop, here, lambda: there.send(here.recv(100)))
        there.send(b"round and round")
        await asyncio.sleep(0.02)
        left, right = socket.socketpair()
        with left, right:
            left.setblocking(False)
            loop.call_later(0.01, right.send, b"heard")
            heard = await asyncio.wait_for(loop.sock_recv(left, 100), 10)
        remove_reader(loop, here)
        remove_reader(loop, there)
        return heard

    assert runner.run(run()) == b"heard"


def test_a_reader_that_raises_is_told_of_and_stays(runner: asyncio.Runner, pair: Pair) -> None:
    here, there = pair
    told: list[object] = []

    async def run() -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, context: told.append(context["exception"]))
        second = loop.create_future()
        got: list[bytes] = []

        def read() -> None:
            got.append(here.recv(100))
            if len(got) == 1:
                raise ValueError("the first")
            second.set_result(None)

        add_reader(loop, here, read)
        there.send(b"one")
        there.send(b"two")
        await asyncio.wait_for(second, 10)
        remove_reader(loop, here)

    runner.run(run())
    assert [str(error) for error in told] == ["the first"]


def test_a_reader_may_close_another_ones_socket(runner: asyncio.Runner, pair: Pair) -> None:
    here, there = pair

    async def run() -> int:
        loop = asyncio.get_running_loop()
        calls = []

        def read(sock: socket.socket) -> None:
            calls.append(sock)
            for each in (here, there):
                remove_reader(loop, each)
                each.close()

        there.send(b"one")
        here.send(b"two")
        add_reader(loop, here, lambda: read(here))
        add_reader(loop, there, lambda: read(there))
        await asyncio.sleep(0.02)
        return len(calls)

    assert runner.run(run()) == 1


def test_the_loop_ends_when_it_is_stopped_by_a_reader(pair: Pair) -> None:
    here, there = pair
    loop = new_loop()
    add_reader(loop, here, loop.stop)
    there.send(b"stop")
    late: list[bool] = []
    loop.call_later(10, late.append, True)
    loop.run_forever()
    assert not late
    remove_reader(loop, here)
    loop.close()


def test_on_another_loop_the_reader_is_an_ordinary_one(pair: Pair) -> None:
    here, there = pair
    loop = asyncio.SelectorEventLoop(selectors.SelectSelector())
    there.send(b"stop")
    add_reader(loop, here, loop.stop)
    loop.run_forever()
    remove_reader(loop, here)
    loop.close()
