"""Fan-out: everybody gets the same frames in the same order, and the loop keeps turning."""

from __future__ import annotations

import asyncio
import time
from typing import cast

from rooms.ids import SessionId
from server.realtime.delivery import SLICE, Delivery
from server.realtime.scope import Scope
from server.realtime.sessions import Session
from server.realtime.wire import Frame, event_frame
from tests.server.guests import until


class Listener:
    def __init__(self) -> None:
        self.got: list[Frame] = []

    def deliver(self, frame: Frame) -> None:
        self.got.append(frame)


def crowd(size: int) -> tuple[list[Listener], dict[SessionId, Session]]:
    listeners = [Listener() for _ in range(size)]
    return listeners, {SessionId(str(n)): cast(Session, one) for n, one in enumerate(listeners)}


async def test_a_small_room_is_served_at_once() -> None:
    listeners, sessions = crowd(SLICE)
    delivery, frame = Delivery(Scope()), event_frame("event", {"seq": 1})
    delivery.send(frame, sessions)
    assert all(one.got == [frame] for one in listeners)


async def test_a_large_room_is_served_in_slices_and_in_order() -> None:
    scope = Scope()
    listeners, sessions = crowd(3_500)
    delivery = Delivery(scope)
    frames = [event_frame("event", {"seq": n}) for n in range(5)]
    longest, last, done = 0.0, time.perf_counter(), False

    async def watch() -> None:
        nonlocal longest, last
        while not done:
            now = time.perf_counter()
            longest, last = max(longest, now - last), now
            await asyncio.sleep(0)

    scope.spawn(watch())
    for frame in frames[:3]:
        delivery.send(frame, sessions)
    del sessions[SessionId("0")]
    for frame in frames[3:]:
        delivery.send(frame, dict(list(sessions.items())[:10]))
    await until(lambda: listeners[10].got == frames, "the last frame")
    done = True
    assert listeners[0].got == frames[:3]
    assert all(one.got == frames for one in listeners[1:11])
    assert all(one.got == frames[:3] for one in listeners[11:])
    print(f"the loop was held {longest * 1000:.1f} ms at most")
    await scope.close()
