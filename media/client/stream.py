"""One RTP stream a client sends: headers, numbers, retransmissions, sender reports."""

from __future__ import annotations

import struct
import time
from collections.abc import Callable
from dataclasses import dataclass

from media.core import rtcp
from media.rpc import Kind

HISTORY = 512
NTP_EPOCH_S = 2_208_988_800
HEADER = struct.Struct("!BBHII")
ONE_BYTE_PROFILE = 0xBEDE


@dataclass(frozen=True, kw_only=True)
class StreamIdentity:
    """What an offer says about a stream, and the answer confirmed.

    Attributes:
        rtx: payload type of retransmissions, None without.
        mid_id, rid_id, repaired_rid_id, level_id: header extension ids, 0 where not agreed.
    """

    mid: str
    kind: Kind
    rid: str
    ssrc: int
    rtx_ssrc: int
    payload_type: int
    rtx: int | None
    clock_rate: int
    mid_id: int = 0
    rid_id: int = 0
    repaired_rid_id: int = 0
    level_id: int = 0


class OutgoingStream:
    """Sends encoded payloads as RTP."""

    def __init__(self, identity: StreamIdentity, cname: str, send: Callable[[bytes], bool]) -> None:
        self.identity = identity
        self._cname = cname
        self._send = send
        self._history: dict[int, bytes] = {}
        self._rtx_seq = self._packets = self._octets = self._timestamp = 0
        self._sent_at = 0.0
        self.seq = 0
        names = ((identity.mid_id, identity.mid), (identity.rid_id, identity.rid))
        self._names = _elements(names)
        repaired = ((identity.mid_id, identity.mid), (identity.repaired_rid_id, identity.rid))
        self._repair_block = _block(_elements(repaired))

    def send(
        self, payload: bytes, timestamp: int, *, marker: bool = False, level_dbov: int | None = None
    ) -> bool:
        """One packet with the next sequence number.

        Args:
            level_dbov: RFC 6464, 0 loudest to 127 silence.
        """
        identity = self.identity
        elements = self._names
        if level_dbov is not None and identity.level_id:
            elements += bytes([identity.level_id << 4, 0x80 | level_dbov])
        block = _block(elements)
        second = marker << 7 | identity.payload_type
        head = HEADER.pack(
            0x90 if block else 0x80, second, self.seq, timestamp & 0xFFFFFFFF, identity.ssrc
        )
        packet = head + block + payload
        self._history[self.seq] = packet
        if len(self._history) > HISTORY:
            del self._history[next(iter(self._history))]
        self.seq = (self.seq + 1) & 0xFFFF
        self._packets += 1
        self._octets += len(payload)
        self._timestamp, self._sent_at = timestamp, time.time()
        return self._send(packet)

    def resend(self, seq: int) -> bool:
        """RFC 4588, or the packet itself where retransmissions were not agreed."""
        packet = self._history.get(seq)
        if packet is None:
            return False
        identity = self.identity
        if identity.rtx is None:
            return self._send(packet)
        at = 12
        if packet[0] & 0x10:
            at += 4 + 4 * int.from_bytes(packet[14:16], "big")
        block = self._repair_block
        head = HEADER.pack(
            0x90 if block else 0x80,
            (packet[1] & 0x80) | identity.rtx,
            self._rtx_seq,
            int.from_bytes(packet[4:8], "big"),
            identity.rtx_ssrc,
        )
        self._rtx_seq = (self._rtx_seq + 1) & 0xFFFF
        return self._send(head + block + packet[2:4] + packet[at:])

    def report(self) -> bytes | None:
        """A compound sender report, None before the first packet."""
        if not self._packets:
            return None
        now = time.time()
        ahead = int((now - self._sent_at) * self.identity.clock_rate)
        sender_report = rtcp.SenderReport(
            ssrc=self.identity.ssrc,
            ntp64=int((now + NTP_EPOCH_S) * (1 << 32)),
            ts32=(self._timestamp + ahead) & 0xFFFFFFFF,
            packets=self._packets & 0xFFFFFFFF,
            octets=self._octets & 0xFFFFFFFF,
            reports=[],
        )
        return rtcp.build_sr(sender_report) + rtcp.build_sdes(self.identity.ssrc, self._cname)


def _elements(named: tuple[tuple[int, str], ...]) -> bytes:
    """RFC 8285 one-byte elements."""
    return b"".join(
        bytes([number << 4 | len(text) - 1]) + text.encode()
        for number, text in named
        if number and text
    )


def _block(elements: bytes) -> bytes:
    if not elements:
        return b""
    words = -(-len(elements) // 4)
    return struct.pack("!HH", ONE_BYTE_PROFILE, words) + elements.ljust(4 * words, b"\0")
