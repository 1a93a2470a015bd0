"""Run a command that cannot outlive the process that started it, even one killed with -9.

A script on its own, ``python -I -S tether.py PARENT-PID COMMAND...``, imported
by nobody, so that it starts in milliseconds. Linux: asks the kernel to kill us
with our parent, then becomes the command. Elsewhere: stays beside the command
and kills it when standard input, a pipe only the parent holds, comes to its end.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading

PR_SET_PDEATHSIG = 1


def become(parent: int, command: list[str]) -> None:
    """Replace this process by the command, bound to the parent's life by the kernel."""
    import ctypes

    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0) != 0:
        sys.exit(f"prctl: {os.strerror(ctypes.get_errno())}")
    if os.getppid() != parent:  # it died before we asked
        sys.exit(1)
    os.execv(command[0], command)  # noqa: S606 - no shell is meant


def watch(command: list[str]) -> None:
    """Run the command until it ends or standard input does."""
    child = subprocess.Popen(command, stdin=subprocess.DEVNULL)  # noqa: S603 - the parent's own
    signal.signal(signal.SIGTERM, lambda *_: child.terminate())

    def follow() -> None:
        os._exit(abs(child.wait()))

    threading.Thread(target=follow, daemon=True).start()
    while os.read(0, 4096):
        pass
    child.kill()
    child.wait()


if __name__ == "__main__":
    if sys.argv[1] == "--watch":
        watch(sys.argv[2:])
    elif sys.platform == "linux":
        become(int(sys.argv[1]), sys.argv[2:])
    else:
        watch(sys.argv[2:])
