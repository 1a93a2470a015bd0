from __future__ import annotations

import asyncio
import os
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from redis.asyncio import Redis

from server import tether
from server.sockets import socket_folder
from server.valkey import EmbeddedValkey, ValkeyError, find_program

ROOT = Path(__file__).resolve().parents[2]
PATIENCE_S = 20.0

NODE = """
import asyncio, sys
from pathlib import Path
import structlog
from server.valkey import EmbeddedValkey

structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))

async def main():
    async with EmbeddedValkey.start(Path(sys.argv[1])) as valkey:
        print(valkey.pid, valkey.socket_path, flush=True)
        await asyncio.Event().wait()

asyncio.run(main())
"""


@pytest.fixture
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="yunhai-test-", dir="/tmp") as made:
        yield Path(made)


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    state = Path(f"/proc/{pid}/stat")
    try:  # a zombie nobody has reaped is dead as well
        return state.read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):  # gone just now, or no Linux
        return not Path("/proc/self/stat").exists()


def wait_dead(pid: int) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while alive(pid):
        assert time.monotonic() < deadline, f"process {pid} outlived its parent"
        time.sleep(0.01)


async def test_it_is_a_real_server_that_keeps_values(folder: Path) -> None:
    async with EmbeddedValkey.start(folder) as valkey:
        client = Redis.from_url(valkey.url)
        await client.set("a", "1")
        assert await client.get("a") == b"1"
        policy = await client.config_get("maxmemory*")
        assert policy["maxmemory-policy"] == "noeviction"
        assert int(str(policy["maxmemory"])) == 256 << 20
        assert (await client.config_get("save"))["save"] == ""
        assert (await client.config_get("port"))["port"] == "0"
        await client.aclose()


async def test_only_its_user_can_open_its_socket(folder: Path) -> None:
    async with EmbeddedValkey.start(folder) as valkey:
        assert stat.S_IMODE(valkey.socket_path.stat().st_mode) == 0o700
        assert stat.S_IMODE(valkey.socket_path.parent.stat().st_mode) == 0o700


async def test_stopping_ends_it_and_removes_its_socket(folder: Path) -> None:
    async with EmbeddedValkey.start(folder) as valkey:
        pid = valkey.pid
        assert pid is not None
    assert not alive(pid)
    assert not valkey.socket_path.exists()


async def test_leaving_at_once_leaves_nothing_behind(folder: Path) -> None:
    started: list[int | None] = []

    async def leave_at_once() -> None:
        async with EmbeddedValkey.start(folder) as valkey:
            started.append(valkey.pid)
            raise RuntimeError("at once")

    with pytest.raises(RuntimeError, match="at once"):
        await leave_at_once()
    assert started[0] is not None
    assert not alive(started[0])


async def test_killed_server_is_started_again_at_the_same_address(folder: Path) -> None:
    async with EmbeddedValkey.start(folder) as valkey:
        first = valkey.pid
        assert first is not None
        os.kill(first, signal.SIGKILL)
        client = Redis.from_url(valkey.url)
        async with asyncio.timeout(PATIENCE_S):
            while valkey.restarts == 0:  # noqa: ASYNC110 - a count, no event
                await asyncio.sleep(0.01)
        assert valkey.pid not in (None, first)
        assert await client.ping()
        await client.aclose()


async def test_socket_left_by_a_killed_server_is_no_obstacle(folder: Path) -> None:
    stale = socket_folder(folder) / "valkey.sock"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(stale))
    assert stale.exists()
    async with EmbeddedValkey.start(folder) as valkey:
        client = Redis.from_url(valkey.url)
        assert await client.ping()
        await client.aclose()


async def test_second_node_in_the_same_folder_is_told_what_to_set(folder: Path) -> None:
    async with EmbeddedValkey.start(folder) as valkey:
        with pytest.raises(ValkeyError, match=rf"process {os.getpid()}.*YUNHAI_DATA_DIR"):
            async with EmbeddedValkey.start(folder):
                pass
        client = Redis.from_url(valkey.url)  # the first one is unharmed
        assert await client.ping()
        await client.aclose()


async def test_long_data_folder_gets_a_short_socket_path(folder: Path) -> None:
    deep = folder / ("x" * 60) / ("y" * 60)
    async with EmbeddedValkey.start(deep) as valkey:
        assert len(os.fsencode(valkey.socket_path)) < 104
        client = Redis.from_url(valkey.url)
        assert await client.ping()
        await client.aclose()
    for left in valkey.socket_path.parent.iterdir():
        left.unlink()
    valkey.socket_path.parent.rmdir()


async def test_folder_that_cannot_be_made_is_explained(folder: Path) -> None:
    (folder / "file").write_text("")
    with pytest.raises(ValkeyError, match="YUNHAI_DATA_DIR"):
        async with EmbeddedValkey.start(folder / "file"):
            pass


async def test_server_that_ends_at_once_is_explained_with_its_last_words(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = folder / "broken"
    program.write_text("#!/bin/sh\necho 'no memory today'\nexit 7\n")
    program.chmod(0o755)
    monkeypatch.setattr("server.valkey.find_program", lambda: str(program))
    with pytest.raises(ValkeyError, match=r"ended with 7 .*no memory today"):
        async with EmbeddedValkey.start(folder):
            pass


def test_kill_minus_nine_of_the_node_takes_valkey_with_it(folder: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", NODE, str(folder)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as node:
        assert node.stdout is not None
        pid, path = node.stdout.readline().split()
        assert alive(int(pid))
        node.kill()
        node.wait()
        wait_dead(int(pid))
        # And the next node starts in the same folder, over the socket left behind.
        assert Path(path).exists()
        with subprocess.Popen(
            [sys.executable, "-c", NODE, str(folder)], cwd=ROOT, stdout=subprocess.PIPE, text=True
        ) as second:
            assert second.stdout is not None
            second_pid, second_path = second.stdout.readline().split()
            assert second_path == path
            second.kill()
            second.wait()
            wait_dead(int(second_pid))


def test_kill_minus_nine_is_noticed_through_the_pipe_where_the_kernel_does_not_help(
    folder: Path,
) -> None:
    script = f"""
import subprocess, sys, time
child = subprocess.Popen(
    [sys.executable, "-I", "-S", {tether.__file__!r}, "--watch", {find_program()!r},
     "--port", "0", "--unixsocket", {str(folder / "v.sock")!r}, "--save", "", "--pidfile",
     {str(folder / "pid")!r}, "--daemonize", "no"],
    stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
print(child.pid, flush=True)
time.sleep(600)
"""
    with subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, text=True
    ) as node:
        assert node.stdout is not None
        guard = int(node.stdout.readline())
        deadline = time.monotonic() + PATIENCE_S
        while not (folder / "pid").exists() or not (folder / "pid").read_text().strip():
            assert time.monotonic() < deadline
            time.sleep(0.01)
        server = int((folder / "pid").read_text())
        assert alive(server)
        node.kill()
        node.wait()
        wait_dead(server)
        wait_dead(guard)


@pytest.mark.skipif(sys.platform != "linux", reason="prctl is Linux's")
def test_tether_whose_parent_is_already_gone_does_not_start_the_command(folder: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-I", "-S", tether.__file__, "1", "/usr/bin/touch", str(folder / "ran")]
    )
    assert done.returncode == 1
    assert not (folder / "ran").exists()


def test_socket_folder_of_somebody_else_is_not_used(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "run").mkdir()
    somebody = os.getuid() + 1
    monkeypatch.setattr(os, "getuid", lambda: somebody)
    with pytest.raises(PermissionError, match="somebody else"):
        socket_folder(folder)


def test_symbolic_link_in_place_of_the_socket_folder_is_not_followed(folder: Path) -> None:
    (folder / "elsewhere").mkdir()
    (folder / "run").symlink_to(folder / "elsewhere")
    with pytest.raises(PermissionError, match="somebody else"):
        socket_folder(folder)
