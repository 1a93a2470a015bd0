"""The receivers of one layer whose packets need no decision any more: only numbers and a key.

A receiver sits down when everything that comes will be forwarded under constant
numbers, and stands up before anything about it changes. While it sits nothing is
done for it alone but the encryption: what was sent to it is kept for all who sit
here and told to it when it asks.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from media.burst import Path
from media.core.extensions import Translation
from media.core.forwarder import Forwarder
from media.core.packet import Packet
from media.core.run import Numbers, Run
from media.srtp import MAX_PLAIN_BYTES, SrtpSession
from media.volley import Volley
from media.writer import Row, Seat


class Sitting(Seat):
    """One receiver's seat in a fan.

    Args:
        transport_seqs: gives the first of as many transport-wide numbers as there are sizes.
    """

    __slots__ = ("_fan", "_forwarder", "_octets", "_packets", "_row", "transport_seqs")

    def __init__(
        self,
        path: Path,
        srtp: SrtpSession,
        numbers: Numbers,
        forwarder: Forwarder,
        transport_seqs: Callable[[list[int], float], int],
    ) -> None:
        super().__init__(path, srtp, numbers)
        self.transport_seqs = transport_seqs
        self._forwarder = forwarder
        self._fan: Fan | None = None
        self._row: Row | None = None
        self._packets = self._octets = 0

    def sit(self, fan: Fan, row: Row) -> None:
        self._fan, self._row = fan, row
        self._packets, self._octets = fan.packets, fan.octets

    def catch_up(self) -> None:
        """Tell the forwarder what was sent since it was told last."""
        fan = self._fan
        if fan is None or fan.last is None or fan.packets == self._packets:
            return
        self._forwarder.passed(
            fan.last, fan.newest, fan.packets - self._packets, fan.octets - self._octets
        )
        self._packets, self._octets = fan.packets, fan.octets

    def stand(self) -> None:
        """Catch up and get nothing more from the fan; standing up twice is fine."""
        self.catch_up()
        fan, row = self._fan, self._row
        self._fan = self._row = None
        if fan is not None and row is not None:
            fan.free(self, row)


class Fan:
    """Owner: the layer, one per set of extension numbers.

    Attributes:
        newest: number of the newest packet the layer was asked to forward, -1 before the first.
        last: newest packet sent from here.
        packets, octets: sent to each who sits here, since ever.
    """

    __slots__ = ("_changed", "_rows", "last", "newest", "octets", "packets", "translation")

    def __init__(self, translation: Translation) -> None:
        self.translation = translation
        self.newest = -1
        self.last: Packet | None = None
        self.packets = 0
        self.octets = 0
        self._rows: dict[tuple[Volley, int, bool], Row] = {}
        self._changed: set[Row] = set()

    def __len__(self) -> int:
        return sum(len(row.seats) for row in self._rows.values())

    def seat(self, sitting: Sitting) -> None:
        """Send what comes next to this one too."""
        volley = sitting.path.burst.volley
        cuts = volley.cuts and sitting.path.cuts
        key = (volley, sitting.srtp.tag_bytes, cuts)
        row = self._rows.get(key)
        if row is None:
            row = self._rows[key] = Row(volley, key[1], coalesce=cuts)
        row.seats.append(sitting)
        self._changed.add(row)
        sitting.sit(self, row)

    def free(self, sitting: Sitting, row: Row) -> None:
        """Take one out; ``Sitting.stand`` does."""
        row.seats.remove(sitting)
        self._changed.add(row)
        if not row.seats:
            self._rows = {key: kept for key, kept in self._rows.items() if kept is not row}

    def dismiss(self) -> None:
        """Let everybody stand up."""
        for row in tuple(self._rows.values()):
            for sitting in tuple(row.seats):
                sitting.stand()

    def send(self, packets: Sequence[Packet], now: float) -> bool:
        """Send packets, each newer than the one before, to all who sit here.

        Returns:
            False, and nothing is sent, if one is too long.
        """
        rows = self._rows
        apply = self.translation.apply
        run = Run(packets, [apply(packet, now) for packet in packets])
        if max(run.sizes) > MAX_PLAIN_BYTES:
            return False
        self.packets += len(packets)
        self.octets += run.octets
        self.last = packets[-1]
        self.newest = self.last.seq
        for row in self._changed:
            row.changed()
        self._changed.clear()
        for row in tuple(rows.values()):
            if run.numbered:
                sizes = [wire.size for wire in run.wires if wire.twcc]
                for sitting in row.seats:
                    sitting.transport_seq = sitting.transport_seqs(sizes, now)
            if not row.volley.send(run, row):
                for sitting in [s for s in row.seats if not s.path.cuts]:
                    self.free(sitting, row)
                    self.seat(sitting)
        return True
