from __future__ import annotations

from media.client.stream import HISTORY, OutgoingStream, StreamIdentity
from media.core import rtcp
from media.core.packet import Malformed, Packet, find_extension, parse, unwrap_rtx


def stream(**changes: object) -> tuple[OutgoingStream, list[bytes]]:
    sent: list[bytes] = []
    identity = StreamIdentity(
        **{
            "mid": "1", "kind": "video", "rid": "h", "ssrc": 7, "rtx_ssrc": 8, "payload_type": 96,
            "rtx": 97, "clock_rate": 90000, "mid_id": 4, "rid_id": 10, "repaired_rid_id": 11,
            "level_id": 1, **changes,
        }  # type: ignore[arg-type]
    )  # fmt: skip

    def send(packet: bytes) -> bool:
        sent.append(packet)
        return True

    return OutgoingStream(identity, "cname", send), sent


def read(data: bytes) -> Packet:
    packet = parse(data)
    assert not isinstance(packet, Malformed)
    return packet


def extension(packet: Packet, number: int) -> bytes | None:
    found = find_extension(packet, number)
    return None if found is None else bytes(packet.data[found[0] : found[0] + found[1]])


def test_packets_are_numbered_and_named() -> None:
    source, sent = stream()
    source.send(b"one", 100)
    source.send(b"two", (1 << 32) + 5, marker=True, level_dbov=30)
    first, second = (read(packet) for packet in sent)
    assert (first.seq16, first.ts32, first.marker, first.pt, first.ssrc) == (0, 100, False, 96, 7)
    assert (second.seq16, second.ts32, second.marker) == (1, 5, True)
    assert extension(first, 4) == b"1"
    assert extension(first, 10) == b"h"
    assert extension(first, 1) is None
    assert extension(second, 1) == bytes([0x80 | 30])
    assert second.data[second.payload :] == b"two"


def test_without_extensions_the_header_is_bare() -> None:
    source, sent = stream(mid_id=0, rid_id=0, level_id=0)
    source.send(b"x", 0, level_dbov=5)
    assert len(sent[0]) == 13


def test_resent_packet_unwraps_to_the_first() -> None:
    source, sent = stream()
    source.send(b"payload", 42, marker=True)
    assert source.resend(0)
    repair = read(sent[1])
    assert (repair.pt, repair.ssrc) == (97, 8)
    assert extension(repair, 11) == b"h"
    original = unwrap_rtx(repair, 7, 96)
    assert not isinstance(original, Malformed)
    assert (original.seq16, original.ts32, original.marker) == (0, 42, True)
    assert bytes(original.data[original.payload :]) == b"payload"


def test_without_rtx_the_packet_itself_is_sent_again() -> None:
    source, sent = stream(rtx=None)
    source.send(b"payload", 1)
    source.resend(0)
    assert sent[0] == sent[1]


def test_history_is_bounded_and_numbers_wrap() -> None:
    source, sent = stream()
    source.seq = 65535
    for i in range(HISTORY + 1):
        source.send(b"", i)
    assert read(sent[1]).seq16 == 0
    assert not source.resend(65535)
    assert source.resend(0)


def test_report_counts_what_was_sent() -> None:
    source, _ = stream()
    assert source.report() is None
    source.send(b"12345", 1000)
    source.send(b"67", 4000)
    report = source.report()
    assert report is not None
    parts, problem = rtcp.parse_rtcp(report)
    assert problem is None
    match parts:
        case [rtcp.SenderReport() as sender, rtcp.SourceDescription(cnames=cnames)]:
            assert (sender.ssrc, sender.packets, sender.octets) == (7, 2, 7)
            assert 4000 <= sender.ts32 < 4000 + 90000
            assert cnames == {7: "cname"}
        case _:
            raise AssertionError(parts)
