"""Writes a run of packets for many receivers, numbered and encrypted, side by side.

In plain Python here; ``media.native`` does the same in C where it can be built.
Sends nothing.
"""

from __future__ import annotations

import struct
from array import array
from typing import TYPE_CHECKING, Any, Protocol

from media.core.run import MAX_SEGMENTS, Layout, Numbers, Run
from media.srtp import Memory, Sealer, SrtpSession, memmove, new_size

if TYPE_CHECKING:
    from media.burst import Path
    from media.volley import Envelopes, Volley

ARENA_BYTES = 512 << 10
"""Small enough to stay in a processor's second cache between writing and sending."""
MAX_PACKET_BYTES = 1536
IMAGE_BYTES = MAX_SEGMENTS * MAX_PACKET_BYTES
RECEIVER = struct.Struct("=QQIIHHBBH")
"""``struct receiver`` of native.c."""

_put_u16 = struct.Struct("!H").pack_into


class Seat:
    """A receiver of runs: where they go, under which key and numbers.

    Attributes:
        transport_seq: the number of the first packet of the run that wants a transport-wide one.
        packed: all but the path, for ``media.native``.
    """

    __slots__ = ("context", "numbers", "packed", "path", "protect", "srtp", "transport_seq")

    def __init__(self, path: Path, srtp: SrtpSession, numbers: Numbers) -> None:
        self.path = path
        self.srtp = srtp
        self.context = srtp.context
        self.protect = srtp.protect_with
        self.numbers = numbers
        self.transport_seq = 0
        self.packed = RECEIVER.pack(
            srtp.address,
            srtp.protect_address,
            numbers.ssrc,
            numbers.ts & 0xFFFFFFFF,
            numbers.seq & 0xFFFF,
            numbers.picture & 0xFFFF,
            numbers.tl0 & 0xFF,
            numbers.pt,
            0,
        )


class Row:
    """Seats whose runs can leave together: on one socket, with equally long tags.

    Sorted by numbers, so that those who share them follow each other. Owner: the fan;
    whoever changes ``seats`` calls ``changed`` before the next run.

    Attributes:
        names: where their addresses are.
        packed: as ``Seat.packed``, one after another.
        envelopes: the volley's, as they were filled for the last run.
    """

    __slots__ = ("coalesce", "envelopes", "names", "packed", "seats", "tag_bytes", "volley")

    def __init__(self, volley: Volley, tag_bytes: int, *, coalesce: bool) -> None:
        self.volley = volley
        self.tag_bytes = tag_bytes
        self.coalesce = coalesce
        self.seats: list[Any] = []
        self.names = array("Q")
        self.packed = b""
        self.envelopes: Envelopes | None = None

    def changed(self) -> None:
        self.envelopes = None
        self.seats.sort(key=_numbers_of)
        self.names = array("Q", [seat.path.sockaddr_at for seat in self.seats])
        self.packed = b"".join([seat.packed for seat in self.seats])


def _numbers_of(seat: Seat) -> Numbers:
    return seat.numbers


def stride_of(layout: Layout) -> int:
    """From one receiver's packets to the next one's: a multiple of 16."""
    return (layout.total_bytes + 15) & ~15


class Writer(Protocol):
    """Whoever writes runs.

    Attributes:
        name: for logs and figures.
        sealer: encrypts for new connections instead of libsrtp, if it is there.
    """

    name: str
    sealer: Sealer | None

    def write(
        self, arena: Memory, run: Run, layout: Layout, row: Row, first: int, last: int
    ) -> list[int]:
        """Put the run for the seats ``first`` to ``last`` into the arena, ``stride_of`` apart.

        Returns:
            Who could not have it, counted from ``first``: the packet could not be protected.
        """


class PlainWriter:
    """Owner: the process. Keeps nothing from one call to the next."""

    name = "python"
    sealer: Sealer | None = None

    def __init__(self, *, protects: bool = True) -> None:
        self._protects = protects
        self._image = Memory(IMAGE_BYTES)
        self._size = new_size()

    def write(
        self, arena: Memory, run: Run, layout: Layout, row: Row, first: int, last: int
    ) -> list[int]:
        image, view = self._image.pointer, self._image.view
        size = self._size
        total, stride = layout.total_bytes, stride_of(layout)
        steps = list(zip(run.sizes, layout.offsets, strict=True))
        run.copy(view, layout)
        numbers: Numbers | None = None
        faulty: list[int] = []
        slot, at = arena.pointer, 0
        for i, seat in enumerate(row.seats[first:last]):
            if seat.numbers != numbers:
                numbers = seat.numbers
                run.number(view, layout, numbers)
            memmove(slot, image, total)
            if run.numbered:
                _put_transport_seqs(arena.view, at, run, layout, seat.transport_seq)
            context, protect = seat.context, seat.protect
            for plain, offset in steps if self._protects else ():
                size[0] = plain
                if protect(context, slot + offset, size):
                    faulty.append(i)
                    break
            slot += stride
            at += stride
        return faulty


def _put_transport_seqs(view: memoryview, at: int, run: Run, layout: Layout, seq16: int) -> None:
    for wire, offset in zip(run.wires, layout.offsets, strict=True):
        if wire.twcc:
            _put_u16(view, at + offset + wire.twcc, seq16)
            seq16 = (seq16 + 1) & 0xFFFF


PLAIN = PlainWriter()
