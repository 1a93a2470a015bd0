"""The ring of recent packets."""

from __future__ import annotations

import pytest

from media.core.history import History
from media.core.packet import Packet
from tests.media.core.rtp import parsed, rtp


def numbered(seq: int) -> Packet:
    packet = parsed(rtp(seq & 0xFFFF))
    packet.seq = seq
    return packet


def test_packet_is_found_until_the_ring_comes_round() -> None:
    history = History(8)
    packets = {seq: numbered(seq) for seq in range(65530, 65545)}
    for packet in packets.values():
        assert history.add(packet)
    assert [seq for seq in packets if history.get(seq) is packets[seq]] == list(range(65537, 65545))
    assert history.get(65545) is None


def test_duplicate_and_ancient_are_refused_and_a_late_one_is_kept() -> None:
    history = History(8)
    assert history.add(numbered(100))
    assert history.add(numbered(104))
    assert history.add(numbered(102))
    assert not history.add(numbered(102))
    assert not history.add(numbered(96))  # its place is 104's
    assert history.get(102) is not None
    history.clear()
    assert history.get(102) is None
    assert history.add(numbered(102))


def test_size_must_be_a_power_of_two() -> None:
    with pytest.raises(ValueError, match="power of two"):
        History(100)
