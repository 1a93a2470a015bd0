"""Whole nodes: in this process where that is enough, as processes where signals and ends matter."""

from __future__ import annotations

import asyncio
import gzip
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from redis.exceptions import RedisError

from rooms.live import Role
from server import keys
from server.app import EXIT_DEPENDENCY, EXIT_PORT_TAKEN, StartError, running, with_port
from server.config import Settings
from server.tokens import mint
from tests.nodes import environment, run_command, running_node
from tests.server.settings import SECRET, make_settings

ROOT = Path(__file__).resolve().parents[2]
PATIENCE_S = 30.0


@pytest.fixture
def folder() -> Iterator[Path]:
    """A short path: Unix sockets live below."""
    with tempfile.TemporaryDirectory(prefix="yunhai-test-", dir="/tmp") as made:
        yield Path(made)


def node_settings(folder: Path, **values: str) -> dict[str, str]:
    chosen = {
        "data_dir": str(folder),
        "secret": SECRET,
        "node": "test",
        "port": "0",
        "media_port": "0",
        "media_host": "127.0.0.1",
        "log_format": "json",
        **values,
    }
    return {f"YUNHAI_{name.upper()}": value for name, value in chosen.items()}


@pytest.fixture
async def node(folder: Path) -> AsyncIterator[aiohttp.ClientSession]:
    """A node in this process, with everything of its own; and a client of it."""
    settings = make_settings(folder, port="0", media_port="0", media_host="127.0.0.1")
    async with (
        running(settings) as app,
        aiohttp.ClientSession(app[keys.SETTINGS].public_url) as client,
    ):
        yield client


def token(folder: Path, **grants: Any) -> dict[str, str]:
    made = mint(
        make_settings(folder),
        **{"identity": "ann", "name": "Ann", "role": Role.MODERATOR, "any_room": True, **grants},
    )
    return {"Authorization": f"Bearer {made}"}


async def test_node_of_its_own_is_ready_and_serves(
    node: aiohttp.ClientSession, folder: Path
) -> None:
    answer = await node.get("/readyz")
    assert await answer.json() == {
        "ready": True,
        "node": "test",
        "parts": {"sql": "ok", "redis": "ok", "media": "ok"},
    }
    assert (await node.get("/socket.io/?EIO=4&transport=polling")).status == 200
    text = await (await node.get("/metrics")).text()
    for line in ("yunhai_redis_up 1.0", "yunhai_sessions 0.0", "yunhai_valkey_restarts 0.0"):
        assert line in text
    assert "yunhai_media_uptime_seconds" in text  # the worker's, over its socket
    assert (folder / "yunhai.db").exists()


async def test_compressed_body_is_not_inflated(node: aiohttp.ClientSession, folder: Path) -> None:
    bomb = gzip.compress(b" " * 50_000_000)
    assert len(bomb) < 100_000
    answer = await node.post(
        "/api/v1/rooms",
        data=bomb,
        headers={**token(folder, create=True), "Content-Encoding": "gzip"},
    )
    assert answer.status == 422


def closed_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.mark.slow
def test_unreachable_redis_is_named_with_its_variable(folder: Path) -> None:
    url = f"redis://ann:hunter2@127.0.0.1:{closed_port()}/0"
    done = run_command("serve", **node_settings(folder, redis_url=url))
    assert done.returncode == EXIT_DEPENDENCY
    (line,) = [line for line in done.stderr.splitlines() if "cannot start" in line]
    assert url.replace("hunter2", "***") in line
    assert "YUNHAI_REDIS_URL" in line
    assert "hunter2" not in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_unreachable_database_is_named_with_its_variable(folder: Path) -> None:
    url = f"postgresql://ann:hunter2@127.0.0.1:{closed_port()}/yunhai"
    done = run_command("serve", **node_settings(folder, database_url=url))
    assert done.returncode == EXIT_DEPENDENCY
    (line,) = [line for line in done.stderr.splitlines() if "cannot start" in line]
    assert url.replace("hunter2", "***") in line
    assert "YUNHAI_DATABASE_URL" in line
    assert "hunter2" not in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_taken_http_port_is_named_with_its_variable(folder: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        done = run_command("serve", **node_settings(folder, port=str(port)))
    assert done.returncode == EXIT_PORT_TAKEN
    assert f"TCP port {port}" in done.stderr
    assert "YUNHAI_PORT" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_taken_media_port_is_named_with_its_variable(folder: Path) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind(("127.0.0.1", 0))
        port = other.getsockname()[1]
        done = run_command("serve", **node_settings(folder, media_port=str(port)))
    assert done.returncode == EXIT_PORT_TAKEN
    (line,) = [line for line in done.stderr.splitlines() if "cannot start" in line]
    assert str(port) in line
    assert "YUNHAI_MEDIA_PORT" in line
    assert "Traceback" not in done.stderr


@pytest.mark.slow
async def test_failed_start_leaves_nothing_running(folder: Path) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind(("127.0.0.1", 0))
        taken = str(other.getsockname()[1])
        settings = make_settings(folder, port="0", media_host="127.0.0.1", media_port=taken)
        with pytest.raises(StartError):
            async with running(settings):
                pass
    settings = make_settings(folder, port="0", media_host="127.0.0.1", media_port="0")
    async with running(settings):  # the same folder, socket and lock
        pass


def test_free_port_is_written_into_the_public_url(folder: Path) -> None:
    settings = with_port(make_settings(folder, port="0"), 4711)
    assert settings.public_url == "http://localhost:4711"
    assert settings.origins == ("http://localhost:4711",)
    behind_proxy = make_settings(folder, port="0", public_url="https://gz.example")
    assert with_port(behind_proxy, 4711).public_url == "https://gz.example"


def family_of(pid: int) -> set[int]:
    """List a process's children and theirs."""
    listed = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return {int(child) for child in listed}.union(*(family_of(int(child)) for child in listed))


def gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


def wait_gone(pids: set[int]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while left := {pid for pid in pids if not gone(pid)}:
        assert time.monotonic() < deadline, f"still there: {left}"
        time.sleep(0.02)


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc").exists(), reason="looks at /proc")
@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGTERM, 0), (signal.SIGINT, 0), (signal.SIGKILL, -9)]
)
def test_node_takes_its_children_with_it(folder: Path, number: signal.Signals, code: int) -> None:
    database_url = f"sqlite:///{folder}/gz.db"
    with running_node(
        "gz", folder, redis_url="", database_url=database_url, YUNHAI_NATIVE="0"
    ) as node:
        family = family_of(node.process.pid)
        assert len(family) == 3, "Valkey, the media nursery and its worker"
        node.process.send_signal(number)
        assert node.process.wait(PATIENCE_S) == code
        wait_gone(family)
        text = node.log.read_text()
        assert "Traceback" not in text
        if code == 0:
            assert '"stopped"' in text


@pytest.mark.slow
def test_second_signal_ends_a_start_that_hangs(folder: Path) -> None:
    with socket.socket() as mute:  # takes connections and never answers
        mute.bind(("127.0.0.1", 0))
        mute.listen()
        url = f"postgresql://ann@127.0.0.1:{mute.getsockname()[1]}/x"
        with subprocess.Popen(
            [sys.executable, "-m", "server", "serve"],
            cwd=ROOT,
            env=environment(**node_settings(folder, database_url=url)),
            stderr=subprocess.DEVNULL,
        ) as process:
            mute.settimeout(PATIENCE_S)
            connection, _ = mute.accept()
            process.send_signal(signal.SIGTERM)
            process.send_signal(signal.SIGTERM)
            deadline = time.monotonic() + PATIENCE_S
            while process.poll() is None:
                assert time.monotonic() < deadline
                process.send_signal(signal.SIGTERM)
                time.sleep(0.05)
            connection.close()
            assert process.returncode == 128 + signal.SIGTERM


async def process_id(app: web.Application) -> int | None:
    try:
        found: int = (await app[keys.REALTIME].link.redis.info("server"))["process_id"]
    except (RedisError, OSError):
        return None
    return found


@pytest.mark.slow
async def test_readiness_follows_redis_away_and_back(folder: Path) -> None:
    settings: Settings = make_settings(folder, port="0", media_port="0", media_host="127.0.0.1")
    async with (
        running(settings) as app,
        aiohttp.ClientSession(app[keys.SETTINGS].public_url) as client,
        asyncio.timeout(PATIENCE_S),
    ):
        info = await app[keys.REALTIME].link.redis.info("server")
        os.kill(info["process_id"], signal.SIGSTOP)
        try:
            answer = await client.get("/readyz")
            assert answer.status == 503
            body = await answer.json()
            assert body["parts"]["sql"] == body["parts"]["media"] == "ok"
            assert body["parts"]["redis"] != "ok"
            assert (await client.get("/healthz")).status == 200
        finally:
            os.kill(info["process_id"], signal.SIGCONT)
        while (await client.get("/readyz")).status != 200:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
        os.kill(info["process_id"], signal.SIGKILL)
        while await process_id(app) in (None, info["process_id"]):  # noqa: ASYNC110
            await asyncio.sleep(0.05)
        while (await client.get("/readyz")).status != 200:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
