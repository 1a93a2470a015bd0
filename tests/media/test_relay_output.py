"""Numbers on a relay link: gaps stay, nothing is used twice, NACKs find their packets."""

from __future__ import annotations

import random

from media.core.packet import Packet, parse
from media.core.rtcp import RtcpPacket, SenderReport, parse_rtcp
from media.relay_output import RelayOutput, RelayStream
from media.rpc import Kind
from media.track import PublishedTrack
from tests.media.test_track import KEY, SSRC, packet, published, redundant

SEED = 20261121


class Link:
    """A link that keeps what it is given."""

    rtt = 0.05

    def __init__(self) -> None:
        self.packets: list[Packet] = []
        self.rtcp: list[RtcpPacket] = []
        self.failed = False
        self.streams: dict[int, RelayStream] = {}

    def stream(self, ssrc: int) -> RelayStream:
        return self.streams.setdefault(ssrc, RelayStream(ssrc))

    def send_rtp(self, data: memoryview) -> None:
        parsed = parse(bytes(data))
        assert isinstance(parsed, Packet)
        self.packets.append(parsed)

    def send_rtcp(self, data: bytes) -> None:
        self.rtcp += parse_rtcp(data)[0]

    def fail(self) -> None:
        self.failed = True

    def seqs(self) -> list[int]:
        return [p.seq16 for p in self.packets if p.pt == 96]


def crossing(kind: Kind = "video") -> tuple[PublishedTrack, RelayOutput, Link]:
    track, _ = published(kind=kind)
    track.layers[0].bind(SSRC)
    link = Link()
    output = RelayOutput(link, track)
    output.want([""], 0.0)
    return track, output, link


def test_gaps_and_lateness_cross_as_they_came() -> None:
    track, _, link = crossing()
    for seq in (40_000, 40_001, 40_005, 40_003, 40_006):
        track.layers[0].receive(packet(seq), 0.0)
    assert link.seqs() == [1, 2, 6, 4, 7]
    assert {p.ssrc for p in link.packets} == {track.layers[0].relay_ssrc}
    assert link.packets[0].ts32 == 40_000 * 3000


def test_a_layer_that_comes_back_goes_on_where_it_stopped() -> None:
    track, output, link = crossing()
    layer = track.layers[0]
    layer.receive(packet(10), 0.0)
    layer.receive(packet(11), 0.0)
    output.want([], 1.0)
    layer.receive(packet(12), 1.0)
    output.want([""], 2.0)
    layer.receive(packet(2_013), 2.0)
    layer.receive(packet(2_014), 2.0)
    assert link.seqs() == [1, 2, 3, 4]


def test_an_origin_that_begins_anew_does_not_jump_where_srtp_would_take_it_for_old() -> None:
    track, _, link = crossing()
    layer = track.layers[0]
    for seq in (100, 101, 50_000, 50_001, 50_002):
        layer.receive(packet(seq), 0.0)
    # The first after the jump is taken for a stray (RFC 3550 A.1).
    assert link.seqs() == [1, 2, 3, 4]


def test_another_source_and_a_hold_do_not_turn_numbers_back() -> None:
    print(f"seed {SEED}")
    chance = random.Random(SEED)
    track, output, link = crossing()
    layer = track.layers[0]
    for round_ in range(20):
        start = chance.randrange(65_536)
        for n in range(chance.randrange(1, 40)):
            layer.receive(packet(start + n), float(round_))
        if round_ % 2:
            track.hold(True)
            layer.receive(packet(start + 50), float(round_))
            track.hold(False)
        else:
            layer.bind(SSRC + round_ + 1)
    assert link.seqs() == list(range(1, len(link.seqs()) + 1))
    assert not output.track.held


def test_a_nack_is_answered_by_a_retransmission_under_the_next_ssrc() -> None:
    track, output, link = crossing()
    layer = track.layers[0]
    layer.receive(packet(500, KEY), 0.0)
    for seq in range(501, 510):
        layer.receive(packet(seq), 0.0)
    output.resend(layer, [3, 3, 900], 0.5)
    (again,) = [p for p in link.packets if p.pt == 97]
    assert again.ssrc == layer.relay_ssrc + 1
    assert bytes(again.data[again.payload : again.payload + 2]) == b"\x00\x03"
    assert again.ts32 == 502 * 3000
    output.resend(layer, [3], 0.51)  # too soon
    output.resend(layer, [3], 0.6)
    assert len([p for p in link.packets if p.pt == 97]) == 2


def test_old_numbers_of_another_source_are_not_answered() -> None:
    track, output, link = crossing()
    layer = track.layers[0]
    for seq in range(100, 110):
        layer.receive(packet(seq), 0.0)
    layer.bind(SSRC + 1)
    layer.receive(packet(103), 0.0)
    output.resend(layer, [4], 0.5)
    assert not [p for p in link.packets if p.pt == 97]
    output.resend(layer, [11], 0.5)
    assert len([p for p in link.packets if p.pt == 97]) == 1


def test_what_is_late_for_a_new_beginning_gets_no_number_of_what_went_before() -> None:
    """One number for two packets under one key would be a nonce used twice (RFC 7714 §8.1)."""
    track, output, link = crossing()
    layer = track.layers[0]
    for seq in (70, 71, 72):
        layer.receive(packet(seq), 0.0)
    output.want([], 1.0)
    output.want([""], 1.0)
    for seq in (80, 79, 81):
        layer.receive(packet(seq), 2.0)
    assert link.seqs() == [1, 2, 3, 4, 5]


def test_redundant_audio_crosses_whole_and_is_sent_again_without_its_earlier_blocks() -> None:
    track, output, link = crossing("audio")
    layer = track.layers[0]
    for seq in range(200, 203):
        layer.receive(redundant(seq), 0.0)
    whole = [bytes(p.data[p.payload : p.end]) for p in link.packets]
    assert [data.endswith(b"new%d" % seq) for data, seq in zip(whole, range(200, 203), strict=True)]
    assert all(b"old" in data for data in whole)
    output.resend(layer, [2], 0.5)
    (again,) = [p for p in link.packets if p.pt == 97]
    assert bytes(again.data[again.payload : again.end]) == b"\x00\x02new201"


def test_the_origins_clock_crosses_under_the_relay_ssrc() -> None:
    track, output, link = crossing()
    layer = track.layers[0]
    report = SenderReport(SSRC, 5 << 32, 900, 10, 1000, [])
    layer.sender_report(report, 0.0)
    assert link.rtcp == [SenderReport(layer.relay_ssrc, 5 << 32, 900, 10, 1000, [])]
    output.close()
    layer.sender_report(report, 1.0)
    layer.receive(packet(1), 1.0)
    assert len(link.rtcp) == 1
    assert not link.packets
    assert output not in track.outputs
