"""A network namespace joined to this machine by a cable of its own: where UDP is blocked, say.

Linux, root, iproute2 and nftables; nothing outside the namespace is touched but
the near end of the cable.
"""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest


def _run(*command: str, given: str | None = None) -> None:
    subprocess.run(command, input=given, text=True, check=True, timeout=20)


@dataclass(frozen=True)
class Namespace:
    """Attributes:
    near: this machine's address on the cable.
    far: the namespace's own address; ``spare`` is free for it to move to.
    """

    name: str
    near_cable: str
    cable: str
    near: str
    far: str
    spare: str

    @property
    def enter(self) -> list[str]:
        """Begin a command line that runs inside."""
        return ["ip", "netns", "exec", self.name]

    def block(self, what: str) -> None:
        """Drop what leaves or comes, by an nftables expression such as ``meta l4proto udp``."""
        rules = "".join(
            f"chain {hook} {{ type filter hook {hook} priority 0; {what} drop; }}\n"
            for hook in ("input", "output")
        )
        _run(*self.enter, "nft", "-f", "-", given=f"table inet test {{\n{rules}}}\n")

    def move(self) -> None:
        """Take the spare address instead of the own one, as when one walks out of the Wi-Fi."""
        _run("ip", "-n", self.name, "addr", "del", f"{self.far}/29", "dev", self.cable)
        _run("ip", "-n", self.name, "addr", "add", f"{self.spare}/29", "dev", self.cable)

    def carry(self, bps: int, queue_ms: int = 200) -> None:
        """Let so much through towards the namespace from now on, with so long a queue before it."""
        _run(
            "tc", "qdisc", "replace", "dev", self.near_cable, "root", "handle", "1:",
            "tbf", "rate", f"{bps}bit", "burst", "3000", "limit", str(bps * queue_ms // 8000 + 3000),
        )  # fmt: skip

    def script(self, path: Path, program: str) -> Path:
        """Write an executable that runs the program inside."""
        path.write_text(f'#!/bin/sh\nexec {" ".join(self.enter)} {program} "$@"\n')
        path.chmod(0o700)
        return path


@contextmanager
def namespace() -> Iterator[Namespace]:
    """Make a namespace for the length of the block; skips the test where that is not allowed."""
    if sys.platform != "linux" or os.geteuid() != 0:
        pytest.skip("a network namespace takes root on Linux")
    name = f"yh-{secrets.token_hex(4)}"
    # 198.18.0.0/15 is for tests of networks (RFC 2544): 16384 cables of 8 addresses.
    base = secrets.randbelow(1 << 14) * 8
    near, far, spare = (
        f"198.{18 + (base >> 16)}.{base >> 8 & 255}.{(base & 255) + i}" for i in (1, 2, 3)
    )
    print(f"namespace {name}, {near} to {far}")
    _run("ip", "netns", "add", name)
    try:
        ours, theirs = f"{name}a", f"{name}b"
        _run("ip", "link", "add", ours, "type", "veth", "peer", "name", theirs, "netns", name)
        _run("ip", "addr", "add", f"{near}/29", "dev", ours)
        _run("ip", "link", "set", ours, "up")
        _run("ip", "-n", name, "addr", "add", f"{far}/29", "dev", theirs)
        _run("ip", "-n", name, "link", "set", theirs, "up")
        _run("ip", "-n", name, "link", "set", "lo", "up")
        yield Namespace(name, ours, theirs, near, far, spare)
    finally:
        _run("ip", "netns", "del", name)
