"""One outgoing stream out of several sources: numbers, times, switches, repairs."""

from __future__ import annotations

import itertools
import random
import struct

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from media.core.codecs import codec
from media.core.dependency import Dependencies
from media.core.extensions import (
    ABS_SEND_TIME,
    DEPENDENCY_DESCRIPTOR,
    MID,
    TRANSPORT_CC,
    ExtensionIds,
    Translation,
    transport_seq,
)
from media.core.forwarder import Drop, Forwarder
from media.core.packet import Packet
from media.core.rtcp import Report
from media.core.source import Source
from tests.media.core.descriptors import L2T2, descriptor
from tests.media.core.rtp import TWO, parsed, received, rtp, vp8

SUBSCRIBER = ExtensionIds({5: TRANSPORT_CC})
TRANSLATION = Translation(ExtensionIds({1: MID}), SUBSCRIBER)


class Stream:
    """A VP8 layer as an encoder sends it: frames of some packets, two temporal layers."""

    def __init__(
        self, rid: str, seq: int = 0, ts: int = 0, picture: int = 0, *, wide: bool = True
    ) -> None:
        self.source = Source(int.from_bytes(rid.encode(), "big"), 90_000, "p", rid)
        self.seq, self.ts, self.picture, self.tl0 = seq, ts, picture, 0
        self.wide = wide
        self.frames = 0

    def frame(
        self, now: float, *, keyframe: bool = False, packets: int = 2, temporal: bool = False
    ) -> list[Packet]:
        tid = self.frames % 2 if temporal and not keyframe else 0
        self.frames = 0 if keyframe else self.frames
        if tid == 0:
            self.tl0 += 1
        made = []
        for n in range(packets):
            payload = vp8(
                begins=n == 0,
                keyframe=keyframe,
                picture=self.picture,
                tl0=self.tl0,
                tid=tid,
                sync=tid > 0,
                wide=self.wide,
                body=struct.pack("!I", self.frames) + bytes(12),
            )
            data = rtp(self.seq, self.ts, 1, payload=payload, marker=n == packets - 1)
            made.append(received(self.source, data, now))
            self.seq += 1
        self.frames += 1
        self.picture += 1
        self.ts += 3000
        return made


def forwarder(seq: int = 65_500, ts: int = 0xFFFFFF00) -> Forwarder:
    return Forwarder(
        ssrc=0xABCD,
        pt=100,
        clock_rate=90_000,
        keyframes=True,
        seq=seq,
        ts=ts,
        rtx_ssrc=0xABCE,
        rtx_pt=101,
        rtx_seq=ts & 0xFFFF,
    )


def sent(out: Forwarder, packet: Packet) -> Packet:
    """Write what was just mapped and read it back as the subscriber does."""
    assert packet.source is not None
    buffer = bytearray(b"\xee" * 1500)
    size = out.write(buffer, 3, TRANSLATION.apply(packet, 0.0), 0x7777)
    again = received(Source(1, 90_000, "s"), bytes(buffer[3 : 3 + size]), 0.0)
    assert buffer[3 + size] == 0xEE
    assert transport_seq(again, 5) == 0x7777
    return again


def run(out: Forwarder, packets: list[Packet]) -> list[Packet]:
    return [sent(out, packet) for packet in packets if out.map(packet) is None]


def test_stream_begins_at_a_keyframe_with_our_numbers() -> None:
    stream, out = Stream("q", seq=500, ts=777), forwarder()
    assert out.map(stream.frame(0.0)[0]) is Drop.PAUSED
    out.aim(stream.source)
    waiting = out.wants_keyframe
    assert {out.map(packet) for packet in stream.frame(0.0)} == {Drop.WAITING_KEYFRAME}
    first = run(out, stream.frame(0.0, keyframe=True))
    assert (waiting, out.wants_keyframe) == (True, False)
    assert [packet.seq16 for packet in first] == [65_500, 65_501]
    assert {packet.ts32 for packet in first} == {0xFFFFFF00}
    assert [packet.marker for packet in first] == [False, True]
    assert {(packet.ssrc, packet.pt) for packet in first} == {(0xABCD, 100)}
    later = run(out, stream.frame(0.1))
    assert {packet.ts32 for packet in later} == {(0xFFFFFF00 + 3000) & 0xFFFFFFFF}
    assert (out.packets, out.octets) == (4, sum(p.end - p.payload for p in first + later))


@pytest.mark.parametrize("wide", [True, False])
@pytest.mark.parametrize("reports", [True, False])
def test_switches_leave_no_seam(wide: bool, reports: bool) -> None:
    """Over many switches: gapless numbers, forward times, picture ids and TL0 one by one."""
    seed = 42
    print("seed", seed)
    chance = random.Random(seed)
    streams = [
        Stream(
            rid, chance.getrandbits(16), chance.getrandbits(32), chance.getrandbits(15), wide=wide
        )
        for rid in "qhf"
    ]
    if reports:
        for stream in streams:  # all layers were sampled at the same NTP time
            stream.source.sender_report(5_000 << 32, stream.ts, 1.0)
    out = forwarder()
    got: list[Packet] = []
    at = -1
    for n in range(600):
        now = 1.0 + n / 30
        if n % 20 == 0:
            at = (at + 1) % 3
            out.aim(streams[at].source)
        for index, stream in enumerate(streams):
            keyframe = n % 20 == 5 and index == at
            got += run(out, stream.frame(now, keyframe=keyframe, packets=index + 1))
    assert len(got) > 900
    mask = 0x7FFF if wide else 0x7F
    for before, after in itertools.pairwise(got):
        assert after.seq16 == (before.seq16 + 1) & 0xFFFF
        step = (after.ts32 - before.ts32) & 0xFFFFFFFF
        if after.begins:
            assert after.picture == (before.picture + 1) & mask
            assert after.tl0 == (before.tl0 + 1) & 0xFF
            # A 30th of a second each, give or take rounding; or a tick when both layers'
            # pictures of one moment were sent at a switch.
            assert abs(step - 3000) <= 1 or step == 1
        else:
            assert (step, after.picture, after.tl0) == (0, before.picture, before.tl0)
    assert abs(((got[-1].ts32 - got[0].ts32) & 0xFFFFFFFF) - 594 * 3000) < 60


def test_old_layer_goes_on_until_the_new_ones_keyframe() -> None:
    low, high, out = Stream("q"), Stream("f"), forwarder()
    out.aim(low.source)
    run(out, low.frame(0.0, keyframe=True))
    out.aim(high.source)
    assert len(run(out, low.frame(0.03))) == 2
    assert run(out, high.frame(0.03)) == []
    assert len(run(out, high.frame(0.06, keyframe=True))) == 2
    assert {out.map(packet) for packet in low.frame(0.06)} == {Drop.OTHER_LAYER}


def test_layers_shifted_in_time_are_aligned_by_sender_reports() -> None:
    """The large layer's frames come 200 ms late; its times must not run ahead for that."""
    low, high, out = Stream("q", ts=1_000), Stream("f", ts=900_000), forwarder()
    low.source.sender_report(100 << 32, 1_000, 0.0)
    high.source.sender_report(100 << 32, 900_000, 0.0)
    out.aim(low.source)
    run(out, low.frame(0.0, keyframe=True))
    high.frame(0.2)
    for n in range(1, 30):
        high.frame(n / 30 + 0.2)
        last = run(out, low.frame(n / 30))[-1]
    high.frame(30 / 30 + 0.2)
    out.aim(high.source)
    first = run(out, high.frame(31 / 30 + 0.2, keyframe=True))[0]
    assert (first.ts32 - last.ts32) & 0xFFFFFFFF == 2 * 3000


def test_another_publisher_is_joined_by_the_time_that_passed() -> None:
    """Clocks of two people are not compared."""
    mine, theirs, out = Stream("q", ts=1), Stream("q2", ts=5_000_000), forwarder(ts=0)
    theirs.source.clock = "somebody else"
    mine.source.sender_report(100 << 32, 1, 0.0)
    theirs.source.sender_report(9_999 << 32, 5_000_000, 0.0)
    out.aim(mine.source)
    before = run(out, mine.frame(1.0, keyframe=True))[-1]
    out.aim(theirs.source)
    after = run(out, theirs.frame(1.5, keyframe=True))[0]
    assert after.ts32 - before.ts32 == 45_000


def test_lying_sender_report_does_not_throw_times_about() -> None:
    low, high, out = Stream("q"), Stream("f"), forwarder(ts=0)
    low.source.sender_report(100 << 32, 0, 0.0)
    high.source.sender_report(4_000_000_000 << 32, 0, 0.0)
    out.aim(low.source)
    before = run(out, low.frame(1.0, keyframe=True))[-1]
    out.aim(high.source)
    after = run(out, high.frame(1.1, keyframe=True))[0]
    assert after.ts32 - before.ts32 == 9_000


def test_pause_and_return_keep_the_clock_running() -> None:
    stream, out = Stream("q"), forwarder(seq=10, ts=0)
    out.aim(stream.source)
    run(out, stream.frame(0.0, keyframe=True))
    out.aim(None)
    for n in range(1, 90):
        assert {out.map(packet) for packet in stream.frame(n / 30)} == {Drop.PAUSED}
    out.aim(stream.source)
    back = run(out, stream.frame(3.0, keyframe=True))
    assert [packet.seq16 for packet in back] == [12, 13]
    assert back[0].ts32 == 90 * 3000


def test_padding_leaves_no_gap() -> None:
    stream, out = Stream("q"), forwarder(seq=10)
    out.aim(stream.source)
    run(out, stream.frame(0.0, keyframe=True))
    probe = received(stream.source, rtp(stream.seq, 0, 1, payload=b"", padding=200), 0.0)
    stream.seq += 1
    assert out.map(probe) is Drop.PADDING
    assert run(out, stream.frame(0.0))[0].seq16 == 12


def test_temporal_layer_is_left_out_and_comes_back() -> None:
    stream, out = Stream("q"), forwarder()
    out.aim(stream.source)
    got = run(out, stream.frame(0.0, keyframe=True))
    for n in range(1, 41):
        if n == 10:
            out.aim(stream.source, temporal=0)
        if n == 30:
            out.aim(stream.source, temporal=1)
        packets = stream.frame(n / 30, temporal=True)
        kept = run(out, packets)
        got += kept
        if 10 <= n < 30:
            assert bool(kept) is (packets[0].temporal == 0)
    for before, after in itertools.pairwise(got):
        assert after.seq16 == (before.seq16 + 1) & 0xFFFF
        assert (after.picture - before.picture) & 0x7FFF == int(after.begins)
        assert (after.tl0 - before.tl0) & 0xFF == int(after.begins and after.temporal == 0)
    assert sum(packet.temporal == 1 for packet in got) > 10


@given(st.randoms(), st.integers(0, 65535))
def test_reordered_and_repeated_packets_get_the_same_header(
    chance: random.Random, seq: int
) -> None:
    stream, out = Stream("q", seq=seq), forwarder(seq=seq ^ 0x5555)
    out.aim(stream.source)
    packets = stream.frame(0.0, keyframe=True, packets=3)
    for n in range(20):
        packets += stream.frame(n / 30, packets=3)
    shaken = packets[:1] + sorted(packets[1:], key=lambda packet: packet.seq + chance.uniform(0, 6))
    headers = {}
    for packet in shaken:
        assert out.map(packet) is None
        headers[packet.seq] = (out.seq, out.ts, out.picture)
    for packet in packets:
        assert out.map(packet) is None
        assert headers[packet.seq] == (out.seq, out.ts, out.picture)
        assert out.seq - packet.seq == headers[packets[0].seq][0] - packets[0].seq
        found = out.locate(out.seq & 0xFFFF)
        assert found == (stream.source, packet.seq)


def test_request_for_a_packet_before_the_switch_finds_the_old_layer() -> None:
    low, high, out = Stream("q", seq=900), Stream("f", seq=30_000), forwarder(seq=65_530)
    out.aim(low.source)
    old = low.frame(0.0, keyframe=True, packets=4)
    first = run(out, old)
    out.aim(high.source)
    new = high.frame(0.1, keyframe=True, packets=4)
    second = run(out, new)
    for packet, original in zip(first + second, old + new, strict=True):
        located = out.locate(packet.seq16)
        assert located == (original.source, original.seq)
        assert out.map(original) is None
        assert out.seq & 0xFFFF == packet.seq16
        assert sent(out, original).picture == packet.picture
    assert out.locate((second[-1].seq16 + 1) & 0xFFFF) is None
    assert out.locate(65_529) is None
    assert out.current is high.source


def test_old_keyframe_asked_for_again_does_not_switch_back() -> None:
    """A NACK answered from the layer we are about to return to must not begin it anew."""
    low, high, out = Stream("q"), Stream("f"), forwarder(seq=10)
    out.aim(low.source)
    old = low.frame(0.0, keyframe=True)
    run(out, old)
    out.aim(high.source)
    run(out, high.frame(0.1, keyframe=True))
    out.aim(low.source)
    assert out.map(old[0]) is None
    assert out.seq & 0xFFFF == 10
    assert out.current is high.source
    assert out.wants_keyframe


def test_late_packet_of_the_layer_left_still_fills_its_place() -> None:
    low, high, out = Stream("q"), Stream("f"), forwarder(seq=10)
    out.aim(low.source)
    packets = low.frame(0.0, keyframe=True, packets=4)
    run(out, [packets[0], packets[3]])
    out.aim(high.source)
    assert run(out, high.frame(0.1, keyframe=True))[0].seq16 == 14
    assert [packet.seq16 for packet in run(out, packets[1:3])] == [11, 12]


def test_source_that_restarts_waits_for_its_keyframe_and_leaves_no_hole() -> None:
    stream, out = Stream("q"), forwarder(seq=10)
    out.aim(stream.source)
    run(out, stream.frame(0.0, keyframe=True))
    stream.seq += 20_000
    stream.ts += 1 << 30
    stream.frame(0.1)  # two in order: the source is known to have restarted
    assert run(out, stream.frame(0.1)) == []
    assert out.wants_keyframe
    first = run(out, stream.frame(0.2, keyframe=True))[0]
    assert first.seq16 == 12


def test_audio_begins_at_once_and_keeps_silence_in_its_times() -> None:
    out = Forwarder(ssrc=1, pt=111, clock_rate=48_000, keyframes=False, seq=5, ts=100)
    voice = Source(9, 48_000, "p")
    out.aim(voice)
    assert not Forwarder(
        ssrc=1, pt=111, clock_rate=48_000, keyframes=False, seq=5, ts=100
    ).wants_keyframe
    headers = []
    for seq16, ts32 in ((70, 0), (71, 960), (72, 96_000)):
        assert out.map(received(voice, rtp(seq16, ts32, payload=bytes(60)), 0.0, "opus")) is None
        headers.append((out.seq & 0xFFFF, out.ts & 0xFFFFFFFF))
    assert headers == [(5, 100), (6, 1_060), (7, 96_100)]


def test_retransmission_carries_the_original_number_and_numbers_itself() -> None:
    stream, out = Stream("q"), forwarder(seq=10, ts=0x1234FFFF)
    out.aim(stream.source)
    packet = stream.frame(0.0, keyframe=True)[0]
    original = run(out, [packet])[0]
    counted = (out.packets, out.octets)
    for number in (0xFFFF, 0x0000):
        assert out.map(packet) is None
        buffer = bytearray(1500)
        size = out.write_rtx(buffer, 0, TRANSLATION.apply(packet, 0.0), 0x4242)
        again = parsed(bytes(buffer[:size]))
        assert (again.ssrc, again.pt, again.seq16) == (0xABCE, 101, number)
        assert (again.ts32, again.marker) == (original.ts32, original.marker)
        assert transport_seq(again, 5) == 0x4242
        payload = bytes(again.data[again.payload :])
        assert payload == b"\x00\x0a" + bytes(original.data[original.payload :])
    assert counted == (out.packets, out.octets)


@pytest.mark.parametrize("twcc_id", [0, 5])
@pytest.mark.parametrize("time_id", [0, 3])
@pytest.mark.parametrize("count", [1, 255])
def test_padding_to_probe_with(count: int, time_id: int, twcc_id: int) -> None:
    ids = ExtensionIds(
        {n: uri for n, uri in ((twcc_id, TRANSPORT_CC), (time_id, ABS_SEND_TIME)) if n}
    )
    buffer = bytearray(1500)
    size = forwarder().write_padding(buffer, 0, count, ids, 0x1234, 65.5)
    packet = parsed(bytes(buffer[:size]))
    assert (packet.ssrc, packet.pt) == (0xABCE, 101)
    assert packet.payload == packet.end == size - count
    assert transport_seq(packet, 5) == (0x1234 if twcc_id else -1)
    stamp = bytes([3 << 4 | 2]) + (3 << 17).to_bytes(3, "big")  # 1.5 s of 64, 18 bits of fraction
    assert (stamp in packet.data) == bool(time_id)


def test_sender_report_tells_the_publishers_clock_in_our_numbers() -> None:
    stream, out = Stream("q", ts=90_000), forwarder(ts=500)
    out.aim(stream.source)
    run(out, stream.frame(10.0, keyframe=True))
    assert out.sender_report(10.0) is None
    stream.source.sender_report(1_000 << 32, 90_000, 10.0)
    report = out.sender_report(12.0)
    assert report is not None
    assert report.ntp64 >> 32 == 1_002
    assert report.ts32 == 500 + 2 * 90_000
    assert (report.ssrc, report.packets) == (0xABCD, 2)


def test_round_trip_is_read_from_the_echo_of_our_report() -> None:
    stream, out = Stream("q"), forwarder()
    out.aim(stream.source)
    run(out, stream.frame(10.0, keyframe=True))
    stream.source.sender_report(1_000 << 32, 0, 10.0)
    reports = [out.sender_report(10.0 + n) for n in range(12)]
    echo = reports[10]
    assert echo is not None
    block = Report(0xABCD, 0, 0, 0, 0, echo.ntp64 >> 16 & 0xFFFFFFFF, 65536 // 2)
    assert out.rtt(block, 20.6) == pytest.approx(0.1)
    block.lsr = 1
    assert out.rtt(block, 20.6) is None


class Scene:
    """Three layers of a publisher at three rates (T0 T2 T1 T2), on their way with loss and disorder."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self.streams = [
            Stream(rid, chance.getrandbits(16), chance.getrandbits(32), chance.getrandbits(15))
            for rid in "qhf"
        ]
        self.late: list[tuple[int, Packet]] = []
        self.rates = [0, 0, 0]

    def picture(self, index: int, n: int, *, keyframe: bool) -> list[Packet]:
        stream = self.streams[index]
        place = self.rates[index] = 0 if keyframe else (self.rates[index] + 1) % 4
        tid = (0, 2, 1, 2)[place]
        stream.tl0 += tid == 0
        packets = self.chance.randint(1, 3)
        made = []
        for at in range(packets):
            payload = vp8(
                begins=at == 0, keyframe=keyframe, picture=stream.picture, tl0=stream.tl0, tid=tid,
                sync=place in (1, 2), body=bytes(4),
            )  # fmt: skip
            data = rtp(stream.seq, stream.ts, 1, payload=payload, marker=at == packets - 1)
            made.append(received(stream.source, data, n / 30))
            stream.seq += 1
        stream.picture += 1
        stream.ts += 3000
        return made

    def arriving(self, n: int, packets: list[Packet]) -> list[Packet]:
        """What comes now: some of these are lost, some come pictures later."""
        now = []
        for packet in packets:
            fate = self.chance.random()
            if fate < 0.1:
                self.late.append((n + self.chance.randint(1, 8), packet))
            elif fate > 0.05 + 0.1:
                now.append(packet)
        now += [packet for due, packet in self.late if due <= n]
        self.late = [(due, packet) for due, packet in self.late if due > n]
        return now


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 1 << 32))
@example(3483)  # picture ids wrap while packets are late
def test_no_loss_disorder_or_switch_leaves_a_seam(seed: int) -> None:
    """Whatever comes in and is wished: one number a packet, times and pictures in its order.

    Numbers that were never sent are those of packets that never came.
    """
    chance = random.Random(seed)
    scene, out = Scene(chance), forwarder()
    headers: dict[int, tuple[int, int, int]] = {}
    origin: dict[int, tuple[str, int]] = {}
    frames: dict[int, set[tuple[str, int]]] = {}
    arrived: set[tuple[str, int]] = set()
    newest: dict[str, int] = {}
    for n in range(120):
        if n % 12 == 0:  # nothing is later than that
            stream = chance.choice([*scene.streams, None])
            out.aim(stream.source if stream else None, temporal=chance.choice([0, 1, 2, 7]))
        for index, stream in enumerate(scene.streams):
            wanted = out.target is stream.source and out.wants_keyframe
            packets = scene.picture(index, n, keyframe=wanted and chance.random() < 0.5)
            for packet in scene.arriving(n, packets):
                assert packet.source is not None
                place = (packet.source.rid, packet.seq)
                in_order = packet.seq > newest.get(packet.source.rid, -1)
                newest[packet.source.rid] = max(packet.seq, newest.get(packet.source.rid, -1))
                drop = out.map(packet)
                if drop in (None, Drop.UPPER_LAYER, Drop.TOO_OLD):
                    arrived.add(place)  # else it is asked for again if it comes to be wanted
                if drop is not None:
                    continue
                assert origin.setdefault(out.seq, place) == place
                headers[out.seq] = (out.ts, packet.temporal, out.picture)
                # What is late may be a piece of a picture left out: its number was kept free.
                if in_order:
                    picture = out.picture & 0x7FFF  # as on the wire (RFC 7741 §4.2)
                    frames.setdefault(picture, set()).add((packet.source.rid, packet.ts))
                assert out.locate(out.seq & 0xFFFF) == (packet.source, packet.seq)
    assert all(len(frame) == 1 for frame in frames.values())
    ordered = sorted(headers)
    for before, after in itertools.pairwise(ordered):
        assert headers[after][0] >= headers[before][0]
        rid, seq = origin[before]
        if origin[after][0] == rid:
            # Between neighbours of one source a free number is kept only for what never came.
            between = {(rid, other) for other in range(seq + 1, origin[after][1])}
            assert after - before - 1 <= len(between - arrived)
    if frames:
        first = next(iter(frames))
        apart = [(picture - first + 0x4000 & 0x7FFF) - 0x4000 for picture in frames]
        assert max(apart) - min(apart) < 120 + 8


def test_frame_numbers_of_descriptors_go_on_across_switches() -> None:
    """A receiver drops what has a number before the newest keyframe's."""
    out = Forwarder(ssrc=1, pt=98, clock_rate=90_000, keyframes=True, layered=True, seq=1)
    ids = ExtensionIds({9: DEPENDENCY_DESCRIPTOR})
    got: list[Packet] = []
    for start in (5_000, 0xFFF0, 20):
        source, known = Source(start, 90_000, "p", str(start)), Dependencies()
        out.aim(source)
        for n in range(40):
            if n == 20:  # left for a moment: keyframes come again after a pause
                out.aim(None)
                out.aim(source)
            for template in (0, 3) if n in (3, 25) else (1, 4):
                number = start + 2 * n + (template > 2)
                structure = L2T2 if template == 0 else ()
                data = descriptor(template, number & 0xFFFF, structure=structure)
                packet = received(
                    source,
                    rtp(2 * n + (template > 2), 3000 * n, extensions={4: data}, profile=TWO),
                    n / 30,
                    "AV1",
                )
                known.inspect(packet, 4)
                if out.map(packet) is None:
                    buffer = bytearray(1500)
                    translation = Translation(ExtensionIds({4: DEPENDENCY_DESCRIPTOR}), ids)
                    size = out.write(buffer, 0, translation.apply(packet, 0.0))
                    got.append(parsed(bytes(buffer[:size])))
    receiver, numbers = Dependencies(), []
    for packet in got:
        codec("AV1").inspect(packet)
        receiver.inspect(packet, 9)
        assert packet.dependency is not None
        numbers.append(packet.dependency.number)
    assert len(numbers) == 3 * (17 + 15) * 2
    steps = {(after - before) & 0xFFFF for before, after in itertools.pairwise(numbers)}
    assert steps == {1}


def test_marker_ends_the_picture_for_who_gets_fewer_layers_and_again_when_repaired() -> None:
    out = Forwarder(ssrc=1, pt=98, clock_rate=90_000, keyframes=True, layered=True, seq=1)
    source, known = Source(7, 90_000, "p"), Dependencies()
    packets: list[Packet] = []
    for n in range(6):
        for template in (0, 3) if n in (0, 3) else (1, 4):
            data = descriptor(template, 2 * n, structure=L2T2 if template == 0 else ())
            upper = template > 2
            raw = rtp(2 * n + upper, n, extensions={4: data}, profile=TWO, marker=upper)
            packets.append(received(source, raw, n / 30, "AV1"))
            known.inspect(packets[-1], 4)
    out.aim(source, spatial=0)
    ends = {}
    for packet in packets:
        if packet is packets[6]:  # the second keyframe
            out.aim(source)
        if out.map(packet) is None:
            ends[packet.seq] = out.ends
    first = packets[0].seq
    assert ends == {
        first: True, first + 2: True, first + 4: True,
        **{first + n: n % 2 == 1 for n in range(6, 12)},
    }  # fmt: skip
    for packet in packets:
        if packet.seq in ends:
            assert out.map(packet) is None
            assert out.ends is ends[packet.seq]
