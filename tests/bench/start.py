"""How long ``make run`` takes until its links stand in the terminal, when nothing has to be made."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from tests.bench.machine import circumstances
from tests.bench.report import Section, SkippedError, Table
from tests.nodes import ROOT, environment, free_port

TITLE = "Start: `make run` to links"
METHOD = """\
`make run` with a data folder of its own is started, ended with Ctrl-C, and started again; only the later
starts are timed. Time runs from the start of `make` to the sign-in links in the terminal, which are
printed when the node answers that it is ready."""

SIGN = "/enter#token="
PATIENCE_S = 300.0
STOP_S = 20.0


def measure(repeats: int) -> Section:
    """Start once more than that.

    Raises:
        SkippedError: there is no ``make``.
        RuntimeError: it ended, or printed no links in time.
    """
    if shutil.which("make") is None:
        raise SkippedError("start: there is no `make` here")
    told = circumstances()
    with tempfile.TemporaryDirectory() as name:
        settings = {
            "YUNHAI_DATA_DIR": str(Path(name) / "demo"),
            "YUNHAI_PORT": str(free_port()),
            "YUNHAI_MEDIA_PORT": str(free_port(socket.SOCK_DGRAM)),
            "YUNHAI_MEDIA_WORKERS": "1",
        }
        _start(settings)
        times_s = [_start(settings) for _ in range(repeats)]
    row = [" ".join(f"{taken:.1f}" for taken in times_s)]
    table = Table(["seconds, each start"], [row])
    return Section("start", TITLE, METHOD, told, table)


def _start(settings: dict[str, str]) -> float:
    """Start it, wait for the links, end it; how long the links took."""
    began = time.perf_counter()
    process = subprocess.Popen(
        ["make", "run", f"PYTHON={sys.executable}"],
        cwd=ROOT,
        env=environment(**settings),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    overdue = threading.Timer(PATIENCE_S, _end, (process, signal.SIGKILL))
    overdue.start()
    said: list[str] = []
    try:
        assert process.stdout is not None
        for line in process.stdout:
            said.append(line)
            if SIGN in line:
                return time.perf_counter() - began
        raise RuntimeError(f"`make run` printed no links:\n{''.join(said)[-2000:]}")
    finally:
        overdue.cancel()
        _end(process, signal.SIGINT)
        try:
            process.communicate(timeout=STOP_S)
        except subprocess.TimeoutExpired:
            _end(process, signal.SIGKILL)
            process.communicate()


def _end(process: subprocess.Popen[str], by: signal.Signals) -> None:
    """Tell all of what was started, as Ctrl-C in a terminal does."""
    if process.poll() is None:
        os.killpg(process.pid, by)
