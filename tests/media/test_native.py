"""The writer in C: built once, never required, and byte for byte what Python writes."""

from __future__ import annotations

import os
import shutil
import socket
import struct
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from media import native
from media.burst import Burst
from media.burst import Path as WayOut
from media.core.codecs import codec
from media.core.extensions import TRANSPORT_CC, ExtensionIds, Translation
from media.core.packet import Packet, parse
from media.core.run import Numbers, Run
from media.native import NativeWriter
from media.srtp import PROFILES, Memory, Seal, Sealer, SrtpKeys, SrtpSession
from media.writer import PlainWriter, Row, Seat, stride_of
from tests.media.core.rtp import vp8

KEYS = SrtpKeys(PROFILES["SRTP_AEAD_AES_128_GCM"], bytes(28), bytes(28))
PLAIN = Translation(ExtensionIds({}), ExtensionIds({}))
NUMBERED = Translation(ExtensionIds({}), ExtensionIds({3: TRANSPORT_CC}))

deltas = st.builds(
    Numbers,
    ssrc=st.integers(0, 0xFFFFFFFF),
    pt=st.integers(96, 127),
    seq=st.integers(-0x10000, 0x10000),
    ts=st.integers(-0x100000000, 0x100000000),
    picture=st.integers(-0x8000, 0x8000),
    tl0=st.integers(-300, 300),
)
frames = st.lists(
    st.tuples(
        st.booleans(),
        st.integers(0, 0x7FFF),
        st.integers(0, 255),
        st.booleans(),
        st.integers(0, 300),
        st.integers(0, 5),
    ),
    min_size=1,
    max_size=12,
)


def run_of(shapes: list[tuple[bool, int, int, bool, int, int]], *, numbered: bool) -> Run:
    packets = []
    for n, (wide, picture, tl0, has_tl0, size, padding) in enumerate(shapes):
        payload = vp8(
            begins=n == 0, keyframe=False, picture=picture if wide else picture & 0x7F,
            tl0=tl0 if has_tl0 else None, tid=0, sync=False, wide=wide, body=bytes(size),
        )  # fmt: skip
        packet = parse(
            struct.pack("!BBHII", 0x80, 96 | (n & 1) << 7, 65_530 + n & 0xFFFF, n, 1) + payload
        )
        assert isinstance(packet, Packet)
        packet.seq, packet.ts, packet.padding = 0x1FFFA + n, 0x1FFFFFFF0 + 9 * n, padding
        codec("VP8").inspect(packet)
        packets.append(packet)
    translation = NUMBERED if numbered else PLAIN
    return Run(packets, [translation.apply(packet, 0.0) for packet in packets])


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    shapes=frames,
    numbers=st.lists(deltas, min_size=1, max_size=5),
    numbered=st.booleans(),
    transport_seq=st.integers(0, 0xFFFF),
)
def test_both_writers_write_the_same_bytes(
    library: Path,
    shapes: list[tuple[bool, int, int, bool, int, int]],
    numbers: list[Numbers],
    numbered: bool,
    transport_seq: int,
) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        path = WayOut(Burst(sock, Counter(), lambda: None), ("127.0.0.1", 9))
    row = Row(path.burst.volley, 16, coalesce=True)
    row.seats = [Seat(path, SrtpSession(KEYS), each) for each in numbers]
    for n, seat in enumerate(row.seats):
        seat.transport_seq = (transport_seq + n) & 0xFFFF
    row.changed()
    run = run_of(shapes, numbered=numbered)
    layout = run.layout(16, coalesce=True)
    stride = stride_of(layout)
    written = []
    for writer in (PlainWriter(protects=False), NativeWriter(library, protects=False)):
        arena = Memory(stride * len(numbers))
        assert writer.write(arena, run, layout, row, 0, len(numbers)) == []
        written.append(
            [
                bytes(arena.view[i * stride + at : i * stride + at + size])
                for i in range(len(numbers))
                for at, size in zip(layout.offsets, run.sizes, strict=True)
            ]
        )
    assert written[0] == written[1]


def files(folder: Path) -> list[Path]:
    return list(folder.iterdir())


async def test_library_is_built_once_and_found_again(tmp_path: Path, library: Path) -> None:
    if shutil.which("cc") is None and shutil.which("gcc") is None:
        pytest.skip("there is no C compiler")
    assert await native.build(tmp_path) is not None
    (built,) = files(tmp_path)
    assert built.name == library.name
    before = os.stat(built).st_mtime_ns
    assert await native.build(tmp_path) is not None
    assert os.stat(built).st_mtime_ns == before
    assert files(tmp_path) == [built]


@pytest.mark.parametrize(
    ("compiler", "words"), [("/nonexistent/cc", "there is no C compiler"), ("false", "failed")]
)
async def test_without_a_compiler_one_line_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture,
    compiler: str, words: str,
) -> None:  # fmt: skip
    found = shutil.which(compiler)
    monkeypatch.setattr(shutil, "which", lambda name: found)
    assert await native.build(tmp_path) is None
    (line,) = caplog.records
    assert words in line.getMessage()
    assert files(tmp_path) == []


async def test_a_library_that_is_none_is_refused(tmp_path: Path) -> None:
    native.library(tmp_path).write_bytes(b"not a library")
    assert await native.build(tmp_path) is None


def sealer_of(library: Path) -> Sealer:
    sealer = NativeWriter(library).sealer
    if sealer is None:
        pytest.skip("there is no libcrypto")
    return sealer


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    profile=st.sampled_from(sorted(PROFILES)),
    first=st.integers(0, 0xFFFF),
    steps=st.lists(st.one_of(st.integers(-1100, 1100), st.integers(-0x8100, 0x8100)), max_size=60),
    body=st.binary(max_size=40),
)
def test_the_seal_and_libsrtp_make_the_same_of_every_packet_and_refuse_the_same(
    library: Path, profile: str, first: int, steps: list[int], body: bytes
) -> None:
    """Also behind a wrap of the numbers and out of order: another index would be another nonce."""
    kind = PROFILES[profile]
    size = kind.key_bytes + kind.salt_bytes
    keys = SrtpKeys(kind, bytes(range(7, 7 + size)), bytes(size))
    sealed, plain = SrtpSession(keys, sealer=sealer_of(library)), SrtpSession(keys)
    seq = first
    for n, step in enumerate([0, *steps]):
        seq += step
        packet = struct.pack("!BBHII", 0x80, 96, seq & 0xFFFF, 0, 5 + n % 2) + body
        assert sealed.protect(packet) == plain.protect(packet)


def test_the_seal_counts_on_over_many_cycles(library: Path) -> None:
    keys = SrtpKeys(PROFILES["SRTP_AEAD_AES_128_GCM"], bytes(range(28)), bytes(28))
    back = SrtpKeys(keys.profile, keys.rx, keys.tx)
    here, there = SrtpSession(keys, sealer=sealer_of(library)), SrtpSession(back)
    tags = set()
    for seq in range(40_000, 40_000 + 3 * 0x10000, 997):
        packet = struct.pack("!BBHII", 0x80, 96, seq & 0xFFFF, 0, 5) + b"same"
        sealed = here.protect(packet)
        assert sealed is not None
        assert there.unprotect(bytearray(sealed)) == packet
        tags.add(sealed[12:])
    # The same key stream twice would show: what is encrypted is always the same.
    assert len(tags) == len(range(40_000, 40_000 + 3 * 0x10000, 997))


@pytest.mark.parametrize(
    "packet",
    [
        "80600001000000000000",
        "00600001000000000000000500",
        "8f600001000000000000000500",
        "906000010000000000000005bede",
        "906000010000000000000005bede000900000000",
    ],
)
def test_the_seal_refuses_what_is_no_packet(library: Path, packet: str) -> None:
    keys = SrtpKeys(PROFILES["SRTP_AEAD_AES_256_GCM"], bytes(44), bytes(44))
    session = SrtpSession(keys, sealer=sealer_of(library))
    assert session.protect(bytes.fromhex(packet)) is None
    assert session.counters["malformed"] == 1


def test_a_sealer_that_does_not_as_libsrtp_does_is_not_used() -> None:
    class Other:
        def seal(self, key: bytes, salt: bytes) -> Seal:
            raise OSError("libcrypto refuses AES-GCM")

    assert not native.agrees_with_libsrtp(Other())


def test_without_libcrypto_packets_are_written_in_c_and_encrypted_by_libsrtp(
    library: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(native, "_LIBCRYPTO", ("libnone.so.1",))
    writer = NativeWriter(library)
    assert writer.sealer is None
    assert writer.name == "native-libsrtp"
