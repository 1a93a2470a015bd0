"""One end of a relay link, spoken to by the other end's keys."""

from __future__ import annotations

import asyncio
import secrets
import struct

import pytest

from media import srtp
from media.relay import RelayLink
from media.rpc import RelayOpen
from media.switchboard import Switchboard
from media.udp import MediaPort

THERE = ("127.0.0.1", 9)


class Other:
    """The other worker: new keys each time, told to the link."""

    def __init__(self, link: RelayLink) -> None:
        self.link = link
        self.now = asyncio.get_running_loop().time()
        up, down = secrets.token_bytes(44), secrets.token_bytes(44)
        self.srtp = srtp.SrtpSession.for_relay(up, down)
        link.open(
            RelayOpen(link="link", address=THERE[0], port=THERE[1], tx_key=down, rx_key=up),
            self.now,
        )

    def send(self, ssrc: int) -> None:
        packet = self.srtp.protect(struct.pack("!BBHII", 0x80, 96, 1, 0, ssrc) + bytes(20))
        assert packet is not None
        self.link._receive(memoryview(bytearray(packet)), THERE, self.now)


async def test_a_link_that_has_no_room_for_more_ssrcs_asks_for_new_keys(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A link lives as long as a convention: once full, it dropped every new track for good."""
    monkeypatch.setattr(srtp, "MAX_RELAY_SSRCS", 2)
    states: list[str] = []
    port = MediaPort("127.0.0.1", 0)
    link = RelayLink(port, Switchboard(), link="link", on_state=states.append)
    try:
        other = Other(link)
        for ssrc in (2, 4):
            other.send(ssrc)
        link.tick(other.now)
        assert states == ["up"]
        other.send(6)
        link.tick(other.now)
        other.send(2)
        link.tick(other.now)
        assert states == ["up", "lost"]
        again = Other(link)
        again.send(6)
        link.tick(again.now)
        assert states == ["up", "lost", "up"]
    finally:
        link.close()
        port.close()
