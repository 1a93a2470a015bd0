"""Which servers are compared, and what each needs before it can be measured."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tests.bench import janus, medooze
from tests.bench.machine import can_count
from tests.bench.report import SkippedError
from tests.bench.servers import Start, node
from tools import bootstrap


@dataclass(frozen=True)
class Contender:
    """A server that may be measured.

    Attributes:
        ours: it is no yardstick.
        missing: what keeps it from being measured on this machine.
        install: puts it there.
    """

    name: str
    start: Start
    ours: bool = False
    missing: Callable[[], str | None] = lambda: None
    install: Callable[[], None] = lambda: None


CONTENDERS = {
    "native": Contender("Yunhai, native", node("Yunhai, native", native=True), ours=True),
    "python": Contender("Yunhai, Python", node("Yunhai, Python", native=False), ours=True),
    "janus": Contender("Janus", janus.running, missing=janus.missing),
    "medooze": Contender("Medooze", medooze.running, missing=medooze.missing, install=medooze.install),
}  # fmt: skip
"""Ours first: ratios first."""

YARDSTICKS = tuple(contender.name for contender in CONTENDERS.values() if not contender.ours)


def ready(names: Sequence[str], remarks: list[str]) -> list[Contender]:
    """Install what is asked for; what cannot be had becomes a remark.

    Raises:
        SkippedError: nothing can be measured here.
    """
    if not can_count():
        raise SkippedError(f"it counts with Linux's /proc, which {sys.platform} lacks")
    found = []
    for name in names:
        contender = CONTENDERS[name]
        lacking = contender.missing()
        if lacking is None:
            try:
                contender.install()
            except bootstrap.Stop as stop:
                lacking = str(stop)
        if lacking is None:
            found.append(contender)
        else:
            remarks.append(f"Without {contender.name}: {lacking}.")
    if not found:
        raise SkippedError("there is no server to measure")
    return found
