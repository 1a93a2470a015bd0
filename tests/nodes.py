"""Whole nodes as processes, the way an operator starts them, for tests of more than one."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.services import die_with_parent

ROOT = Path(__file__).resolve().parents[1]
SECRET = "a-secret-for-tests-only-0123456789abcdef"
START_TIMEOUT_S = 30.0


def free_port(kind: socket.SocketKind = socket.SOCK_STREAM) -> int:
    """Ask the kernel for a port nobody has now."""
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def environment(**settings: str) -> dict[str, str]:
    """Make a process environment that has only the given ``YUNHAI_*`` settings."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith("YUNHAI_")}
    return {**kept, "PYTHONUNBUFFERED": "1", **settings}


def run_command(*arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    """Run ``python -m server …`` to its end."""
    return subprocess.run(
        [sys.executable, "-m", "server", *arguments],
        cwd=ROOT,
        env=environment(**settings),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
    )


@dataclass(frozen=True)
class Node:
    """One running node."""

    name: str
    url: str
    process: subprocess.Popen[bytes]
    log: Path
    settings: dict[str, str]

    def kill(self) -> None:
        """Kill the server process as a power cut would."""
        self.process.kill()
        self.process.wait()


def token(**options: str | bool) -> str:
    """Mint a token with the command an operator uses: ``token(room="tokyo", publish=True)``."""
    arguments: list[str] = []
    for name, value in options.items():
        flag = "--" + name.replace("_", "-")
        if value is True:
            arguments.append(flag)
        elif value is not False:
            arguments += [flag, str(value)]
    done = run_command("token", *arguments, YUNHAI_SECRET=SECRET)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@contextmanager
def running_node(
    name: str,
    folder: Path,
    *,
    redis_url: str,
    database_url: str,
    port: int | None = None,
    host: str = "127.0.0.1",
    **settings: str,
) -> Iterator[Node]:
    """Run one node, on loopback unless told, until the block ends; its log is kept in ``folder``."""
    port = port or free_port()
    url = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
    chosen = {
        "YUNHAI_NODE": name,
        "YUNHAI_HOST": host,
        "YUNHAI_PORT": str(port),
        "YUNHAI_PUBLIC_URL": url,
        "YUNHAI_SECRET": SECRET,
        "YUNHAI_DATA_DIR": str(folder / name),
        "YUNHAI_REDIS_URL": redis_url,
        "YUNHAI_DATABASE_URL": database_url,
        "YUNHAI_MEDIA_HOST": host,
        "YUNHAI_MEDIA_ADDRESSES": host,
        "YUNHAI_MEDIA_PORT": "0",
        "YUNHAI_MEDIA_WORKERS": "1",
        **settings,
    }
    log = folder / f"{name}.log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "server", "serve"],
            cwd=ROOT,
            env=environment(**chosen),
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            preexec_fn=die_with_parent(signal.SIGTERM),  # noqa: PLW1509 - one prctl call
        )
    try:
        _wait_ready(url, process, log)
        yield Node(name, url, process, log, chosen)
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _wait_ready(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    while True:
        if process.poll() is not None:
            raise RuntimeError(f"the node ended with {process.returncode}:\n{log.read_text()}")
        try:
            with urllib.request.urlopen(f"{url}/readyz", timeout=2) as answer:
                if answer.status == 200:
                    return
        except (urllib.error.URLError, OSError):
            pass
        if time.monotonic() > deadline:
            raise RuntimeError(f"the node is not ready after 30 s:\n{log.read_text()}")
        time.sleep(0.05)
