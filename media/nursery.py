"""``python -m media.nursery FD``: a process with everything loaded that a media worker needs, and
that forks workers from it.

A worker forked here works after some milliseconds and shares the memory of what was loaded;
one that starts on its own takes a second of a core first. Knows of workers only their
arguments and ends. One thread, no event loop, nothing open that a worker should not have.

Lines of JSON on the stream socket FD. To us: ``{"start": [argument, …]}`` with a file
descriptor for the worker's stderr, ``{"kill": pid, "signal": number}``. From us, in the
order of the starts, ``{"pid": pid}``, and for each end ``{"pid": pid, "code": code}``, negative
for a signal. Ends when the other side of the socket does, and its workers with it.
"""

from __future__ import annotations

import gc
import json
import os
import selectors
import signal
import socket
import sys
from collections import deque

from media.__main__ import die_with_parent, main

MAX_READ_BYTES = 65536


class _Nursery:
    """Owner: the process."""

    def __init__(self, link: socket.socket) -> None:
        self._link = link
        self._children: set[int] = set()
        self._outputs: deque[int] = deque()
        self._unread = b""
        self._woken, self._wake = os.pipe()
        os.set_blocking(self._woken, False)
        os.set_blocking(self._wake, False)
        signal.set_wakeup_fd(self._wake, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)

    def serve(self) -> list[str] | None:
        """Return a worker's arguments in each worker, and None here when there is no more to do."""
        with selectors.DefaultSelector() as selector:
            selector.register(self._link, selectors.EVENT_READ)
            selector.register(self._woken, selectors.EVENT_READ)
            while True:
                for key, _ in selector.select():
                    if key.fd == self._woken:
                        os.read(self._woken, MAX_READ_BYTES)
                        self._reap()
                        continue
                    data, outputs, _, _ = socket.recv_fds(self._link, MAX_READ_BYTES, 16)
                    if not data:
                        self._end_all()
                        return None
                    self._outputs += outputs
                    *lines, self._unread = (self._unread + data).split(b"\n")
                    for line in lines:
                        arguments = self._obey(json.loads(line))
                        if arguments is not None:
                            return arguments

    def _obey(self, order: dict[str, object]) -> list[str] | None:
        match order:
            case {"start": list(arguments)}:
                return self._fork([str(argument) for argument in arguments])
            case {"kill": int(pid), "signal": int(number)} if pid in self._children:
                os.kill(pid, number)  # not reaped yet, so it is nobody else
        return None

    def _fork(self, arguments: list[str]) -> list[str] | None:
        output = self._outputs.popleft()
        pid = os.fork()
        if pid == 0:
            self._become_worker(output)
            return arguments
        os.close(output)
        self._children.add(pid)
        self._say(pid=pid)
        return None

    def _become_worker(self, output: int) -> None:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        os.dup2(output, 2)
        for fd in (output, self._woken, self._wake, *self._outputs):
            os.close(fd)
        self._link.close()

    def _reap(self) -> None:
        for pid in tuple(self._children):
            found, status = os.waitpid(pid, os.WNOHANG)
            if found:
                self._children.discard(pid)
                self._say(pid=pid, code=os.waitstatus_to_exitcode(status))

    def _end_all(self) -> None:
        """Leave nobody behind: whoever is left has not gone when asked."""
        for pid in self._children:
            os.kill(pid, signal.SIGKILL)
        for pid in self._children:
            os.waitpid(pid, 0)

    def _say(self, **what: int) -> None:
        self._link.sendall(json.dumps(what).encode() + b"\n")


def serve(fd: int) -> int:
    """Fork workers until the node ends; returns, in each worker too, the exit code."""
    die_with_parent()
    gc.freeze()  # what is loaded stays as it is, hence shared
    with socket.socket(fileno=fd) as link:
        arguments = _Nursery(link).serve()
    return 0 if arguments is None else main(arguments)


if __name__ == "__main__":
    sys.exit(serve(int(sys.argv[1])))
