"""Layers of a published track: fan-out, requests upstream, hold. Time is ours."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

from media.core.extensions import AUDIO_LEVEL, MID, ExtensionIds, Wire
from media.core.nack import Losses
from media.core.packet import Packet, parse
from media.core.rtcp import Fir, Nack, Pli, RtcpPacket, SenderReport, parse_rtcp
from media.core.source import Source
from media.layer import HOLD_S, IMPATIENT_FRAMES, KEYFRAME_INTERVAL_S, Layer
from media.publisher import info_of
from media.rpc import Kind
from media.switchboard import Alarm, Switchboard
from media.track import PublishedTrack

SSRC = 0x1234
DELTA = b"\x10\x01\x00\x00"  # VP8: first packet of a frame that needs others
KEY = b"\x10\x00\x00\x00\x9d\x01\x2a\x40\x01\xf0\x00"  # and of a keyframe, 320 by 240


class Origin:
    """Where the track comes from; keeps the feedback it gets."""

    rtt = 0.05

    def __init__(self) -> None:
        self.feedback: list[RtcpPacket] = []

    def send_feedback(self, packet: bytes) -> None:
        self.feedback += parse_rtcp(packet)[0]

    def asked(self, kind: type[RtcpPacket]) -> int:
        return sum(isinstance(packet, kind) for packet in self.feedback)


class Receiver:
    """An output that keeps what it gets."""

    def __init__(self, ids: ExtensionIds | None = None, *, breaks: bool = False) -> None:
        self.ids = ids or ExtensionIds({})
        self.redundant = False
        self.seqs: list[int] = []
        self.wires: list[Wire] = []
        self.errors: list[Exception] = []
        self.sources = 0
        self.holds = 0
        self.clocks = 0
        self._breaks = breaks

    def forward(self, packet: Packet, wire: Wire, now: float) -> None:
        if self._breaks:
            raise RuntimeError("a fault of this receiver")
        self.seqs.append(packet.seq16)
        self.wires.append(wire)

    def settle(self, source: Source, newest: int) -> None:
        """Stay."""

    def broken(self, error: Exception) -> None:
        self.errors.append(error)

    def sender_reported(self, layer: Layer, report: SenderReport) -> None:
        self.clocks += 1

    def source_changed(self, layer: Layer) -> None:
        self.sources += 1

    def hold_changed(self) -> None:
        self.holds += 1

    def background_changed(self) -> None: ...


def published(
    *, kind: Kind = "video", rids: tuple[str, ...] = (), by_fir: bool = False
) -> tuple[PublishedTrack, Origin]:
    board, origin = Switchboard(), Origin()
    audio = kind == "audio"
    track = PublishedTrack(
        board,
        info_of(
            track="t", kind=kind, codec="opus" if audio else "VP8",
            clock_rate=48000 if audio else 90000, channels=2 if audio else 1,
            fmtp="", rids=rids, board=board,
        ),
        room="r",
        upstream=origin,
        source_ids=ExtensionIds({1: AUDIO_LEVEL, 4: MID}),
        payload_type=96,
        repairs=not audio,
        keyframe_by_fir=by_fir,
    )  # fmt: skip
    if audio:
        track.renumber(track.source_ids, 96, red=RED)
    board.add(track)
    return track, origin


def packet(seq: int, payload: bytes = DELTA, *, extension: bytes = b"") -> Packet:
    block = struct.pack("!HH", 0xBEDE, 1) + extension.ljust(4, b"\0") if extension else b""
    first = 0x90 if block else 0x80
    parsed = parse(
        struct.pack("!BBHII", first, 96, seq & 0xFFFF, seq * 3000, SSRC) + block + payload
    )
    assert isinstance(parsed, Packet)
    return parsed


RED = 63


def redundant(seq: int) -> Packet:
    """Of sound: with the block of the packet before (RFC 2198)."""
    old, new = b"old%d" % (seq - 1), b"new%d" % seq
    head = struct.pack("!I", 1 << 31 | 111 << 24 | 960 << 10 | len(old)) + bytes([111])
    parsed = parse(
        struct.pack("!BBHII", 0x80, RED, seq & 0xFFFF, seq * 960, SSRC) + head + old + new
    )
    assert isinstance(parsed, Packet)
    return parsed


def test_everybody_on_the_layer_gets_each_packet_once_and_equal_ids_share_its_bytes() -> None:
    track, _ = published()
    (layer,) = track.layers
    layer.bind(SSRC)
    alike = [Receiver(), Receiver()]
    other = Receiver(ExtensionIds({7: AUDIO_LEVEL}))
    for receiver in (*alike, other):
        layer.add(receiver)
        layer.add(receiver)
    for seq in (1, 2, 2, 3):
        layer.receive(packet(seq), 0.0)
    assert [receiver.seqs for receiver in (*alike, other)] == [[1, 2, 3]] * 3
    assert alike[0].wires[0] is alike[1].wires[0]
    assert other.wires[0] is not alike[0].wires[0]
    layer.remove(alike[0])
    layer.receive(packet(4), 0.0)
    assert alike[0].seqs == [1, 2, 3]
    assert alike[1].seqs == [1, 2, 3, 4]
    assert track.board.counters["duplicate"] == 1


def test_a_receiver_that_breaks_is_taken_out_and_the_others_go_on() -> None:
    track, _ = published()
    (layer,) = track.layers
    layer.bind(SSRC)
    first, bad, last = Receiver(), Receiver(breaks=True), Receiver()
    for receiver in (first, bad, last):
        layer.add(receiver)
    for seq in (1, 2):
        layer.receive(packet(seq), 0.0)
    assert len(bad.errors) == 1
    assert first.seqs == last.seqs == [1, 2]


def test_keyframe_requests_are_merged_and_a_waiting_one_is_sent_when_it_is_time() -> None:
    track, origin = published()
    (layer,) = track.layers
    layer.bind(SSRC)
    for _ in range(5):
        layer.request_keyframe(10.0)
    assert origin.asked(Pli) == 1
    assert layer in track.board.attention
    assert layer.attend(10.0 + KEYFRAME_INTERVAL_S / 2)
    assert origin.asked(Pli) == 1
    assert not layer.attend(10.0 + KEYFRAME_INTERVAL_S)
    assert origin.asked(Pli) == 2


def test_a_keyframe_that_comes_settles_the_waiting_request() -> None:
    track, origin = published()
    (layer,) = track.layers
    layer.bind(SSRC)
    layer.request_keyframe(10.0)
    layer.request_keyframe(10.1)
    layer.receive(packet(1, KEY), 10.2)
    assert not layer.attend(11.0)
    assert origin.asked(Pli) == 1
    assert (layer.state.width, layer.state.height) == (320, 240)


def test_an_origin_that_knows_only_fir_is_asked_by_fir_with_rising_numbers() -> None:
    track, origin = published(by_fir=True)
    (layer,) = track.layers
    layer.bind(SSRC)
    layer.request_keyframe(1.0)
    layer.request_keyframe(2.0)
    numbers = [entry for p in origin.feedback if isinstance(p, Fir) for entry in p.entries]
    assert numbers == [(SSRC, 1), (SSRC, 2)]


def test_sound_has_no_keyframes_to_ask_for() -> None:
    track, origin = published(kind="audio")
    (layer,) = track.layers
    layer.bind(SSRC)
    layer.request_keyframe(1.0)
    assert not origin.feedback


def test_missing_packets_are_asked_for_until_they_come() -> None:
    track, origin = published()
    (layer,) = track.layers
    layer.bind(SSRC)
    for seq in (1, 2, 5):
        layer.receive(packet(seq), 1.0)
    assert layer in track.board.attention
    assert layer.attend(1.05)
    assert [p.seqs16 for p in origin.feedback if isinstance(p, Nack)] == [[3, 4]]
    layer.receive(packet(3), 1.06)
    layer.receive(packet(4), 1.06)
    assert not layer.attend(1.2)
    assert layer.nacked == 2


def test_what_comes_while_held_is_neither_forwarded_nor_kept_nor_asked_for() -> None:
    track, origin = published()
    (layer,) = track.layers
    layer.bind(SSRC)
    receiver = Receiver()
    track.attach(receiver)
    layer.add(receiver)
    layer.receive(packet(1), 1.0)
    track.hold(True)
    track.hold(True)
    for seq in (2, 3, 6):
        layer.receive(packet(seq), 1.1)
    layer.request_keyframe(1.1)
    track.hold(False)
    layer.receive(packet(9), 1.2)
    assert receiver.seqs == [1, 9]
    assert receiver.holds == 2
    assert not layer.attend(1.5)
    assert not origin.feedback
    assert layer.source is not None
    base = layer.source.highest - 9 if layer.source.highest is not None else 0
    assert [layer.history.get(base + seq) is not None for seq in (1, 2, 3, 6, 9)] == [
        False, False, False, False, True,
    ]  # fmt: skip


def test_levels_make_speakers_and_held_tracks_do_not_speak() -> None:
    track, _ = published(kind="audio")
    (layer,) = track.layers
    layer.bind(SSRC)

    def speak(start: int, now: float) -> None:
        for n in range(50):
            loud = bytes([0x10, 0x80 | 15])
            layer.receive(packet(start + n, b"opus", extension=loud), now + n * 0.02)

    track.hold(True)
    speak(0, 0.0)
    assert track.board.update_speakers(1.0) == []
    track.hold(False)
    speak(100, 2.0)
    assert track.board.update_speakers(3.0) == [("r", ["t"])]
    track.close()
    assert ("r", []) in track.board.update_speakers(3.1)


def test_another_source_begins_with_an_empty_history_and_everybody_is_told() -> None:
    track, _ = published()
    (layer,) = track.layers
    receiver = Receiver()
    track.attach(receiver)
    layer.bind(SSRC)
    layer.bind(SSRC)
    assert receiver.sources == 1
    layer.receive(packet(1), 0.0)
    first = layer.source
    assert first is not None
    layer.bind(SSRC + 1)
    assert receiver.sources == 2
    assert layer.history.get(first.highest or 0) is None
    assert track.layer_of(first) is None
    assert track.layer_of(layer.source) is layer


def test_renumbered_extensions_reach_those_who_were_there_before() -> None:
    track, _ = published(kind="audio")
    (layer,) = track.layers
    layer.bind(SSRC)
    receiver = Receiver(ExtensionIds({9: AUDIO_LEVEL}))
    layer.add(receiver)
    layer.receive(packet(1, extension=b"\x10\x85"), 0.0)
    track.renumber(ExtensionIds({2: AUDIO_LEVEL}), 96)
    layer.receive(packet(2, extension=b"\x20\x85"), 0.0)
    assert [bytes(wire.data[16:18]) for wire in receiver.wires] == [b"\x90\x85", b"\x90\x85"]


def test_rates_tell_a_living_layer_from_a_dead_one() -> None:
    track, _ = published(rids=("q", "f"))
    low, high = track.layers
    low.bind(SSRC)
    low.receive(packet(1), 5.0)
    track.measure(5.1)
    assert (low.state.bps > 0, high.state.bps) == (True, 0)
    track.measure(6.5)
    assert low.state.bps == 0


class Watcher:
    def __init__(self) -> None:
        self.told: list[str] = []

    def track_changed(self, track_id: str) -> None:
        self.told.append(track_id)


def test_whoever_watches_a_track_hears_when_it_comes_and_goes() -> None:
    track, _ = published()
    board = track.board
    watcher = Watcher()
    board.watch(watcher, {"t", "u"}, set())
    track.close()
    track.close()
    assert watcher.told == ["t"]
    board.add(track)
    board.watch(watcher, {"u"}, {"t", "u"})
    track.close()
    assert watcher.told == ["t", "t"]
    board.watch(watcher, set(), {"u"})
    assert not board._watchers


def test_relay_ssrcs_are_even_and_never_given_twice() -> None:
    board = Switchboard()
    given = [board.new_relay_ssrc() for _ in range(1000)]
    assert len(set(given)) == 1000
    assert not [ssrc for ssrc in given if ssrc & 1]


class Clock:
    """Calls when the test says that it is time, as the worker's port does."""

    def __init__(self, track: PublishedTrack) -> None:
        self.drained: list[Callable[[], None]] = []
        self.alarms: list[tuple[float, Callable[[float], None]]] = []
        track.board.defer = self.drained.append
        track.board.later = self.later

    def later(self, delay_s: float, call: Callable[[float], None]) -> Alarm:
        alarm = (delay_s, call)
        self.alarms.append(alarm)
        return Cancels(self.alarms, alarm)

    def end_drain(self) -> None:
        for call in self.drained:
            call()
        self.drained.clear()


class Cancels:
    def __init__(self, alarms: list[Any], alarm: Any) -> None:
        self._alarms, self._alarm = alarms, alarm

    def cancel(self) -> None:
        self._alarms.remove(self._alarm)


def frame(first: int, count: int) -> list[Packet]:
    packets = [packet(first + n) for n in range(count)]
    packets[-1].marker = True
    return packets


def test_a_frame_that_comes_in_two_drains_goes_on_at_its_end() -> None:
    track, _ = published()
    (layer,) = track.layers
    layer.bind(SSRC)
    receiver = Receiver()
    layer.add(receiver)
    clock = Clock(track)
    one, two, three = frame(0, 3)
    layer.receive(one, 0.0)
    clock.end_drain()
    assert receiver.seqs == []
    layer.receive(two, 0.0)
    clock.end_drain()
    assert len(clock.alarms) == 1
    layer.receive(three, 0.0)
    clock.end_drain()
    assert receiver.seqs == [0, 1, 2]
    assert clock.alarms == []


def test_a_frame_is_waited_for_a_millisecond_and_those_of_a_sender_that_spaces_them_not_at_all() -> None:  # fmt: skip
    track, _ = published()
    (layer,) = track.layers
    layer.bind(SSRC)
    receiver = Receiver()
    layer.add(receiver)
    clock = Clock(track)
    layer.receive(packet(0), 0.0)
    clock.end_drain()
    ((delay_s, call),) = clock.alarms
    assert delay_s == HOLD_S == 0.001
    clock.alarms.clear()
    call(0.001)
    assert receiver.seqs == [0]
    for seq in range(1, IMPATIENT_FRAMES + 1):
        layer.receive(packet(seq), 0.0)
        clock.end_drain()
        assert receiver.seqs[-1] == seq
    layer.receive(packet(IMPATIENT_FRAMES + 1), 0.0)
    clock.end_drain()
    assert receiver.seqs[-1] == IMPATIENT_FRAMES
    assert len(clock.alarms) == 1


def test_sound_and_what_was_sent_again_are_never_waited_with() -> None:
    for kind in ("audio", "video"):
        track, _ = published(kind=kind)
        (layer,) = track.layers
        layer.bind(SSRC)
        receiver = Receiver()
        layer.add(receiver)
        for each in (packet(0), *frame(2, 1)):
            layer.receive(each, 0.0)
        clock = Clock(track)
        layer.receive(packet(1 if kind == "video" else 3), 0.0)
        clock.end_drain()
        assert len(receiver.seqs) == 3
        assert clock.alarms == []


def test_nothing_said_under_a_hold_is_repaired_or_carried_along_after_it() -> None:
    track, _ = published(kind="audio")
    (layer,) = track.layers
    layer.bind(SSRC)
    listener = Receiver()
    listener.redundant = True
    layer.add(listener)
    layer.receive(redundant(100), 0.0)
    track.hold(True)
    layer.receive(redundant(101), 0.1)
    layer.receive(redundant(102), 0.2)
    track.hold(False)
    for seq in range(103, 112):
        layer.receive(redundant(seq), 0.3)
    assert listener.seqs == [100, *range(103, 112)]
    said = b"".join(bytes(wire.data) for wire in listener.wires)
    assert b"old99" in said
    assert not any(b"old%d" % seq in said for seq in range(100, 110))
    assert b"old110" in said  # and then as ever


def test_what_redundancy_repaired_is_not_asked_for_any_more() -> None:
    track, _ = published(kind="audio")
    (layer,) = track.layers
    layer.bind(SSRC)
    layer.losses = Losses()
    layer.receive(redundant(100), 0.0)
    layer.receive(redundant(102), 0.0)
    assert len(layer.losses) == 0
    layer.receive(redundant(105), 0.0)
    assert layer.losses.due(1.0, 0.1) == [layer.source.highest - 2] if layer.source else False
