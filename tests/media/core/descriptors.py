"""Dependency descriptors for tests, written bit by bit from the AV1 RTP specification, appendix A."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

MARKS = "-DSR"


@dataclass(frozen=True)
class Kind:
    """A template: layers, what it is to each decode target (``-DSR``), distances to references."""

    spatial: int
    temporal: int
    marks: str
    references: tuple[int, ...] = ()


# Of libwebrtc's structure of two sizes at two rates, sizes tied together in keyframes only.
L2T2_KEY = (
    Kind(0, 0, "SSSS"),
    Kind(0, 0, "SS--", (4,)),
    Kind(0, 1, "-D--", (2,)),
    Kind(1, 0, "--SS", (1,)),
    Kind(1, 0, "--SS", (4,)),
    Kind(1, 1, "---D", (2,)),
)
# The same, tied together always.
L2T2 = (
    Kind(0, 0, "SSSS"),
    Kind(0, 0, "SSRR", (4,)),
    Kind(0, 1, "-D-R", (2,)),
    Kind(1, 0, "--SS", (1,)),
    Kind(1, 0, "--SS", (4, 1)),
    Kind(1, 1, "---D", (2, 1)),
)
# Of libwebrtc's structure of three sizes, tied together in keyframes only.
L3_KEY = (
    Kind(0, 0, "SSS"),
    Kind(0, 0, "S--", (3,)),
    Kind(1, 0, "-SS", (1,)),
    Kind(1, 0, "-S-", (3,)),
    Kind(2, 0, "--S", (1,)),
    Kind(2, 0, "--S", (3,)),
)


class Bits:
    def __init__(self) -> None:
        self.text = ""

    def put(self, value: int, count: int) -> Bits:
        self.text += f"{value:0{count}b}" if count else ""
        return self

    def put_below(self, value: int, limit: int) -> None:
        """ns(n)."""
        width = limit.bit_length()
        short = (1 << width) - limit
        if value < short:
            self.put(value, width - 1)
        else:
            self.put(value + short, width)

    def data(self) -> bytes:
        text = self.text + "0" * (-len(self.text) % 8)
        return int(text, 2).to_bytes(len(text) // 8, "big")


def descriptor(
    template: int,
    number: int,
    *,
    start: bool = True,
    end: bool = True,
    structure: tuple[Kind, ...] = (),
    offset: int = 0,
    sizes: tuple[tuple[int, int], ...] = (),
    active: tuple[int, int] | None = None,
    marks: str = "",
    references: tuple[int, ...] | None = None,
) -> bytes:
    """``template``: index; ``active``: (bitmask, number of decode targets)."""
    bits = Bits().put(start, 1).put(end, 1).put((template + offset) & 63, 6).put(number, 16)
    if structure or active or marks or references is not None:
        bits.put(bool(structure), 1).put(active is not None, 1).put(bool(marks), 1)
        bits.put(references is not None, 1).put(0, 1)
    if structure:
        _put_structure(bits, structure, offset, sizes)
    if active is not None:
        bits.put(*active)
    for mark in marks:
        bits.put(MARKS.index(mark), 2)
    if references is not None:
        for reference in references:
            size = 1 if reference <= 16 else 2
            bits.put(size, 2).put(reference - 1, 4 * size)
        bits.put(0, 2)
    return bits.data()


def _put_structure(
    bits: Bits, structure: tuple[Kind, ...], offset: int, sizes: tuple[tuple[int, int], ...]
) -> None:
    targets = len(structure[0].marks)
    bits.put(offset, 6).put(targets - 1, 5)
    for before, after in pairwise(structure):
        if after.spatial > before.spatial:
            bits.put(2, 2)
        else:
            bits.put(1 if after.temporal > before.temporal else 0, 2)
    bits.put(3, 2)
    for kind in structure:
        for mark in kind.marks:
            bits.put(MARKS.index(mark), 2)
    for kind in structure:
        for reference in kind.references:
            bits.put(1, 1).put(reference - 1, 4)
        bits.put(0, 1)
    bits.put_below(2, targets + 1)  # two chains, one a size
    for target in range(targets):
        bits.put_below(target * 2 // targets, 2)
    bits.put(0, 4 * 2 * len(structure))
    bits.put(bool(sizes), 1)
    for width, height in sizes:
        bits.put(width - 1, 16).put(height - 1, 16)
