"""Budgets of one client: commands per second, and answers remembered for repeats."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from typing import Any

from rooms.ids import Identity

ANSWERS_KEPT_S = 300.0
ANSWERS_PER_PERSON = 256
ANSWERS_IN_ALL = 20_000


class TokenBucket:
    """``rate`` acts a second on average, ``burst`` at once. Time is passed in, in seconds."""

    def __init__(self, rate: float, burst: float, now: float) -> None:
        self._rate = rate
        self._burst = burst
        self._tokens = burst
        self._at = now

    def take(self, now: float) -> float:
        """Take one token; return 0, or how many seconds until there is one."""
        self._tokens = min(self._burst, self._tokens + max(0.0, now - self._at) * self._rate)
        self._at = now
        if self._tokens >= 1:
            self._tokens -= 1
            return 0.0
        return (1 - self._tokens) / self._rate


Ack = dict[str, Any]
Key = tuple[Identity, str, str]
"""Who sent which command under which id."""


class Answers:
    """First answers to commands, so that a repeat gets the same. Owner: Dispatcher.

    Bounded by age, per person and in all; whatever falls out is answered by the
    store's and the rules' own idempotence.
    """

    def __init__(self) -> None:
        self._kept: OrderedDict[Key, tuple[float, asyncio.Future[Ack]]] = OrderedDict()
        self._per_person: dict[Identity, OrderedDict[Key, None]] = {}

    def __len__(self) -> int:
        return len(self._kept)

    def find(self, key: Key, now: float) -> asyncio.Future[Ack] | None:
        """Return the answer (perhaps still coming) to a command seen before."""
        found = self._kept.get(key)
        if found is None:
            return None
        if now - found[0] > ANSWERS_KEPT_S:
            self.drop(key)
            return None
        return found[1]

    def expect(self, key: Key, now: float) -> asyncio.Future[Ack]:
        """Remember that a command is being served; set the future to its answer."""
        mine = self._per_person.setdefault(key[0], OrderedDict())
        if len(mine) >= ANSWERS_PER_PERSON:
            self.drop(next(iter(mine)))
            mine = self._per_person.setdefault(key[0], OrderedDict())
        while self._kept:
            oldest, (at, _) = next(iter(self._kept.items()))
            if len(self._kept) < ANSWERS_IN_ALL and now - at <= ANSWERS_KEPT_S:
                break
            self.drop(oldest)
        mine = self._per_person.setdefault(key[0], mine)
        mine[key] = None
        answer: asyncio.Future[Ack] = asyncio.get_running_loop().create_future()
        self._kept[key] = (now, answer)
        return answer

    def drop(self, key: Key) -> None:
        """Forget an answer: a repeat is served anew."""
        self._kept.pop(key, None)
        mine = self._per_person.get(key[0])
        if mine is not None:
            mine.pop(key, None)
            if not mine:
                del self._per_person[key[0]]
