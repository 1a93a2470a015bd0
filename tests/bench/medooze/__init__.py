"""Medooze, from npm: how it is built the first time, started, and spoken to through ``front.cjs``."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp

from tests.bench.machine import own_address
from tests.bench.servers import HOST, OfferServer, Server, running_process
from tests.nodes import free_port
from tools import bootstrap

HERE = Path(__file__).resolve().parent
BUILT = bootstrap.ROOT / "build" / "bench" / "medooze"
"""Nothing of it is kept elsewhere: ``make clean`` removes it."""


def missing() -> str | None:
    """What keeps it from being measured."""
    lacking = [name for name in ("g++", "make") if shutil.which(name) is None]
    if lacking and not _is_built():
        return f"Medooze cannot be built without {' and '.join(lacking)}"
    return None


def install() -> None:
    """Have it in ``BUILT``: its packages come from npm, and its C++ takes minutes to compile, once.

    Raises:
        tools.bootstrap.Stop: a step failed; its own words are on the terminal.
    """
    if _is_built():
        return
    node = bootstrap.pick_node()
    BUILT.mkdir(parents=True, exist_ok=True)
    for name in ("package.json", "package-lock.json", ".npmrc"):
        shutil.copy(HERE / name, BUILT)
    bootstrap.node_modules(node, BUILT)
    bootstrap.say("compiling Medooze, this once: about six minutes and 2.5 GB of memory")
    gyp = BUILT / "node_modules" / "node-gyp" / "bin" / "node-gyp.js"
    arguments = [str(node), str(gyp), "rebuild", f"--jobs={os.cpu_count() or 1}"]
    prefix = node.resolve().parent.parent
    if (prefix / "include" / "node" / "node.h").exists():
        arguments.append(f"--nodedir={prefix}")
    log = BUILT / "build.log"
    with log.open("wb") as out:
        done = subprocess.run(arguments, cwd=_package(), stdin=subprocess.DEVNULL, stdout=out, stderr=out)  # fmt: skip
    if done.returncode != 0:
        raise bootstrap.Stop(f"Medooze could not be compiled: see {log}")
    _stamp().write_text(_version())


@asynccontextmanager
async def running(folder: Path, core: int | None) -> AsyncIterator[Server]:
    """Medooze on ``core``."""
    port = free_port()
    environment = {
        **os.environ,
        "NODE_PATH": str(BUILT / "node_modules"),
        "BENCH_ADDRESS": own_address(),
        "BENCH_PORT": str(port),
    }
    command = [str(bootstrap.pick_node()), str(HERE / "front.cjs")]
    with running_process(command, port, core, folder / "medooze.log", environment) as pid:
        async with aiohttp.ClientSession() as http:
            url = f"http://{HOST}:{port}"
            yield OfferServer("Medooze", pid, http, url, ("/take/{}", "/give/{}"), {})


def _package() -> Path:
    return BUILT / "node_modules" / "medooze-media-server"


def _stamp() -> Path:
    return BUILT / "built"


def _version() -> str:
    return (HERE / "package-lock.json").read_text()


def _is_built() -> bool:
    return _stamp().exists() and _stamp().read_text() == _version()
