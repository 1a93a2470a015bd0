"""Which layer a tile gets, and who goes without when the path is narrow."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum


@dataclass(slots=True)
class LayerState:
    """A layer as measured. ``width``, ``height`` 0 while unknown; ``bps`` 0: not being sent."""

    rid: str
    width: int
    height: int
    bps: int


class Rank(IntEnum):
    """Order of protection: lower goes first."""

    AUDIO = 0
    SCREEN = 1
    SPEAKER = 2
    VIDEO = 3


@dataclass(slots=True)
class Wish:
    """One track a subscriber wants.

    Attributes:
        layers: lowest first.
        current: index forwarded now, None when paused.
        max_width, max_height: of the tile, 0 for any.
    """

    rank: Rank
    layers: Sequence[LayerState]
    current: int | None
    max_width: int = 0
    max_height: int = 0


def fitting(layers: Sequence[LayerState], max_width: int, max_height: int) -> int | None:
    """Index of the smallest living layer that fills the tile, else the largest; None if none lives."""
    raise NotImplementedError


def allocate(wishes: Sequence[Wish], limit_bps: int) -> list[int | None]:
    """Share the path: for each wish the index of its layer, or None for paused by bandwidth.

    Everybody gets the lowest layer in order of rank before anybody gets more. Going
    up needs headroom over the limit; staying does not.
    """
    raise NotImplementedError
