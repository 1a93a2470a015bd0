"""Which layer a tile gets, and who goes without when the path is narrow."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

from media.core.selection import EVERY

# A picture may be stretched by a quarter before people prefer the next layer,
# which costs three to four times as much (judgement).
STRETCH = 1.25

# Going up needs a fifth more than the layer costs: rates of encoders swing by
# about that much, and going back down is what people notice.
HEADROOM = 1.2


@dataclass(slots=True)
class LayerState:
    """A layer as measured, or part of one: up to a spatial and a temporal layer inside it.

    ``width``, ``height`` 0 while unknown; ``bps`` 0: not being sent.
    """

    rid: str
    width: int
    height: int
    bps: int
    spatial: int = EVERY
    temporal: int = EVERY


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
    """Index of the smallest living layer that fills the tile, else the largest; None if none lives.

    Of parts alike in size the last: all its pictures. Unknown sizes are taken as half of the next larger layer's, or twice the next
    smaller's; with none known the largest living layer is chosen.
    """
    living = [index for index, layer in enumerate(layers) if layer.bps > 0]
    if not living:
        return None
    if not max_width and not max_height:
        return living[-1]
    steps = _steps(layers)
    for index in living:
        width, height = _size(layers, steps, index)
        if (max_width and width * STRETCH >= max_width) or (
            max_height and height * STRETCH >= max_height
        ):
            return max(at for at in living if steps[at] == steps[index])
    return living[-1]


def _steps(layers: Sequence[LayerState]) -> list[int]:
    """For each the number of its size, parts that differ in time alone having one."""
    steps: list[int] = []
    for index, layer in enumerate(layers):
        before = layers[index - 1] if index else layer
        same = (layer.rid, layer.spatial) == (before.rid, before.spatial)
        steps.append((steps[-1] if steps else 0) + (not same))
    return steps


def _size(layers: Sequence[LayerState], steps: Sequence[int], index: int) -> tuple[float, float]:
    """Size of a layer, reckoned from the nearest known one; (0, 0) when none is known."""
    known = [at for at, layer in enumerate(layers) if layer.width and layer.height]
    if not known:
        return 0, 0
    nearest = min(known, key=lambda at: abs(at - index))
    scale = 2.0 ** (steps[index] - steps[nearest])
    return layers[nearest].width * scale, layers[nearest].height * scale


def allocate(wishes: Sequence[Wish], limit_bps: int) -> list[int | None]:
    """Share the path: for each wish the index of its layer, or None for paused by bandwidth.

    Everybody gets the lowest layer in order of rank before anybody gets more; within
    a rank all go up a step before one goes up two. Going up needs headroom over the
    limit; staying does not. Audio is never paused. Wishes nobody sends for are None.
    """
    chosen: list[int | None] = [None] * len(wishes)
    left = float(limit_bps)
    steps: list[list[int]] = []  # per wish: living layers up to the fitting one
    for wish in wishes:
        top = fitting(wish.layers, wish.max_width, wish.max_height)
        steps.append([] if top is None else _worthwhile(wish.layers, top))
    order = sorted(range(len(wishes)), key=lambda at: wishes[at].rank)
    for at in order:
        wish = wishes[at]
        if steps[at]:
            lowest = steps[at][0]
            if wish.rank is Rank.AUDIO or _cost(wish, lowest) <= left:
                chosen[at] = lowest
                left -= wish.layers[lowest].bps
    for rank in Rank:
        climbing = [at for at in order if wishes[at].rank is rank and chosen[at] is not None]
        while climbing:
            still = []
            for at in climbing:
                wish = wishes[at]
                now = chosen[at]
                above = next(
                    (index for index in steps[at] if now is not None and index > now), None
                )
                if now is None or above is None:
                    continue
                paid = wish.layers[now].bps
                if _cost(wish, above) - paid <= left:
                    chosen[at] = above
                    left -= wish.layers[above].bps - paid
                    still.append(at)
            climbing = still
    return chosen


def _worthwhile(layers: Sequence[LayerState], top: int) -> list[int]:
    """Living layers up to ``top``, without those that cost as much as a better one."""
    kept: list[int] = []
    for index in reversed(range(top + 1)):
        bps = layers[index].bps
        if bps > 0 and (not kept or bps < layers[kept[-1]].bps):
            kept.append(index)
    return kept[::-1]


def _cost(wish: Wish, index: int) -> float:
    """What a layer must find free: more than it takes when it would be a step up."""
    up = wish.current is None or index > wish.current
    return wish.layers[index].bps * (HEADROOM if up else 1.0)
