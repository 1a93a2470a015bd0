"""The worker's event loop: asyncio's, with a short way from the kernel to the media sockets.

What wakes asyncio's own loop is an event, then a handle, then a call, with a look at all
timers before and after. Here the selector calls the readers of media sockets itself and goes
on waiting, unless a reader left the loop something to do. Linux only; elsewhere, and on any
other loop, such readers are ordinary ones.
"""

from __future__ import annotations

import asyncio
import math
import select
import selectors
import socket
import sys
import time
from collections.abc import Callable
from contextvars import Context
from typing import TypeVarTuple

Reader = Callable[[], object]
Ts = TypeVarTuple("Ts")

if sys.platform == "linux":

    class _Selector(selectors.EpollSelector):
        """Waits for the prompt sockets and, as for one more of them, for all others.

        Owner: the loop.

        Attributes:
            busy: the loop has been given something to do since the last ``select`` began.
        """

        def __init__(self, failed: Callable[[Exception], None]) -> None:
            super().__init__()
            self.busy = False
            self._failed = failed
            self._readers: dict[int, Reader] = {}
            self._all = select.epoll()
            self._all.register(self.fileno(), select.EPOLLIN)

        def add(self, descriptor: int, reader: Reader) -> None:
            self._readers[descriptor] = reader
            self._all.register(descriptor, select.EPOLLIN)

        def remove(self, descriptor: int) -> None:
            if self._readers.pop(descriptor, None) is not None:
                self._all.unregister(descriptor)

        def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
            """As of every selector, but prompt readers are called and not told of."""
            self.busy = False
            until = math.inf if timeout is None else time.monotonic() + timeout
            while True:
                others = False
                try:
                    ready = self._all.poll(timeout)
                except InterruptedError:
                    return []
                for descriptor, _ in ready:
                    reader = self._readers.get(descriptor)
                    if reader is None:
                        others = True  # or of a socket that another reader has just closed
                    else:
                        try:
                            reader()
                        except Exception as error:
                            self._failed(error)
                if others:
                    return super().select(0)
                if self.busy or not ready:
                    return []
                if timeout is not None:
                    timeout = until - time.monotonic()
                    if timeout <= 0:
                        return []

        def close(self) -> None:
            self._all.close()
            super().close()

    class PromptLoop(asyncio.SelectorEventLoop):
        """Owner: the process."""

        def __init__(self) -> None:
            self._prompt = _Selector(self._failed)
            super().__init__(self._prompt)

        def add_prompt_reader(self, sock: socket.socket, reader: Reader) -> None:
            """Call the reader whenever there is something to read, outside any handle or context."""
            self._prompt.add(sock.fileno(), reader)

        def remove_prompt_reader(self, sock: socket.socket) -> None:
            """Stop that, before the socket is closed; twice is fine."""
            self._prompt.remove(sock.fileno())

        def call_soon(
            self,
            callback: Callable[[*Ts], object],
            *args: *Ts,
            context: Context | None = None,
        ) -> asyncio.Handle:
            self._prompt.busy = True
            return super().call_soon(callback, *args, context=context)

        def call_at(
            self,
            when: float,
            callback: Callable[[*Ts], object],
            *args: *Ts,
            context: Context | None = None,
        ) -> asyncio.TimerHandle:
            self._prompt.busy = True
            return super().call_at(when, callback, *args, context=context)

        def stop(self) -> None:
            self._prompt.busy = True
            super().stop()

        def _failed(self, error: Exception) -> None:
            self.call_exception_handler({"message": "a prompt reader failed", "exception": error})


def new_loop() -> asyncio.AbstractEventLoop:
    """Make the loop that media sockets are read on soonest."""
    return PromptLoop() if sys.platform == "linux" else asyncio.new_event_loop()


def add_reader(loop: asyncio.AbstractEventLoop, sock: socket.socket, reader: Reader) -> None:
    """Call the reader whenever there is something to read, in the shortest way the loop has."""
    if sys.platform == "linux" and isinstance(loop, PromptLoop):
        loop.add_prompt_reader(sock, reader)
    else:
        loop.add_reader(sock, reader)


def remove_reader(loop: asyncio.AbstractEventLoop, sock: socket.socket) -> None:
    """Stop that, before the socket is closed."""
    if sys.platform == "linux" and isinstance(loop, PromptLoop):
        loop.remove_prompt_reader(sock)
    else:
        loop.remove_reader(sock)
