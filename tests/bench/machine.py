"""What the kernel says of processes and of this machine: CPU time, memory, cores. Linux's /proc.

Names no host: what is written into the docs tells the kind of machine only.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from server.config import own_addresses

PROC = Path("/proc")


@dataclass(frozen=True)
class Usage:
    """CPU time in seconds, all threads together."""

    user_s: float = 0.0
    system_s: float = 0.0

    @property
    def cpu_s(self) -> float:
        return self.user_s + self.system_s

    def __sub__(self, earlier: Usage) -> Usage:
        return Usage(self.user_s - earlier.user_s, self.system_s - earlier.system_s)

    def __add__(self, other: Usage) -> Usage:
        return Usage(self.user_s + other.user_s, self.system_s + other.system_s)


def can_count() -> bool:
    return (PROC / "self" / "stat").exists()


def usages(pid: int) -> dict[int, Usage]:
    """CPU time used so far by a process and by each of its descendants, with their ended children's."""
    tick_s = 1 / os.sysconf("SC_CLK_TCK")
    return {
        # proc(5): 14 utime, 15 stime, 16 cutime, 17 cstime; counted from field 3 here.
        each: Usage(
            (int(fields[11]) + int(fields[13])) * tick_s,
            (int(fields[12]) + int(fields[14])) * tick_s,
        )
        for each, fields in _tree(pid).items()
    }


def resident_bytes(pid: int) -> int:
    """Resident memory of a process and its descendants."""
    pages = sum(int(fields[21]) for fields in _tree(pid).values())
    return pages * os.sysconf("SC_PAGE_SIZE")


def _tree(root: int) -> dict[int, list[str]]:
    """Fields of ``/proc/PID/stat`` from the third on, of a process and its descendants."""
    everybody = {}
    for entry in PROC.iterdir():
        if entry.name.isdigit():
            try:
                text = (entry / "stat").read_text()
            except OSError:
                continue
            everybody[int(entry.name)] = text.rpartition(")")[2].split()
    found: dict[int, list[str]] = {}
    waiting = [root]
    while waiting:
        pid = waiting.pop()
        if pid in everybody:
            found[pid] = everybody[pid]
            waiting += [child for child, fields in everybody.items() if int(fields[1]) == pid]
    return found


def own_address() -> str:
    """An IPv4 address of this machine's own, loopback only if there is no other.

    What it sends itself there takes the same path as over loopback, which some
    servers leave out.
    """
    return next((address for address in own_addresses() if "." in address), "127.0.0.1")


def cores() -> tuple[int | None, int | None]:
    """The core for servers and the core for the load; None twice where there is but one."""
    allowed = sorted(os.sched_getaffinity(0))
    return (allowed[0], allowed[1]) if len(allowed) > 1 else (None, None)


@contextmanager
def pinned(core: int | None) -> Iterator[None]:
    """Keep this thread, and the processes it starts meanwhile, on one core; None changes nothing."""
    before = os.sched_getaffinity(0)
    if core is not None:
        os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def description() -> str:
    """The machine in one sentence."""
    model = "a processor of unknown make"
    for line in (PROC / "cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.partition(":")[2].strip()
            break
    memory_bytes = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    count = len(os.sched_getaffinity(0))
    return (
        f"{count} core{'s' if count != 1 else ''} of {model}, {memory_bytes / 2**30:.0f} GiB,"
        f" {_distribution()}, Linux {platform.release().split('-')[0]},"
        f" Python {platform.python_version()}"
    )


def circumstances() -> str:
    """On what, when and how busy: call it before measuring."""
    today = datetime.now(UTC).date().isoformat()
    waiting = os.getloadavg()[0]
    return f"Measured on {today} on {description()}; load average before it {waiting:.1f}."


def _distribution() -> str:
    try:
        return platform.freedesktop_os_release()["PRETTY_NAME"]
    except (OSError, KeyError):
        return "an unknown distribution"
