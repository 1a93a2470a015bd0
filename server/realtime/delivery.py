"""Fan-out on this node: the same frame to each session of a room, in order, in slices."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Mapping
from itertools import islice

from rooms.ids import SessionId
from server.realtime.scope import Scope
from server.realtime.sessions import Session
from server.realtime.wire import Frame

SLICE = 256
"""Sessions served before the loop gets a turn: about 2 ms."""


class Delivery:
    """Frames of one room on their way to local sessions. Owner: the room's mirror.

    Small rooms are served at once. In a large one a frame is handed out in
    slices, and what follows waits its turn, so everybody gets the same order.
    """

    def __init__(self, scope: Scope) -> None:
        self._scope = scope
        self._waiting: deque[tuple[Frame, list[Session]]] = deque()
        self._busy = False

    def send(self, frame: Frame, sessions: Mapping[SessionId, Session]) -> None:
        """Queue ``frame`` to whoever is in ``sessions`` now; never waits."""
        if not self._busy and len(sessions) <= SLICE:
            for session in list(sessions.values()):
                session.deliver(frame)
            return
        self._waiting.append((frame, list(sessions.values())))
        if not self._busy:
            self._busy = True
            self._scope.spawn(self._run())

    async def _run(self) -> None:
        try:
            while self._waiting:
                frame, sessions = self._waiting.popleft()
                rest = iter(sessions)
                while part := list(islice(rest, SLICE)):
                    for session in part:
                        session.deliver(frame)
                    await asyncio.sleep(0)
        finally:
            self._busy = False
