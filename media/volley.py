"""One run of packets for many receivers: written, encrypted and sent together.

Each receiver's packets lie side by side and are one message to the kernel, which
cuts it into datagrams (GSO); all receivers' messages go with one ``sendmmsg``. Where
the kernel cannot cut, each datagram is a message; where there is no ``sendmmsg``,
they go one by one. What the kernel will not take now is dropped and counted.
"""

from __future__ import annotations

import errno
import socket
import struct
from array import array
from collections import Counter
from collections.abc import Callable

from media import libc
from media.core.run import Layout, Message, Run
from media.srtp import Memory
from media.writer import ARENA_BYTES, PLAIN, Row, Seat, Writer, stride_of

MAX_MESSAGES = 1024
"""UIO_MAXIOV: the kernel takes no more at once."""
NO_ROOM = {errno.EAGAIN, errno.ENOBUFS}
CANNOT_CUT = {errno.EINVAL, errno.EIO, errno.EMSGSIZE}
"""What sending says to a message it would cut, where path or device forbid it."""
CONTROL_BYTES = 24
_put_control = struct.Struct("=QiiH6x").pack_into  # struct cmsghdr and the size to cut by
_WORDS = 8  # of struct mmsghdr: name, its size, iovecs, how many, control, its size, flags, sent


class Envelopes:
    """What tells the kernel where messages lie and go: filled once, used while nothing changes.

    Owner: the row, for runs of one layout to all of it; the volley, for everything else.

    Attributes:
        messages: how each receiver's packets lie, as filled in.
    """

    __slots__ = ("_controls", "_headers", "_iovecs", "messages", "pointer")

    def __init__(self, capacity: int, name_bytes: int) -> None:
        ffi = libc.ffi
        self.messages: list[Message] = []
        self._headers = array("Q", bytes(8 * _WORDS * capacity))
        self._iovecs = array("Q", bytes(16 * capacity))
        self._controls = bytearray()
        self.pointer = ffi.cast(
            "struct mmsghdr *", ffi.from_buffer(self._headers, require_writable=True)
        )
        iovecs = libc.address_of(ffi.from_buffer(self._iovecs))
        self._headers[1::_WORDS] = array("Q", [name_bytes]) * capacity
        self._headers[2::_WORDS] = array("Q", range(iovecs, iovecs + 16 * capacity, 16))
        self._headers[3::_WORDS] = array("Q", [1]) * capacity

    def fill(self, base: int, stride: int, messages: list[Message], names: array[int]) -> None:
        """Address each receiver's messages; ``base`` is where the first one's packets lie."""
        headers, iovecs = self._headers, self._iovecs
        kinds, receivers = len(messages), len(names)
        end = _WORDS * kinds * receivers
        self.messages = messages
        controls = self._controls = bytearray(CONTROL_BYTES * kinds)
        control_at = libc.address_of(libc.ffi.from_buffer(controls))
        for kind, message in enumerate(messages):
            at = base + message.at
            cut = message.packets > 1
            headers[_WORDS * kind : end : _WORDS * kinds] = names
            iovecs[2 * kind : 2 * kinds * receivers : 2 * kinds] = array(
                "Q", range(at, at + stride * receivers, stride)
            )
            iovecs[2 * kind + 1 : 2 * kinds * receivers : 2 * kinds] = (
                array("Q", [message.size_bytes]) * receivers
            )
            if cut:
                _put_control(
                    controls, kind * CONTROL_BYTES, 18, socket.IPPROTO_UDP, libc.UDP_SEGMENT,
                    message.segment_bytes,
                )  # fmt: skip
            headers[_WORDS * kind + 4 : end : _WORDS * kinds] = (
                array("Q", [control_at + kind * CONTROL_BYTES if cut else 0]) * receivers
            )
            headers[_WORDS * kind + 5 : end : _WORDS * kinds] = (
                array("Q", [CONTROL_BYTES if cut else 0]) * receivers
            )


class Volley:
    """Owner: the burst of the same socket.

    Attributes:
        way: how datagrams leave: ``gso``, ``sendmmsg`` or ``sendto``.
        writer: who writes the runs; may be replaced at any time.
    """

    def __init__(
        self, sock: socket.socket, counters: Counter[str], before: Callable[[], None]
    ) -> None:
        """Args:
        before: sends what was written for these receivers earlier and still waits.
        """
        self._sock = sock
        self._fd = sock.fileno()
        self._counters = counters
        self._before = before
        self._closed = self._uncut = False
        self._cuts = libc.coalesces(sock)
        self.way = "gso" if self._cuts else "sendmmsg" if libc.lib is not None else "sendto"
        self.writer: Writer = PLAIN
        self._memory = Memory(ARENA_BYTES)
        self._bytes = self._memory.view
        self._name_bytes = len(libc.sockaddr(sock.getsockname()))
        self._envelopes = Envelopes(MAX_MESSAGES, self._name_bytes)

    @property
    def cuts(self) -> bool:
        """Whether runs leave as one message a receiver."""
        return self._cuts

    def send(self, run: Run, row: Row) -> bool:
        """Send the run to everybody in the row; all of it has left, or is counted, on return.

        Returns:
            Whether all paths were as the row says; if not, ``cuts`` of some is now false.
        """
        if self._closed:
            return True
        self._before()
        self._uncut = False
        layout = run.layout(row.tag_bytes, coalesce=row.coalesce)
        seats = row.seats
        at_once = min(ARENA_BYTES // stride_of(layout), MAX_MESSAGES // len(layout.messages))
        for first in range(0, len(seats), at_once):
            last = min(first + at_once, len(seats))
            faulty = self.writer.write(self._memory, run, layout, row, first, last)
            if libc.lib is not None and not faulty and last - first == len(seats):
                self._hand_over(self._kept(layout, row), layout, seats, 0, last)
                continue
            some = seats[first:last]
            names = row.names[first:last]
            start = 0
            for stop in (*faulty, len(some)):
                if stop > start:
                    if libc.lib is None:
                        self._send_singly(layout, some, start, stop)
                    else:
                        base = self._memory.address + start * stride_of(layout)
                        self._envelopes.fill(
                            base, stride_of(layout), layout.messages, names[start:stop]
                        )
                        self._hand_over(self._envelopes, layout, some, start, stop)
                start = stop + 1
            if faulty:
                self._counters["unprotected"] += len(faulty) * len(run.wires)
        return not self._uncut

    def _kept(self, layout: Layout, row: Row) -> Envelopes:
        """The row's own envelopes, filled for this layout."""
        messages = layout.messages
        kept = row.envelopes
        if kept is None or len(kept.messages) != len(messages):
            kept = row.envelopes = Envelopes(len(messages) * len(row.seats), self._name_bytes)
        if kept.messages != messages:
            kept.fill(self._memory.address, stride_of(layout), messages, row.names)
        return kept

    def _hand_over(
        self, envelopes: Envelopes, layout: Layout, seats: list[Seat], start: int, stop: int
    ) -> None:
        messages, kinds = layout.messages, len(layout.messages)
        done, count = 0, kinds * (stop - start)
        while done < count:
            sent = libc.lib.sendmmsg(self._fd, envelopes.pointer + done, count - done, 0)
            if sent > 0:
                self._count("sent", messages, done, done + sent)
                done += sent
                continue
            number = libc.ffi.errno
            if number in NO_ROOM:
                self._count("send_no_room", messages, done, count)
                return
            if number == errno.EINTR:
                continue
            receiver, kind = divmod(done, kinds)
            message, seat = messages[kind], seats[start + receiver]
            if message.packets > 1 and number in CANNOT_CUT:
                # From the next run on this one's packets are messages of their own.
                seat.path.cuts = False
                self._uncut = True
                self._send_apart(message, (start + receiver) * stride_of(layout), seat)
            else:
                self._counters["send_error"] += message.packets
            done += 1

    def _count(self, what: str, messages: list[Message], first: int, last: int) -> None:
        """Count the packets of the messages ``first`` to ``last`` of a sending."""
        kinds = len(messages)
        if kinds == 1:
            message = messages[0]
            packets = message.packets * (last - first)
            size_bytes = message.size_bytes * (last - first)
        else:
            some = [messages[i % kinds] for i in range(first, last)]
            packets = sum(message.packets for message in some)
            size_bytes = sum(message.size_bytes for message in some)
        self._counters[what] += packets
        if what == "sent":
            self._counters["sent_bytes"] += size_bytes

    def _send_singly(self, layout: Layout, seats: list[Seat], start: int, stop: int) -> None:
        for i in range(start, stop):
            for message in layout.messages:
                self._send_apart(message, i * stride_of(layout), seats[i])

    def _send_apart(self, message: Message, base: int, seat: Seat) -> None:
        """Send a message's packets as datagrams of their own."""
        at, end = base + message.at, base + message.at + message.size_bytes
        while at < end:
            packet = self._bytes[at : min(at + message.segment_bytes, end)]
            try:
                self._sock.sendto(packet, seat.path.address)
            except OSError as error:
                full = error.errno in NO_ROOM
                self._counters["send_no_room" if full else "send_error"] += 1
            else:
                self._counters["sent"] += 1
                self._counters["sent_bytes"] += len(packet)
            at += message.segment_bytes

    def close(self) -> None:
        """Send nothing more: the socket is another's soon."""
        self._closed = True
