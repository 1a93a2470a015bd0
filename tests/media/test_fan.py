"""Receivers in a fan get what they would have got one by one, and stand up in time."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import pytest

from media.burst import Path
from media.core.extensions import TRANSPORT_CC
from media.core.packet import Packet, parse
from media.downtrack import DownTrack, outgoing
from media.layer import Layer
from media.rpc import TrackInfo
from media.sdp import Codec, OutgoingLine
from media.srtp import SrtpSession
from media.track import PublishedTrack
from media.udp import MediaPort
from tests.media.test_track import DELTA, KEY, SSRC, packet, published
from tests.media.test_volley import Receiver

SEED = 20261122


class Carrier:
    """A connection that offers a seat, or takes packets one by one and keeps them."""

    rtt = 0.05
    connected = True

    def __init__(self, receiver: Receiver | None = None) -> None:
        self.receiver = receiver
        self.sent: list[Packet] = []
        self.numbered = 0
        self.failed = ""

    def number(self, size_bytes: int, now: float) -> int:
        self.numbered += 1
        return (self.numbered - 1) & 0xFFFF

    def transport_seqs(self, sizes: list[int], now: float) -> int:
        self.numbered += len(sizes)
        return (self.numbered - len(sizes)) & 0xFFFF

    def outlet(self) -> tuple[Path, SrtpSession] | None:
        seat = self.receiver.seat if self.receiver is not None else None
        return (seat.path, seat.srtp) if seat is not None else None

    def send_rtp(self, data: memoryview) -> bool:
        if self.receiver is not None:
            path, srtp = self.receiver.seat.path, self.receiver.seat.srtp
            sealed = srtp.protect(data)
            assert sealed is not None
            path.send(sealed)
            path.burst.flush()
            return True
        parsed = parse(bytes(data))
        assert isinstance(parsed, Packet)
        self.sent.append(parsed)
        return True

    def fail(self, reason: str) -> None:
        self.failed = reason

    def reconsider(self) -> None:
        pass


@pytest.fixture
async def port() -> Any:
    port = MediaPort("127.0.0.1", 0)
    yield port
    port.close()


@pytest.fixture
def receivers(port: MediaPort) -> Iterator[list[Receiver]]:
    made = [Receiver(port, "127.0.0.1", "SRTP_AEAD_AES_128_GCM") for _ in range(3)]
    yield made
    for each in made:
        each.sock.close()


def down(track: PublishedTrack, carrier: Carrier, *, twcc: bool = False) -> DownTrack:
    info: TrackInfo = track.info
    made = DownTrack(carrier, line(info, track.ssrc, twcc=twcc))
    made.feed(track)
    made.aim(track.layers[0])
    return made


def line(info: TrackInfo, ssrc: int, *, twcc: bool) -> OutgoingLine:
    return OutgoingLine(
        mid="0",
        track=outgoing("t", "g", info, ssrc),
        codec=Codec(payload_type=100, name=info.codec, clock_rate=info.clock_rate),
        rtx=None,
        extensions={5: TRANSPORT_CC} if twcc else {},
    )


def seated(layer: Layer) -> int:
    return sum(len(group.seated) for group in layer.groups)


def picture(packet: Packet) -> tuple[int, int, int, int, bool, bytes]:
    return (
        packet.ssrc, packet.pt, packet.seq16, packet.ts32, packet.marker,
        bytes(packet.data[packet.extensions : packet.end]),
    )  # fmt: skip


@pytest.mark.parametrize("twcc", [False, True])
async def test_a_seat_brings_what_forwarding_one_by_one_brings(
    receivers: list[Receiver], twcc: bool
) -> None:
    print(f"seed {SEED}")
    chance = random.Random(SEED)
    track, _ = published()
    (layer,) = track.layers
    layer.bind(SSRC)
    plain, sitting = Carrier(), Carrier(receivers[0])
    first, second = down(track, plain, twcc=twcc), down(track, sitting, twcc=twcc)
    order = list(range(40_000, 40_400))
    for at in range(5, len(order) - 5):
        if chance.random() < 0.05:
            order[at], order[at + 3] = order[at + 3], order[at]
    got: list[Packet] = []
    sat = 0
    pending: list[Any] = []
    track.board.defer = pending.append
    for n, seq in enumerate(order):
        if n and chance.random() < 0.05:
            continue
        layer.receive(packet(seq, KEY if n % 60 == 0 else DELTA), n / 100)
        if chance.random() < 0.4:
            for call in pending:
                call()
            pending.clear()
            sat += seated(layer)
            got += receivers[0].received()
    for call in pending:
        call()
    got += receivers[0].received()
    assert sat > 20
    assert [picture(p) for p in got] == [picture(p) for p in plain.sent]
    assert first.stats() == second.stats()
    assert plain.numbered == sitting.numbered
    # What was sent from the seat can be asked for again, but not under another header without RTX.
    last = got[-1].seq16
    for each in (first, second):
        each.resend([last], 100.0)
    assert first.repaired == second.repaired == (0 if twcc else 1)
    assert plain.sent[-1].seq16 == last


async def test_one_that_closes_or_changes_stands_up_and_the_others_stay(
    receivers: list[Receiver],
) -> None:
    track, _ = published()
    (layer,) = track.layers
    layer.bind(SSRC)
    carriers = [Carrier(receiver) for receiver in receivers]
    downs = [down(track, carrier) for carrier in carriers]
    for seq in range(3):
        layer.receive(packet(seq, KEY if seq == 0 else DELTA), 0.0)
    assert seated(layer) == 3
    downs[0].close()
    downs[1].stand_up()
    assert seated(layer) == 1
    layer.receive(packet(3), 0.0)
    assert seated(layer) == 2
    assert [len(r.received()) for r in receivers] == [3, 4, 4]
    assert downs[1].stats().packets == downs[2].stats().packets == 4
    track.hold(True)
    assert seated(layer) == 0
    track.hold(False)
    layer.bind(SSRC + 1)
    assert seated(layer) == 0


async def test_one_that_breaks_while_a_run_goes_out_costs_the_others_nothing(
    receivers: list[Receiver],
) -> None:
    track, _ = published()
    (layer,) = track.layers
    layer.bind(SSRC)
    carriers = [Carrier(receiver) for receiver in receivers]
    downs = [down(track, carrier) for carrier in carriers]

    class Closes(Carrier):
        """Its connection ends in the middle of a run, and takes another one with it."""

        def send_rtp(self, data: memoryview) -> bool:
            for each in (downs[0], breaking):
                each.close()
            raise RuntimeError("gone")

    last = Closes(receivers[0])
    breaking = down(track, last)
    pending: list[Any] = []
    track.board.defer = pending.append
    for seq in range(4):
        layer.receive(packet(seq, KEY if seq == 0 else DELTA), 0.0)
    pending.pop()()
    assert last.failed
    assert [len(r.received()) for r in receivers] == [4, 4, 4]
    for seq in range(4, 8):
        layer.receive(packet(seq), 0.0)
    pending.pop()()
    assert [len(r.received()) for r in receivers] == [0, 4, 4]
    assert seated(layer) == 2


async def test_a_packet_too_long_to_protect_costs_only_itself(receivers: list[Receiver]) -> None:
    track, _ = published()
    (layer,) = track.layers
    layer.bind(SSRC)
    carrier = Carrier(receivers[0])
    down(track, carrier)
    layer.receive(packet(0, KEY), 0.0)
    layer.receive(packet(1), 0.0)
    assert seated(layer) == 1
    with pytest.raises(AssertionError):
        # Protection refuses it, and only the packet-by-packet way may meet it.
        carrier.send_rtp(memoryview(packet(2, bytes(1480)).data))
    before = layer.groups[0].fan.packets
    refused = [packet(2, bytes(1480))]
    assert refused[0].end > 1472
    for each in refused:
        each.seq, each.ts, each.picture, each.tl0 = 0x10002, 0, -1, -1
    assert not layer.groups[0].fan.send(refused, 0.0)
    assert layer.groups[0].fan.packets == before
