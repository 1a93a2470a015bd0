"""``python -m server demo``: starts everything, prints how to get in, waits for Ctrl-C.

Little is imported before the nodes are on their way: they take longest.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import signal
import sys

from server import config
from server.demo.supervisor import DemoError, DemoNode, running_nodes, running_process


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    parser.add_argument(
        "--nodes", type=int, default=1, metavar="N", help="how many nodes to run here (1 to 8)"
    )
    parser.add_argument(
        "--no-people", action="store_true", help="leave the rooms empty of synthetic people"
    )


def run(arguments: argparse.Namespace) -> int:
    """Run the demo until interrupted; return the exit code."""
    if not 1 <= arguments.nodes <= 8:
        print("--nodes: it must be from 1 to 8", file=sys.stderr)
        return 2
    try:
        asyncio.run(_demo(arguments.nodes, people=not arguments.no_people))
    except config.SettingsError as error:
        print("\n".join(error.problems), file=sys.stderr)
        return 2
    except DemoError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    print("\nThe demo has ended.")
    return 0


async def _demo(count: int, *, people: bool) -> None:
    """Show it until SIGINT or SIGTERM, which count from the first moment on.

    Raises:
        DemoError: it could not begin, or no node is left.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(name, stop.set)
    showing = asyncio.create_task(_show(count, people=people))
    stopped = asyncio.create_task(stop.wait())
    await asyncio.wait({showing, stopped}, return_when=asyncio.FIRST_COMPLETED)
    for task in (showing, stopped):
        task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await showing


async def _show(count: int, *, people: bool) -> None:
    async with running_nodes(count, os.environ) as nodes:
        from server.demo import opening

        print(await opening.open_venue(nodes), flush=True)
        if not people:
            await _watch(nodes)
            return
        command = [sys.executable, "-m", "server.demo.people"]
        command += [f"{node.plan.name}={node.plan.url}" for node in nodes]
        environment = nodes[0].plan.environment
        async with running_process(command, environment, new_session=True) as process:
            watching = asyncio.create_task(_tell_of_people(process))
            try:
                await _watch(nodes)
            finally:
                watching.cancel()


async def _watch(nodes: list[DemoNode]) -> None:
    """Tell of each node that ends.

    Raises:
        DemoError: that was the last one.
    """
    left = {asyncio.create_task(node.process.wait()): node.plan.name for node in nodes}
    try:
        while True:
            done, _ = await asyncio.wait(left, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                ended = f"node {left.pop(task)} ended with {task.result()}"
                if not left:
                    raise DemoError(f"{ended}; so the demo ends", max(1, task.result()))
                print(f"{ended}; still open: {', '.join(left.values())}", file=sys.stderr)
    finally:
        for task in left:
            task.cancel()


async def _tell_of_people(process: asyncio.subprocess.Process) -> None:
    await process.wait()
    print(
        "The synthetic people are gone (their process ended); the rooms stay open.",
        file=sys.stderr,
    )
