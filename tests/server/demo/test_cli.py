"""The demo as a newcomer starts it: links, rooms, an end by Ctrl-C that leaves nothing behind."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from server.demo.cast import ROOMS
from server.demo.supervisor import plan_nodes
from tests.nodes import ROOT, environment, free_port


@pytest.fixture
def settings() -> Iterator[dict[str, str]]:
    """Ports of its own, and a folder whose path is short enough for Unix sockets."""
    with tempfile.TemporaryDirectory(prefix="yunhai-test-", dir="/tmp") as folder:
        yield {
            "YUNHAI_DATA_DIR": folder,
            "YUNHAI_PORT": str(free_ports(2)),
            "YUNHAI_MEDIA_PORT": str(free_ports(2)),
            "YUNHAI_MEDIA_WORKERS": "1",
        }


def start(settings: dict[str, str], *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "server", "demo", "--no-people", *arguments],
        cwd=ROOT,
        env=environment(**settings),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def free_ports(count: int) -> int:
    """The first of that many ports in a row that nobody has now: nodes count on from the one they are told."""
    while True:
        first = free_port()
        with contextlib.ExitStack() as stack, contextlib.suppress(OSError, OverflowError):
            for port in range(first, first + count):
                for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
                    probe = stack.enter_context(socket.socket(socket.AF_INET, kind))
                    probe.bind(("0.0.0.0", port))
            return first


def read_welcome(demo: subprocess.Popen[str]) -> str:
    assert demo.stdout is not None
    said = ""
    for line in iter(demo.stdout.readline, ""):
        said += line
        if "Ctrl-C" in line:
            return said
    raise AssertionError(said)


@pytest.mark.slow
def test_demo_prints_a_link_for_each_role_into_rooms_that_exist(settings: dict[str, str]) -> None:
    demo = start(settings)
    try:
        links = re.findall(
            r"^  (\w+) +(http://localhost:\d+)/enter#token=(\S+)$", read_welcome(demo), re.MULTILINE
        )
        assert [role for role, _, _ in links] == ["moderator", "speaker", "member", "viewer"]
        _, url, token = links[0]
        request = urllib.request.Request(
            f"{url}/api/v1/rooms", headers={"Authorization": f"Bearer {token}"}
        )
        with urllib.request.urlopen(request) as answer:
            rooms = {room["id"] for room in json.load(answer)["rooms"]}
        assert rooms >= {room.id for room in ROOMS}
    finally:
        demo.send_signal(signal.SIGINT)
        said, complained = demo.communicate(timeout=30)
    assert (demo.returncode, complained) == (0, "")
    assert "The demo has ended." in said
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", int(settings["YUNHAI_PORT"])))


@pytest.mark.slow
def test_demo_ends_with_the_reason_and_the_code_of_a_node_that_cannot_start(
    settings: dict[str, str],
) -> None:
    with socket.socket() as taken:
        taken.bind(("0.0.0.0", int(settings["YUNHAI_PORT"])))
        taken.listen()
        demo = start(settings)
        said, complained = demo.communicate(timeout=60)
    assert (demo.returncode, said) == (3, "")
    assert "YUNHAI_PORT" in complained
    assert "node gz ended with 3" in complained


@pytest.mark.slow
def test_ctrl_c_ends_a_demo_whose_nodes_are_still_starting(settings: dict[str, str]) -> None:
    """It used to wait until they were ready or had failed, half a minute at worst."""
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        silent.settimeout(60)
        url = f"redis://127.0.0.1:{silent.getsockname()[1]}/0"
        demo = start({**settings, "YUNHAI_REDIS_URL": url})
        with silent.accept()[0]:  # the node is there, and waits for an answer
            demo.send_signal(signal.SIGINT)
            said, complained = demo.communicate(timeout=30)
    assert (demo.returncode, said, complained) == (0, "\nThe demo has ended.\n", "")


def node_processes(demo: subprocess.Popen[str]) -> list[int]:
    found = subprocess.run(
        ["pgrep", "-P", str(demo.pid), "-f", "server serve"],
        capture_output=True,
        text=True,
        check=True,
    )
    return [int(pid) for pid in found.stdout.split()]


@pytest.mark.slow
def test_demo_tells_of_a_node_that_dies_and_ends_with_the_last(settings: dict[str, str]) -> None:
    demo = start(settings, "--nodes", "2")
    try:
        read_welcome(demo)
        assert demo.stderr is not None
        first, second = node_processes(demo)
        os.kill(first, signal.SIGKILL)
        told = re.fullmatch(
            r"node (gz|sf) ended with -9; still open: (gz|sf)\n", demo.stderr.readline()
        )
        assert told
        assert told[1] != told[2]
        os.kill(second, signal.SIGKILL)
        _, complained = demo.communicate(timeout=30)
        assert complained == f"node {told[2]} ended with -9; so the demo ends\n"
        assert demo.returncode == 1
    finally:
        demo.kill()


def test_nodes_of_a_demo_share_storage_and_secret_but_neither_ports_nor_folders(
    tmp_path: Path,
) -> None:
    plans = plan_nodes(3, {"YUNHAI_DATA_DIR": str(tmp_path)}, "redis://127.0.0.1:6379/0")
    assert [plan.name for plan in plans] == ["gz", "sf", "tk"]
    assert [plan.url for plan in plans] == [
        f"http://localhost:{port}" for port in (8080, 8081, 8082)
    ]

    def values(name: str) -> set[str]:
        return {plan.environment[f"YUNHAI_{name}"] for plan in plans}

    for own in ("NODE", "PORT", "PUBLIC_URL", "MEDIA_PORT", "DATA_DIR"):
        assert len(values(own)) == 3
    for shared in ("REDIS_URL", "DATABASE_URL", "SECRET", "ORIGINS"):
        assert len(values(shared)) == 1
