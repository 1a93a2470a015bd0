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
from server.demo.supervisor import DemoError, running_nodes, running_process
from server.valkey import ValkeyError


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
    except ValkeyError as error:
        print(error, file=sys.stderr)
        return 4
    except DemoError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    print("\nThe demo has ended.")
    return 0


async def _demo(count: int, *, people: bool) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(name, stop.set)
    async with running_nodes(count, os.environ) as nodes:
        from server.demo import opening

        print(await opening.open_venue(nodes), flush=True)
        if not people:
            await stop.wait()
            return
        command = [sys.executable, "-m", "server.demo.people"]
        command += [f"{node.plan.name}={node.plan.url}" for node in nodes]
        environment = nodes[0].plan.environment
        async with running_process(command, environment, new_session=True) as process:
            ended = asyncio.create_task(process.wait())
            stopped = asyncio.create_task(stop.wait())
            await asyncio.wait({ended, stopped}, return_when=asyncio.FIRST_COMPLETED)
            if not stopped.done():
                print(
                    "The synthetic people are gone (their process ended); the rooms stay open.",
                    file=sys.stderr,
                )
            await stopped
            ended.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await ended
