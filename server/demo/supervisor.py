"""Runs the demo's processes: one Valkey, N nodes, and the process of synthetic people.

Owns its child processes: they end with it, even after kill -9. Knows nothing of
what happens in rooms.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from server import config

STOP_TIMEOUT_S = 12.0
EXIT_DEPENDENCY = 4

NODE_NAMES = ("gz", "sf", "tk")


class DemoError(Exception):
    """The demo cannot run; the message says why and what to do.

    Attributes:
        exit_code: what the command should end with.
    """

    def __init__(self, message: str, exit_code: int = 1) -> None:
        super().__init__(message)
        self.exit_code = exit_code


@dataclass(frozen=True, kw_only=True)
class NodePlan:
    """One node of the demo and the environment it is to run in."""

    name: str
    url: str
    environment: dict[str, str]


@dataclass(frozen=True)
class DemoNode:
    """One node of the demo, ready or not yet, and its process."""

    plan: NodePlan
    process: asyncio.subprocess.Process


def demo_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """Add what a demo has by default: its own data folder, this machine only, a quiet log."""
    defaults = {
        "YUNHAI_DATA_DIR": str(Path("var/demo").absolute()),
        "YUNHAI_LOG_LEVEL": "warning",
        "YUNHAI_MEDIA_HOST": "127.0.0.1",
        "YUNHAI_MEDIA_ADDRESSES": "127.0.0.1",
    }
    return {**defaults, **environ}


def plan_nodes(count: int, environ: Mapping[str, str], redis_url: str) -> list[NodePlan]:
    """Give each node its name, ports and folder; the rest they share.

    Node ``i`` listens on ``YUNHAI_PORT`` + i and, after those of the nodes before it, on
    UDP ports from ``YUNHAI_MEDIA_PORT`` on. Nodes that share the machine have one media
    worker each unless ``YUNHAI_MEDIA_WORKERS`` is set.

    Raises:
        config.SettingsError: a ``YUNHAI_*`` variable is wrong.
    """
    base = demo_environment(environ)
    if count > 1:
        base.setdefault("YUNHAI_MEDIA_WORKERS", "1")
    settings = config.load(base)
    urls = [f"http://localhost:{settings.port + i}" for i in range(count)]
    if "YUNHAI_PUBLIC_URL" in environ:
        urls[0] = settings.public_url
    nodes = []
    for i, url in enumerate(urls):
        name = NODE_NAMES[i] if i < len(NODE_NAMES) else f"n{i + 1}"
        own = {
            "YUNHAI_NODE": name,
            "YUNHAI_PORT": str(settings.port + i),
            "YUNHAI_PUBLIC_URL": url,
            "YUNHAI_ORIGINS": ",".join(urls),
            "YUNHAI_MEDIA_PORT": str(
                settings.media_port and settings.media_port + i * settings.media_workers
            ),
            "YUNHAI_REDIS_URL": redis_url,
            "YUNHAI_DATABASE_URL": settings.database_url,
            "YUNHAI_SECRET": settings.secret,
            "YUNHAI_DATA_DIR": str(settings.data_dir / name),
        }
        nodes.append(NodePlan(name=name, url=url, environment={**base, **own}))
    return nodes


@asynccontextmanager
async def running_nodes(count: int, environ: Mapping[str, str]) -> AsyncIterator[list[DemoNode]]:
    """Start Valkey (unless ``YUNHAI_REDIS_URL`` names one) and the nodes; stop them afterwards.

    The nodes are still starting when the block begins: ``opening.until_ready``.

    Raises:
        DemoError: no Valkey.
    """
    settings = config.load(demo_environment(environ))
    async with AsyncExitStack() as stack:
        redis_url = settings.redis_url
        if redis_url is None:
            redis_url = await stack.enter_async_context(_running_valkey(settings))
        command = [sys.executable, "-m", "server", "serve"]
        yield [
            DemoNode(
                plan,
                await stack.enter_async_context(
                    running_process(command, plan.environment, new_session=True)
                ),
            )
            for plan in plan_nodes(count, environ, redis_url)
        ]


@asynccontextmanager
async def _running_valkey(settings: config.Settings) -> AsyncIterator[str]:
    from server import logs
    from server.valkey import EmbeddedValkey, ValkeyError

    logs.configure(settings)
    try:
        async with EmbeddedValkey.start(settings.data_dir) as valkey:
            yield valkey.url
    except ValkeyError as error:
        raise DemoError(str(error), EXIT_DEPENDENCY) from error


@asynccontextmanager
async def running_process(
    command: list[str], environment: dict[str, str], *, new_session: bool
) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run a command tethered to this process until the block ends, then SIGTERM it."""
    tether = Path(__file__).parents[1] / "tether.py"
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-I",
        "-S",
        str(tether),
        str(os.getpid()),
        *command,
        env=environment,
        stdin=asyncio.subprocess.PIPE,
        start_new_session=new_session,
    )
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGTERM)
        try:
            await asyncio.wait_for(process.wait(), STOP_TIMEOUT_S)
        except TimeoutError:
            process.kill()
            await process.wait()
