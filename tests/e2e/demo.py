"""The demo as a process of its own, on free ports, the way ``make run`` starts it."""

from __future__ import annotations

import asyncio
import re
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from tests.nodes import ROOT, environment

START_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 20.0
CLIPS = ROOT / "build" / "clips"
"""The synthetic people's sound and pictures, encoded once for all runs."""

_LINK = re.compile(r"^\s+(\w+)\s+(http://\S+)/enter#token=(\S+)$")
_NODE = re.compile(r"^\s+node (\w+)$")


class DemoFailedError(Exception):
    """The demo ended or was not up in time; the message is what it had printed."""


class Demo:
    """A running demo: where its nodes are, and the tickets it printed for a newcomer."""

    def __init__(self) -> None:
        self.urls: dict[str, str] = {}
        self._tickets: dict[tuple[str, str], str] = {}
        self._node = "gz"

    def ticket(self, role: str, node: str = "gz") -> str:
        return self._tickets[node, role]

    def read(self, line: str) -> bool:
        """Take in a printed line; tell whether it was the last."""
        if node := _NODE.match(line):
            self._node = node[1]
        elif link := _LINK.match(line):
            self.urls[self._node] = link[2]
            self._tickets[self._node, link[1]] = link[3]
        return "Ctrl-C ends the demo" in line


@asynccontextmanager
async def running_demo(folder: Path, *, nodes: int = 1) -> AsyncIterator[Demo]:
    """Run the demo with its people until the block ends; its data is kept in ``folder``.

    Raises:
        DemoFailedError: it did not come up.
    """
    CLIPS.mkdir(parents=True, exist_ok=True)
    (folder / "clips").symlink_to(CLIPS)
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "server", "demo", "--nodes", str(nodes),
        cwd=ROOT,
        env=environment(
            YUNHAI_DATA_DIR=str(folder),
            YUNHAI_HOST="127.0.0.1",
            YUNHAI_PORT=str(_free_ports(socket.SOCK_STREAM, nodes)),
            YUNHAI_MEDIA_PORT=str(_free_ports(socket.SOCK_DGRAM, nodes)),
        ),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    assert process.stdout is not None
    demo, printed = Demo(), []
    rest: asyncio.Task[bytes] | None = None
    try:
        try:
            async with asyncio.timeout(START_TIMEOUT_S):
                while line := (await process.stdout.readline()).decode():
                    printed.append(line)
                    if demo.read(line):
                        break
        except TimeoutError:
            printed.append(f"(not up after {START_TIMEOUT_S:.0f} s)")
        if len(demo.urls) < nodes:
            raise DemoFailedError("".join(printed))
        # A full pipe would stop the nodes.
        rest = asyncio.create_task(process.stdout.read())
        yield demo
    finally:
        if process.returncode is None:
            process.terminate()
        try:
            await asyncio.wait_for(process.wait(), STOP_TIMEOUT_S)
        except TimeoutError:
            process.kill()
            await process.wait()
        if rest is not None:
            await rest


def _free_ports(kind: socket.SocketKind, count: int) -> int:
    """Find ``count`` ports in a row that nobody has now; give the first."""
    for _ in range(100):
        probes: list[socket.socket] = []
        try:
            first = 0
            for i in range(count):
                probes.append(socket.socket(socket.AF_INET, kind))
                probes[i].bind(("127.0.0.1", first + i if first else 0))
                first = first or probes[0].getsockname()[1]
            return first
        except (OSError, OverflowError):
            continue
        finally:
            for probe in probes:
                probe.close()
    raise OSError(f"no {count} free ports in a row")
